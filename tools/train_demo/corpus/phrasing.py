"""How people put one and the same wish: polite or short, asked or told, with and without punctuation.

Lists are ordered as everywhere: the last ones of each are held out (chooser.py).
"""

import re

from . import wordings

OPENERS = [
    "", "", "", "", "", "", "Please ", "please ", "Can you ", "Could you ", "Can you please ", "Could you please ",
    "Would you ", "Would you please ", "Will you ", "I want to ", "I want you to ", "I need to ", "I need you to ",
    "I would like to ", "I'd like to ", "I would like you to ", "I'd like you to ", "Help me ", "Help me to ",
    "Go ahead and ", "Let's ", "Let us ", "We need to ", "We have to ", "You should ", "Now ", "Just ", "Hey, ",
    "Hi, please ", "Hello, can you ", "Hello, could you ", "Kindly ", "Try to ", "Make sure to ", "I have to ",
    "I wish to ", "It is time to ", "My plan is to ", "Are you able to ", "Is it possible to ", "We want to ",
    "We would like to ", "You need to ", "You can ", "Ok, ", "Okay, now ", "So, please ", "I wanted to ",
    "Quickly ", "If you can, ", "For me, ", "Today I want to ", "I was asked to ", "They want me to ", "I must ",
    "Be so kind and ", "Would you be able to ", "The task is to ", "Next, ", "I am trying to ", "May I ask you to ",
    "Do me a favour and ", "Would it be possible to ", "You are to ", "Is there a way to ",
]
ASKING = ("can you", "could you", "would", "will you", "are you", "is it", "is there", "may i", "hello, c")
CLOSERS = [
    " please", ", please", " please", ", thanks", " thanks", " for me", " now", ". Thank you", ". Thanks", " if you can",
    " right away", " if possible", ". That is all", " when you can", " for us", ". Please", ", thank you", " quickly",
    ", ok", ". Many thanks", " right now", ". Thank you very much", " if that is possible", ". I need it soon",
    " as soon as you can", ". Thanks a lot", " at once", " soon please", ". That would be great", " asap",
    ", if you would", ". Cheers", " as soon as possible", ", if that is fine", ". Thanks in advance",
]
PREFACES = [
    "Hi! ", "Hello! ", "Hello, ", "Hi, ", "Hey! ", "Good morning. ", "Good evening! ", "One more thing: ", "Ok, ", "Okay. ",
    "So: ", "Right. ", "I have a task for you. ", "I have a question. ", "Can you help me? ", "Help me please. ",
    "Listen: ", "Now this: ", "Another one: ", "Well, ", "Hi there! ", "Please help: ", "Here is a job: ", "Dear assistant, ",
    "Something else: ", "And now: ",
]

# A question that ends with one of these is not about the thing that it begins with.
DANGLING = "for|of|in|like|about|from|now|to|with|called|done|on|doing|then|else"
# (pattern of a question, other ways to ask it); {r} is what the pattern's group holds, {q} the question, {l} the
# question with a small first letter
ASKED = [
    (re.compile(rf"What(?: is|'s) (?!it |left |on |in |cached|.*\b(?:{DANGLING})\?|.*[.!?] )(.+)\?"),
     ["What's {r}?", "Tell me {r}.", "Name {r}.", "Give me {r}.", "{r}?", "I would like to know {r}.", "Do you know {r}?",
      "Please tell me {r}.", "Can you tell me {r}?", "Say what {r} is.", "I want to know {r}.", "Please name {r}.",
      "Could you tell me {r}?", "I need {r}.", "I need to know {r}.", "{r}", "Do you know what {r} is?", "{r}, please.",
      "Please give me {r}.", "Find {r}.", "Show me {r}."]),
    (re.compile(r"(?:Who|Which|When|Where|In which|How|Why|What) .+\?()"),
     ["Tell me: {l}", "Do you know {l}", "I want to know: {l}", "Can you tell me {l}", "Please tell me {l}",
      "I wonder {l}", "I would like to know {l}", "Do you know this: {l}", "{q} Do you know?", "{q} Tell me.", "So {l}",
      "Could you tell me {l}", "And {l}", "Tell me {l}", "{q} I forgot.", "I ask myself {l}"]),
    (re.compile(r"(?:Tell me|Name|Give me|Say) ((?:the|my|a|an|your) .+)\."),
     ["Name {r}.", "Give me {r}.", "Tell me {r}.", "I want to know {r}.", "Do you know {r}?", "Can you tell me {r}?",
      "Please tell me {r}.", "{r}?", "{r}", "I would like to know {r}.", "Please give me {r}.", "I need {r}.",
      "Could you give me {r}?", "What is {r}?", "What's {r}?"]),
]
SLOT = re.compile(r"\{(\w+)\}")


