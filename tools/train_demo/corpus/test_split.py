"""The test split: questions nobody looked at while the model was made, by templates of their own.

Training and validation share the templates of the other files, cut apart by chooser.py, and the mixture was chosen by
validation scores. The templates here are used for nothing but the last column of the table in models/README.md. Names,
values and words come from the held-out part of the word lists. Do not tune on it: who needs examples of what goes wrong
takes them from the validation split.
"""

import json

from . import facts, tool_maker
from .draft import Draft, article, ask, capitalised
from .extraction import field_value, keys_in_a_row
from .known_tools import prop, tool
from .skills_text import minus_steps, plus_steps

TEXT, INTEGER = prop("string"), prop("integer")
# (tool, questions, {slot: kind of value})
TOOLS = [
    (tool("lock_door", "Locks one of the doors.", {"door": TEXT}, ["door"]),
     ["Lock the {door} door", "I left the {door} door open, lock it", "the {door} door needs to be locked please"],
     {"door": ["front", "back", "garage", "cellar"]}),
    (tool("rent_bicycle", "Rents a bicycle at a station.", {"station": TEXT, "hours": INTEGER}, ["station", "hours"]),
     ["I'd love to ride a bicycle in {station} for {hours} hours", "Rent me a bicycle at {station}, {hours} hours will do",
      "{hours} hours on a bicycle, starting in {station}, please"], {"station": "city", "hours": "integer"}),
    (tool("lookup_employee", "Finds an employee in the directory.", {"employee": TEXT}, ["employee"]),
     ["Who is {employee}? Check the directory.", "I can't find {employee} in our company, can you?",
      "Give me whatever we have on {employee}"], {"employee": "person"}),
    (tool("track_shipment", "Says where a shipment is.", {"tracking_code": TEXT}, ["tracking_code"]),
     ["Any news of shipment {tracking_code}?", "My package has the tracking code {tracking_code}. Where is it?",
      "{tracking_code} - has it arrived yet?"], {"tracking_code": "code"}),
    (tool("post_comment", "Posts a comment under an article.", {"author": TEXT, "text": TEXT}, ["author", "text"]),
     ["{author} wants to comment: {text}", "Post this in the name of {author}: {text}"],
     {"author": "person", "text": "message"}),
    (tool("air_quality", "Air quality of a city.", {"city": TEXT, "date": TEXT}, ["city"]),
     ["How clean is the air in {city} today?", "Was the air in {city} good on {date}?", "air quality for {city} on {date}",
      "Can one breathe in {city}?"], {"city": "city", "date": "date"}),
    (tool("set_volume", "Sets the volume of a device.", {"device": TEXT, "level": INTEGER}, ["device", "level"]),
     ["Turn the volume of the {device} to {level}", "{device} volume {level}, please", "Make the {device} play at level {level}"],
     {"device": "noun", "level": "integer"}),
    (tool("pay_invoice", "Pays an invoice.", {"invoice": TEXT, "account": TEXT}, ["invoice"]),
     ["Pay invoice {invoice}", "Settle {invoice} from the account {account}", "Could you take care of invoice {invoice}?"],
     {"invoice": "code", "account": "word"}),
]
FRAMES = ["{Verb} {a} {noun}", "How about you {verb} {a} {noun}", "It would help me if you could {verb} {a} {noun}",
          "Somebody has to {verb} {a} {noun}", "Time for you to {verb} {a} {noun}", "My wish: {verb} {a} {noun}",
          "Why don't you {verb} {a} {noun}"]
TOOL_FRAMES = ["{tool} should run", "Let me have {tool}", "Perform {tool}"]
ROWS = [" with {p}", ", {p}", " ({p})", ". That means {p}", " - {p}"]
SAID = ["{k} {v}", "{v} as its {k}", "where the {k} equals {v}", "the {k} ought to be {v}", "{k}: {v}", "the value {v} for {k}"]
JOINTS = ["{a}. Oh, and {b}", "{a} while you {b}", "{a}. Could you also do this: {b}?", "{a}\n\n{b}", "{a}, and in the same go {b}",
          "{a} and, if it is not too much, {b}"]
ROW_OF_VALUES = ["{first} and {last}", "{first} and also {last}", "{first} and after that {last}"]

PLUS = ["How many is {a} and {b}?", "I paid {a} and later {b}, what did I pay altogether?", "what would {a} plus {b} be",
        "Could you sum {a} and {b} for me?", "Which number is {a} + {b}?", "{a} and another {b} is how much?"]
MINUS = ["{a} less {b} is what?", "Of {a} people {b} go home. How many remain?", "what would {a} minus {b} be",
         "Which number is {a} - {b}?", "Could you subtract {b} from {a} for me?", "How far is it from {b} up to {a}?"]

RECORDS = [
    ("Yesterday {name} from {city} ordered {count} {fruit}.", ["name", "city", "count", "fruit"]),
    ("Wanted: {job}; ask {name}, phone {number}.", ["job", "name", "number"]),
    ("Our {noun} is {color}; it was {price} euros.", ["noun", "color", "price"]),
    ("Dear {name}, your order {code} will be in {city} on {day}.", ["name", "code", "city", "day"]),
    ("{name}, aged {age}, speaks {language} at home.", ["name", "age", "language"]),
    ("Between {city} and home {name} lost a {color} {noun}.", ["city", "name", "color", "noun"]),
    ("{count} {fruit} for {name}, please, that makes {price} euros.", ["count", "fruit", "name", "price"]),
]
WISHES = ["{s}\n\nWhat is in there? JSON with {k}.", "Please read \"{s}\" and hand me {k} in JSON", "JSON ({k}) for: {s}",
          "{s} I only need {k}, as JSON.", "Would you write {k} of this message as a JSON object? {s}"]

