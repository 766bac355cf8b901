"""Skills on numbers and text: sums, copying, sorting, counting, JSON from a sentence, questions on a passage."""

from . import wordings, words
from .draft import Draft, article, ask, decorate
from .people import passages as people_passages

PLUS = ["{a}+{b}", "What's {a}+{b}?", "{a}+{b}=", "What do you get when you add {a} and {b}?", "{a} plus {b}", "{a} and {b} together?",
        "How much are {a} and {b}?", "Sum of {a} and {b}?", "Please add {b} to {a}.", "What does {a} + {b} make?", "Total of {a} and {b}?",
        "Add {b} to {a}.", "I have {a} apples and get {b} more. How many apples do I have?", "What is the total of {a} and {b}?",
        "Work out {a} + {b}.", "Tell me the sum of {a} and {b}.", "How many are {a} and {b} together?", "Solve {a} + {b}",
        "The sum of {a} and {b}?", "What is {b} more than {a}?", "If I add {b} to {a}, what do I get?", "{a} increased by {b}",
        "There are {a} birds, then {b} more come. How many are there?", "Sum up {a} and {b}.", "{a} + {b} equals?",
        "What is {a} + {b}?", "{a} + {b} = ?", "Add {a} and {b}.", "How much is {a} plus {b}?", "Compute {a} + {b}.",
        "{a} + {b}", "What is {a} plus {b}?", "Calculate {a} plus {b}.", "What is the sum of {a} and {b}?",
        "Find the sum of {a} and {b}.", "How much do {a} and {b} make?", "Put {a} and {b} together.", "Evaluate {a} + {b}"]
MINUS = ["{a}-{b}", "What's {a}-{b}?", "{a}-{b}=", "What do you get when you take {b} from {a}?", "{a} minus {b}", "Take {b} from {a}.",
         "Take {b} away from {a}.", "What is left of {a} without {b}?", "Difference between {a} and {b}?", "What is {b} less than {a}?",
         "I have {a} apples and give {b} away. How many are left?", "What is the difference between {a} and {b}?", "Work out {a} - {b}.",
         "Tell me the difference between {a} and {b}.", "Solve {a} - {b}", "{a} take away {b}", "The difference of {a} and {b}?",
         "If I take {b} from {a}, what is left?", "How much more is {a} than {b}?", "There are {a} birds and {b} fly away. How many stay?",
         "{a} decreased by {b}", "{a} - {b} equals?", "Remove {b} from {a}.", "How much is left when you take {b} from {a}?",
         "What does {a} - {b} make?", "What is {a} - {b}?", "{a} - {b} = ?", "Subtract {b} from {a}.", "How much is {a} minus {b}?",
         "Compute {a} - {b}.", "{a} - {b}", "What is {a} minus {b}?", "Calculate {a} minus {b}.",
         "What is the difference of {a} and {b}?", "Find the difference of {a} and {b}.", "How much does {a} less {b} make?",
         "By how much is {a} larger than {b}?", "Evaluate {a} - {b}"]
TIMES = ["{a}*{b}", "{a} x {b}", "{a} times {b}", "What's {a} times {b}?", "Product of {a} and {b}?", "What is {a} multiplied by {b}?",
         "{a} multiplied by {b}", "Work out {a} x {b}.", "Multiply {a} and {b}.", "The product of {a} and {b}?", "Solve {a} x {b}",
         "Tell me the product of {a} and {b}.", "What do you get when you multiply {a} by {b}?", "What is {a} x {b}?", "What is {a} * {b}?", "{a} * {b} = ?", "How much is {a} times {b}?", "Compute {a} * {b}.",
         "Multiply {a} by {b}.", "What is {a} times {b}?", "What is the product of {a} and {b}?", "Find the product of {a} and {b}.",
         "Evaluate {a} x {b}"]


def spaced(number):
    return " ".join(str(number))


