"""Byte-level BPE with the `qwen35` pre-tokenizer: training, encoding, decoding.

The vocabulary is laid out as in Qwen's files: 256 bytes in the order of the GPT-2 table, merges, added tokens.
"""
import collections
import heapq
import json
import unicodedata

import regex  # Debian: python3-regex; Python's own `re` knows no \p{L}

PATTERN = regex.compile(
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+")

CONTROL, USER_DEFINED = 3, 4
# Qwen's added tokens in their order, with their GGUF token types
ADDED_TOKENS = [(text, CONTROL) for text in (
    "<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|object_ref_start|>", "<|object_ref_end|>", "<|box_start|>",
    "<|box_end|>", "<|quad_start|>", "<|quad_end|>", "<|vision_start|>", "<|vision_end|>", "<|vision_pad|>",
    "<|image_pad|>", "<|video_pad|>")] + [(text, USER_DEFINED) for text in (
        "<tool_call>", "</tool_call>", "<|fim_prefix|>", "<|fim_middle|>", "<|fim_suffix|>", "<|fim_pad|>",
        "<|repo_name|>", "<|file_sep|>", "<tool_response>", "</tool_response>", "<think>", "</think>")] + [
            (text, CONTROL) for text in (
                "<|audio_start|>", "<|audio_end|>", "<tts_pad>", "<tts_text_bos>", "<tts_text_eod>",
                "<tts_text_bos_single>", "<|audio_pad|>")]


def byte_table():
    """GPT-2's printable stand-ins for the 256 bytes, in id order: [(byte, character)]."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    rest = [b for b in range(256) if b not in plain]
    return [(b, chr(b)) for b in plain] + [(b, chr(256 + i)) for i, b in enumerate(rest)]


BYTE_TO_CHAR = dict(byte_table())
CHAR_TO_BYTE = {c: b for b, c in BYTE_TO_CHAR.items()}

SPACE_SHARE = 0.3  # of the merges: a word's first token with the space before it


def is_letter(byte):
    return byte >= 0x80 or 65 <= byte <= 90 or 97 <= byte <= 122


def letters_alone(token):
    """Whether a byte string may become a token in the first stage: letters join with letters only."""
    return sum(map(is_letter, token)) in (0, len(token)) and len(token) <= 24


def space_and_word(pair):
    """The merges of the second stage: the space before a word in lower case joins with the word's first token."""
    left, right = pair
    return left == b" " and 97 <= right[0] <= 122 and all(map(is_letter, right))


class MergeTrainer:
    """The words of a text, cut as far as the merges found so far go."""

    def __init__(self, text):
        words = collections.Counter(PATTERN.findall(unicodedata.normalize("NFC", text)))
        self.sequences = [[bytes([b]) for b in word.encode()] for word in words]
        self.counts = list(words.values())
        self.pairs, self.where = collections.Counter(), collections.defaultdict(set)
        for index in range(len(self.sequences)):
            self.add(index, 1)

    def add(self, index, sign):
        for pair in zip(self.sequences[index], self.sequences[index][1:]):
            self.pairs[pair] += sign * self.counts[index]
            self.where[pair].add(index)

    def run(self, count, allowed):
        """The `count` most frequent allowed merges, [(left, right)] in rank order; ties go to the smaller pair."""
        heap = [(-n, pair) for pair, n in self.pairs.items()]
        heapq.heapify(heap)
        merges = []
        while len(merges) < count and heap:
            n, pair = heapq.heappop(heap)
            if -n != self.pairs[pair]:  # stale entry: put it back with its present count
                if self.pairs[pair] > 0:
                    heapq.heappush(heap, (-self.pairs[pair], pair))
                continue
            if -n < 2 or not allowed(pair):
                continue
            merges.append(pair)
            changed = set()
            for index in self.where.pop(pair):
                self.add(index, -1)
                changed.update(zip(self.sequences[index], self.sequences[index][1:]))
                self.sequences[index] = apply_merge(self.sequences[index], pair)
                self.add(index, 1)
                changed.update(zip(self.sequences[index], self.sequences[index][1:]))
            for touched in changed:
                if self.pairs[touched] > 0:
                    heapq.heappush(heap, (-self.pairs[touched], touched))
        return merges


def train_merges(text, count):
    """Merges in rank order. Because the space joins last, a word is cut in the same way with a space before it, after
    a quote and at the start of a line; a small model can then copy it token by token."""
    trainer = MergeTrainer(text)
    first = trainer.run(count - int(count * SPACE_SHARE), lambda pair: letters_alone(pair[0] + pair[1]))
    return first + trainer.run(count - len(first), space_and_word)


def apply_merge(sequence, pair):
    out, i = [], 0
    while i < len(sequence):
        if i + 1 < len(sequence) and (sequence[i], sequence[i + 1]) == pair:
            out.append(pair[0] + pair[1])
            i += 2
        else:
            out.append(sequence[i])
            i += 1
    return out


class Tokenizer:
    def __init__(self, merges, size):
        """size: entries in all; unused ids before the added tokens are not possible, so it must fit exactly."""
        self.merges = merges
        self.tokens = [bytes([b]) for b, _ in byte_table()] + [a + b for a, b in merges]
        self.first_added = len(self.tokens)
        assert self.first_added + len(ADDED_TOKENS) == size, (self.first_added, size)
        self.ids = {token: i for i, token in enumerate(self.tokens)}
        self.ranks = {pair: i for i, pair in enumerate(merges)}
        self.added = {text: self.first_added + i for i, (text, _) in enumerate(ADDED_TOKENS)}
        self.cache = {}

    @classmethod
    def train(cls, text, size):
        return cls(train_merges(text, size - 256 - len(ADDED_TOKENS)), size)

    @classmethod
    def load(cls, path):
        data = json.loads(path.read_text())
        return cls.from_lines(data["merges"], data["size"])

    @classmethod
    def from_lines(cls, lines, size):
        """From merges as GGUF files list them: two tokens in GPT-2's letters, a space between."""
        merges = [tuple(bytes(CHAR_TO_BYTE[c] for c in part) for part in line.split(" ")) for line in lines]
        return cls(merges, size)

    def save(self, path):
        path.write_text(json.dumps({"size": len(self), "merges": self.merge_lines()}, ensure_ascii=False))

    def __len__(self):
        return self.first_added + len(ADDED_TOKENS)

    def merge_lines(self):
        show = lambda token: "".join(BYTE_TO_CHAR[b] for b in token)
        return [f"{show(a)} {show(b)}" for a, b in self.merges]

    def token_strings(self):
        return ["".join(BYTE_TO_CHAR[b] for b in token) for token in self.tokens] + [text for text, _ in ADDED_TOKENS]

    def token_types(self):
        return [1] * self.first_added + [kind for _, kind in ADDED_TOKENS]

    def encode_word(self, word):
        known = self.cache.get(word)
        if known is not None:
            return known
        sequence = [bytes([b]) for b in word.encode()]
        while len(sequence) > 1:
            pair = min(zip(sequence, sequence[1:]), key=lambda p: self.ranks.get(p, 1 << 30))
            if pair not in self.ranks:
                break
            sequence = apply_merge(sequence, pair)
        ids = [self.ids[token] for token in sequence]
        if len(self.cache) < 200_000:
            self.cache[word] = ids
        return ids

    def encode_text(self, text):
        """Plain text: an added token's spelling in it stays text."""
        ids = []
        for word in PATTERN.findall(unicodedata.normalize("NFC", text)):
            ids.extend(self.encode_word(word))
        return ids

    def encode_spans(self, spans):
        """Spans from chatml: (text, True) is an added token, (text, False) plain text. Neighbouring plain spans are
        one text, as they would be in the rendered template."""
        ids, pending = [], []
        for text, control in spans:
            if not control:
                pending.append(text)
                continue
            ids.extend(self.encode_text("".join(pending)))
            pending.clear()
            ids.append(self.added[text])
        return ids + self.encode_text("".join(pending))

    def decode(self, ids):
        data = b"".join(self.tokens[i] if i < self.first_added else ADDED_TOKENS[i - self.first_added][0].encode()
                        for i in ids)
        return data.decode("utf-8", "replace")