def normalised(text):
    return re.sub(r"[^\w{}]+", " ", text.lower()).strip()


def small(text):
    """With a small first letter, unless the first word stays capital."""
    return text if not text or text.startswith(("I ", "I'")) or text[:2].isupper() else text[0].lower() + text[1:]


def rephrased(c, template, held):
    """Another way to ask the same, or the template itself; never one of the wordings in `held`."""
    for pattern, ways in ASKED:
        found = pattern.fullmatch(template)
        if found:
            rest = found.group(1)
            text = c.any(ways).format_map({"r": Braces(rest), "q": Braces(template), "l": Braces(small(template))})
            text = text[0].upper() + text[1:]
            return template if normalised(text) in held else text
    return template


class Braces(str):
    """A text put into a format string as it is, its own slots included."""

    def __format__(self, _):
        return str(self)


def polite(c, text):
    """A finished request with small talk around it, in another case or without its mark; its content stays."""
    kind = c.rng.random()
    if kind < 0.35:
        return text
    if kind < 0.6:
        mark = text[-1] if text[-1] in ".?!" else ""
        text = text.rstrip(".?! ") + c.phrase(CLOSERS, wordings.CLOSERS)
        text += c.any(["", mark, mark or "."])
    elif kind < 0.75:
        preface = c.phrase(PREFACES, wordings.PREFACES)
        text = preface + (text if preface[-2] in ".!?" else small(text))
    kind = c.rng.random()
    if kind < 0.2:
        text = text.rstrip(".?! ")
    elif kind < 0.3:
        text = text.rstrip(".?! ") + c.any(["!", ".", "?", "...", " ?"])
    return small(text) if c.chance(0.25) else text


def lightly(c, text, may_be_small):
    """A request as it is, after a greeting, without its mark or in another case; nothing that could be read as an argument."""
    if c.chance(0.2):
        preface = c.phrase(PREFACES, wordings.PREFACES)
        return preface + (text if preface[-2] in ".!?" or not may_be_small else small(text))
    if c.chance(0.3):
        text = text.rstrip(".?! ")
    return small(text) if may_be_small and c.chance(0.3) else text


def mistyped(c, text):
    """One small slip in a word in lower case: a letter lost, doubled or changed with its neighbour."""
    places = [m for m in re.finditer(r"(?<![A-Za-z])[a-z]{4,}(?![A-Za-z])", text)]
    if not places:
        return text
    place = c.any(places)
    at = place.start() + c.number(1, place.end() - place.start() - 2)
    a, b = text[at], text[at + 1]
    return text[:at] + c.any([b + a, b, a + a + b]) + text[at + 2:]


def listed(c, items):
    """Several things in a row, as people write them."""
    if len(items) == 1:
        return items[0]
    last = c.any([" and ", " and ", " and ", " & ", ", ", " plus ", " and also ", " as well as ", ", and "])
    text = ", ".join(items[:-1]) + last + items[-1]
    return "both " + text if len(items) == 2 and last == " and " and c.chance(0.1) else text
