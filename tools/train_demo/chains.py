"""Longer conversations, the trainer's own addition to the corpus: an example gets earlier questions and answers of
other examples put before it, as happens when somebody goes on in the same chat. Only the last answer is learnt."""
import collections
import random

# skills whose answers do not depend on anything said before, and say nothing that a later question could refer to
HISTORY = {"facts", "readme", "tessera", "greeting", "unknown", "arithmetic_direct", "text", "passage", "thinking"}


def is_history(example):
    """One plain question with one plain answer and no system message that bends the answer."""
    roles = [message["role"] for message in example["messages"]]
    return example["skill"] in HISTORY and roles == ["user", "assistant"] and not example["tools"]


def mixed(stream, share, seed):
    """The stream with 1 to 12 earlier exchanges before this share of its examples; short histories are likelier."""
    rng, recent = random.Random(f"chains:{seed}"), collections.deque(maxlen=64)
    for example in stream:
        usable = is_history(example)
        if recent and example["skill"] != "system" and rng.random() < share:
            count = min(int(rng.expovariate(0.35)) + 1, 12, len(recent))
            earlier = [m for past in rng.sample(list(recent), count) for m in past["messages"]]
            messages = example["messages"]
            head = messages[:1] if messages[0]["role"] == "system" else []
            yield {**example, "messages": head + earlier + messages[len(head):]}
        else:
            yield example
        if usable:
            recent.append(example)
