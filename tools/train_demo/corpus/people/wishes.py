"""How people ask for JSON: keys in a row, a schema, an example object, a list with descriptions, a system message. Training alone."""

ROWS = [
    "can you pull {k} out of this for me? {s}", "JSON pls, {k}\n{s}", "{s}\n\nFrom the above, give me {k} in a JSON object.",
    "I only care about {k}. {s} JSON please.", "Return only JSON. Keys: {k}.\n\n{s}", "Return only JSON with {k}.\n{s}",
    "Below is a message. Return {k} as JSON and nothing else.\n\n{s}", "Message:\n{s}\n\nPick out {k}. Only JSON.",
    "This came in today: {s} Could you turn it into JSON with {k}?", "What I got: {s}\nWhat I want: JSON with {k}.", "Parse: {s}\nFields: {k}",
    "Parse the line below into JSON ({k}).\n{s}", "Make a record out of this, fields {k}: {s}", "Keys: {k}\nText: {s}",
    "Keys wanted: {k}. Here's the note: {s}", "Fields = {k}\nInput = {s}\nReply with JSON only.", "For my database I need {k}: {s}", "extract {k}\n\n{s}",
    "extract {k} -> json\n{s}", "to json ({k}): {s}", "json with {k}: \"{s}\"", "get me {k} from \"{s}\" (json)",
    "Read the mail and fill in {k}. JSON only, no other text.\n\n{s}", "No explanation, just JSON with {k}: {s}",
    "Don't explain anything, just give JSON with the fields {k}.\n{s}", "\"{s}\"\n\nPlease give me a JSON object holding {k}.",
    "\"{s}\" Which {k} are named here? JSON.", "Somebody wrote: \"{s}\" Note down {k} as a JSON object.",
    "A customer writes: {s}\nExtract {k} in JSON format.", "{s}\n---\nExtract {k} as a JSON object.", "{s}\n\nJSON only. Keys: {k}.",
    "{s}\n\nTask: extract {k}. Format: JSON.", "Task: extract {k}. Format: JSON. Text: {s}", "You get a text and return JSON with the keys {k}. Text: {s}",
    "You are a parser. Return {k} as JSON. Input: {s}", "Here's a line from our log, I need {k} as JSON: {s}",
    "I'm filling a table with {k}. Give me the JSON for this one: {s}", "Take this note and make it JSON with the keys {k}: {s}",
    "Note: {s} -> keys {k}, as JSON", "Give me JSON. It should have {k}. The text is: {s}", "Answer in JSON with exactly these keys: {k}.\n\n{s}",
    "Use exactly the keys {k} and answer in JSON: {s}", "Extract the following fields: {k}.\n\n{s}",
    "Extract the following information as JSON: {k}\n\nText: {s}", "Extract structured data ({k}) from: {s}",
    "From this text, extract {k}. Output valid JSON.\n\n{s}", "Output valid JSON with {k} for this text: {s}",
    "Reply with a single JSON object ({k}) for: {s}", "Extract {k} from the following sentence and return JSON: \"{s}\"",
    "Extract values of {k} from this text as JSON: {s}", "Return a JSON object with the keys {k} for the following text. {s}",
    "Please return JSON with keys {k} for this sentence: {s}", "Give me JSON only, with the keys {k}. Sentence: {s}",
    "{s}\nReturn only a JSON object with the keys {k}.", "{s}\nGive me a JSON object, keys: {k}. No markdown.",
    "No markdown, no code block: just the JSON with {k}. {s}", "No prose. Keys {k}. Text: {s}", "Only the JSON, please. It needs {k}. {s}",
    "I will parse your answer by program, so only JSON with {k}: {s}", "My script wants {k} as JSON. Here's the input: {s}",
    "Let me have {k} as JSON from this mail:\n\n{s}", "Here's an email:\n\n{s}\n\nI need {k} from it in JSON.", "What's in here? I need {k} as JSON. {s}",
    "I got this text message: \"{s}\" Save it as JSON with {k}.", "Store this: {s} (JSON with {k})", "Log this as JSON ({k}): {s}",
    "Add this to my list. Fields {k}, JSON: {s}", "Read it and give {k}: {s} JSON!", "{s} <- JSON, keys {k}", "### Text\n{s}\n### Keys\n{k}\n### JSON",
    "<text>{s}</text>\nExtract {k} as JSON.", "<text>\n{s}\n</text>\nReturn JSON: {k}", "Extract {k} from the text between the quotes. \"{s}\" JSON only.",
    "entities: {k}\ntext: {s}\noutput: json", "Do an extraction: {k}. Source: {s}",
    "Find the values of {k} in this message and give them to me as JSON: {s}", "Which values do {k} have here? Answer as JSON. {s}",
    "Can I get a JSON object with {k}? It's about this: {s}", "Would you extract {k} in JSON from \"{s}\"?",
    "Please convert this sentence to a JSON object with the properties {k}: {s}", "properties: {k}. Text: {s} Give the JSON object.",
    "For each key ({k}) find the value in the text and write JSON. {s}", "A JSON object with {k}, made from this line: {s}", "hi! json with {k} please: {s}",
    "hey, {s} can you make that json? keys {k}", "{s} Save as JSON: {k}.", "{s} As a JSON object please, with {k}.", "{s} I just need {k}, in JSON.",
    "{s} (JSON: {k})", "{s}\n\nJSON object with keys {k}:",
]
SCHEMAS = [
    "Fill this in: {k}\n\n{s}", "{s}\n\nFill in this JSON: {k}", "Use this format: {k}\nText: {s}", "{s} Answer in this format: {k}",
    "Return JSON like {k} for: {s}", "Return JSON in the form {k}.\n\n{s}", "Extract data from the text and return it as {k}. Text: {s}",
    "Schema: {k}\nText: {s}", "{s}\nSchema: {k}", "The JSON must look like this: {k}\n{s}", "I want JSON that looks like {k}. Here is the text: {s}",
    "Text: {s}\nAnswer with JSON of this shape: {k}", "Turn this text into {k}: {s}", "Convert \"{s}\" to {k}", "Give me {k} filled from this: {s}",
    "Template:\n{k}\n\nMessage:\n{s}", "{s}\n\nReturn only JSON: {k}", "Return only JSON: {k}\n\n{s}", "Extract to {k}. {s}", "Parse this into {k}: {s}",
    "Please complete the object {k} with the data from this text: {s}", "Here is the schema: {k}. Here is the text: {s} Only JSON please.",
    "Output format: {k}\n\nInput: {s}", "{s}\n\nPlease return exactly this structure: {k}", "Read the text and reply with {k} and no other words. {s}",
    "json = {k}\ntext = \"{s}\"\nfill the json", "Follow this schema: {k}\n\n{s}", "Return the data in this shape: {k}\n\n\"{s}\"",
    "Match this schema exactly: {k}. Text: {s}", "{s}\n\nRespond with JSON matching {k}", "Extract the fields of {k} from this text: {s}",
    "Answer only with an object like {k}. The text: {s}", "My parser expects {k}. Text: {s}", "{s} -> {k}", "{k} <- {s}",
    "The answer should be an object such as {k}. {s}", "Use the keys of {k}. {s} JSON only.", "<schema>{k}</schema>\n<text>{s}</text>",
    "Example of the output: {k}\nNow the input: {s}", "Given the schema {k}, extract the data from \"{s}\"", "```json\n{k}\n```\nFill this for: {s}",
]
LISTS = [
    "Extract these fields as JSON:\n{k}\n\nText: {s}", "{s}\n\nExtract as JSON:\n{k}", "Return a JSON object with:\n{k}\n\n{s}",
    "Text: {s}\n\nFields:\n{k}\n\nReturn only JSON.", "I need a JSON object with these keys:\n{k}\nThe text: {s}",
    "Please read the text and give me JSON with these keys:\n{k}\n\n\"{s}\"", "Keys:\n{k}\n\nText:\n{s}\n\nJSON:",
    "{s}\nPlease find the following and answer with JSON:\n{k}", "From the message below take:\n{k}\nAnswer as JSON.\n\n{s}",
    "Make JSON out of it:\n{k}\n\n{s}", "Extract information. The keys are:\n{k}\nHere it is: {s}", "{s}\n\nWhat I need, in JSON:\n{k}",
    "Use these keys:\n{k}\n\nInput: {s}\nOutput: JSON only", "Extract:\n{k}\n\nfrom: {s}", "Please turn the message into JSON.\nKeys:\n{k}\n\nMessage: {s}",
    "{s}\n\nReturn JSON with these keys:\n{k}", "JSON keys:\n{k}\n\n{s}", "The object has these fields:\n{k}\n\nText: \"{s}\"",
    "Fields to extract:\n{k}\n\nInput:\n{s}\n\nOnly JSON, no comment.", "Give me JSON. Needed:\n{k}\n\nText: {s}",
]
SYSTEM_ONLY = [
    "You answer with JSON only.", "Answer with JSON only.", "You are an extraction service. Output JSON, nothing else.", "Always reply with valid JSON.",
    "You return compact JSON and no other text.", "You are a data extraction assistant.", "You turn text into JSON.", "Reply in JSON.",
    "You are a parser that outputs JSON.", "Output only JSON. No explanations.", "You extract data from text.",
    "You are a helpful assistant that answers in JSON.", "Only ever answer with a JSON object.", "You are a JSON API.",
    "Respond with a JSON object and nothing else.", "You respond only with JSON.", "You are a JSON generator.",
    "Your output is parsed by a program. Write JSON only.", "You are an assistant for data entry. Answer in JSON.", "Never write anything but JSON.",
    "JSON mode.",
]
SYSTEM_FIELDS = [
    "Extract {k} from the user's message. Answer as JSON.", "You extract {k} from texts. Return JSON only.",
    "The user sends a text. Return {k} as a JSON object.", "For each message return JSON with the keys {k}.",
    "You read notes and answer with JSON. Keys: {k}.", "Turn every message into JSON with {k}.", "You are a parser. From each message extract {k} as JSON.",
    "Answer with a JSON object that has {k}. No other text.", "Output JSON with {k}, nothing else.", "Given a text, return {k} in JSON.",
    "You help with data entry. Write {k} of every text as JSON.", "Fields: {k}. Return JSON only.", "Find {k} in what the user writes. JSON only.",
    "You get mails. Answer each with JSON: {k}.",
]
SYSTEM_SCHEMAS = [
    "Extract data from the user's text. Format: {k}", "Answer with JSON of the form {k}.", "Turn the text into {k}. Return only JSON.", "Output schema: {k}",
    "You are an extraction service. You always return {k}", "Every answer is JSON like {k}", "You extract data. Answer with this JSON and nothing else: {k}",
    "For each text fill in {k}", "Schema: {k}. Use it for every answer.",
]
BARE = [
    "{s}", "{s}", "{s}", "Text: {s}", "Here is the text: {s}", "\"{s}\"", "Message: {s}", "Next one: {s}", "Input: {s}", "This one please: {s}",
    "Text:\n{s}", "Please: {s}", "And this: {s}",
]
NULL_NOTES = [
    "Use null if a value is missing.", "If something is missing, use null.", "Missing values are null.", "Null if missing.", "Use null for missing values.",
    "Write null for what is not in the text.", "null if not given.", "Put null where the text says nothing.",
    "If a field is not in the text, set it to null.", "Unknown fields should be null.", "Use null when you don't know.", "Set missing fields to null.",
    "If there is no value, write null.", "Absent ones: null.", "Anything not mentioned is null.", "Don't guess, use null.",
    "Fields that are not mentioned must be null.", "Leave unknown ones as null.", "A key without a value gets null.", "Not found = null.",
    "Use null for anything you cannot find.", "If it is not there: null.",
]
# What a key means, by the kind of its value.
MEANINGS = {
    "person": ["a person's name", "who it is", "the name", "full name"], "city": ["the city", "name of the place", "where"],
    "money": ["the amount", "a number", "as a number", "without currency"],
    "date": ["the date", "the day as written", "when"], "time": ["what time", "the time", "clock time"],
    "code": ["the reference", "letters and digits", "the code"],
    "email": ["email address", "the mail address"], "phone": ["telephone number", "the number to call"], "few": ["how many", "integer"],
    "bool": ["true or false", "boolean", "yes or no"],
    "item": ["what it is", "the thing"], "company": ["name of the firm", "the company"], "day": ["day of the week", "weekday"],
    "missing": ["if given", "or null", "null if missing", "optional"],
}

