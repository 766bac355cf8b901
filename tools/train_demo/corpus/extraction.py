"""JSON from a sentence: records in hand-written sentences, sentences put together from clauses, random keys."""

import json

from . import tool_maker, wordings, words
from .draft import Draft, article, ask, capitalised
from .people import extraction as people_extraction
from .phrasing import SLOT, polite
from .skills_text import random_word

# Sentences with values and the JSON keys they carry.
RECORDS = [
    (["{name} is {age} years old.", "{name} has the age of {age}.", "{name} turned {age} today.",
      "The age of {name} is {age}."], ["name", "age"]),
    (["{name} lives in {city}.", "{name} is from {city}.", "{name} comes from {city}.", "{city} is the home of {name}."],
     ["name", "city"]),
    (["{name} lives in {city} and is {age} years old.", "{name} is {age} years old and lives in {city}.",
      "In {city} lives {name}, aged {age}."], ["name", "city", "age"]),
    (["{name} works as a {job} in {city}.", "{name} is a {job} from {city}.", "The {job} of {city} is {name}."],
     ["name", "job", "city"]),
    (["{name} bought {count} {fruit} for {price} euros.", "{name} paid {price} euros for {count} {fruit}.",
      "{count} {fruit} cost {name} {price} euros."], ["name", "count", "fruit", "price"]),
    (["{name} has a {color} {pet} called {word}.", "The {color} {pet} of {name} is called {word}.",
      "{word} is the {color} {pet} of {name}."], ["name", "color", "pet", "word"]),
    (["Order {code} goes to {name} in {city}.", "{name} in {city} gets order {code}.",
      "To {name} in {city} we send order {code}."], ["code", "name", "city"]),
    (["{name} will meet {other} in {city} on {day}.", "On {day} {name} meets {other} in {city}.",
      "{name} and {other} meet on {day} in {city}."], ["name", "other", "city", "day"]),
    (["The {color} {noun} costs {price} euros.", "A {color} {noun} is sold for {price} euros.",
      "For {price} euros you get a {color} {noun}."], ["color", "noun", "price"]),
    (["The train to {city} leaves on {day} from platform {number}.", "On {day} the train to {city} goes from {number}.",
      "From platform {number} the train to {city} leaves on {day}."], ["city", "day", "number"]),
    (["{name} speaks {language} and works as a {job}.", "The {job} {name} speaks {language}.",
      "As a {job}, {name} speaks {language}."], ["name", "language", "job"]),
    (["Write to {name} at {email}.", "{name} has the address {email}.", "The mail of {name} is {email}."],
     ["name", "email"]),
]
# Sentences put together: (kind of thing, its key, openings, clauses with their keys).
PERSON = ("name", ["{name}", "{name}", "{name}", "My friend {name}", "A guest called {name}", "Our neighbour {name}",
                     "The customer {name}", "Somebody named {name}", "My colleague {name}", "A person with the name {name}",
                     "The new member {name}", "The winner {name}"],
          ["lives in {city}", "is {age} years old", "works as a {job}", "is a {job}",
           "speaks {language}", "comes from {country}", "is {age}",
           "can be reached at {email}", "likes {fruit}", "has a {pet}",
           "has a {color} {pet}", "bought {count} {fruit}", "paid {price} euros",
           "arrives on {day}", "comes at {time}", "was born in {month}",
           "moved to {city}", "ordered a {noun}", "has the number {number}",
           "uses the code {code}", "wants to meet {other}", "is a friend of {other}",
           "stays in {city}", "turned {age}", "can speak {language}",
           "left on {date}", "was born on {date}", "owns a {noun}",
           "travels to {country}", "has {count} {fruit}"])
THING = ("noun", ["The {noun}", "A {noun}", "This {noun}", "Our {noun}", "One {noun}", "The new {noun}", "My {noun}"],
         ["costs {price} euros", "is {color}", "is sold for {price}", "is made in {country}",
          "has the code {code}", "belongs to {name}", "stands in {city}",
          "is called {word}", "was bought on {date}", "weighs {number} kilos",
          "comes on {day}", "comes in {color}", "goes to {city}", "was made by {name}",
          "is ready at {time}", "is {number} years old"])
