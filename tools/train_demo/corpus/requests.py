"""Requests that determine one call of a random tool, put together from parts: an opening, an object, the arguments in
many forms, small talk. With some dozens of each part hardly any two requests are alike."""

from . import wordings, words
from .draft import article, capitalised
from .phrasing import ASKING, OPENERS, listed, polite

ARTICLES = ["a", "a", "the", "the", "the", "my", "my", "this", "that", "one", "our", "another", "some", "", "a new", "their"]
NAMED = [
    "Use {tool}", "Call {tool}", "Please call {tool}", "Run {tool}", "Use the tool {tool}", "Please use {tool}",
    "Call the function {tool}", "{tool}", "{tool}", "Run the {tool} tool", "Use the {tool} function", "Execute {tool}",
    "Make a call to {tool}", "Trigger {tool}", "I want you to use {tool}", "Can you run {tool}", "Could you call {tool}",
    "Start {tool}", "Do {tool}", "Now call {tool}", "Please execute {tool}", "Try {tool}", "Let {tool} run",
    "I need {tool}", "Go and use {tool}", "The tool {tool}, please", "Invoke {tool}", "Apply the tool {tool}",
    "Fire up {tool}", "Would you use {tool}",
]
JOINS = [
    " with {p}", " with {p}", " with {p}", ": {p}", ": {p}", ", {p}", ", {p}", " and set {p}", " using {p}", " where {p}",
    " ({p})", " - {p}", "; {p}", " having {p}", " given {p}", ". Use {p}", ". The values are {p}", " {p}", " {p}",
    " with the following: {p}", "\n{p}", " and use {p}", ". Details: {p}", ". Parameters: {p}", ":\n{p}", " by {p}",
    ". Take {p}", ", using {p}", ", with {p}", ". It has {p}", ", namely {p}", " that has {p}", ". Arguments: {p}",
    ". The {p}", " based on {p}", ". Please use {p}", " and take {p}", ". Settings: {p}", ", where {p}", ". I have {p}",
    " considering {p}", ". Here: {p}",
]
PAIRS = [
    "{k} {v}", "{k} {v}", "{k} {v}", "{k} = {v}", "{k}: {v}", "{k}: {v}", "the {k} {v}", "{k} set to {v}", "{v} as the {k}",
    "{v} as {k}", "{v} for the {k}", "{v} for {k}", "the {k} is {v}", "{k} of {v}", "a {k} of {v}", "{k} -> {v}",
    "{k}={v}", "{k} equal to {v}", "{k} should be {v}", "{k} must be {v}", "set {k} to {v}", "{v} in {k}",
    "its {k} is {v}", "{v} is the {k}", "{k}, {v}", "as {k} {v}", "as the {k} take {v}", "use {v} for {k}", "{k} - {v}",
    "{k} being {v}", "my {k} is {v}", "{k} will be {v}", "let {k} be {v}", "{k} is {v}", "{k} as {v}", "{v} ({k})",
    "the {k} should read {v}", "for {k} put {v}", "{k} := {v}",
]
# How a value of a kind is said without its parameter's name, where it is the only one of its family in the tool.
NATURAL = {
    "city": ["in {v}", "in {v}", "to {v}", "from {v}", "near {v}", "at {v}", "around {v}", "for {v}"],
    "country": ["in {v}", "to {v}", "from {v}", "for {v}"],
    "person": ["for {v}", "to {v}", "from {v}", "by {v}", "with {v}", "of {v}"],
    "email": ["to {v}", "for {v}", "at {v}", "with the address {v}"],
    "day": ["on {v}", "this {v}", "next {v}", "for {v}", "every {v}"], "month": ["in {v}", "for {v}", "next {v}"],
    "date": ["on {v}", "for {v}", "by {v}", "from {v}", "dated {v}"], "time": ["at {v}", "for {v}", "by {v}", "around {v}"],
    "color": ["in {v}", "that is {v}", "in the colour {v}"], "language": ["in {v}", "into {v}", "for {v}"],
    "topic": ["about {v}", "on {v}", "on the topic {v}", "called {v}", "titled {v}"],
    "message": ["saying {v}", "that says {v}", "with the text {v}", "with the words {v}", "which says {v}"],
    "code": ["number {v}", "with number {v}", "no. {v}", "{v}"], "path": ["{v}", "from {v}", "at {v}", "in {v}"],
    "street": ["at {v}", "in {v}"], "expression": ["{v}", "of {v}", "for {v}"],
}
FAMILY = {"city": "place", "country": "place", "email": "person", "day": "when", "month": "when", "date": "when",
          "street": "place", "message": "topic"}
