#!/usr/bin/env python3
"""Makes tests/text/bpe_fixture.json: a small byte-level BPE vocabulary, trained on seeded synthetic text, and what a
second, slow implementation of the tokenizer (this file; standard library alone) makes of a few hundred texts.

    tools/make_test_vocabulary.py [--check]

--check compares with the file instead of writing it. Needs a Python whose unicodedata is of Unicode 14 (Debian 12's),
so that both sides know the same characters.
"""
import argparse
import json
import pathlib
import random
import sys
import unicodedata

TARGET = pathlib.Path(__file__).resolve().parent.parent / 'tests' / 'text' / 'bpe_fixture.json'
SEED = 20260422
MERGES = 900
ADDED = ['<|im_start|>', '<|im_end|>', '<|im', '<think>', '</think>', '<tool_call>', '<thi', 'é!']

# Unicode's property White_Space.
WHITE_SPACE = {chr(c) for c in [*range(0x09, 0x0E), 0x20, 0x85, 0xA0, 0x1680, *range(0x2000, 0x200B), 0x2028, 0x2029,
                                0x202F, 0x205F, 0x3000]}
CONTRACTIONS = ['s', 't', 're', 've', 'm', 'll', 'd']


# ---------------------------------------------------------------- the pre-tokenizer, by hand

def kind(c):
    return unicodedata.category(c)[0]


class PreTokenizer:
    """Both patterns, alternative by alternative, without a regex engine."""

    def __init__(self, marks_are_letters):
        self.letters = 'LM' if marks_are_letters else 'L'

    def is_letter(self, c):
        return kind(c) in self.letters

    def is_other(self, c):  # neither white space, letter nor number
        return c not in WHITE_SPACE and not self.is_letter(c) and kind(c) != 'N'

    @staticmethod
    def run(text, i, wanted):
        while i < len(text) and wanted(text[i]):
            i += 1
        return i

    def contraction(self, text, i):
        if text[i] != "'":
            return i
        for ending in CONTRACTIONS:
            found = text[i + 1:i + 1 + len(ending)]
            # U+017F, the long s, folds to s.
            if len(found) == len(ending) and found.replace('\u017f', 's').lower() == ending:
                return i + 1 + len(ending)
        return i

    def word(self, text, i):
        first = text[i]
        if first not in '\r\n' and kind(first) not in 'LN':
            end = self.run(text, i + 1, self.is_letter)
            if end > i + 1:
                return end
        return self.run(text, i, self.is_letter)

    def number(self, text, i):
        return i + 1 if kind(text[i]) == 'N' else i

    def punctuation(self, text, i):
        begin = i + 1 if text[i] == ' ' else i
        end = self.run(text, begin, self.is_other)
        return self.run(text, end, lambda c: c in '\r\n') if end > begin else i

    def newlines(self, text, i):
        end = self.run(text, i, lambda c: c in WHITE_SPACE)
        last = max(text.rfind('\n', i, end), text.rfind('\r', i, end))
        return last + 1 if last >= 0 else i

    def space(self, text, i):
        end = self.run(text, i, lambda c: c in WHITE_SPACE)
        return end - 1 if end < len(text) and end - i > 1 else end

    def split(self, text):
        i, out = 0, []
        while i < len(text):
            for rule in (self.contraction, self.word, self.number, self.punctuation, self.newlines, self.space):
                end = rule(text, i)
                if end > i:
                    break
            assert end > i, (text, i)
            out.append(text[i:end])
            i = end
        return out


PRE = {'qwen2': PreTokenizer(False), 'qwen35': PreTokenizer(True)}


# ---------------------------------------------------------------- bytes and pairs

def byte_spelling():
    own = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    table = {b: chr(b) for b in own}
    for b in range(256):
        if b not in table:
            table[b] = chr(256 + len(table) - len(own))
    return table


SPELL = byte_spelling()


def spell(data):
    return ''.join(SPELL[b] for b in data)


def train(texts, count):
    """The pairs that occur most often, one after the other; ties go to the smaller pair."""
    words = {}
    for text in texts:
        for piece in PRE['qwen35'].split(unicodedata.normalize('NFC', text)):
            key = tuple(spell(piece.encode()))
            words[key] = words.get(key, 0) + 1
    merges = []
    while len(merges) < count:
        pairs = {}
        for word, times in words.items():
            for pair in zip(word, word[1:]):
                pairs[pair] = pairs.get(pair, 0) + times
        if not pairs:
            break
        best = min(pairs, key=lambda p: (-pairs[p], p))
        merges.append(best)
        words_after = {}
        for word, times in words.items():
            key = tuple(join(list(word), best))
            words_after[key] = words_after.get(key, 0) + times
        words = words_after
    return merges


