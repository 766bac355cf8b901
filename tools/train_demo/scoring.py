"""Held-out scores per skill.

Greedy decoding gives the reference answer if and only if every token of it is the likeliest given the ones before,
so one forward pass over prompt and answer decides whether the model would answer with exactly that text.
"""
import collections

import torch
import torch.nn.functional as F

import data
import model


@torch.no_grad()
def sums(config, weights, examples, tokens_per_batch=4096):
    """{skill: [examples, summed loss, answer tokens, exact answers]}"""
    totals = collections.defaultdict(lambda: [0, 0.0, 0, 0])
    start = 0
    while start < len(examples):
        end, size = start, 0
        while end < len(examples) and size < tokens_per_batch:
            size += len(examples[end][1])
            end += 1
        batch = data.Batch([(ids, learned) for _, ids, learned in examples[start:end]])
        hidden, _ = model.forward(config, weights, torch.from_numpy(batch.tokens), batch.bounds,
                                  torch.from_numpy(batch.rows))
        logits = F.linear(hidden, weights["output.weight"])
        targets = torch.from_numpy(batch.targets)
        losses, right = F.cross_entropy(logits, targets, reduction="none"), logits.argmax(-1) == targets
        for i, (skill, _, _) in enumerate(examples[start:end]):
            a, b = batch.row_bounds[i], batch.row_bounds[i + 1]
            entry = totals[skill]
            entry[0] += 1
            entry[1] += losses[a:b].sum().item()
            entry[2] += b - a
            entry[3] += int(right[a:b].all())
        start = end
    return dict(totals)


def summary(parts):
    """{skill: (examples, loss per answer token, share of exact answers)}"""
    totals = collections.defaultdict(lambda: [0, 0.0, 0, 0])
    for part in parts:
        for skill, values in part.items():
            totals[skill] = [a + b for a, b in zip(totals[skill], values)]
    return {skill: (n, loss / tokens, exact / n) for skill, (n, loss, tokens, exact) in sorted(totals.items())}


def line(scores):
    return "  ".join(f"{skill} {loss:.3f}/{exact:.0%}" for skill, (_, loss, exact) in scores.items())
