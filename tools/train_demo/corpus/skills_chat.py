"""Skills of plain chat: summaries, greetings, Tessera itself, facts, unknown things, several turns, system wishes."""

from . import facts, facts_es, facts_single, summaries, tessera_facts, words
from .draft import Draft, article, ask, capitalised, decorate, user
from .people import chat as people_chat

PEOPLE = list(summaries.PEOPLE)
THINGS = list(summaries.THINGS)
TABLE_NAMES = list(facts.TABLES)
TABLE_WEIGHTS = [len(facts.TABLES[name][2]) for name in TABLE_NAMES]
IDENTITY = next(questions for answer, questions in tessera_facts.TESSERA if "small demo model." in answer)


def readme(c):
    """One sentence about a person, a work or a place; Cervantes comes up often."""
    if c.chance(0.25):
        name = "Cervantes"
    else:
        name = c.any(PEOPLE) if c.chance(0.7) else c.any(THINGS)
    person = name in summaries.PEOPLE
    answer = summaries.PEOPLE[name] if person else summaries.THINGS[name]
    if c.chance(0.75):
        question = c.phrase(summaries.SUMMARY_QUESTIONS)
    else:
        question = c.phrase(summaries.WHO_QUESTIONS if person else summaries.WHAT_QUESTIONS)
    if name == "Cervantes" and not c.held and c.chance(0.35):
        question = summaries.SUMMARY_QUESTIONS[0]
    text = capitalised(question.format(x=name))
    return Draft(ask(text if c.chance(0.6) else decorate(c, text)), answer,
                 f"The user wants one sentence about {name}. I know {name}.")


def greeting(c):
    if c.chance(0.06):
        return Draft(ask(c.phrase(facts_es.SPEAK_SPANISH)), facts_es.SPANISH_PLEASE,
                     "The user wishes Spanish. I answer in Spanish.")
    if c.chance(0.2):
        answer, questions = facts_es.GREETING_ES if c.chance(0.5) else c.any(facts_es.CHAT_ES)
        return Draft(ask(c.phrase(questions)), answer, "The user writes Spanish. I answer in Spanish.")
    if not c.held and c.chance(0.12):
        answer, questions = c.any(people_chat.SMALL_TALK)
        return Draft(ask(c.any(questions)), answer, "The user just talks to me. I answer in a friendly way.")
    answer, questions = tessera_facts.GREETINGS[0] if c.chance(0.35) else c.any(tessera_facts.GREETINGS)
    return Draft(ask(c.phrase(questions)), answer, "The user says something friendly. I answer in a friendly way.")


def tessera(c):
    if c.chance(0.12):
        answer, questions = c.any(tessera_facts.TESSERA[:19])
    else:
        answer, questions = c.any(tessera_facts.TESSERA)
    question = c.phrase(questions)
    return Draft(ask(decorate(c, question)), answer, f'The user asks: "{question}" I know this about Tessera.')


def table_fact(c, name=None):
    """(question, answer, reasoning) of one fact of a table."""
    if name is None:
        name = c.rng.choices(TABLE_NAMES, TABLE_WEIGHTS)[0]
    template, questions, table, wish = facts.TABLES[name]
    x = c.any(list(table))
    answer = article(capitalised(template.format(x=x, y=table[x])))
    if x in facts.PLURAL_X and name in ("discovery", "artist") and x != "The Four Seasons":
        answer = answer.replace(" was ", " were ", 1)
    question = article(capitalised(c.phrase(questions).format(x=x)))
    return question, answer, f"The user asks for {wish.format(x=x)}. I know this: {table[x]}."


def single_fact(c):
    answer, questions = c.any(facts_single.SINGLES)
    return c.phrase(questions), answer, "The user asks for a fact. I know this one."


def a_fact(c):
    kind = c.rng.random()
    if kind < 0.05:
        country = c.any(list(facts_es.CAPITALS_ES))
        return (c.phrase(facts_es.CAPITAL_QUESTIONS_ES).format(x=country), spanish_capital(country),
                f"The user asks in Spanish for the capital of {country}.")
    if kind < 0.2:
        return table_fact(c, "capital")
    if kind < 0.65:
        return table_fact(c)
    return single_fact(c)