def join(parts, pair):
    out, i = [], 0
    while i < len(parts):
        if i + 1 < len(parts) and (parts[i], parts[i + 1]) == pair:
            out.append(parts[i] + parts[i + 1])
            i += 2
        else:
            out.append(parts[i])
            i += 1
    return out


class Model:
    def __init__(self, merges):
        self.tokens = [SPELL[b] for b in sorted(SPELL, key=lambda b: ord(SPELL[b]))]
        self.tokens += [a + b for a, b in merges]
        self.merges = merges
        self.rank = {pair: i for i, pair in enumerate(merges)}
        self.id = {token: i for i, token in enumerate(self.tokens)}
        self.added = {text: len(self.tokens) + i for i, text in enumerate(ADDED)}

    def merge(self, data):
        parts = list(spell(data))
        while True:
            ranked = [(self.rank[p], i) for i, p in enumerate(zip(parts, parts[1:])) if p in self.rank]
            if not ranked:
                return [self.id[p] for p in parts]
            i = min(ranked)[1]
            parts[i:i + 2] = [parts[i] + parts[i + 1]]

    def encode(self, text, pre, nfc=True):
        if nfc:
            text = unicodedata.normalize('NFC', text)
        return [t for piece in PRE[pre].split(text) for t in self.merge(piece.encode())]

    def encode_with_added(self, text, pre):
        out, begin, i = [], 0, 0
        while i < len(text):
            found = max((a for a in ADDED if text.startswith(a, i)), key=len, default='')
            if found:
                out += self.encode(text[begin:i], pre) + [self.added[found]]
                i += len(found)
                begin = i
            else:
                i += 1
        return out + self.encode(text[begin:], pre)


# ---------------------------------------------------------------- texts

SYLLABLES = 'ba be bi bo ka ke ki ko la le li lo ma me mi mo na ne ni no ra re ri ro sa se si so ta te ti to'.split()
SCRIPTS = {  # code points to draw from, all assigned before Unicode 14
    'cjk': [*range(0x4E00, 0x4E40), 0x3001, 0x3002],
    'kana': [*range(0x3042, 0x3060), 0x3099],
    'hangul': [*range(0xAC00, 0xAC20), *range(0x1100, 0x1113), *range(0x1161, 0x1176), *range(0x11A8, 0x11C3)],
    'cyrillic': range(0x430, 0x450),
    'accented': [*range(0xE0, 0xF6), 0x1E69, 0x212B, 0x17F],
    'devanagari': [*range(0x905, 0x90F), *range(0x915, 0x925), 0x93C, 0x93E, 0x93F, 0x94D, 0x958],
    'arabic': [*range(0x627, 0x63B), *range(0x64B, 0x653)],
    'thai': [*range(0xE01, 0xE10), *range(0xE31, 0xE3A), *range(0xE47, 0xE4E)],
    'marks': [*range(0x300, 0x30D), 0x316, 0x323, 0x327, 0x334, 0x345, 0x20DD, 0xFE0F],
    'emoji': [*range(0x1F600, 0x1F610), 0x1F469, 0x200D, 0x1F4BB, *range(0x1F3FB, 0x1F400), 0x2764],
    'digits': [*range(0x30, 0x3A), *range(0x660, 0x66A), 0x216B, 0xBD, 0x2460],
    'spaces': [0x20, 0x20, 0x20, 0x09, 0x0A, 0x0D, 0x0B, 0x85, 0xA0, 0x1680, 0x180E, 0x2003, 0x2028, 0x202F, 0x3000],
    'ascii': [*range(0x20, 0x7F), 0x0A],
    'compatibility': [0xF900, 0x2F800, 0x1D15E, 0x0958, 0xFB1D, 0x0344, 0x0F73, 0x2126, 0x0DDD, 0x115B9],
}