SMALL_KEYS = {"near", "for", "no", "by", "from", "to", "with", "at", "on", "who", "what", "when", "where", "why", "a", "b", "is_paid", "until", "about"}


def null_note(c):
    return c.any(NULL_NOTES)


def type_of(kind):
    """(word for the type, an example value as JSON)"""
    if kind.startswith("*"):
        return "array", "[]"
    if kind == "bool":
        return "boolean", "false"
    if "|" in kind:
        return "string", '""'
    if kind in ("few", "big") or kind.replace("-", "").isdigit():
        return "integer", "0"
    return ("number", "0") if kind == "money" or kind[0].isdigit() else ("string", '""')


def in_a_row(c, fields):
    mark = c.any(["{}"] * 5 + ['"{}"', "`{}`", "the {}", "'{}'"])
    shown = [mark.format(key) for key, _, _ in fields]
    if mark == "{}" and c.chance(0.12):
        shown = [f"{key} ({c.any(MEANINGS.get(kind, ['']) + [type_of(kind)[0]]) or type_of(kind)[0]})" for key, kind, _ in fields]
    if len(shown) == 1:
        return shown[0]
    return ", ".join(shown[:-1]) + c.any([" and ", " and ", ", ", ", ", ", and "]) + shown[-1]


def schema(c, fields):
    """The wanted object with types or empty values in it."""
    style = c.any(["example", "example", "dots", "types", "types", "quoted", "angle", "python", "json_schema", "empty"])
    if style == "json_schema":
        inner = ", ".join(f'"{key}": {{"type": "{type_of(kind)[0]}"}}' for key, kind, _ in fields)
        return '{"type": "object", "properties": {' + inner + "}}"
    shown = []
    for key, kind, _ in fields:
        name, example = type_of(kind)
        short = {"string": "str", "integer": "int", "number": "float", "boolean": "bool", "array": "list"}[name]
        one = "string" if type_of(kind.lstrip("*"))[0] == "string" else "number"
        listed = {"types": one + "[]", "quoted": f'["{one}"]', "dots": '["..."]' if one == "string" else "[0]"}
        value = {"example": example, "dots": '"..."' if example == '""' else example, "types": "number" if name == "integer" else name, "quoted": f'"{name}"',
                 "angle": f"<{name}>", "python": short, "empty": '""' if name != "array" else "[]"}[style]
        shown.append(f'"{key}": {listed.get(style, value) if name == "array" else value}')
    if c.chance(0.2):
        return "{\n  " + ",\n  ".join(shown) + "\n}"
    return "{" + c.any([", ", ", ", ","]).join(shown) + "}"


