"""More work on text and more wishes in system messages, for training alone.

The other splits take theirs from skills_text.py and skills_chat.py, and so does a part of the training examples.
"""

import json
import re

from .. import facts, phrasing, skills_chat, skills_text, tessera_facts, words, wordings
from ..chooser import PEOPLE
from ..draft import SYSTEMS, Draft, article, ask, capitalised, user
from ..phrasing import small
from ..skills_text import item_list, random_word, spaced
from . import chat as people_chat, system as people_system, text as people_text

NUMBERS = [*skills_text.NUMBER_WORDS, "eight", "nine", "ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen",
           "seventeen", "eighteen", "nineteen", "twenty"]
HOW_OFTEN = ["not there", "there once", "there twice", "there three times", "there four times"]
PLACES = ["first", "second", "third", "fourth", "fifth", "sixth"]
SENTENCES = [text for texts in PEOPLE.values() for text in texts if "{" not in text and '"' not in text]
MONTH_DAYS = dict(zip(words.MONTHS, (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)))


def wished(c, name, answer, reasoning, thinks=False, **values):
    """A draft by one of the wordings of people_text.WORK, sometimes with a word before it or a small first letter."""
    text = c.any(people_text.WORK[name])
    starts_with_value = text.startswith("{")
    text = text.format(**values)
    if c.chance(0.15):
        preface = c.phrase(phrasing.PREFACES, wordings.PREFACES)
        text = preface + (text if preface[-2] in ".!?" or starts_with_value else small(text))
    elif not starts_with_value and c.chance(0.2):
        text = small(text)
    return Draft(ask(text), answer, reasoning, thinks=thinks)


def in_a_row(c, items, last=(", ", ", ", ", ", " and ")):
    """Things in a row as people write them."""
    items = [str(item) for item in items]
    return ", ".join(items[:-1]) + c.any(last) + items[-1]


def some_word(c):
    while True:
        word = c.word(words.NOUNS) if c.chance(0.6) else c.word(words.FIRST_NAMES) if c.chance(0.4) else c.made_up()
        if len(word) < len(NUMBERS):
            return word


def small_words(c, low, high):
    return [c.word(c.any([words.NOUNS, words.ADJECTIVES, words.VERBS])) for _ in range(c.number(low, high))]


def sentence(c):
    return c.any(people_text.SENTENCES) if c.chance(0.7) else c.word(words.MESSAGES)


def near(c):
    """Two numbers that look alike."""
    while True:
        a = c.number(12, 98) if c.chance(0.7) else c.number(101, 998)
        kind = c.number(0, 2)
        b = int(str(a)[::-1]) if kind == 0 else a + c.any([-10, -9, -1, 1, 9, 10]) if kind == 1 else a + c.number(-40, 40)
        if b > 0 and b != a and c.owns(f"{a}?{b}"):
            break
    larger = c.chance(0.5)
    answer, word = (max(a, b), "larger") if larger else (min(a, b), "smaller")
    return Draft(ask(c.phrase(skills_text.LARGER if larger else skills_text.SMALLER).format(a=a, b=b)), f"{answer} is {word}.",
                 f"I compare {spaced(a)} and {spaced(b)}. The {word} one is {spaced(answer)}.")


def outermost(c):
    numbers = c.sample(range(1, 10 ** c.number(2, 3)), c.number(3, 4))
    name = c.any(["largest", "smallest"])
    answer = max(numbers) if name == "largest" else min(numbers)
    return wished(c, name, f"{answer} is the {name}.", f"I compare {', '.join(map(spaced, numbers))}. The {name} is {spaced(answer)}.",
                  x=in_a_row(c, numbers, [", ", " and ", " or "]))


def numbered(items):
    return ", ".join(f"{i + 1} {item}" for i, item in enumerate(items))


def letters(c):
    word = some_word(c)
    return wished(c, "letters", f"{word} has {NUMBERS[len(word)]} letters.", f"I count: {numbered(word)}.", c.chance(0.3), x=word)