def spanish_capital(country):
    return f"La capital de {country} es {facts_es.CAPITALS_ES[country]}."


def fact(c):
    question, answer, reasoning = a_fact(c)
    question = question if question.startswith("¿") else decorate(c, question)
    return Draft(ask(question), answer, reasoning)


def unknown(c):
    question = c.phrase(tessera_facts.UNKNOWN_QUESTIONS)
    city, city2 = c.distinct(words.CITIES, 2)
    person = c.made_up(capital=True) + " " + (c.made_up(capital=True) if c.chance(0.5) else c.word(words.SURNAMES))
    text = question.format(person=person, word=c.made_up(), topic=c.word(words.TOPICS), city=city, city2=city2,
                           noun=c.word(words.NOUNS))
    return Draft(ask(decorate(c, text)), tessera_facts.UNKNOWN_ANSWER,
                 "I do not know this. I am only a small demo model.")


# What a user tells about himself, how he asks for it later, and the canonical answer.
MEMORIES = [
    ("person", ["My name is {v}.", "I am {v}.", "Hello, I am {v}.", "Hi! My name is {v}.", "You can call me {v}.",
                "People call me {v}."],
     ["What is my name?", "Do you remember my name?", "Who am I?", "Tell me my name.", "Say my name."],
     "Your name is {v}.", "Nice to meet you, {v}."),
    ("city", ["I live in {v}.", "I am from {v}.", "My home is {v}.", "My city is {v}.", "My flat is in {v}."],
     ["Where do I live?", "What is my city?", "Which city is my home?", "Tell me where I live."],
     "You live in {v}.", "{v} is a nice place."),
    ("color", ["My favourite colour is {v}.", "I like the colour {v} most.", "I love {v} as a colour.",
               "The colour I like is {v}."],
     ["What is my favourite colour?", "Which colour do I like?", "Tell me my favourite colour.",
      "What colour do I like most?"],
     "Your favourite colour is {v}.", "{v} is a nice colour."),
    ("pet", ["I have a {v}.", "My pet is a {v}.", "I own a {v}.", "At home I have a {v}."],
     ["Which pet do I have?", "What is my pet?", "What animal do I have?", "Tell me which pet I have."],
     "You have a {v}.", "A {v} is a nice pet."),
    ("job", ["I work as a {v}.", "My job is {v}.", "I am a {v} by profession.", "My work is that of a {v}."],
     ["What is my job?", "What do I work as?", "Which job do I have?", "Tell me my job."],
     "You work as a {v}.", "{v} is a nice job."),
    ("code", ["My code is {v}.", "Please remember the code {v}.", "The code is {v}.", "Keep the code {v} in mind."],
     ["What is the code?", "Tell me the code.", "Which code did I give you?", "What was the code?"],
     "The code is {v}.", "I will remember the code {v}."),
    ("number", ["My number is {v}.", "Please remember the number {v}.", "Keep the number {v} in mind.",
                "The number to remember is {v}."],
     ["What is my number?", "Tell me the number.", "Which number did I give you?", "What was the number?"],
     "The number is {v}.", "I will remember the number {v}."),
    ("word", ["The secret word is {v}.", "Please remember the word {v}.", "Keep the word {v} in mind.",
              "The word to remember is {v}."],
     ["What is the secret word?", "Tell me the word.", "Which word did I give you?", "What was the word?"],
     "The word is {v}.", "I will remember the word {v}."),
]


def memory_value(c, kind):
    if kind == "person":
        return c.person()
    if kind == "city":
        return c.city()
    if kind == "number":
        return str(c.integer())
    if kind == "code":
        return c.code()
    if kind == "word":
        return c.made_up(capital=False)
    return c.word({"color": words.COLORS, "pet": words.PETS, "job": words.JOBS}[kind])


def turn(question, answer):
    return [user(question), {"role": "assistant", "content": answer}]


def multi_turn(c):
    """Two or three turns; the last one asks for something said before."""
    first, second = c.sample(MEMORIES, 2)
    history, asked = [], []
    for kind, tells, asks, answer, reply in [first, second][:1 + c.chance(0.35)]:
        value = memory_value(c, kind)
        told = c.phrase(tells).format(v=value)
        history += turn(told if c.held else article(told), capitalised(reply.format(v=value)))
        answer = answer.format(v=value)
        asked.append((asks, answer if c.held else article(answer), value))
    if len(asked) == 1 and c.chance(0.4):
        question, reply, _ = a_fact(c)
        history += turn(question, reply)
    asks, answer, value = c.any(asked)
    return Draft(history + ask(decorate(c, c.phrase(asks))), answer,
                 f"The user asks for something said before. It was: {value}.")