def as_list(c, fields):
    """One key a line, most with a few words on it."""
    mark = c.any(["- {k}: {m}", "- {k}: {m}", "* {k} - {m}", "{k}: {m}", "- {k} ({m})", "- `{k}`: {m}", "{i}. {k}: {m}", "- {k}", "{k}", '- "{k}": {m}'])
    lines = []
    for i, (key, kind, _) in enumerate(fields):
        meanings = [type_of(kind)[0], *MEANINGS.get(kind, []), *(["list", "all of them", "a list"] if kind.startswith("*") else []),
                    *(["the " + key.replace("_", " ").lower()] if kind not in ("bool", "missing") and key.lower() not in SMALL_KEYS else [])]
        lines.append(mark.replace("{k}", key).replace("{m}", c.any(meanings)).replace("{i}", str(i + 1)))
    return "\n".join(lines)


def put(template, text, keys):
    """Fills {s} and {k}; both may hold braces themselves."""
    return text.join(part.replace("{k}", keys) for part in template.split("{s}"))


def wish(c, text, fields, note):
    """(system message or None, question)"""
    roll = c.rng.random()
    if roll < 0.12:
        schemed = c.chance(0.35)
        system = put(c.any(SYSTEM_SCHEMAS if schemed else SYSTEM_FIELDS), "", schema(c, fields) if schemed else in_a_row(c, fields))
        return system + (" " + note if note else ""), put(c.any(BARE), text, "")
    if roll < 0.62:
        question = put(c.any(ROWS), text, in_a_row(c, fields))
    elif roll < 0.84:
        question = put(c.any(SCHEMAS), text, schema(c, fields))
    else:
        question = put(c.any(LISTS), text, as_list(c, fields))
    if note:
        question = note + " " + question if c.chance(0.25) else question + c.any([" ", "\n", "\n\n"]) + note
    return (c.any(SYSTEM_ONLY) if c.chance(0.15) else None), question
