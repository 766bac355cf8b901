#!/usr/bin/env python3
"""`tessera grammar check` against schemas keyword by keyword (keyword_cases.py), and against an independent validator: random schemas over all keywords with
random values. Nothing that does not fit is accepted; what fits is accepted in one order of its members at least, in two styles of white space; tokens
and single bytes give the same verdicts. What is refused as unsupported is counted, and must be rare."""
import argparse
import collections
import itertools
import json
import random
import subprocess
import sys

try:
    import jsonschema
except ImportError:
    print("skipped: python3-jsonschema is not installed")
    sys.exit(77)

import keyword_cases
from random_schemas import Schemas

STYLES = [(", ", ": "), (",", ":")]
MAX_ORDERS = 24
VALUES_A_SCHEMA = 12


def verdicts(binary, asked, flags=()):
    """`asked`: (schema, text). → accept, reject or unsupported, with what is said of it."""
    lines = "".join(json.dumps({"id": str(i), "schema": schema, "instance": text}) + "\n" for i, (schema, text) in enumerate(asked))
    done = subprocess.run([binary, "grammar", "check", *flags], input=lines, capture_output=True, text=True, check=True)
    answers = [line.split("\t")[0] for line in done.stdout.splitlines()]
    if len(answers) != len(asked):
        raise SystemExit(f"{len(asked)} lines were asked, {len(answers)} answered")
    return answers


def orders(value):
    """The value with the members of its objects in other orders."""
    if isinstance(value, dict):
        for keys in itertools.permutations(value):
            for members in itertools.product(*(list(orders(value[key])) for key in keys)):
                yield dict(zip(keys, members))
    elif isinstance(value, list):
        yield from map(list, itertools.product(*(list(orders(item)) for item in value)))
    else:
        yield value


def check_cases(binary):
    """→ failures"""
    asked, expected = [], []
    for keyword, cases in keyword_cases.CASES.items():
        for schema, good, bad in cases:
            for value, fits in [(value, True) for value in good] + [(value, False) for value in bad]:
                for separators in STYLES:
                    asked.append((schema, json.dumps(value, separators=separators, ensure_ascii=False)))
                    expected.append((keyword, "accept" if fits else "reject"))
    for name, (schema, word) in keyword_cases.REFUSED.items():
        asked.append((schema, "1"))
        expected.append((name, "unsupported", word))
    failures = []
    for flags in ([], ["--bytes"]):
        for (schema, text), (name, verdict, *word), answer in zip(asked, expected, verdicts(binary, asked, flags)):
            if answer.split()[0] != verdict or not all(w in answer for w in word):
                failures.append(f"{name}{' by bytes' if flags else ''}: {answer}, not {verdict}\n    of {text} in {json.dumps(schema)}")
    print(f"keyword cases: {len(asked)} asked twice, {len(failures)} failures")
    return failures


def check_calls(binary):
    """→ failures"""
    asked, lines = [], []
    for properties, values, fits in keyword_cases.CALLS:
        tools = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": properties}}}]
        text = "".join(f"<parameter={name}>\n{value}\n</parameter>\n" for name, value in zip(properties, values))
        asked.append((properties, f"<tool_call>\n<function=f>\n{text}</function>\n</tool_call>", "accept" if fits else "reject"))
        lines.append(json.dumps({"mode": "qwen_tool", "schema": tools, "instance": asked[-1][1]}))
    failures = []
    for flags in ([], ["--bytes"]):
        done = subprocess.run([binary, "grammar", "check", *flags], input="\n".join(lines) + "\n", capture_output=True, text=True, check=True)
        for (properties, text, verdict), answer in zip(asked, done.stdout.splitlines(), strict=True):
            if answer.split()[0] != verdict:
                failures.append(f"call {flags}: {answer}, not {verdict}\n    of {text!r} for {json.dumps(properties)}")
    return failures


def make_random(seed):
    """→ schema, [(value, whether it fits)]"""
    schemas = Schemas(random.Random(seed))
    schema = schemas.document()
    validator = jsonschema.Draft202012Validator(schema)
    values = []
    for _ in range(VALUES_A_SCHEMA):
        value = schemas.value()
        values.append((value, validator.is_valid(value)))
    return schema, values


def check_random(binary, first, count):
    """→ failures"""
    asked, of = [], []
    for seed in range(first, first + count):
        try:
            schema, values = make_random(seed)
        except RecursionError:
            continue
        for value, fits in values:
            texts = [json.dumps(other, ensure_ascii=False) for other in itertools.islice(orders(value), MAX_ORDERS + 1)]
            if len(texts) > MAX_ORDERS:
                continue
            asked += [(schema, text) for text in texts]
            of += [(seed, json.dumps(value), fits)] * len(texts)
    found = collections.defaultdict(set)
    seen = collections.Counter()
    refusals = collections.Counter()
    for key, answer in zip(of, verdicts(binary, asked)):
        found[key].add(answer.split()[0])
        if answer.startswith("unsupported"):
            refusals[key[0]] = answer.split(" at /")[0]
    failures = []
    for (seed, text, fits), words in found.items():
        # A schema that fits nothing is refused, too.
        word = "unsupported" if "unsupported" in words else "accept" if "accept" in words else "reject"
        seen[word, fits] += 1
        if word != "unsupported" and (word == "accept") != fits or refusals[seed] == "unsupported no value satisfies the schema" and fits:
            failures.append(f"seed {seed}: {word} of {text}, which {'fits' if fits else 'does not fit'}\n    {json.dumps(make_random(seed)[0])}")
    print(f"random schemas: {count}, values by verdict and fit {dict(seen)}, {len(failures)} failures")
    for message, times in collections.Counter(refusals.values()).most_common():
        print(f"    refused {times} times: {message}")
    if seen["accept", True] * 8 < sum(seen.values()) or seen["reject", False] * 8 < sum(seen.values()):
        failures.append("most random schemas say nothing")
    return failures


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--binary", required=True)
    parser.add_argument("--count", type=int, default=400, help="random schemas")
    parser.add_argument("--first", type=int, default=0, help="the first one's seed")
    options = parser.parse_args()
    failures = check_cases(options.binary) + check_calls(options.binary) + check_random(options.binary, options.first, options.count)
    for failure in failures:
        print("FAILED", failure)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