def letter_count(c):
    while True:
        word = some_word(c).lower()
        letter = c.any(word) if c.chance(0.8) else c.any("aeinorst")
        if word.count(letter) < len(HOW_OFTEN):
            break
    return wished(c, "letter_count", f"The letter {letter} is {HOW_OFTEN[word.count(letter)]}.",
                  f"The letters are {' '.join(word)}. I find {letter} {word.count(letter)} times.", c.chance(0.4), x=word, l=letter)


def word_count(c):
    text = sentence(c) if c.chance(0.6) else " ".join(small_words(c, 2, 7))
    found = re.findall(r"[\w']+", text)
    return wished(c, "word_count", f"There are {NUMBERS[len(found)]} words.", f"I count: {numbered(found)}.", x=text)


def titled(text):
    return " ".join(capitalised(word) for word in text.split())


def letter_case(c):
    text = sentence(c) if c.chance(0.4) else " ".join(small_words(c, 2, 4))
    name = c.any(["title", "title", "upper", "lower"])
    if name == "lower":
        shown = text.upper() if c.chance(0.6) else titled(text)
        return wished(c, name, shown.lower(), "I write every letter small.", x=shown)
    answer, reasoning = ((titled(text), "Each word begins with a capital letter.") if name == "title" else
                         (text.upper(), "I write every letter as a capital."))
    return wished(c, name, answer, reasoning, x=text)


def descending(c):
    numbers = c.sample(range(1, 100 if c.chance(0.7) else 1000), c.number(3, 5))
    ordered = sorted(numbers, reverse=True)
    return wished(c, "descending", ", ".join(map(str, ordered)), f"In order: first {', then '.join(map(str, ordered))}.",
                  x=in_a_row(c, numbers))


def reverse_list(c):
    items = item_list(c, 3, 5)
    return wished(c, "reverse_list", ", ".join(reversed(items)), f"The last one is {items[-1]}. I go back from there.",
                  x=in_a_row(c, items))


def end_letter(c):
    word, first = some_word(c), c.chance(0.5)
    name, letter = ("first", word[0]) if first else ("last", word[-1])
    return wished(c, name + "_letter", f"The {name} letter of {word} is {letter}.", f"The letters are {' '.join(word)}.", x=word)


def nth_word(c):
    items = [random_word(c).replace(" ", "") for _ in range(c.number(3, 6))]
    place = c.number(1, min(len(items), 4) - 1)
    return wished(c, "nth_word", items[place], f"I count: {numbered(items)}.", x=" ".join(items), n=PLACES[place])


def by_length(c):
    while True:
        items = item_list(c, 3, 5)
        lengths = sorted(map(len, items))
        name = c.any(["longest", "shortest"])
        if lengths[-1] > lengths[-2] if name == "longest" else lengths[0] < lengths[1]:
            break
    answer = (max if name == "longest" else min)(items, key=len)
    return wished(c, name, answer, f"{', '.join(f'{item} {len(item)}' for item in items)}. The {name} is {answer}.",
                  x=in_a_row(c, items, [", ", ", ", " and ", " or "]))


def neighbour(c):
    kind, row = ("day", words.DAYS) if c.chance(0.6) else ("month", words.MONTHS)
    at, name = c.number(0, len(row) - 1), c.any(["after", "before"])
    answer = row[(at + (1 if name == "after" else -1)) % len(row)]
    return wished(c, name, f"{answer} comes {name} {row[at]}.", f"The {kind} {name} {row[at]} is {answer}.", x=row[at], kind=kind)


def beside_today(c):
    at, tomorrow = c.number(0, 6), c.chance(0.6)
    answer = words.DAYS[(at + (1 if tomorrow else -1)) % 7]
    name, verb = ("tomorrow", "is") if tomorrow else ("yesterday", "was")
    return wished(c, name, f"{capitalised(name)} {verb} {answer}.", f"Today is {words.DAYS[at]}.", x=words.DAYS[at], y=words.DAYS[at - 1])


