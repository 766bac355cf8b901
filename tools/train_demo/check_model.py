#!/usr/bin/env python3
"""Checks the trainer's fast layers (*.cpp) against the plain float64 form: outputs and all gradients; and the
token-by-token form of generate.py against both."""
import torch
import torch.nn.functional as F

import generate
import model


def main():
    torch.manual_seed(0)
    c = model.Config(vocab=128, hidden=64, layers=4, n_head=4, n_head_kv=2, ff_expert=32, ff_shared=32)
    weights = {k: (v + 0.1 * torch.randn_like(v)).requires_grad_() for k, v in model.initial_weights(c, 1).items()}
    double = {k: v.detach().double().requires_grad_() for k, v in weights.items()}
    tokens, bounds = torch.randint(0, 128, (101,)), [0, 2, 43, 101]
    target = torch.randint(0, 128, (101,))
    plain = torch.cat([model.forward_plain(c, double, tokens[a:b]) for a, b in zip(bounds[:-1], bounds[1:])])

    every = torch.arange(101)
    for rows in (None, every[every % 3 == 1]):  # all of them, and what the last layer leaves out
        chosen = every if rows is None else rows
        hidden, _ = model.forward(c, weights, tokens, bounds, rows)
        logits = F.linear(hidden, weights["output.weight"])
        F.cross_entropy(logits, target[chosen]).backward()
        F.cross_entropy(plain[chosen], target[chosen]).backward(retain_graph=True)
        worst = (logits - plain[chosen]).abs().max().item()
        print(f"logits: largest difference {worst:.2e} (largest logit {plain.abs().max():.2f})")
        worst_grad, worst_name = max(
            (((weights[k].grad - double[k].grad).norm() / (double[k].grad.norm() + 1e-12)).item(), k) for k in weights)
        print(f"gradients: largest relative difference {worst_grad:.2e} in {worst_name}")
        assert worst < 1e-4 and worst_grad < 1e-3
        for k in weights:
            weights[k].grad = double[k].grad = None

    decoder = generate.Decoder(c, {k: v.detach() for k, v in double.items()})
    steps = torch.stack([decoder.step(int(t)) for t in tokens[43:]])
    worst_step = (steps - plain[43:]).abs().max().item()
    print(f"token by token: largest difference {worst_step:.2e}")
    assert worst_step < 1e-9


if __name__ == "__main__":
    main()
