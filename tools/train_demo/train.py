#!/usr/bin/env python3
"""Trains the demo model. One command, seeded, resumable:

   train.py                 from the start
   train.py --resume        on from the last checkpoint (build/train_demo/checkpoint.pt)

Learning rate: warm-up, constant, then linear to zero over the last part. A mean of the recent weights is kept beside
the weights, so that a checkpoint from the constant phase is usable as it is.
"""
import argparse
import dataclasses
import json
import multiprocessing
import os
import pathlib
import signal
import time

import environment

if __name__ == "__main__":
    environment.restart_with(1)

import torch

import corpus
import data
import model
import scoring
from kernels import BUILD_DIR, load_library
from parallel import Shared, Worker
from tokenizer import Tokenizer

# More of what is slow to learn: calls of unknown tools, extraction, wishes of system messages, carrying digits, copying in its
# several disguises.
MIXTURE = ("drill=0.06,chain=0.1,session=0.7,tool_session=0.1,rename=0.5,text=0.8,extract_json=4.5,passage=1.2,system=4,"
           "arithmetic_thinking=4,arithmetic_direct=0.2,facts=2,tessera=2.2,readme=2,greeting=2.5,unknown=1.5,"
           "multi_turn=1.3,tool_call=3.5,tool_parallel=3,thinking=0.7")


def load_tokenizer(size=2048):
    """For a run from the start: trained on first use and kept; each checkpoint carries the one that it was trained with."""
    path = BUILD_DIR / "tokenizer.json"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        Tokenizer.train(corpus.tokenizer_text(1, data.TOKENIZER_BYTES), size).save(path)
    return Tokenizer.load(path)


def load_checkpoint(path):
    return torch.load(path, map_location="cpu")


def checkpoint_weights(saved, field="mean"):
    """(config, weights by name) of a loaded checkpoint; field: "mean" or "weights"."""
    config, weights, begin = model.Config(**saved["config"]), {}, 0
    for name, shape in model.weight_shapes(config).items():
        count = torch.Size(shape).numel()
        weights[name] = saved[field][begin:begin + count].view(shape).clone()
        begin += count
    return config, weights


def checkpoint_tokenizer(saved):
    return Tokenizer.from_lines(saved["merges"], saved["config"]["vocab"])


def learning_rate(step, args):
    """A factor. What is left of the run is measured in steps, or in time where --minutes is given."""
    left = (args.ends - time.time()) / (60 * args.minutes) if args.minutes else (args.steps - step) / args.steps
    return min(1.0, (step + 1) / args.warm_up, max(0.0, left / args.decay_share))


class Progress:
    """What the first worker keeps: counters, log lines, checkpoints."""

    def __init__(self, shared, args, merges, saved):
        self.shared, self.args, self.merges = shared, args, merges
        self.step, self.tokens, self.seconds = ((saved["step"], saved["tokens"], saved["seconds"]) if saved
                                                else (0, 0, 0.0))
        self.last = self.last_save = time.time()
        self.window = [0.0, 0.0, 0.0, 0.0]  # loss, answer tokens, tokens, seconds

    def after_step(self, norm):
        now, sums = time.time(), self.shared.sums
        self.step += 1
        self.tokens += int(sums[:, 3].sum())
        self.seconds += now - self.last
        for i, value in enumerate((sums[:, 1].sum(), sums[:, 0].sum(), sums[:, 3].sum(), now - self.last)):
            self.window[i] += float(value)
        self.last = now
        if self.step % 20 == 0:
            loss, answers, tokens, seconds = self.window
            print(f"step {self.step} loss {loss / answers:.4f} gradient {norm:.2f} balance {sums[:, 2].mean():.3f} "
                  f"tokens {self.tokens / 1e6:.2f} M  {tokens / seconds:.0f} tokens/s {self.seconds / 60:.1f} min",
                  flush=True)
            self.window = [0.0, 0.0, 0.0, 0.0]
        if now - self.last_save > self.args.save_every:
            self.save()

    def save(self):
        path = pathlib.Path(self.args.checkpoint)
        partial = path.with_suffix(".tmp")
        torch.save({"config": dataclasses.asdict(self.shared.config), "merges": self.merges, "step": self.step,
                    "tokens": self.tokens, "seconds": self.seconds, **self.shared.flat}, partial)
        os.replace(partial, path)
        self.last_save = time.time()


