#!/usr/bin/env python3
"""Score per skill of an exported model or a checkpoint, on examples that it was not trained on:

   score.py [--model FILE] [--examples N]

Prints a Markdown table: how many answers greedy decoding gives exactly as the corpus has them, to the last character,
and the loss per answer token. "known": new examples made of the wordings and words of the training split. "held-out":
wordings, names, tools and parameters that occur in no training example. Last, how often get_weather is called with the
right city, for cities that occur in no training example.
"""
import argparse

import environment

if __name__ == "__main__":
    environment.restart_with(1)

import chatml
import data
import generate
import scoring
from corpus.chooser import HELDOUT, Chooser


def table(config, weights, tokenizer, args, split):
    totals = scoring.sums(config, weights, data.unseen(tokenizer, args.seed, args.examples, split))
    totals["all"] = [sum(values) for values in zip(*totals.values())]
    return scoring.summary([totals])


def weather(config, weights, tokenizer, count=150):
    """[exact, asked]: a well-known tool and question with an unknown city."""
    chooser, examples = Chooser("weather", HELDOUT), []
    for _ in range(count):
        city = chooser.city()
        call = {"type": "function", "function": {"name": "get_weather", "arguments": {"city": city}}}
        messages = [{"role": "user", "content": f"What is the weather in {city}?"},
                    {"role": "assistant", "content": None, "tool_calls": [call]}]
        example = {"messages": messages, "tools": generate.WEATHER, "enable_thinking": False}
        examples.append(("weather", *chatml.encode_example(tokenizer, example)))
    asked, _, _, exact = scoring.sums(config, weights, examples)["weather"]
    return exact, asked


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default=str(generate.export_gguf.ROOT / "models" / "demo.gguf"))
    parser.add_argument("--examples", type=int, default=2000, help="of each split")
    parser.add_argument("--seed", type=int, default=2, help="training logs use 1")
    args = parser.parse_args()
    config, weights, tokenizer = generate.load(args.model)
    known, heldout = (table(config, weights, tokenizer, args, split) for split in ("train", "heldout"))
    print("| skill | known: examples | loss | exact | held-out: examples | loss | exact |")
    print("|---" * 7 + "|")
    for skill in sorted(known.keys() & heldout.keys() - {"all"}) + ["all"]:
        cells = [f"{n} | {loss:.3f} | {exact:.0%}" for n, loss, exact in (known[skill], heldout[skill])]
        print(f"| {skill} | {' | '.join(cells)} |")
    print("\nget_weather with an unknown city: %d of %d right" % weather(config, weights, tokenizer))


if __name__ == "__main__":
    main()