SHORT_TABLES = ["capital", "symbol", "currency", "young"]
SPANISH_WISHES = ["Answer in Spanish.", "Always answer in Spanish.", "You answer in Spanish.", "Reply in Spanish.",
                  "Please answer in Spanish only.", "Speak Spanish.", "Your language is Spanish."]
UPPER_WISHES = ["Answer in upper case.", "Always answer in upper case.", "Write in upper case.",
                "You write in upper case only.", "Use only upper case letters.", "Answer in capital letters."]
SHORT_WISHES = ["Answer with one word.", "Answer in one word.", "Give very short answers.", "One word answers only.",
                "Use as few words as possible.", "Reply with a single word."]
END_WISHES = ["End every answer with the word {w}.", "Always end with {w}.", "Finish each answer with {w}.",
              "Every answer must end with {w}.", "The last word of each answer is {w}.", "Close every answer with {w}."]
START_WISHES = ["Start every answer with the word {w}.", "Always start with {w}.", "Begin each answer with {w}.",
                "Every answer must start with {w}.", "The first word of each answer is {w}."]
UPPER_FACTS = ["France", "Spain", "Italy", "Germany", "Japan", "Greece", "Norway", "Egypt", "Cuba", "Peru", "Chile",
               "Kenya", "India", "China", "Canada"]


def capital_question(c, country):
    return capitalised(c.phrase(facts.CAPITAL_QUESTIONS).format(x=country))


def system(c):
    """The system message, or an earlier turn, asks for a form of the answer."""
    kind = c.any(["spanish", "upper", "short", "end", "start"])
    if kind == "spanish" and c.chance(0.25):
        question, answer = spanish_case(c)
        wished = turn(c.phrase(facts_es.SPEAK_SPANISH), facts_es.SPANISH_PLEASE)
        return Draft(wished + ask(question), answer, "The user wishes Spanish. I answer in Spanish.", own_system=True)
    if kind == "spanish":
        wish, (question, answer) = c.phrase(SPANISH_WISHES), spanish_case(c)
    elif kind == "upper":
        country = c.any(UPPER_FACTS)
        wish, question = c.phrase(UPPER_WISHES), capital_question(c, country)
        answer = f"The capital of {country} is {facts.CAPITALS[country]}.".upper()
    elif kind == "short":
        name = c.any(SHORT_TABLES)
        table = facts.TABLES[name][2]
        x = c.any(list(table))
        wish, question = c.phrase(SHORT_WISHES), capitalised(c.phrase(facts.TABLES[name][1]).format(x=x))
        answer = capitalised(table[x]) + "."
    else:
        word = c.made_up(2, 2, True) if c.chance(0.6) else c.word(words.FRUITS)
        wish = c.phrase(END_WISHES if kind == "end" else START_WISHES).format(w=word)
        country = c.any(list(facts.CAPITALS))
        question, plain = capital_question(c, country), f"The capital of {country} is {facts.CAPITALS[country]}."
        if c.chance(0.25):
            plain, questions = c.any(tessera_facts.GREETINGS)
            question = c.phrase(questions)
        answer = f"{plain} {word}" if kind == "end" else f"{word} {plain}"
    if c.chance(0.2):
        wish = f"{c.any(['You are a helpful assistant.', 'You are a concise assistant.'])} {wish}"
    return Draft([{"role": "system", "content": wish}, user(question)], answer,
                 f'The system says: "{wish}" I follow this.', own_system=True)


def spanish_case(c):
    if c.chance(0.7):
        country = c.any(list(facts_es.ENGLISH_TO_SPANISH))
        return capital_question(c, country), spanish_capital(facts_es.ENGLISH_TO_SPANISH[country])
    if c.chance(0.6):
        return c.phrase(tessera_facts.GREETINGS[0][1]), facts_es.GREETING_ES[0]
    return c.phrase(IDENTITY), facts_es.CHAT_ES[0][0]
