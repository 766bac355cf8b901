"""From the corpus to batches: conversations back to back in one array."""
import numpy as np

import chains
import chatml
import corpus
import drill
import renaming
import sessions

TOKENIZER_BYTES = 6_000_000


class Batch:
    """tokens [N]; bounds: offsets of the conversations; rows: positions whose next token is learned."""

    def __init__(self, examples):
        self.examples = examples
        self.tokens = np.concatenate([np.asarray(ids[:-1], np.int64) for ids, _ in examples])
        self.targets = np.concatenate([np.asarray(ids[a:b], np.int64) for ids, learned in examples for a, b in learned])
        self.bounds, rows, self.row_bounds = [0], [], [0]
        for ids, learned in examples:
            begin = self.bounds[-1]
            rows += [np.arange(begin + a - 1, begin + b - 1) for a, b in learned]
            self.bounds.append(begin + len(ids) - 1)
            self.row_bounds.append(self.row_bounds[-1] + sum(b - a for a, b in learned))
        self.rows = np.concatenate(rows)


def shares(factors):
    """The corpus's mixture with some skills' shares multiplied."""
    return {skill: share * factors.get(skill, 1.0) for skill, share in corpus.SKILLS.items()}


def encoded(tokenizer, seed, split, factors, limit):
    """Endless (skill, ids, learned). Besides skills' names, factors may hold "drill", the share of copying drills,
    "rename" the share of copying examples with random words, "chain" the share of examples that get a history,
    "session" the share that goes into sessions, "tool_session" the sessions around the same tools for each example; all are zero if not given."""
    stream = corpus.examples(seed, split, shares(factors))
    rename = factors.get("rename", 0.0)
    stream = renaming.mixed(stream, rename, seed, tokenizer)
    stream = chains.mixed(stream, factors.get("chain", 0.0), seed)
    same_tools = renaming.mixed(sessions.tool_sessions(seed), rename, f"{seed}:tools", tokenizer)
    stream = sessions.mixed(stream, factors.get("session", 0.0), same_tools, factors.get("tool_session", 0.0), seed)
    for example in drill.mixed(stream, factors.get("drill", 0.0), seed, tokenizer):
        ids, learned = chatml.encode_example(tokenizer, example)
        if len(ids) <= limit:
            yield example["skill"], ids, learned


def unseen(tokenizer, seed, count, split="heldout", limit=2048):
    """[(skill, ids, learned)] of a split's own stream, which training does not read; the same for every run."""
    stream = encoded(tokenizer, f"score:{seed}", split, {}, limit)
    return [next(stream) for _ in range(count)]


def batches(tokenizer, seed, tokens_per_batch, factors, limit):
    stream = encoded(tokenizer, seed, "train", factors, limit)
    while True:
        examples, size = [], 0
        while size < tokens_per_batch - 80:  # half a conversation of slack, so that the mean size is about right
            _, ids, learned = next(stream)
            examples.append((ids, learned))
            size += len(ids) - 1
        yield Batch(examples)