EVENT = ("event", ["The {event}", "Our {event}", "A {event}", "The next {event}", "This year's {event}"],
         ["takes place in {city}", "is on {day}", "starts at {time}", "begins at {time}",
          "costs {price} euros", "is led by {name}", "has {number} guests",
          "will be on {date}", "is held in {language}", "is in {city}",
          "was planned by {name}", "happens in {month}"])
EVENTS = "meeting concert party lesson course trip exam lunch dinner workshop match show visit tour interview".split()
GLUE = [(", ", " and "), (", ", " and "), (", ", ", and "), ("; ", "; "), (". It also ", ". It also "), (", ", " and also ")]
# Other ways to lay out a record.
LAYOUTS = ["{k}: {v}", "{k} = {v}", "{k} - {v}", "{k} is {v}", "the {k} is {v}", "{k} {v}", "- {k}: {v}", "{K}: {v}"]

EXTRACT = [
    "{s} Extract {k} as JSON.", "Extract {k} as JSON: {s}", "{s} Give me {k} as JSON.", "JSON with {k}: {s}",
    "Return a JSON object with the keys {k}. {s}", "{s} Write {k} as JSON.", "Extract {k} from this text: {s}",
    "Extract {k} from: {s}", "Extract {k}. {s}", "{s}\n\nExtract {k} as JSON.", "Extract {k}:\n{s}", "Text: {s}\nKeys: {k}",
    "Get {k} from this sentence as JSON: {s}", "Find {k} in this text and return JSON: {s}", "{s}\nReturn JSON with {k}.",
    "Turn this into JSON with {k}: {s}", "Parse this and give {k} as JSON: {s}", "Convert to JSON with {k}: {s}", "{s} JSON: {k}",
    "I need a JSON object with {k}. {s}", "From the text \"{s}\" extract {k} as JSON.", "Read this: {s} Return {k} as JSON.",
    "{s} Please return {k} as JSON.", "{s} What are {k}? Answer with JSON.", "Give {k} as a JSON object: {s}",
    "Write a JSON object with the fields {k} for: {s}", "Fields: {k}. Text: {s} Answer in JSON.", "{s} Output JSON with {k}.",
    "As JSON with {k}, please: {s}", "Take {k} from the following text and write JSON: {s}", "Data: {s} Wanted as JSON: {k}",
    "Here is a text: {s} Give me JSON with the keys {k}.", "Create JSON ({k}) from this: {s}", "{s} Put {k} into a JSON object.",
    "Only answer with JSON. Keys {k}. {s}", "Produce JSON with {k} out of this text: {s}", "{s}\nJSON object with {k}, please.",
    "Answer with JSON that has the fields {k}: {s}", "Pull {k} out of this: {s}", "{s} Make JSON with {k} of it.",
    "{s} Answer with JSON that has the keys {k}.", "Make a JSON object with {k} from this: {s}",
    "Summarise as JSON, keys {k}: {s}", "{s} Show {k} in JSON form.", "Collect {k} from this note as JSON: {s}",
    "Which {k} does this text have? Reply in JSON. {s}", "{s}\nGive back {k}, JSON only.",
]


def field_value(c, key):
    makers = {
        "name": c.person, "other": c.person, "city": c.city, "age": lambda: c.number(2, 99), "count": lambda: c.number(2, 99),
        "number": lambda: c.number(2, 99), "price": lambda: c.integer() if c.chance(0.6) else c.decimal(), "code": c.code,
        "word": lambda: c.made_up(capital=True), "email": c.email, "event": lambda: c.word(EVENTS),
        "date": lambda: tool_maker.value_of(c, "date"), "time": lambda: tool_maker.value_of(c, "time"),
    }
    pools = {"job": words.JOBS, "fruit": words.FRUITS, "color": words.COLORS, "pet": words.PETS, "day": words.DAYS,
             "noun": words.NOUNS, "language": words.LANGUAGES, "country": words.COUNTRIES, "month": words.MONTHS}
    return makers[key]() if key in makers else c.word(pools[key])