QUESTIONS = {
    "capital": ["I forgot which city is the capital of {x}.", "{x} has which capital?", "The capital of {x} is called what?"],
    "symbol": ["Which letters stand for {x} in chemistry?", "{x} has which chemical symbol?"],
    "author": ["Do you remember who wrote {x}?", "{x} is a book by whom?"],
    "artist": ["Whose work is {x}?", "Do you remember who made {x}?"],
    "discovery": ["Who was it that discovered {x}?", "Who came up with {x}?"],
    "year": ["Do you remember the year when {x}?", "When was it that {x}?"],
    "continent": ["{x} belongs to which continent?", "Is {x} in Europe, or on which other continent?"],
    "currency": ["With which currency do I pay in {x}?", "{x} has which currency?"],
    "young": ["How do you call a young {x}?", "The baby of a {x} is called what?"],
    "legs": ["Count the legs of a {x}.", "How many legs are there on a {x}?"],
    "spanish": ["How would I say {x} in Spanish?", "{x} is what in Spanish?"],
}


def tool_request(c):
    """(schema, text, call, {parameter: kind of value})"""
    if c.chance(0.5):
        schema, questions, kinds = c.any(TOOLS)
        question = c.any(questions)
        values = {slot: tool_maker.value_of(c, kind) for slot, kind in kinds.items() if "{" + slot + "}" in question}
        return schema, question.format(**values), (schema["function"]["name"], values), kinds
    made = tool_maker.Tool(c)
    values = tool_maker.arguments_for(c, made)
    named = made.style == "made_up" and c.chance(0.5)
    text = article(c.any(TOOL_FRAMES if named else FRAMES).format(
        verb=made.verb, Verb=made.verb.capitalize(), noun=made.noun, tool=made.name, a=c.any(["a", "the", "my"])))
    parts = [c.any(SAID).format(k=name.replace("_", " "), v={True: "yes", False: "no"}.get(value, value)
                                if isinstance(value, bool) else value) for name, value in values.items()]
    row = parts[0] if len(parts) == 1 else ", ".join(parts[:-1]) + " and " + parts[-1]
    return made.schema, text + c.any(ROWS).format(p=row), (made.name, values), made.kinds


def with_others(c, schemas):
    taken = {schema["function"]["name"] for schema in schemas}
    tools = schemas + [made.schema for made in tool_maker.random_tools(c, c.number(0, 2), taken)]
    c.rng.shuffle(tools)
    return tools


def tool_call(c):
    schema, text, call, _ = tool_request(c)
    return Draft(ask(text), tools=with_others(c, [schema]), calls=[call])


def tool_parallel(c):
    schema, text, call, kinds = tool_request(c)
    name, values = call
    varying = [key for key, value in values.items()
               if kinds[key] in ("city", "person", "code", "word") and text.count(value) == 1]
    if varying and c.chance(0.5):
        key = c.any(varying)
        other = values[key]
        while other == values[key]:
            other = tool_maker.value_of(c, kinds[key])
        row = c.any(ROW_OF_VALUES).format(first=values[key], last=other)
        calls = [call, (name, {**values, key: other})]
        return Draft(ask(text.replace(values[key], row)), tools=with_others(c, [schema]), calls=calls)
    while True:
        second, more, other, _ = tool_request(c)
        if other[0] != name:
            break
    starts_with_value = any(more.startswith(str(value)) for value in other[1].values())
    if not starts_with_value and not more.startswith("I "):
        more = more[0].lower() + more[1:]
    text = c.any(JOINTS).format(a=text.rstrip(".?"), b=more.rstrip("?"))
    return Draft(ask(text), tools=with_others(c, [schema, second]), calls=[call, other])


def arithmetic_thinking(c):
    plus = c.chance(0.5)
    while True:
        a, b = c.number(10, 99), c.number(10, 99)
        a, b = (a, b) if plus else (max(a, b), min(a, b))
        if c.owns(f"{a}{'+' if plus else '-'}{b}"):
            break
    reasoning, result = plus_steps(a, b) if plus else minus_steps(a, b)
    return Draft(ask(c.any(PLUS if plus else MINUS).format(a=a, b=b)), f"The answer is {result}.", reasoning, thinks=True)


def extract_json(c):
    sentence, keys = c.any(RECORDS)
    values = {key: field_value(c, key) for key in keys}
    wanted = c.sample(keys, c.number(1, len(keys)))
    answer = json.dumps({key: values[key] for key in wanted}, separators=(",", ":"), ensure_ascii=False)
    return Draft(ask(c.any(WISHES).format(s=sentence.format(**values), k=keys_in_a_row(c, wanted))), answer)


def fact(c):
    name = c.any(list(QUESTIONS))
    template, _, table, _ = facts.TABLES[name]
    x = c.any(list(table))
    answer = capitalised(template.format(x=x, y=table[x]))
    if x in facts.PLURAL_X and name in ("discovery", "artist") and x != "The Four Seasons":
        answer = answer.replace(" was ", " were ", 1)
    return Draft(ask(capitalised(c.any(QUESTIONS[name]).format(x=x))), answer)


MAKERS = {"tool_call": tool_call, "tool_parallel": tool_parallel, "arithmetic_thinking": arithmetic_thinking,
          "extract_json": extract_json, "facts": fact}
