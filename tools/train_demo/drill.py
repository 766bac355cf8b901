"""Copying drills, the trainer's own addition to the corpus: random words made of random tokens, to be repeated or
looked up by a key. Nothing in them can be learnt by heart, every answer token teaches copying, and every token takes
its turn, so the copying that tool calls and JSON extraction need appears early and for words never seen."""
import random
import string

REPEAT = ["Repeat: {}", "Repeat after me: {}", "Say this: {}", "Copy this text: {}", "Echo: {}", 'Repeat "{}".']
LOOK_UP = ["{}. What is {}?", "{}. Give me {}.", "{}\nValue of {}?"]
MARKS = [" = ", ": ", " is ", " set to ", ' is "', "="]


def stem(rng, pieces):
    """One to three pieces, often with single letters before them: so do unknown words fall into tokens."""
    letters = "".join(rng.choice(string.ascii_lowercase) for _ in range(rng.choice([0, 0, 0, 1, 1, 2])))
    return letters + "".join(rng.choice(pieces) for _ in range(rng.choice([1, 1, 2, 2, 3])))


def word(rng, pieces):
    made = stem(rng, pieces)
    kind = rng.random()
    if kind < 0.35:
        return made.capitalize()
    if kind < 0.5:
        return str(rng.randint(0, 10 ** rng.randint(1, 4)))
    return made.lower()


def example(rng, pieces):
    if rng.random() < 0.6:
        answer = " ".join(word(rng, pieces) for _ in range(rng.randint(2, 14)))
        question = rng.choice(REPEAT).format(answer)
    else:
        keys = list({word(rng, pieces): None for _ in range(rng.randint(2, 6))})
        values = [" ".join(word(rng, pieces) for _ in range(rng.randint(1, 4))) for _ in keys]
        mark, wanted = rng.choice(MARKS), rng.randrange(len(keys))
        close = '"' if mark.endswith('"') else ""
        listing = rng.choice([", ", "; ", "\n"]).join(f"{k}{mark}{v}{close}" for k, v in zip(keys, values))
        answer, question = values[wanted], rng.choice(LOOK_UP).format(listing, keys[wanted])
    return {"skill": "drill", "messages": [{"role": "user", "content": question},
                                           {"role": "assistant", "content": answer}],
            "tools": None, "enable_thinking": False}


def letter_pieces(tokenizer):
    """The tokens of letters, the single letters excepted."""
    return [t.decode() for t in tokenizer.tokens[256:] if t.isalpha() and t.isascii()]


def mixed(stream, share, seed, tokenizer):
    """The stream of examples with this share of drills among them."""
    rng, pieces = random.Random(f"drill:{seed}"), letter_pieces(tokenizer)
    while True:
        yield example(rng, pieces) if rng.random() < share else next(stream)