def keys_in_a_row(c, keys):
    """The wanted keys as people list them."""
    mark = c.any(["{}"] * 6 + ['"{}"', "`{}`", "the {}", "'{}'"])
    shown = [mark.format(key) for key in keys]
    if len(shown) == 1:
        return shown[0]
    last = c.any([" and ", " and ", " and ", ", ", ", and "])
    return ", ".join(shown[:-1]) + last + shown[-1]


KEYS = list(words.STRING_PARAMS) + words.INTEGER_PARAMS
KEY_SENTENCES = ["The {k} is {v}", "the {k} is {v}", "{k} is {v}", "{k}: {v}", "{k} = {v}", "our {k} is {v}", "{v} is the {k}",
                 "as {k} {v}", "{k} equals {v}", "with {k} {v}", "{v} as {k}", "we have the {k} {v}", "there is the {k} {v}",
                 "the {k} reads {v}"]


def random_record(c):
    """(sentence, values) with random keys and values."""
    values = {}
    for _ in range(c.number(1, 4)):
        key = c.word(KEYS) if c.chance(0.7) else c.made_up(capital=False)
        value = c.integer() if key in words.INTEGER_PARAMS or c.chance(0.2) else random_word(c)
        values[key] = c.made_up() if str(value).isdigit() and isinstance(value, str) else value
    if c.chance(0.4) and not c.held:
        layout, mark = c.any(LAYOUTS), c.any(["\n", ", ", "; ", " | "])
        return mark.join(layout.format(k=key, K=capitalised(key), v=value) for key, value in values.items()), values
    parts = [c.phrase(KEY_SENTENCES, wordings.KEY_SENTENCES).format(k=key, v=value) for key, value in values.items()]
    text = ", ".join(parts) + "."
    return text if text.startswith(tuple(map(str, values.values()))) else capitalised(text), values


def clause_record(c):
    """(sentence, values) of one person, thing or event with some clauses about it."""
    (own, openings, clauses), more = c.any([(PERSON, wordings.PERSON_OPENINGS), (PERSON, wordings.PERSON_OPENINGS),
                                            (THING, wordings.THING_OPENINGS), (EVENT, wordings.EVENT_OPENINGS)])
    values, said = {own: field_value(c, own)}, []
    for clause in c.distinct(clauses, min(c.number(1, 3), len(c.words_of(clauses)))):
        keys = SLOT.findall(clause)
        if not said or not any(key in values for key in keys):
            values.update((key, field_value(c, key)) for key in keys)
            said.append(clause)
    mark, last = c.any(GLUE)
    text = c.phrase(openings, more) + " " + (said[0] if len(said) == 1 else mark.join(said[:-1]) + last + said[-1]) + "."
    return article(text.format(**values)), values


def extract_json(c):
    if not c.held and c.chance(0.65):
        return people_extraction.extract(c)
    kind = c.rng.random()
    if kind < 0.3:
        sentence, values = random_record(c)
    elif kind < 0.65:
        sentence, values = clause_record(c)
    else:
        sentences, keys = c.any(RECORDS if c.held or c.chance(0.4) else wordings.RECORDS)
        values = {key: field_value(c, key) for key in keys}
        wording = c.phrase(sentences) if c.held or (sentences, keys) in RECORDS else c.any(sentences)
        sentence = article(wording.format(**values))
    keys = list(values)
    wanted = c.sample(keys, c.number(1, len(keys)) if c.chance(0.6) else len(keys))
    if c.chance(0.3):
        wanted.sort(key=keys.index)
    answer = json.dumps({key: values[key] for key in wanted}, separators=(",", ":"), ensure_ascii=False)
    question = c.phrase(EXTRACT, wordings.EXTRACT).format(s=sentence, k=keys_in_a_row(c, wanted))
    return Draft(ask(polite(c, question) if question.endswith((".", "?")) and c.chance(0.4) else question), answer,
                 f"The user wants JSON with {', '.join(wanted)}.")