HAND = [
    '', ' ', '\n', 'a', "it's IT'S they're I'M we'll I'd DON'T 'tis", "'\u017f'\u017fx 's' 'S 'l 'll 'lL", "''s 'sx",
    'one  two   three    ', '   lead', 'trail   ', 'a \n b', 'a\n\n  \nb', '\r\n\r\n x', ' \t\n \t', 'x\u00a0y\u3000z\u2003w',
    'a\u180eb \u180e ', '1234567890', '1.5e-10', '\u0661\u0662\u0663 \u216b \u00bd', 'f(x) == {y: [1, 2]};\n\n', '!!!\n???\r\n',
    ' ...word', '  ...word', '"quoted"', '_under_score', 'e\u0301\u0301', 'cafe\u0301 caf\u00e9', 'A\u030a \u212b \u00c5',
    'q\u0323\u0307 q\u0307\u0323', '\u1100\u1161\u11a8 \uac01 \uac00\u11a8', '\u0301start', ' \u0301x', '\n\u0301x', '5\u0301',
    '\u0915\u094d\u0937 \u0915\u093c \u0958', '\u0e01\u0e33', '\u05e9\u05c1\u05bc \ufb2c', '\u0645\u064e\u0631\u0652',
    '\U0001f469\u200d\U0001f4bb\U0001f642', 'a\ufe0f', '\u4f60\u597d\uff0c\u4e16\u754c\uff01', '\ufeffbom', '\u0000nul\u0000',
    '\U0001d15e\U0001d165', 's\u0323\u0307', '\u0344', '\u0dd9\u0dcf\u0dca', '<|im_start|>user\nhi<|im_end|>\n',
    '<|im_start|', '<<|im_end|>>', '<think>x</think><thin<think', 'e\u0301! \u00e9!', '<|im_end|><|im_end|>', '<|im|im_end|>',
]


def word(rng):
    return ''.join(rng.choice(SYLLABLES) for _ in range(rng.randint(1, 4)))


def sentence(rng):
    words = [word(rng) for _ in range(rng.randint(3, 12))]
    if rng.random() < 0.3:
        words[rng.randrange(len(words))] += rng.choice(["'s", "'re", "n't", "'LL"])
    if rng.random() < 0.3:
        words.insert(0, str(rng.randrange(10 ** rng.randint(1, 6))))
    return ' '.join(words).capitalize() + rng.choice(['.', '?', '!', '...', ';\n', '.\n\n'])


def mixture(rng, length):
    """Runs of one script after another, words and marks between."""
    out = ''
    while len(out) < length:
        choice = rng.random()
        if choice < 0.25:
            out += rng.choice(['', ' ']) + word(rng)
        elif choice < 0.35:
            out += rng.choice(['e', 'A', 'o', '\u0915', '\u304b', '\u1100']) + chr(rng.choice(SCRIPTS['marks']))
        elif choice < 0.40:
            out += rng.choice(ADDED)[:rng.randint(1, 12)]
        else:
            script = SCRIPTS[rng.choice(sorted(SCRIPTS))]
            out += ''.join(chr(rng.choice(script)) for _ in range(rng.randint(1, 6)))
    return out


def make():
    rng = random.Random(SEED)
    corpus = [sentence(rng) for _ in range(3000)] + [mixture(rng, 40) for _ in range(1500)]
    corpus += [' ' * n + 'x' for n in (1, 2, 4, 8, 16)] * 40 + ['def ' + word(rng) + '(x):\n    return x\n' for _ in range(200)]
    model = Model(train(corpus, MERGES))
    texts = HAND + [sentence(rng) for _ in range(40)] + [mixture(rng, rng.randint(1, 60)) for _ in range(260)]
    texts += [word(rng) * 30, '\u4f60' * 100, 'a' * 200, ' ' * 133 + 'x', '\u0301\u0316' * 40]
    cases = []
    for text in texts:
        case = {'text': text}
        for pre in PRE:
            case[pre] = model.encode(text, pre)
        for name, ids in (('qwen35_raw', model.encode(text, 'qwen35', nfc=False)),
                          ('qwen35_added', model.encode_with_added(text, 'qwen35'))):
            if ids != case['qwen35']:  # else left out: the same as qwen35
                case[name] = ids
        if case['qwen2'] == case['qwen35']:
            del case['qwen2']
        cases.append(case)
    return {'made_by': 'tools/make_test_vocabulary.py', 'tokens': model.tokens, 'added': ADDED,
            'merges': [f'{a} {b}' for a, b in model.merges], 'cases': cases}


def to_text(fixture):
    lines = ['{']
    for key, value in fixture.items():
        if key == 'cases':
            rows = ',\n  '.join(json.dumps(case, separators=(',', ':')) for case in value)
            lines.append(f' "{key}": [\n  {rows}]')
        else:
            lines.append(f' "{key}": {json.dumps(value, separators=(",", ":"))},')
    return '\n'.join(lines) + '}\n'


def main():
    parser = argparse.ArgumentParser(description='Makes tests/text/bpe_fixture.json.')
    parser.add_argument('--check', action='store_true', help='compare with the file, write nothing')
    arguments = parser.parse_args()
    if unicodedata.unidata_version != '14.0.0':
        sys.exit(f'this needs Unicode 14, this Python has {unicodedata.unidata_version}')
    text = to_text(make())
    if arguments.check:
        if TARGET.read_text() != text:
            sys.exit(f'{TARGET} is not what this script makes')
        return
    TARGET.write_text(text)
    print(f'{TARGET}: {len(text)} bytes')


if __name__ == '__main__':
    main()