def days_away(c):
    name = c.any(["days_on", "days_on", "days_back", "months_on"])
    row, step = words.MONTHS if name == "months_on" else words.DAYS, -1 if name == "days_back" else 1
    at, count = c.number(0, len(row) - 1), c.number(2, 5)
    way = [row[(at + step * i) % len(row)] for i in range(1, count + 1)]
    return wished(c, name, f"It is {way[-1]}.", f"I start at {row[at]}: {numbered(way)}.", c.chance(0.4), x=row[at], n=count)


def month_days(c):
    month = c.any(words.MONTHS)
    return wished(c, "month_days", f"{month} has {MONTH_DAYS[month]} days.", "I know the days of the months.", x=month)


def replace(c):
    while True:
        text = sentence(c) if c.chance(0.5) else " ".join(small_words(c, 3, 5))
        old, new = c.any(re.findall(r"\w+", text)), c.word(words.NOUNS)
        if len(re.findall(rf"\b{old}\b", text)) == 1 and old != new:
            break
    return wished(c, "replace", re.sub(rf"\b{old}\b", new, text), f"I write {new} for {old}.", x=text, a=old, b=new)


def change_list(c):
    items = item_list(c, 3, 5)
    if c.chance(0.6):
        gone = c.any(items)
        return wished(c, "remove", ", ".join(item for item in items if item != gone), f"I leave out {gone}.", x=in_a_row(c, items), a=gone)
    return wished(c, "add_item", ", ".join(items), f"I add {items[-1]} at the end.", x=in_a_row(c, items[:-1]), a=items[-1])


def join(c):
    name, between = c.any([("hyphens", "-"), ("underscores", "_"), ("no_spaces", ""), ("commas", ", "), ("bullets", "\n- ")])
    items = small_words(c, 2, 4)
    shown = in_a_row(c, items) if name == "bullets" else " ".join(items)
    return wished(c, name, ("- " if name == "bullets" else "") + between.join(items), f"The words are {', '.join(items)}.", x=shown)


def odd(c):
    number = c.number(1, 99) if c.chance(0.8) else c.number(100, 999)
    word = "odd" if number % 2 else "even"
    return wished(c, "odd", f"{number} is {word}.", f"The last digit of {spaced(number)} is {number % 10}. That is {word}.", x=number)


def next_number(c):
    number, after = c.number(2, 99) if c.chance(0.8) else c.number(100, 999), c.chance(0.6)
    answer, word = (number + 1, "after") if after else (number - 1, "before")
    return wished(c, "next_number" if after else "previous_number", f"{answer} comes {word} {number}.",
                  f"{spaced(number)} {'plus' if after else 'minus'} 1 is {spaced(answer)}.", x=number)


def number_word(c):
    number = c.number(0, 20)
    if c.chance(0.6):
        return wished(c, "in_words", NUMBERS[number], f"{number} is {NUMBERS[number]}.", x=number)
    return wished(c, "in_digits", str(number), f"{NUMBERS[number]} is {number}.", x=NUMBERS[number])


def contains(c):
    items = item_list(c, 4, 6)
    there = c.chance(0.5)
    shown = items if there else items[1:]
    asked = c.any(items) if there else items[0]
    return wished(c, "contains", "Yes." if there else "No.", f"I look for {asked}. It is {'' if there else 'not '}there.",
                  x=", ".join(shown), a=asked)


def times(c):
    word, count = some_word(c), c.number(2, 4)
    return wished(c, "times", " ".join([word] * count), f"I write {word} {count} times.", x=word,
                  n=["twice", "three times", "four times"][count - 2])


def repeat(c):
    text = c.any(people_text.SENTENCES) if c.chance(0.5) else c.any(SENTENCES)
    text = capitalised(text) if c.chance(0.3) else text
    return wished(c, "repeat", text, "The user wants me to repeat the text exactly.", x=text)


