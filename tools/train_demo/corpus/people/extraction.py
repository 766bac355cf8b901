"""JSON from what people write: notes, mails, adverts, receipts, logs. The machinery for records.py and wishes.py.

A record is (texts, slots). The slots are one string of `name/alias/alias:kind`: the text says {name}, the question asks for it by any of its
names, in a style of its own. {name?words if true|words if false} is a boolean, kind `bool`. What the text does not say is null. Training alone."""

import json
import re

from ..draft import Draft, ask, user
from ..phrasing import polite
from . import records as people_records, more_records, values as people_values, wishes as people_wishes

RECORDS = people_records.RECORDS + more_records.RECORDS + 3 * more_records.BASICS
SAID = re.compile(r"\{(\w+)(?:\?([^|}]*)\|([^}]*))?\}")
# Keys that may be asked for in vain, with the kinds of a record that could be meant by them.
MISSING = {
    "phone": ("phone",), "phone_number": ("phone",), "email": ("email",), "age": ("age", "years", "born", "dob"), "website": ("url",),
    "nationality": ("country", "language"), "discount": ("money", "percent"), "address": ("street", "city"), "notes": ("*",), "comment": ("*",),
    "middle_name": ("*",), "fax": ("phone",),
    "tax_id": ("code",), "birthday": ("date", "age"), "hobby": ("hobby",), "color": ("color",), "weight": ("weight",), "country": ("country", "city"),
}


def slots_of(spec):
    """{slot: (names, kind)} of a record's string."""
    parts = [part.split(":", 1) for part in spec.split()]
    return {names.split("/")[0]: (names.split("/"), kind) for names, kind in parts}


def with_articles(text):
    """Puts "an" where it is spoken, before 8 and 11 as well."""
    return re.sub(r"\b([Aa]) (?=(?!one\b|eu|Eu)(?:[aeioAEIO]|8|11\b|18\b|u[^sn]))", r"\1n ", text)


def filled(text, shown, values):
    """The text with its slots filled; a boolean takes one of its two wordings, and a number is a word only before one."""
    def say(found):
        name, yes, no = found.groups()
        if yes is not None:
            return yes if values[name] else no
        counted = re.match(r" (?!x )[a-z]|[.,!?]", text[found.end():])
        return str(values[name]) if isinstance(values[name], int) and shown[name].isalpha() and not counted else shown[name]
    return with_articles(SAID.sub(say, text))


def draw(c, slots):
    """({slot: value}, {slot: text}); no two texts are the same."""
    while True:
        values, shown = {}, {}
        for name, (_, kind) in slots.items():
            values[name], shown[name] = (c.chance(0.5), name) if kind == "bool" else people_values.value_of(c, kind)
        if len({text.lower() for text in shown.values()}) == len(shown):
            return values, shown


def styled(style, key):
    if style == "camel":
        head, *tail = key.split("_")
        return head + "".join(part.capitalize() for part in tail)
    if style == "spaced":
        return key.replace("_", " ")
    return key.replace("_", " ").capitalize() if style == "title" else key


def written(value):
    """Compact JSON; a price is copied as it stands in the text."""
    if isinstance(value, list):
        return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    return json.dumps(value, ensure_ascii=False)


def record(c):
    """(text, [(key, kind, JSON text of the value)]) with some of the record's keys and at times one that is missing."""
    texts, spec = c.any(RECORDS)
    slots = slots_of(spec)
    values, shown = draw(c, slots)
    text = c.any(texts)
    said = [found.group(1) for found in SAID.finditer(text)]
    prices = {name: shown[name] for name in said if isinstance(values[name], people_values.Raw)}
    style = c.rng.choices(["snake", "camel", "spaced", "title"], [80, 11, 5, 4])[0]
    wanted = c.sample(said, len(said) if c.chance(0.65) else c.number(1, len(said)))
    if c.chance(0.6):
        wanted.sort(key=said.index)
    fields = []
    for name in wanted:
        names, kind = slots[name]
        key = styled(style, names[0] if c.chance(0.35) else c.any(names))
        if key not in [field[0] for field in fields]:
            fields.append((key, kind, prices.get(name) or written(values[name])))
    missing = len(fields) < 6 and c.chance(0.13)
    if missing:
        taken = {kind.lstrip("*") for _, kind in slots.values()} | {name for names, _ in slots.values() for name in names}
        free = [key for key, kinds in MISSING.items() if not any(key in name for name in taken) and not taken & set(kinds)]
        fields.insert(c.number(0, len(fields)), (styled(style, c.any(free)), "missing", "null"))
    return filled(text, shown, values), fields, missing


def extract(c):
    text, fields, missing = record(c)
    note = people_wishes.null_note(c) if c.chance(0.6 if missing else 0.12) else ""
    system, question = people_wishes.wish(c, text, fields, note)
    if not system and not question.startswith(text) and not question.endswith(text) and question.endswith((".", "?")) and c.chance(0.3):
        question = polite(c, question)
    answer = "{" + ",".join(f"{json.dumps(key, ensure_ascii=False)}:{value}" for key, _, value in fields) + "}"
    messages = [{"role": "system", "content": system}, user(question)] if system else ask(question)
    return Draft(messages, answer, f"The user wants JSON with {', '.join(key for key, _, _ in fields)}.", own_system=bool(system))
