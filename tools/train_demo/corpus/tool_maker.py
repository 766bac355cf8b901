"""Makes random tools and values for their parameters; well-known tools with their questions."""

import re

from . import everyday_tools, known_tools, more_tools, natural_tools, words
from .draft import article
from .people import kinds as people_kinds
from .phrasing import lightly, listed, polite

STYLES = ["snake", "snake", "snake", "snake", "camel", "kebab", "made_up", "made_up"]
KNOWN_NAMES = {entry[0]["function"]["name"] for entry in known_tools.KNOWN + more_tools.MORE + everyday_tools.EVERYDAY}
TRAIN_NAMES = KNOWN_NAMES | natural_tools.NAMES
TIMELY = {"date", "time", "day", "month", "when", "dated", "clock", "person", "message",
          "ahead", "calendar_day", "saying", "task"}  # small talk may sound like one of these
DESCRIPTIONS = ["{Verb} a {noun}.", "{Verb} the {noun}.", "Use this to {verb} a {noun}.", "Can {verb} a {noun}.",
                "{Verb} a {noun} for the user.", "{Verb} one {noun}.", "A tool to {verb} a {noun}.",
                "Call this to {verb} a {noun}."]


def value_of(c, kind):
    """A value for a kind of parameter; a list is an enum, a tuple of one kind an array. Of a dict, {words: value}, the words."""
    if isinstance(kind, (list, dict)):
        return c.any(list(kind))
    if isinstance(kind, tuple):
        return several(c, lambda: value_of(c, kind[0]), c.any([2, 2, 3, 3, 4]))
    if kind in people_kinds.MAKERS and not c.held:
        return people_kinds.MAKERS[kind](c)
    makers = {
        "person": c.person, "city": c.city, "code": c.code, "email": c.email, "integer": c.integer,
        "number": lambda: c.decimal() if c.chance(0.6) else c.integer(), "boolean": lambda: c.chance(0.6), "truth": lambda: c.chance(0.5),
        "country": lambda: c.word(words.COUNTRIES), "language": lambda: c.word(words.LANGUAGES),
        "color": lambda: c.word(words.COLORS), "day": lambda: c.word(words.DAYS), "month": lambda: c.word(words.MONTHS),
        "topic": lambda: c.word(words.TOPICS) if c.chance(0.6) else two_words(c),
        "message": lambda: c.word(words.MESSAGES) if c.chance(0.6) else two_words(c),
        "noun": lambda: c.word(words.NOUNS), "word": c.made_up,
        "date": lambda: c.until_owned(lambda: f"{c.number(2024, 2029)}-{c.number(1, 12):02}-{c.number(1, 28):02}"),
        "time": lambda: c.until_owned(lambda: f"{c.number(0, 23):02}:{c.number(0, 59):02}"),
        "street": lambda: f"{c.number(1, 99)} {c.made_up(capital=True)} Street",
        "path": lambda: f"/{c.made_up(capital=False)}/{c.word(words.NOUNS)}.{c.any(['txt', 'csv', 'json', 'py'])}",
        "expression": lambda: c.until_owned(lambda: f"{c.number(2, 99)} {c.any('+-*')} {c.number(2, 99)}"),
    }
    return makers[kind]()


def several(c, make, count):
    """Different values."""
    values = []
    while len(values) < count:
        value = make()
        if value not in values:
            values.append(value)
    return values


def two_words(c):
    return f"{c.word(words.ADJECTIVES)} {c.word(words.NOUNS)}" if c.chance(0.6) else c.made_up()


def param_kind(c):
    """(name, kind of value, JSON schema) of a random parameter."""
    roll = c.rng.random()
    if roll < 0.5:
        name = c.word(STRING_NAMES)
        return name, words.STRING_PARAMS[name], {"type": "string"}
    if roll < 0.68:
        return c.word(words.INTEGER_PARAMS), "integer", {"type": "integer"}
    if roll < 0.76:
        return c.word(words.NUMBER_PARAMS), "number", {"type": "number"}
    if roll < 0.84:
        return c.word(words.BOOLEAN_PARAMS), "boolean", {"type": "boolean"}
    if roll < 0.92:
        name = c.word(ENUM_NAMES)
        return name, words.ENUM_PARAMS[name], {"type": "string", "enum": words.ENUM_PARAMS[name]}
    name = c.made_up(capital=False)
    kind = c.any(["word", "integer", "noun", "code", "city"])
    return name, kind, {"type": "integer" if kind == "integer" else "string"}


STRING_NAMES = list(words.STRING_PARAMS)
ENUM_NAMES = list(words.ENUM_PARAMS)