# Function -> weight.
TEXT = {
    near: 10, outermost: 8, letters: 5, letter_count: 3, word_count: 4, letter_case: 8, descending: 5, reverse_list: 3,
    end_letter: 7, nth_word: 5, by_length: 6, neighbour: 7, beside_today: 4, days_away: 5, month_days: 3, replace: 4,
    change_list: 7, join: 6, odd: 4, next_number: 5, number_word: 4, contains: 5, times: 4, repeat: 18, skills_text.sort: 14,
    skills_text.compare: 5, skills_text.count: 4, skills_text.reverse: 4, skills_text.change_case: 3, skills_text.first_last: 4,
}
TEXT_KINDS, TEXT_WEIGHTS = list(TEXT), list(TEXT.values())


def text(c):
    if c.held or c.chance(0.45):
        return skills_text.text(c)
    return c.rng.choices(TEXT_KINDS, TEXT_WEIGHTS)[0](c)


# What a wish of people_system.WISHES does to an answer that ends with a full stop.
CHANGES = {
    "lower": lambda text, name: text.lower(), "call": lambda text, name: f"{text[:-1]}, {name}.",
    "sign": lambda text, name: f"{text} - {name}", "exclaim": lambda text, name: text[:-1] + "!",
    "bare": lambda text, name: text[:-1], "quotes": lambda text, name: f'"{text}"', "brackets": lambda text, name: f"({text})",
    "bold": lambda text, name: f"**{text}**", "bullet": lambda text, name: f"- {text}", "smiley": lambda text, name: f"{text} :)",
    "greet": lambda text, name: f"Hello! {text}", "formal": lambda text, name: f"Certainly. {text}",
    "pirate": lambda text, name: f"Arr! {text}", "robot": lambda text, name: f"Beep. {text}",
    "cat": lambda text, name: f"Meow. {text}",
}
SHORT_TABLES = ["capital", "symbol", "currency", "young", "continent", "year"]
NOT_BY_USER = re.compile(r"\b(?:[Uu]ser|You|Your|customers|question's|asked in)\b")


def plain_fact(c):
    """(question, answer) whose answer is one sentence with a full stop."""
    kind = c.rng.random()
    if kind < 0.45:
        return skills_chat.table_fact(c, "capital")[:2]
    if kind < 0.75:
        question, answer, _ = skills_chat.table_fact(c)
    elif kind < 0.92:
        question, answer, _ = skills_chat.single_fact(c)
    else:
        answer, questions = c.any(tessera_facts.TESSERA)
        question = c.phrase(questions)
    return (question, answer) if '"' not in answer else plain_fact(c)


def following(c, wish, question, answer, reasoning=None, history=(), thinks=False, by_user=False):
    """The wish as a system message or, if a user may say it, beside his question."""
    who = "system"
    if by_user and not history and not NOT_BY_USER.search(wish) and c.chance(0.35):
        who, separator = "user", c.any([" ", "\n", " "])
        messages = [user(f"{wish}{separator}{question}" if c.chance(0.5) else f"{question}{separator}{wish}")]
    else:
        if c.chance(0.25):
            wish = f"{c.phrase(SYSTEMS)} {wish}" if c.chance(0.7) else f"{wish} {c.phrase(SYSTEMS)}"
        messages = [{"role": "system", "content": wish}, *history, user(question)]
    return Draft(messages, answer, reasoning or f'The {who} says: "{wish}" I follow this.', own_system=True, thinks=thinks)


def changed_by(c, wish, change, by_user=False):
    """A fact with its answer changed as wished, sometimes after a turn with another one."""
    question, plain = plain_fact(c)
    history = []
    if c.chance(0.2):
        earlier, before = plain_fact(c)
        history = skills_chat.turn(earlier, change(before))
    return following(c, wish, question, change(plain), history=history, by_user=by_user)


def new_wish(c):
    name = c.any(list(CHANGES))
    person = c.person()
    wish = c.any(people_system.WISHES[name]).format(v=person)
    return changed_by(c, wish, lambda plain: CHANGES[name](plain, person), name in ("lower", "exclaim", "bare", "quotes", "brackets"))


