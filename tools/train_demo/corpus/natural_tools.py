"""The tools for training alone, all lists together, and which of them may stand beside each other.

A list holds entries as in known_tools.py, or families: lists of entries of one subject of which a request fits one alone, so
that each is a distractor for its sisters.
"""

import functools
import re

from . import everyday_tools
from .people import tools_daily, tools_shops, tools_offices, tools_towns

LISTS = [everyday_tools.EVERYDAY, tools_daily.TOOLS, tools_shops.TOOLS, tools_offices.PEOPLE, tools_towns.PEOPLE]
FAMILIES = [item if isinstance(item, list) else [item] for items in LISTS for item in items]
NATURAL = [entry for family in FAMILIES for entry in family]
BY_NAME = {entry[0]["function"]["name"]: entry for entry in NATURAL}
NAMES = set(BY_NAME)
SISTERS = {entry[0]["function"]["name"]: [other[0] for other in family if other is not entry] for family in FAMILIES for entry in family}
PLAIN = set("from with into that this what which have will your user users given current find gets show list number name".split())


@functools.lru_cache(4096)
def words_about(name, description):
    text = re.sub(r"([a-z])([A-Z])", r"\1 \2", name) + " " + description
    return {word.rstrip("s") for word in re.findall("[a-z]{4,}", text.lower())} - PLAIN


def subject(schema):
    """The words of a tool's name and description that tell what it is about."""
    return words_about(schema["function"]["name"], schema["function"]["description"])


def fits_beside(schema, others):
    """True where a request to one of the others can hardly be meant for this tool."""
    name, about = schema["function"]["name"], subject(schema)
    names = [other["function"]["name"] for other in others]
    return name not in names and all(other in SISTERS.get(name, ()) or not about & subject(other) for other in others)


def beside(c, schemas, count):
    """Up to `count` natural tools that do not fit a request to these, sisters of theirs first."""
    chosen = []
    sisters = [sister for schema in schemas for sister in SISTERS.get(schema["function"]["name"], [])] if c.chance(0.7) else []
    for _ in range(30):
        if len(chosen) >= count:
            break
        other = c.any(sisters) if sisters and c.chance(0.7) else c.any(NATURAL)[0]
        if fits_beside(other, schemas) and other not in chosen:
            chosen.append(other)
    return chosen
