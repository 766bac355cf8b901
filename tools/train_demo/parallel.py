"""Data-parallel training on one machine: single-threaded processes on shared weights.

Three processes with one thread each are about twice as fast as one process with three: the model's operations are too
small to be split over threads. Each process computes the gradient of its share of the batch into shared memory; then
each adds up, clips and applies the gradients of its own share of the weights.

Each process makes a share of the conversations, which end up in batches of unequal length; so all are dealt out anew
(Pool), and nobody waits long for the one with the most.
"""
import math
import multiprocessing

import numpy as np
import torch

import data
import model
import optim
import scoring


class Shared:
    """The training state in shared memory: flat tensors, and views of them by weight name."""

    FIELDS = ("weights", "mean", "first", "second")  # mean: of the recent weights; the others: optimizer moments

    def __init__(self, config, seed, workers, batch_limit, saved=None):
        self.config, self.workers = config, workers
        initial = model.initial_weights(config, seed)
        self.names = list(initial)
        self.spans, size = {}, 0
        for name, w in initial.items():
            self.spans[name] = (size, w.numel(), w.shape)
            size += w.numel()
        self.flat = {field: torch.zeros(size).share_memory_() for field in self.FIELDS}
        self.grads = torch.zeros(workers, size).share_memory_()
        for name, w in initial.items():
            self.view("weights", name).copy_(w)
            self.view("mean", name).copy_(w)
        if saved:
            for field in self.FIELDS:
                self.flat[field].copy_(saved[field])
        # per worker: answer tokens, summed loss, balance loss, tokens, squared norm of its share of the gradient,
        # stop
        self.sums = torch.zeros(workers, 6, dtype=torch.float64).share_memory_()
        self.pool = Pool(workers, batch_limit)
        self.barrier = multiprocessing.Barrier(workers)
        self.stop = multiprocessing.Event()
        self.results = multiprocessing.Queue()

    def view(self, field, name, source=None):
        begin, count, shape = self.spans[name]
        return (self.flat[field] if source is None else source)[begin:begin + count].view(shape)

    def views(self, field):
        return {name: self.view(field, name) for name in self.names}

    def shares(self):
        """The weights divided among the workers, about equally expensive to update."""
        cost = lambda name: optim.cost(self.config, name, self.view("weights", name))
        parts, loads = [[] for _ in range(self.workers)], [0] * self.workers
        for name in sorted(self.names, key=cost, reverse=True):
            least = loads.index(min(loads))
            parts[least].append(name)
            loads[least] += cost(name)
        return parts


class Pool:
    """The conversations of a step, in shared memory: what each worker made, and what falls to each.

    Two slots, used by turns: the next step's conversations are written while others may still read this step's."""

    def __init__(self, workers, capacity):
        self.slots = torch.zeros(2, workers, capacity, dtype=torch.int32).share_memory_()

    def publish(self, step, rank, examples):
        flat = [len(examples)]
        for ids, learned in examples:
            flat += [len(ids), len(learned), *ids, *(edge for span in learned for edge in span)]
        self.slots[step % 2, rank, :len(flat)] = torch.tensor(flat, dtype=torch.int32)

    def examples(self, step):
        """All conversations of a step, in an order that is the same for every worker."""
        for row in self.slots[step % 2].numpy():
            at = 1
            for _ in range(row[0]):
                n_ids, n_spans = row[at:at + 2]
                edges = row[at + 2 + n_ids:at + 2 + n_ids + 2 * n_spans]
                yield row[at + 2:at + 2 + n_ids].astype(np.int64), edges.reshape(-1, 2).tolist()
                at += 2 + n_ids + 2 * n_spans

    def share(self, step, rank):
        """The conversations that fall to a worker: the longest first, each to the one with the least so far."""

        def cost(example):  # attention grows with the length; the last layer and the head are for learned tokens only
            tokens, learned = len(example[0]), sum(b - a for a, b in example[1])
            return tokens * (1 + tokens / 8000) + 0.3 * learned

        parts, loads = [[] for _ in range(self.slots.shape[1])], [0.0] * self.slots.shape[1]
        for example in sorted(self.examples(step), key=cost, reverse=True):
            least = loads.index(min(loads))
            parts[least].append(example)
            loads[least] += cost(example)
        return parts[rank]


class Worker:
    def __init__(self, shared, rank, args, tokenizer, factors, first_step):
        self.shared, self.rank, self.args = shared, rank, args
        self.config = shared.config
        self.weights = {name: w.detach().requires_grad_() for name, w in shared.views("weights").items()}
        for name, w in self.weights.items():  # backward adds straight into shared memory
            w.grad = shared.view(None, name, shared.grads[rank])
        self.own = shared.shares()[rank]
        self.optimizer = optim.Optimizer(self.config, self.own, shared.views("weights"), shared.views("first"),
                                         shared.views("second"), args.muon_lr, args.adam_lr)
        seed = f"{args.seed}:{first_step}:{rank}"
        self.stream = data.batches(tokenizer, seed, args.tokens_per_step // shared.workers, factors, args.max_length)
        self.shared.pool.publish(first_step + 1, rank, next(self.stream).examples)
        self.examples = data.unseen(tokenizer, 1, args.score_examples)[rank::shared.workers]
        shared.barrier.wait()

    def train_step(self, step, factor):
        """step counts from 1. Returns the gradient's norm and whether all workers are to stop."""
        shared = self.shared
        batch = data.Batch(shared.pool.share(step, self.rank))
        shared.grads[self.rank].zero_()
        hidden, balance = model.forward(self.config, self.weights, torch.from_numpy(batch.tokens), batch.bounds,
                                        torch.from_numpy(batch.rows))
        logits = torch.nn.functional.linear(hidden, self.weights["output.weight"])
        loss = torch.nn.functional.cross_entropy(logits, torch.from_numpy(batch.targets), reduction="sum")
        (loss + self.args.balance * len(batch.targets) * balance).backward()
        shared.sums[self.rank, :4] = torch.tensor([len(batch.targets), loss.item(), balance.item(), len(batch.tokens)])
        shared.pool.publish(step + 1, self.rank, next(self.stream).examples)
        shared.barrier.wait()
        grads, squared = {}, 0.0
        for name in self.own:
            grads[name] = sum(shared.view(None, name, g) for g in shared.grads) / shared.sums[:, 0].sum().item()
            squared += grads[name].pow(2).sum().item()
        shared.sums[self.rank, 4] = squared
        if self.rank == 0:
            shared.sums[0, 5] = float(shared.stop.is_set())  # one reading, so that all stop at the same step
        shared.barrier.wait()
        stop, norm = bool(shared.sums[0, 5]), math.sqrt(shared.sums[:, 4].sum().item())
        if not math.isfinite(norm):
            raise FloatingPointError("the gradient is not finite")
        if norm > 1.0:
            for g in grads.values():
                g.mul_(1.0 / norm)
        self.optimizer.step(grads, step, factor)
        self.update_mean(step)
        shared.barrier.wait()
        return norm, stop

    @torch.no_grad()
    def update_mean(self, step):
        keep = min(self.args.mean_decay, step / (step + 10))
        for name in self.own:
            self.shared.view("mean", name).lerp_(self.shared.view("weights", name), 1 - keep)

    def score(self):
        """Every worker scores its part of the held-out examples; the first gets them all, the others None."""
        part = scoring.sums(self.config, self.shared.views("mean"), self.examples)
        if self.rank:
            self.shared.results.put(part)
            return None
        return scoring.summary([part] + [self.shared.results.get() for _ in range(self.shared.workers - 1)])
