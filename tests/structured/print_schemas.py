#!/usr/bin/env python3
"""Prints schemas, one in a line: those of keyword_cases.py, and then random ones (random_forms.py, which something fits, and random_schemas.py in turns)
up to COUNT, from SEED on."""
import json
import random
import sys

import keyword_cases
from random_forms import Forms
from random_schemas import Schemas


def schemas(count, seed):
    made = [schema for cases in keyword_cases.CASES.values() for schema, _, _ in cases]
    random.Random(seed).shuffle(made)
    # Half of them are random, at least.
    made = made[:(count + 1) // 2]
    for number in range(seed * 1_000_000, seed * 1_000_000 + 2 * count):
        choose = random.Random(number)
        made.append(Forms(choose).schema() if number % 2 else Schemas(choose).document())
    # A request's schema is an object.
    return [schema for schema in made if isinstance(schema, dict)][:count]


if __name__ == "__main__":
    for made in schemas(int(sys.argv[1]), int(sys.argv[2])):
        print(json.dumps(made))