def upper(c):
    return changed_by(c, c.phrase(skills_chat.UPPER_WISHES), str.upper, True)


def word_around(c):
    """A word or a phrase before or behind the answer, or both."""
    kind = c.rng.random()
    before = after = None
    wishes = []
    if kind < 0.55:
        before = c.any(people_system.BEGINNINGS) if c.chance(0.6) else c.made_up(2, 2, True)
        natural = before in people_system.BEGINNINGS
        wishes.append((c.any(people_system.AT_BEGINNING) if natural else c.phrase(skills_chat.START_WISHES)).format(w=before))
    if kind > 0.45:
        after = c.any(people_system.ENDS) if c.chance(0.6) else c.made_up(2, 2, True)
        natural = after in people_system.ENDS
        wishes.append((c.any(people_system.AT_END) if natural else c.phrase(skills_chat.END_WISHES)).format(w=after))
    return changed_by(c, " ".join(wishes), lambda plain: " ".join(part for part in (before, plain, after) if part))


def short(c):
    name = c.any(SHORT_TABLES)
    _, questions, table, _ = facts.TABLES[name]
    x = c.any(list(table))
    question = article(capitalised(c.phrase(questions).format(x=x)))
    return following(c, c.phrase(skills_chat.SHORT_WISHES), question, capitalised(table[x]) + ".", by_user=True)


def spanish(c):
    question, answer = skills_chat.spanish_case(c)
    return following(c, c.phrase(skills_chat.SPANISH_WISHES), question, answer, by_user=True)


def number_only(c):
    wish = c.any(people_system.NUMBER_ONLY)
    if c.chance(0.5):
        x = c.any(list(facts.YEARS))
        return following(c, wish, capitalised(c.phrase(facts.YEAR_QUESTIONS).format(x=x)), facts.YEARS[x], by_user=True)
    draft = skills_text.arithmetic(c, thinks=True)
    answer = draft.answer.removeprefix("The answer is ").rstrip(".")
    return following(c, wish, draft.messages[-1]["content"], answer, draft.reasoning, thinks=True)


def yes_no(c):
    name = c.any(list(people_system.YES_NO_QUESTIONS))
    table = facts.TABLES[name][2]
    x = c.any(list(table))
    y, right = table[x], c.chance(0.5)
    while not right and y == table[x]:
        y = table[c.any(list(table))]
    question = capitalised(c.any(people_system.YES_NO_QUESTIONS[name]).format(x=x, y=y))
    return following(c, c.any(people_system.YES_NO), question, "Yes." if right else "No.",
                     f"The user asks about {x}. I know this: {table[x]}. That is {'what' if right else 'not what'} the user says.", by_user=True)


def json_only(c):
    key = c.any(people_system.JSON_KEYS)
    name = c.any(SHORT_TABLES)
    _, questions, table, _ = facts.TABLES[name]
    x = c.any(list(table))
    question = article(capitalised(c.phrase(questions).format(x=x)))
    return following(c, c.any(people_system.JSON_ONLY).format(k=key), question, json.dumps({key: table[x]}, separators=(",", ":"),
                     ensure_ascii=False), by_user=True)


def named(c):
    messages, (answer, questions) = c.any(people_system.NAMED)
    values = {"v": c.person(), "j": c.word(words.JOBS), "w": c.made_up(capital=True)}
    wish, answer = (article(part.format(**values)) for part in (c.any(messages), answer))
    if c.chance(0.3):
        return following(c, wish, *plain_fact(c))
    return following(c, wish, c.any(questions), answer)


def told_value(c, kind):
    if kind == "time":
        return f"{c.number(6, 22)}:{c.any(['00', '00', '15', '30', '45'])}"
    if kind == "day":
        return c.any(words.DAYS)
    if kind == "noun":
        return c.word(words.NOUNS)
    return skills_chat.memory_value(c, kind)