def plus_steps(a, b):
    """Digit by digit from the right, with the carry written down."""
    steps, carry, digits = [f"{spaced(a)} + {spaced(b)}."], 0, []
    for place, (x, y) in enumerate(((a % 10, b % 10), (a // 10, b // 10))):
        total = x + y + carry
        steps.append(f"{('Ones', 'Tens')[place]}: {x} + {y} + {carry} = {spaced(total)}, "
                     f"write {total % 10}, carry {total // 10}.")
        carry = total // 10
        digits.insert(0, total % 10)
    result = str(int("".join(map(str, ([carry] if carry else []) + digits))))
    return " ".join(steps) + f" Result: {spaced(result)}.", int(result)


def minus_steps(a, b):
    """Digit by digit from the right, with the borrow written down."""
    steps, borrow, digits = [f"{spaced(a)} - {spaced(b)}."], 0, []
    for place, (x, y) in enumerate(((a % 10, b % 10), (a // 10, b // 10))):
        lent = 1 if x - borrow < y else 0
        digit = x - borrow - y + 10 * lent
        steps.append(f"{('Ones', 'Tens')[place]}: {x} - {y} - {borrow}, borrow {lent}, write {digit}.")
        borrow = lent
        digits.insert(0, digit)
    result = int("".join(map(str, digits)))
    return " ".join(steps) + f" Result: {spaced(result)}.", result


def arithmetic(c, thinks=False):
    kind = c.rng.random()
    if kind < 0.2:
        a, b = c.number(2, 9), c.number(2, 9)
        result, reasoning = a * b, f"{a} times {b} is {spaced(a * b)}."
        question = c.phrase(TIMES)
    else:
        plus = kind < 0.6
        while True:
            a, b = c.number(10, 99), c.number(2, 99) if c.chance(0.3) else c.number(10, 99)
            if not plus and a < b:
                a, b = b, a
            if a >= 10 and c.owns(f"{a}{'+' if plus else '-'}{b}"):
                break
        reasoning, result = plus_steps(a, b) if plus else minus_steps(a, b)
        question = c.phrase(*((PLUS, wordings.PLUS) if plus else (MINUS, wordings.MINUS)))
    return Draft(ask(decorate(c, question.format(a=a, b=b))), f"The answer is {result}.", reasoning, thinks=thinks)


def arithmetic_direct(c):
    return arithmetic(c)


def arithmetic_thinking(c):
    return arithmetic(c, thinks=True)


REPEAT = ["Repeat after me: {x}", "Repeat: {x}", "Say: {x}", "Say exactly: {x}", "Copy this text: {x}", "Write: {x}",
          "Please repeat: {x}", "Repeat exactly: {x}", "Echo: {x}", "Please copy: {x}", "Repeat this: {x}",
          "Say this after me: {x}"]
UPPER = ["Write {x} in upper case.", "Uppercase: {x}", "Make this upper case: {x}", "Upper case: {x}",
         "Put {x} in capital letters."]
LOWER = ["Write {x} in lower case.", "Lowercase: {x}", "Make this lower case: {x}", "Lower case: {x}",
         "Put {x} in small letters."]
REVERSE = ["Reverse the word {x}.", "Write {x} backwards.", "Reverse: {x}", "Spell {x} backwards.",
           "What is {x} read backwards?"]
SPELL = ["Spell the word {x}.", "Spell {x}.", "How do you spell {x}?", "Spell: {x}", "Tell me the letters of {x}."]
COUNT = ["How many items are in this list: {x}?", "Count the items: {x}", "How many words are these: {x}?",
         "Count these words: {x}", "How many things are here: {x}?", "Tell me how many items these are: {x}"]
SORT = ["Sort these words: {x}", "Sort: {x}", "Put these words in alphabetical order: {x}", "Sort alphabetically: {x}",
        "Order these words by the alphabet: {x}"]
SORT_NUMBERS = ["Sort these numbers: {x}", "Sort from small to large: {x}", "Put these numbers in order: {x}",
                "Order the numbers: {x}", "Bring these numbers into order: {x}"]
LARGER = ["Which number is larger, {a} or {b}?", "Which is bigger, {a} or {b}?", "What is larger: {a} or {b}?",
          "Compare {a} and {b}: which is larger?", "Is {a} or {b} the larger number?"]
SMALLER = ["Which number is smaller, {a} or {b}?", "Which is less, {a} or {b}?", "What is smaller: {a} or {b}?",
           "Compare {a} and {b}: which is smaller?", "Is {a} or {b} the smaller number?"]
FIRST = ["What is the first word of this text: {x}", "First word of: {x}", "Tell me the first word: {x}",
         "Which word comes first here: {x}", "Name the first word: {x}"]
LAST = ["What is the last word of this text: {x}", "Last word of: {x}", "Tell me the last word: {x}",
        "Which word comes last here: {x}", "Name the last word: {x}"]
NUMBER_WORDS = ["zero", "one", "two", "three", "four", "five", "six", "seven"]


def random_word(c):
    kind = c.rng.random()
    if kind < 0.35:
        return c.made_up()
    if kind < 0.7:
        return c.word(words.NOUNS if c.chance(0.7) else words.ADJECTIVES)
    if kind < 0.85:
        return c.person()
    return c.code() if c.chance(0.5) else c.city()


def repeat(c):
    kind = c.rng.random()
    if kind < 0.55:
        text = " ".join(random_word(c) for _ in range(c.number(1, 6)))
    elif kind < 0.7:
        text = c.word(words.MESSAGES)
    elif kind < 0.85:
        text = " ".join(str(c.integer()) for _ in range(c.number(1, 5)))
    else:
        text = ", ".join(c.code() for _ in range(c.number(1, 4)))
    shown = f'"{text}"' if c.chance(0.2) else text
    return Draft(ask(c.phrase(REPEAT).format(x=shown)), text, "The user wants me to repeat the text exactly.")


def change_case(c):
    word = c.word(words.NOUNS) if c.chance(0.8) else c.word(words.FIRST_NAMES)
    upper = c.chance(0.5)
    shown = word if upper else word.upper()
    answer = word.upper() if upper else word.lower()
    return Draft(ask(c.phrase(UPPER if upper else LOWER).format(x=shown)), answer,
                 f"{' '.join(shown)} becomes {' '.join(answer)}.")


def short_word(c):
    while True:
        word = c.word(words.NOUNS) if c.chance(0.5) else c.made_up(2, 2, False)
        if len(word) <= 6:
            return word


def reverse(c):
    word = short_word(c)
    return Draft(ask(c.phrase(REVERSE).format(x=word)), word[::-1],
                 f"The letters are {' '.join(word)}. Backwards they are {' '.join(word[::-1])}.",
                 thinks=c.chance(0.7))


def spell(c):
    word = short_word(c)
    return Draft(ask(c.phrase(SPELL).format(x=word)), " ".join(word), "I write the letters one by one.")


def item_list(c, low, high):
    pool = c.any([words.NOUNS, words.FRUITS, words.FIRST_NAMES, words.ADJECTIVES, words.COLORS, words.PETS])
    pool = words.NOUNS if len(c.words_of(pool)) < high else pool
    return c.distinct(pool, c.number(low, high))


def count(c):
    items = item_list(c, 2, 6)
    steps = ", ".join(f"{i + 1} {item}" for i, item in enumerate(items))
    return Draft(ask(c.phrase(COUNT).format(x=", ".join(items))), f"There are {NUMBER_WORDS[len(items)]} items.",
                 f"I count: {steps}.")


def sort(c):
    if c.chance(0.5):
        items = [w for w in item_list(c, 3, 5)]
        ordered, question = sorted(items, key=str.lower), SORT
    else:
        items = list(dict.fromkeys(c.integer() % 100 for _ in range(c.number(3, 5))))
        ordered, question = sorted(items), SORT_NUMBERS
    return Draft(ask(c.phrase(question).format(x=", ".join(map(str, items)))), ", ".join(map(str, ordered)),
                 f"In order: first {', then '.join(map(str, ordered))}.")


def compare(c):
    digits = c.number(1, 3)
    while True:
        a, b = c.number(1, 10 ** digits - 1), c.number(1, 10 ** c.number(1, 3) - 1)
        if a != b and c.owns(f"{a}?{b}"):
            break
    larger = c.chance(0.5)
    answer = max(a, b) if larger else min(a, b)
    word = "larger" if larger else "smaller"
    return Draft(ask(c.phrase(LARGER if larger else SMALLER).format(a=a, b=b)), f"{answer} is {word}.",
                 f"I compare {spaced(a)} and {spaced(b)}. The {word} one is {spaced(answer)}.")


def first_last(c):
    text = " ".join(random_word(c) for _ in range(c.number(3, 6)))
    first = c.chance(0.5)
    answer = text.split()[0 if first else -1]
    return Draft(ask(c.phrase(FIRST if first else LAST).format(x=text)), answer,
                 f"The words are {', '.join(text.split())}. I take the {'first' if first else 'last'} one.")


TEXT_KINDS = [repeat, change_case, reverse, spell, count, sort, compare, first_last]
TEXT_WEIGHTS = [44, 7, 7, 6, 10, 9, 8, 9]


def text(c):
    return c.rng.choices(TEXT_KINDS, TEXT_WEIGHTS)[0](c)


# Passages of two sentences with questions: (sentences, [(question, answer)]).
PASSAGES = [
    ("{a} lives in {x}. {b} lives in {y}.",
     [("Where does {a} live?", "{a} lives in {x}."), ("Where does {b} live?", "{b} lives in {y}."),
      ("Does {a} live in {x}?", "Yes."), ("Does {a} live in {y}?", "No."), ("Who lives in {x}?", "{a} lives in {x}."),
      ("Who lives in {y}?", "{b} lives in {y}."), ("Does {b} live in {y}?", "Yes."), ("Does {b} live in {x}?", "No.")]),
    ("{a} has {m} {f}. {b} has {n} {f}.",
     [("How many {f} does {a} have?", "{a} has {m} {f}."), ("How many {f} does {b} have?", "{b} has {n} {f}."),
      ("Does {a} have {m} {f}?", "Yes."), ("Does {a} have {n} {f}?", "No."), ("Who has {m} {f}?", "{a} has {m} {f}."),
      ("Who has {n} {f}?", "{b} has {n} {f}."), ("Does {b} have {n} {f}?", "Yes."), ("Does {b} have {m} {f}?", "No.")]),
    ("{a} bought a {c} {o}. {b} bought a {d} {p}.",
     [("What did {a} buy?", "{a} bought a {c} {o}."), ("What did {b} buy?", "{b} bought a {d} {p}."),
      ("Who bought a {o}?", "{a} bought a {c} {o}."), ("Who bought a {p}?", "{b} bought a {d} {p}."),
      ("Did {a} buy a {o}?", "Yes."), ("Did {a} buy a {p}?", "No."), ("Did {b} buy a {p}?", "Yes."),
      ("Did {b} buy a {o}?", "No.")]),
    ("The {o} is in {x}. The {p} is in {y}.",
     [("Where is the {o}?", "The {o} is in {x}."), ("Where is the {p}?", "The {p} is in {y}."),
      ("What is in {x}?", "The {o} is in {x}."), ("What is in {y}?", "The {p} is in {y}."),
      ("Is the {o} in {x}?", "Yes."), ("Is the {o} in {y}?", "No."), ("Is the {p} in {y}?", "Yes."),
      ("Is the {p} in {x}?", "No.")]),
    ("{a} is a {j}. {b} is a {k}.",
     [("What is the job of {a}?", "{a} is a {j}."), ("What is the job of {b}?", "{b} is a {k}."),
      ("Who is a {j}?", "{a} is a {j}."), ("Who is a {k}?", "{b} is a {k}."), ("Is {a} a {j}?", "Yes."),
      ("Is {a} a {k}?", "No."), ("Is {b} a {k}?", "Yes."), ("Is {b} a {j}?", "No.")]),
]
PASSAGE_FORMS = ["{t} {q}", "Read this: {t} {q}", "Text: {t} Question: {q}", "{t}\n{q}", "Answer from the text. {t} {q}",
                 "Here is a text. {t} Now answer: {q}"]


def two(c, make):
    first = make()
    while True:
        second = make()
        if second != first:
            return first, second


def passage(c):
    if not c.held and c.chance(0.75):
        return people_passages.passage(c, PASSAGE_FORMS)
    sentence, pairs = c.any(PASSAGES)
    values = {}
    values["a"], values["b"] = two(c, c.person)
    values["x"], values["y"] = two(c, c.city)
    values["m"], values["n"] = two(c, lambda: c.number(2, 30))
    for keys, pool in (("cd", words.COLORS), ("op", words.NOUNS), ("jk", words.JOBS)):
        values[keys[0]], values[keys[1]] = c.distinct(pool, 2)
    values["f"] = c.word(words.FRUITS)
    question, answer = c.any(pairs)
    text_, question, answer = (article(part.format(**values)) for part in (sentence, question, answer))
    return Draft(ask(c.phrase(PASSAGE_FORMS).format(t=text_, q=question)), answer,
                 f'The text says: "{text_}" I look for the answer there.')