def work(rank, shared, args, tokenizer, factors, saved):
    """The life of one worker; the first one keeps the log."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    torch.set_num_threads(1)
    progress = Progress(shared, args, tokenizer.merge_lines(), saved)
    worker = Worker(shared, rank, args, tokenizer, factors, progress.step)
    for step in range(progress.step, args.steps):
        norm, stop = worker.train_step(step + 1, learning_rate(step, args))
        if rank == 0:
            progress.after_step(norm)
            if args.minutes and time.time() > args.ends:
                shared.stop.set()
        if (step + 1) % args.score_every == 0 or step + 1 == args.steps:
            scores = worker.score()
            if rank == 0:
                print(f"held-out step {step + 1}: {scoring.line(scores)}", flush=True)
                progress.last = time.time()
        if stop:
            break
    shared.barrier.wait()
    if rank == 0:
        progress.save()
        print(f"stopped at step {progress.step}, {progress.tokens / 1e6:.2f} M tokens, {progress.seconds / 60:.1f} min",
              flush=True)


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=2900)
    parser.add_argument("--minutes", type=float, default=0, help="end after this time, whatever --steps says; the "
                        "learning rate then falls over the last part of it")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--tokens-per-step", type=int, default=9216)
    parser.add_argument("--max-length", type=int, default=1280, help="longer conversations are left out")
    parser.add_argument("--muon-lr", type=float, default=0.02)
    parser.add_argument("--adam-lr", type=float, default=3e-3)
    parser.add_argument("--warm-up", type=int, default=60)
    parser.add_argument("--decay-share", type=float, default=0.4)
    parser.add_argument("--mean-decay", type=float, default=0.99)
    parser.add_argument("--balance", type=float, default=0.01, help="factor of the load-balancing loss")
    parser.add_argument("--mixture", default=MIXTURE, help="skill=factor,... on the corpus's shares; drill=share of "
                        "copying drills; chain=share of examples that get a history; "
                        "rename=share of copying examples that get random words; session=share of examples in sessions; "
                        "tool_session=sessions around the same tools, for each example")
    parser.add_argument("--workers", type=int, default=3)
    parser.add_argument("--score-every", type=int, default=250)
    parser.add_argument("--score-examples", type=int, default=600)
    parser.add_argument("--save-every", type=float, default=300, help="seconds between checkpoints")
    parser.add_argument("--checkpoint", default=str(BUILD_DIR / "checkpoint.pt"))
    parser.add_argument("--resume", action="store_true")
    args = parser.parse_args()
    args.ends = time.time() + 60 * args.minutes
    return args


def main():
    args = parse_arguments()
    torch.set_num_threads(1)
    load_library()  # compiled once, before the workers want it
    saved = load_checkpoint(args.checkpoint) if args.resume else None
    tokenizer = checkpoint_tokenizer(saved) if saved else load_tokenizer()
    config = model.Config(**saved["config"]) if saved else model.Config()
    most = args.tokens_per_step // args.workers + args.max_length  # tokens that one worker draws for a step
    shared = Shared(config, args.seed, args.workers, 4 * most + 1024, saved)  # with the edges of what is learned
    factors = {k: float(v) for k, v in (item.split("=") for item in args.mixture.split(",") if item)}
    print(f"{shared.grads.shape[1] / 1e6:.2f} M parameters, vocabulary {len(tokenizer)}, {json.dumps(vars(args))}",
          flush=True)
    counters = {key: saved[key] for key in ("step", "tokens", "seconds")} if saved else None
    processes = [multiprocessing.Process(target=work, args=(rank, shared, args, tokenizer, factors, counters))
                 for rank in range(args.workers)]
    for process in processes:
        process.start()
    for number in (signal.SIGINT, signal.SIGTERM):  # finish the step, save, end
        signal.signal(number, lambda *_: shared.stop.set())
    while any(process.is_alive() for process in processes):
        if any(process.exitcode for process in processes):
            for process in processes:
                process.terminate() if process.exitcode else process.kill()
            raise SystemExit("a worker failed")
        time.sleep(0.5)


if __name__ == "__main__":
    main()
