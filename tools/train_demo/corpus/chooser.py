"""Random choices that keep the two splits apart.

A word belongs to exactly one split, decided by a hash of its text. A list of question templates is ordered: the plain
wordings come first and are for training, the last ones (about 15 %, at least one) are held out.
"""

import random
import zlib

from . import phrasing, words
from .people import chat as people_chat, facts as people_facts, system as people_system, tessera as people_tessera, text as people_text

HELD_PERCENT = 15
TRAIN, HELDOUT = "train", "heldout"
REAL_WORDS = {word.lower() for value in vars(words).values() if isinstance(value, (list, dict))
              for entry in value for word in str(entry).split()}
# More wordings for training, by the first wording of their list.
PEOPLE = {**people_chat.ASKED, **people_facts.ASKED, **people_system.ASKED, **people_tessera.ASKED, **people_text.ASKED}


def is_held(text):
    """True where a word, number pair or name belongs to the held-out split."""
    return zlib.crc32(("tessera:" + text).encode()) % 100 < HELD_PERCENT


def partition(items):
    """(train, heldout) of a list of words; neither side is empty when there are two or more words."""
    items = list(dict.fromkeys(items))
    train = [item for item in items if not is_held(str(item))]
    held = [item for item in items if is_held(str(item))]
    if len(items) < 2:
        return items, items
    if not held:
        held = [train.pop()]
    if not train:
        train = [held.pop()]
    return train, held


def template_partition(templates):
    """(train, heldout) of an ordered list of templates; a list of one or two is shared."""
    if len(templates) < 3:
        return templates, templates
    n_held = max(1, round(len(templates) * HELD_PERCENT / 100))
    return templates[:-n_held], templates[-n_held:]


def people_wordings(templates):
    """What the people_*.py files add to a list of templates."""
    return PEOPLE.get(templates[0], ()) if isinstance(templates[0], str) else ()


class Chooser:
    """One random stream bound to one split."""

    def __init__(self, seed, split):
        if split not in (TRAIN, HELDOUT):
            raise ValueError(f"split must be {TRAIN!r} or {HELDOUT!r}, not {split!r}")
        self.rng = random.Random(f"{split}:{seed}")
        self.held = split == HELDOUT
        self._words = {}
        self._templates = {}

    def chance(self, probability):
        return self.rng.random() < probability

    def any(self, items):
        """A choice that is no content of the test: shared by both splits."""
        return items[int(self.rng.random() * len(items))]

    def number(self, low, high):
        return low + int(self.rng.random() * (high - low + 1))

    def sample(self, items, count):
        return self.rng.sample(items, count)

    def words_of(self, items):
        """This split's part of a constant word list."""
        key = id(items)
        if key not in self._words:
            self._words[key] = (partition(items)[self.held], items)
        return self._words[key][0]

    def word(self, items):
        return self.any(self.words_of(items))

    def distinct(self, items, count):
        return self.rng.sample(self.words_of(items), count)

    def phrase(self, templates, more=()):
        """A template of this split, in training one of `more` as well and often in other words."""
        key = id(templates)
        if key not in self._templates:
            parts = template_partition(templates)
            held = {phrasing.normalised(text) for text in parts[1] if isinstance(text, str)}
            own = parts[1] if self.held else [*parts[0], *more, *people_wordings(templates)]
            self._templates[key] = (own, held, templates)
        own, held, _ = self._templates[key]
        template = self.any(own)
        if self.held or not isinstance(template, str) or self.chance(0.5):
            return template
        return phrasing.rephrased(self, template, held)

    def owns(self, text):
        """True if a generated text belongs to this split."""
        return is_held(text) == self.held

    def until_owned(self, make):
        """Draws until the drawn text belongs to this split."""
        while True:
            text = make()
            if self.owns(text):
                return text

    def made_up(self, low=2, high=3, capital=None):
        """A made-up word such as "Zorvik"."""
        def make():
            word = "".join(self.any(words.SYLLABLES) for _ in range(self.number(low, high)))
            return word + self.any(words.ENDINGS) if self.chance(0.5) else word
        word = self.until_owned(make)
        while word in REAL_WORDS:
            word = self.until_owned(make)
        capital = self.chance(0.5) if capital is None else capital
        return word.capitalize() if capital else word

    def code(self):
        """A short string of letters and digits such as "K7-204"."""
        letters, digits = "ABCDEFGHJKLMNPQRSTUVWXYZ", "0123456789"

        def make():
            shape = self.any(["A99", "AA-999", "A9-99", "999-A", "AA99", "9999", "A999", "99A9", "aa99", "AAA-99"])
            return "".join(self.any(letters) if s == "A" else self.any(letters).lower() if s == "a"
                           else self.any(digits) if s == "9" else s for s in shape)
        return self.until_owned(make)

    def person(self):
        kind = self.rng.random()
        if kind < 0.5:
            return self.word(words.FIRST_NAMES)
        if kind < 0.75:
            return self.word(words.FIRST_NAMES) + " " + self.word(words.SURNAMES)
        return self.made_up(capital=True)

    def city(self):
        return self.word(words.CITIES) if self.chance(0.7) else self.made_up(capital=True)

    def integer(self):
        def make():
            return str(self.number(1, 9) if self.chance(0.2) else self.number(10, 99) if self.chance(0.6)
                       else self.number(100, 2500))
        return int(self.until_owned(make))

    def decimal(self):
        def make():
            return f"{self.number(0, 99)}.{self.number(1, 9)}"
        return float(self.until_owned(make))

    def email(self):
        return f"{self.word(words.FIRST_NAMES).lower()}@{self.made_up(2, 2, False)}.{self.any(['com', 'org', 'net'])}"