class Tool:
    """A random tool: its schema, how a user speaks of it, and the kinds of its parameters."""

    def __init__(self, c, taken=()):
        self.style = c.any(STYLES)
        while True:
            self.verb, self.noun = c.word(words.VERBS), c.word(words.NOUNS)
            self.name = self.make_name(c)
            if self.name not in taken and self.name not in known_names(c):
                break
        self.kinds, properties = {}, {}
        for _ in range(c.any([1, 1, 2, 2, 3])):
            name, kind, schema = param_kind(c)
            if name in self.kinds:
                continue
            self.kinds[name] = kind
            if c.chance(0.25):
                schema = {**schema, "description": f"The {name.replace('_', ' ')}"}
            properties[name] = schema
        names = list(properties)
        self.required = [n for i, n in enumerate(names) if i == 0 or c.chance(0.75)]
        self.description = article(fill(c.phrase(DESCRIPTIONS), self))
        self.schema = known_tools.tool(self.name, self.description, properties, self.required)
        if c.chance(0.2):
            self.schema = varied(c, self.schema)

    def make_name(self, c):
        if self.style == "snake":
            return f"{self.verb}_{self.noun}"
        if self.style == "camel":
            return self.verb + self.noun.capitalize()
        if self.style == "kebab":
            return f"{self.verb}-{self.noun}"
        return c.made_up(capital=False) + (f"_{c.made_up(capital=False)}" if c.chance(0.5) else "")


def fill(template, tool):
    return template.format(verb=tool.verb, Verb=tool.verb.capitalize(), noun=tool.noun, tool=tool.name)


def arguments_for(c, tool):
    """Values of all required and some optional parameters, in schema order."""
    return {name: value_of(c, kind) for name, kind in tool.kinds.items()
            if name in tool.required or c.chance(0.5)}


def known_names(c):
    """Names that no random tool takes."""
    return KNOWN_NAMES if c.held else TRAIN_NAMES


def known_question(c, share=0.45):
    """(schema, question, kinds of its slots); `share` of them of the first list of tools, in training most of natural_tools.py."""
    if not c.held and c.chance(0.75):
        schema, questions, kinds = c.any(natural_tools.NATURAL)
        return schema, c.any(questions), kinds
    schema, questions, kinds = c.phrase(known_tools.KNOWN if c.chance(share) else more_tools.MORE)
    return schema, c.phrase(questions), kinds


def sentence(c, question, said):
    """The question with its slots filled; yes and no for booleans, arrays in a row."""
    if not c.held:
        question = re.sub(r"\b([Aa]) (?=\{(\w+)\})", lambda m: m[1] + ("n " if str(said[m[2]])[0] in "aeioAEIO" else " "), question)
    return question.format(**{slot: c.any(["yes", "true"] if value else ["no", "false"]) if isinstance(value, bool)
                              else listed(c, [str(item) for item in value]) if isinstance(value, list) else value
                              for slot, value in said.items()})


def split_question(question):
    """(text, arguments that its words settle); a question without such arguments is its text alone."""
    return question if isinstance(question, tuple) else (question, {})


def said_values(c, kinds, slots):
    """What the question says in these slots."""
    return {slot: value_of(c, kinds[slot]) for slot in slots}


def meant(kinds, said):
    """The arguments that the words in the slots stand for."""
    return {slot: kinds[slot][text] if isinstance(kinds[slot], dict) else people_kinds.number_meant(text) if kinds[slot] == "few" else text
            for slot, text in said.items()}


def small_talk(c, question, kinds, text):
    """Small talk around a request to a well-known tool, in training none that could be read as one of its arguments."""
    if c.held or c.chance(0.5) and not TIMELY & {kind for kind in kinds.values() if isinstance(kind, str)}:
        return polite(c, text)
    return lightly(c, text, not question.startswith("{"))


def known(c, entry=None, plain=False):
    """(schema, request, arguments) of a well-known tool, in training of `entry` if it is given; a plain request has no small talk."""
    schema, question, kinds = (entry[0], c.any(entry[1]), entry[2]) if entry else known_question(c)
    question, settled = split_question(question)
    said = said_values(c, kinds, [slot for slot in kinds if "{" + slot + "}" in question])
    if "location" in said and kinds["location"] == "city" and c.chance(0.1):
        said["location"] += ", " + c.word(words.COUNTRIES)
    text, schema = sentence(c, question, said), varied(c, schema)
    spoken = any(kinds[slot] == "message" for slot in said)  # small talk after it would read as part of the message
    chatty = not plain and not (spoken and c.held)
    arguments = {**meant(kinds, said), **settled}
    if settled:
        arguments = {name: arguments[name] for name in schema["function"]["parameters"]["properties"] if name in arguments}
    return schema, small_talk(c, question, kinds, text) if chatty else text, arguments


def varied(c, schema):
    """The same tool as other clients would write it: with or without descriptions, strict, closed."""
    function = schema["function"]
    parameters = dict(function["parameters"])
    if c.chance(0.3):
        parameters["properties"] = {name: {k: v for k, v in prop.items() if k != "description"}
                                    for name, prop in parameters["properties"].items()}
    if c.chance(0.15):
        parameters["additionalProperties"] = False
    function = {**function, "description": function["description"] if c.chance(0.7)
                else function["description"].rstrip("."), "parameters": parameters}
    if c.chance(0.1):
        function["strict"] = True
    return {"type": "function", "function": function}


def random_tools(c, count, taken=()):
    tools = []
    names = set(taken)
    while len(tools) < count:
        tool = Tool(c, names)
        tools.append(tool)
        names.add(tool.name)
    return tools
