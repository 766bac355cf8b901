"""Renaming, the trainer's own addition to the corpus: words that an answer copies from its conversation are replaced by
random ones everywhere in the example. A tool, parameter or city known from other examples is then of no use; only what
the conversation says is."""
import json
import random
import re

import drill

SKILLS = {"session", "tool_call", "tool_parallel", "tool_result", "extract_json", "passage", "multi_turn"}
WORD = re.compile(r"[A-Z]?[a-z]{2,}")
# words of JSON schemas, tool calls, fixed answers
KEPT = set("""string integer number boolean object array properties required description parameters parameter function
name type enum items true false null the and are one two three calls needed call with says user asks for text look
answer there something said before was done success successful degrees result your yes not have has does did""".split())


def random_word(rng, pieces):
    while True:
        made = drill.stem(rng, pieces).lower()
        if 3 <= len(made) <= 14 and made not in KEPT:
            return made


def replaced(text, names):
    """Words as they stand alone, in snake_case and in camelCase, the first letter's case kept."""
    for old, new in names.items():
        text = re.sub(rf"(?<![A-Za-z]){old}(?![a-z])", new, text)
        text = re.sub(rf"(?<![A-Z]){old.capitalize()}(?![a-z])", new.capitalize(), text)
    return text


def map_strings(value, change):
    """The same JSON value with keys and strings changed."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, list):
        return [map_strings(v, change) for v in value]
    if isinstance(value, dict):
        return {change(k): map_strings(v, change) for k, v in value.items()}
    return value


def renamed(rng, example, pieces):
    messages, tools = example["messages"], example["tools"]
    given = " ".join(str(m.get("content") or "") for m in messages[:-1]) + json.dumps(tools)
    last = messages[-1]
    if example["skill"] == "extract_json":  # its keys carry meaning: they tell which word is wanted
        answer = " ".join(map(str, json.loads(last["content"]).values()))
    else:
        learned = [m for m in messages if m["role"] == "assistant"] if example.get("learn_all") else [last]
        answer = " ".join((m.get("content") or "") + json.dumps([c["function"] for c in m.get("tool_calls") or []])
                          for m in learned)
    words = sorted({w.lower() for w in WORD.findall(answer)} & {w.lower() for w in WORD.findall(given)} - KEPT)
    names = {w: random_word(rng, pieces) for w in words if rng.random() < 0.7}
    change = lambda text: replaced(text, names)

    def change_message(message):
        changed = dict(message)
        for key in ("content", "reasoning_content"):
            if isinstance(message.get(key), str):
                changed[key] = change(message[key])
        if message.get("tool_calls"):
            changed["tool_calls"] = [{"type": "function", "function": {
                "name": change(c["function"]["name"]), "arguments": map_strings(c["function"]["arguments"], change)}}
                for c in message["tool_calls"]]
        return changed

    def change_tool(tool):
        function = tool["function"]
        parameters = {**function["parameters"]}
        if "properties" in parameters:
            parameters["properties"] = map_strings(parameters["properties"], change)
        if "required" in parameters:
            parameters["required"] = map_strings(parameters["required"], change)
        return {**tool, "function": {**function, "name": change(function["name"]), "parameters": parameters,
                                     "description": change(function.get("description", ""))}}

    return {**example, "messages": [change_message(m) for m in messages],
            "tools": tools and [change_tool(tool) for tool in tools]}


def mixed(stream, share, seed, tokenizer):
    """The stream with this share of its copying examples renamed."""
    rng, pieces = random.Random(f"renaming:{seed}"), drill.letter_pieces(tokenizer)
    for example in stream:
        copies = example["skill"] in SKILLS or (example["skill"] == "thinking" and example["tools"])
        yield renamed(rng, example, pieces) if copies and rng.random() < share else example