def told(c):
    """The system message tells something that the user asks for."""
    lines, asked = [], []
    for sentences, questions, answer in c.sample(people_system.TOLD, c.number(1, 3)):
        values = {kind: told_value(c, kind) for kind in re.findall(r"\{(\w+)\}", answer)}
        lines.append(article(c.any(sentences).format(**values)))
        asked.append((c.any(questions).format(**values), article(answer.format(**values))))
    question, answer = c.any(asked)
    return following(c, c.any([" ", " ", "\n"]).join(lines), question, answer, f'The system told me this. {answer}')


def excuse(c):
    words_ = c.any(people_system.EXCUSES)
    wish = c.any(people_system.IF_UNKNOWN).format(w=words_)
    if c.chance(0.35):
        question, answer = plain_fact(c)
        return following(c, wish, question, answer, "I know this. I answer.")
    return following(c, wish, skills_chat.unknown(c).messages[-1]["content"], words_, f'I do not know this. The system wants me to say: "{words_}"')


# Function -> weight.
WISHES = {new_wish: 26, upper: 8, word_around: 16, short: 9, spanish: 9, number_only: 7, yes_no: 8, json_only: 5, named: 9, told: 14, excuse: 6}
WISH_KINDS, WISH_WEIGHTS = list(WISHES), list(WISHES.values())


def system(c):
    if c.held or c.chance(0.3):
        return skills_chat.system(c)
    return c.rng.choices(WISH_KINDS, WISH_WEIGHTS)[0](c)


# Tables whose question may go on with "And Spain?".
GO_ON = ["capital", "capital", "symbol", "author", "artist", "discovery", "continent", "currency", "young", "spanish"]


def follow_up(c):
    """The same question for something else."""
    name = c.any(GO_ON)
    template, _, table, wish = facts.TABLES[name]
    question, answer, _ = skills_chat.table_fact(c, name)
    messages = skills_chat.turn(question, answer)
    for last in [False] * c.chance(0.25) + [True]:
        while True:
            x = c.any(list(table))
            if x not in question and x not in facts.PLURAL_X:
                break
        shown = article("a " + x) if name == "young" else x
        question, answer = capitalised(c.any(people_chat.FOLLOW_UPS).format(x=shown)), article(capitalised(template.format(x=x, y=table[x])))
        messages += [user(question)] if last else skills_chat.turn(question, answer)
    return Draft(messages, answer, f"The user asks for {wish.format(x=x)}. I know this: {table[x]}.")


def fact(c):
    return follow_up(c) if not c.held and c.chance(0.06) else skills_chat.fact(c)


def about_last(c):
    """The user asks for the last answer, or for his question, once more."""
    question, answer = plain_fact(c)
    messages = skills_chat.turn(question, answer)
    if c.chance(0.3):
        messages = skills_chat.turn(*plain_fact(c)) + messages
    asked, answer = c.any([(people_chat.AGAIN, answer), (people_chat.AGAIN, answer), (people_chat.IN_CAPITALS, answer.upper()),
                           (people_chat.IN_QUOTES, f'"{answer}"'), (people_chat.WHAT_I_ASKED, f'You asked: "{question}"')])
    return Draft(messages + ask(c.any(asked)), answer, "The user asks for something said before. It was the last thing.")


def corrected(c):
    """The user corrects what he told of himself."""
    kind, tells, asks, answer, reply = c.any(skills_chat.MEMORIES)
    value, messages = None, []
    for correction in (False, True):
        old = value
        while value == old:
            value = skills_chat.memory_value(c, kind)
        said = c.any(people_chat.CORRECTIONS) if correction else c.phrase(tells)
        messages += skills_chat.turn(article(said.format(v=value)), capitalised(reply.format(v=value)))
    return Draft(messages + ask(c.phrase(asks)), article(answer.format(v=value)), f"The user corrected himself. It is: {value}.")


def multi_turn(c):
    if c.held or c.chance(0.7):
        return skills_chat.multi_turn(c)
    return about_last(c) if c.chance(0.6) else corrected(c)
