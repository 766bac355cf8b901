"""From the corpus to batches: conversations back to back in one array."""
import numpy as np

import chains
import chatml
import corpus
import drill
import renaming

TOKENIZER_BYTES = 6_000_000


class Batch:
    """tokens [N]; bounds: offsets of the conversations; rows: positions whose next token is learned."""

    def __init__(self, examples):
        self.tokens = np.concatenate([np.asarray(ids[:-1], np.int64) for ids, _ in examples])
        self.targets = np.concatenate([np.asarray(ids[prompt:], np.int64) for ids, prompt in examples])
        self.bounds, rows, self.row_bounds = [0], [], [0]
        for ids, prompt in examples:
            begin = self.bounds[-1]
            rows.append(np.arange(begin + prompt - 1, begin + len(ids) - 1))
            self.bounds.append(begin + len(ids) - 1)
            self.row_bounds.append(self.row_bounds[-1] + len(ids) - prompt)
        self.rows = np.concatenate(rows)


def shares(factors):
    """The corpus's mixture with some skills' shares multiplied."""
    return {skill: share * factors.get(skill, 1.0) for skill, share in corpus.SKILLS.items()}


def encoded(tokenizer, seed, split, factors, limit):
    """Endless (skill, ids, n_prompt). Besides skills' names, factors may hold "drill", the share of copying drills,
    "rename" the share of copying examples with random words, "chain" the share of examples that get a history; all are
    zero if not given."""
    stream = corpus.examples(seed, split, shares(factors))
    stream = renaming.mixed(stream, factors.get("rename", 0.0), seed, tokenizer)
    stream = chains.mixed(stream, factors.get("chain", 0.0), seed)
    for example in drill.mixed(stream, factors.get("drill", 0.0), seed, tokenizer):
        ids, prompt = chatml.encode_example(tokenizer, example)
        if len(ids) <= limit:
            yield example["skill"], ids, prompt


def unseen(tokenizer, seed, count, split="heldout", limit=2048):
    """[(skill, ids, n_prompt)] of a split's own stream, which training does not read; the same for every run."""
    stream = encoded(tokenizer, f"score:{seed}", split, {}, limit)
    return [next(stream) for _ in range(count)]


def batches(tokenizer, seed, tokens_per_batch, factors, limit):
    stream = encoded(tokenizer, seed, "train", factors, limit)
    while True:
        examples, size = [], 0
        while size < tokens_per_batch - 80:  # half a conversation of slack, so that the mean size is about right
            _, ids, prompt = next(stream)
            examples.append((ids, prompt))
            size += len(ids) - 1
        yield Batch(examples)