COUNTED = {w for w in words.INTEGER_PARAMS if w.endswith("s")} | {"people"}
YES = ["{k} yes", "{k} on", "{k} true", "{k}", "{k} = true", "{k}: yes", "with {k}", "{k} set to true", "make it {k}",
       "{k} enabled", "{k} turned on", "it is {k}"]
NO = ["{k} no", "{k} off", "{k} false", "not {k}", "{k} = false", "{k}: no", "without {k}", "{k} set to false",
      "{k} disabled", "{k} turned off", "it is not {k}", "no {k}"]


def family(kind):
    return FAMILY.get(kind, kind) if isinstance(kind, str) else "enum"


def quoted(c, value):
    return c.any(['"{}"', '"{}"', "'{}'"]).format(value) if c.chance(0.15) else value


def said(c, tool, name, value):
    """How the user says one argument; a list of values is said in a row."""
    kind = tool.kinds[name]
    key = name.replace("_", " ") if c.chance(0.6) else name
    if isinstance(value, bool):
        return c.phrase(*((YES, wordings.YES) if value else (NO, wordings.NO))).format(k=key)
    values = value if isinstance(value, list) else [value]
    shown = listed(c, [str(quoted(c, v) if isinstance(v, str) else v) for v in values])
    alone = [family(other) for other in tool.kinds.values()].count(family(kind)) == 1
    if isinstance(kind, str) and kind in NATURAL and alone and c.chance(0.5):
        return c.any(NATURAL[kind]).format(v=shown)
    if name in COUNTED and c.chance(0.5):
        return c.any(["{v} {k}", "for {v} {k}", "{v} {k}"]).format(v=shown, k=key)
    if isinstance(kind, list) and c.chance(0.3):
        return c.any(["in {v} {k}", "{v} {k}", "with {v} {k}"]).format(v=shown, k=key)
    return c.phrase(PAIRS, wordings.PAIRS).format(k=key, v=shown)


def action(c, tool):
    """ "book a table", in one of many frames."""
    noun = f"{c.any(ARTICLES)} {tool.noun}".strip()
    return article(f"{tool.verb} {noun}")


def opening(c, tool):
    """The beginning of a request, and whether it is a question."""
    if tool.style == "made_up" and c.chance(0.55) or c.chance(0.12):
        text = c.phrase(NAMED, wordings.NAMED).format(tool=tool.name)
        return text, text.lower().startswith(ASKING)
    opener = c.phrase(OPENERS, wordings.OPENERS)
    text = opener + action(c, tool)
    return capitalised(text), text.lower().startswith(ASKING)


def request(c, tool, arguments):
    """A user's sentence that determines the call."""
    text, question = opening(c, tool)
    parts = [said(c, tool, name, value) for name, value in arguments.items()]
    if c.chance(0.3):
        c.rng.shuffle(parts)
    lead = []
    while parts and parts[0].startswith(("in ", "for ", "to ", "from ", "at ", "on ", "by ", "about ")):
        lead.append(parts.pop(0))
    text = " ".join([text, *lead])
    if parts:
        row = parts[0] if len(parts) == 1 else c.any([", ", ", ", " and ", "; ", ", and ", "\n"]).join(parts[:-1]) + c.any(
            [" and ", " and ", ", ", ", and ", " with "]) + parts[-1]
        text += c.phrase(JOINS, wordings.JOINS).format(p=row)
    return polite(c, text + ("?" if question and c.chance(0.8) else c.any([".", ".", ""])))
