"""Self check of the corpus: python3 -m corpus.check [--n 20000]. Exit status 1 if anything is wrong."""

import argparse
import itertools
import json
import re
import sys
import time

from . import (HELDOUT, SKILLS, TRAIN, draft, examples, extraction, facts, facts_es, facts_single, known_tools, more_tools, natural_tools, phrasing,
               plain_text, requests, skills_chat, skills_text, skills_tools, summaries, tessera_facts, test_split, wordings)
from .chooser import is_held, template_partition
from .draft import capitalised
from .people import (chat as people_chat, facts as people_facts, more_records, parallel as people_parallel, passages as people_passages,
                     records as people_records, system as people_system, tessera as people_tessera, text as people_text,
                     values as people_values, wishes as people_wishes)
from .people.kinds import NUMBER_WORDS
from .phrasing import normalised, small
from .tool_maker import TRAIN_NAMES

PEOPLE_FILES = (people_chat, people_facts, people_system, people_tessera, people_text)
TRAINING_ALONE = (wordings, natural_tools, people_parallel, people_passages, people_records, more_records, people_wishes, *PEOPLE_FILES)
WITH_QUESTIONS = (draft, facts, facts_es, facts_single, skills_chat, skills_text, summaries, tessera_facts)
ROLES = ("system", "user", "assistant", "tool")
TYPES = {"string": str, "integer": int, "number": (int, float), "boolean": bool, "array": list}


class Wrong(Exception):
    pass


def need(condition, what):
    if not condition:
        raise Wrong(what)


def user_text(example):
    return "\n".join(m["content"] for m in example["messages"] if m["role"] == "user")


def prompt_key(example):
    """The prompt without case, punctuation and system message: what must differ between the splits."""
    texts = [m.get("content") or "" for m in example["messages"][:-1] if m["role"] != "system"]
    system = [m["content"] for m in example["messages"] if m["role"] == "system"]
    tools = [t["function"]["name"] for t in example["tools"] or []]
    own = system if example["skill"] == "system" else []
    return re.sub(r"[^\w]+", " ", " ".join(texts + own + tools).lower()).strip()


def check_text(text, what):
    need(isinstance(text, str) and text, f"{what} is empty")
    need(text == text.strip(), f"{what} has white space at its edges")
    need("{" not in text or text.startswith("{") or '"' in text, f"{what} has an open slot")
    need("<|" not in text and "<tool" not in text and "</think>" not in text, f"{what} spells a control token")


def check_tool(tool):
    function = tool["function"]
    need(tool["type"] == "function" and re.fullmatch(r"[A-Za-z0-9_-]{1,64}", function["name"]), "bad tool name")
    check_text(function["description"], "tool description")
    parameters = function["parameters"]
    need(parameters["type"] == "object" and parameters["properties"], "tool without parameters")
    need(set(parameters["required"]) <= set(parameters["properties"]), "required parameter is not there")


def is_said(value, text):
    """A sentence that begins with a value may write its first letter small or large; small numbers may be words."""
    return str(value) in text or small(str(value)) in text or capitalised(str(value)) in text or any(
        n == value and re.search(rf"\b{word}\b", text.lower()) for word, n in NUMBER_WORDS.items())


def check_value(name, schema, value, said):
    need(isinstance(value, TYPES[schema["type"]]), f"{name} has the wrong type")
    need(schema["type"] == "boolean" or not isinstance(value, bool), f"{name} is a boolean")
    if "enum" in schema:
        need(value in schema["enum"], f"{name} is not in the enum")
    if isinstance(value, list):
        need(value, f"{name} is empty")
        for item in value:
            check_value(name, schema["items"], item, said)
    elif not isinstance(value, bool):
        need(is_said(value, said), f"{name} = {value!r} is not in the question")


def check_calls(example, message):
    tools = {t["function"]["name"]: t["function"]["parameters"] for t in example["tools"] or []}
    need(len(tools) == len(example["tools"] or []), "two tools of one name")
    said = user_text(example)
    for call in message["tool_calls"]:
        function = call["function"]
        need(call["type"] == "function" and function["name"] in tools, "call of an unknown tool")
        parameters, arguments = tools[function["name"]], function["arguments"]
        need(set(parameters["required"]) <= set(arguments), "required argument is missing")
        need(set(arguments) <= set(parameters["properties"]), "unknown argument")
        for name, value in arguments.items():
            check_value(name, parameters["properties"][name], value, said)


def check_messages(example):
    messages = example["messages"]
    need([m["role"] for m in messages].count("system") <= 1, "several system messages")
    for index, message in enumerate(messages):
        need(message["role"] in ROLES, "unknown role")
        need(message["role"] != "system" or index == 0, "system message is not first")
        if message.get("tool_calls"):
            need(message["content"] is None, "content beside tool calls")
            if index == len(messages) - 1 or messages[index + 1]["role"] == "tool":
                check_calls(example, message)
        else:
            check_text(message["content"], message["role"])
    need(messages[-1]["role"] == "assistant", "the last message is no answer")
    thinks = "reasoning_content" in messages[-1]
    need(thinks == example["enable_thinking"], "thinking flag and reasoning differ")
    if thinks:
        check_text(messages[-1]["reasoning_content"], "reasoning")


def check_arithmetic(example):
    """Evaluates sums again from the reasoning or from the numbers in the question."""
    question, answer = user_text(example), example["messages"][-1]["content"]
    a, b = (int(n) for n in re.findall(r"\d+", question)[:2])
    value = int(re.search(r"\d+", answer)[0])
    need(value in (a + b, abs(a - b), a * b), f"wrong sum: {question} -> {answer}")
    need(answer == f"The answer is {value}.", f"wrong answer: {answer}")
    reasoning = example["messages"][-1].get("reasoning_content")
    if reasoning and "Result:" in reasoning:
        need(int(reasoning.rsplit("Result:")[1].replace(" ", "").rstrip(".")) == value, "wrong scratchpad")


def check_json(example):
    answer = json.loads(example["messages"][-1]["content"])
    need(isinstance(answer, dict) and answer, "the JSON answer is no object")
    said = "\n".join(m["content"] for m in example["messages"][:-1])
    for key, value in answer.items():
        need(key in said, f"{key} is not asked for")
        for part in value if isinstance(value, list) else [value]:
            word = people_values.NUMBER_WORDS[part] if type(part) is int and part < 13 else None
            need(part is None or isinstance(part, bool) or is_said(part, said.replace(",", "") if isinstance(part, int) else said)
                 or word in said, f"{key} = {part!r} is not in the text")


def check_example(example):
    need(set(example) == {"skill", "messages", "tools", "enable_thinking"}, "other keys")
    need(example["skill"] in SKILLS and isinstance(example["enable_thinking"], bool), "bad skill or flag")
    for tool in example["tools"] or []:
        check_tool(tool)
    check_messages(example)
    if example["skill"].startswith("arithmetic"):
        check_arithmetic(example)
    if example["skill"] == "extract_json":
        check_json(example)
    json.dumps(example)


def copied_values(example):
    """What the answer's calls copy from the question: names of random tools and free text values."""
    values = set()
    for call in example["messages"][-1].get("tool_calls", []):
        function = call["function"]
        tool = next(t["function"] for t in example["tools"] if t["function"]["name"] == function["name"])
        if function["name"] not in TRAIN_NAMES:
            values.add(function["name"])
        for key, value in function["arguments"].items():
            values |= {item for item in value if isinstance(item, str)} if isinstance(value, list) else set()
            if isinstance(value, str) and "enum" not in tool["parameters"]["properties"][key]:
                values.add(value)
    return values


def run(split, count, seed=11):
    """(prompts, copied values, statistics per skill, wrong ones) of one split."""
    prompts, values, stats, wrong = {}, set(), {}, []
    for example in itertools.islice(examples(seed, split), count):
        try:
            check_example(example)
        except (Wrong, ValueError, KeyError, TypeError) as error:
            wrong.append((str(error), example))
        prompts[prompt_key(example)] = example
        values |= copied_values(example)
        entry = stats.setdefault(example["skill"], [0, 0, 0, 0])
        answer = example["messages"][-1]
        entry[0] += 1
        entry[1] += len(plain_text({**example, "tools": None})) + sum(len(json.dumps(t)) for t in example["tools"] or [])
        entry[2] += len(plain_text({"messages": [answer], "tools": None})) - len("assistant\n")
        entry[3] += example["enable_thinking"]
    return prompts, values, stats, wrong


def wordings_of(value):
    """The templates and tools' names in a constant, without case and punctuation. One word is a kind of value or a key; a
    template without words of its own says nothing."""
    if isinstance(value, str):
        text = re.sub(r"\{\w*\}", "{}", normalised(value))
        return {text} if re.search("[ _]", text) and re.sub("[{} ]", "", text) else set()
    if isinstance(value, dict):
        value = list(value.values()) if "function" not in value else [value["function"]["name"]]
    return set().union(*map(wordings_of, value)) if isinstance(value, (list, tuple)) else set()


def constants(module):
    return [value for name, value in vars(module).items() if name.isupper()]


def lists_in(value):
    """The lists of texts in a constant."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list) and value and all(isinstance(entry, str) for entry in value):
        return [value]
    return [found for entry in value for found in lists_in(entry)] if isinstance(value, (list, tuple)) else []


def question_lists():
    """The lists of questions of plain chat, of facts and of work on text, each once."""
    found = [entry for module in WITH_QUESTIONS for value in constants(module) for entry in lists_in(value)]
    return list({id(entry): entry for entry in found}.values())


def lost_wordings():
    """First wordings in the people_*.py files that are not the first of exactly one list."""
    firsts = [entry[0] for entry in question_lists()]
    own = [key for module in PEOPLE_FILES for key in module.ASKED]
    return [key for key in own if firsts.count(key) != 1 or own.count(key) != 1]


def shared_wordings():
    """Wordings for training alone that another split has, too."""
    own = set().union(*(wordings_of(value) for module in TRAINING_ALONE for value in constants(module)))
    others = set().union(*(wordings_of(value) for value in constants(test_split)))
    for module in (requests, phrasing, extraction, skills_text, skills_tools):
        for value in constants(module):
            if isinstance(value, list) and len(value) > 2 and all(isinstance(entry, str) for entry in value):
                others |= wordings_of(template_partition(value)[1])
    for schema, questions, _ in known_tools.KNOWN + more_tools.MORE:
        others |= wordings_of(template_partition(questions)[1])
    for entry in template_partition(known_tools.KNOWN)[1] + template_partition(more_tools.MORE)[1]:
        others |= wordings_of(entry[0])
    for sentences, _ in extraction.RECORDS:
        others |= wordings_of(template_partition(sentences)[1])
    people = set().union(*(wordings_of(value) for module in PEOPLE_FILES for value in constants(module)))
    questions = set().union(*(wordings_of(template_partition(templates)[1]) for templates in question_lists()))
    return own & others | people & questions


def print_stats(stats):
    total = sum(entry[0] for entry in stats.values())
    print("| skill | share % | characters | of which answer | thinking % |\n|---|---|---|---|---|")
    for skill in SKILLS:
        n, characters, answer, thinks = stats.get(skill, [0, 0, 0, 0])
        if n:
            print(f"| {skill} | {100 * n / total:.1f} | {characters / n:.0f} | {answer / n:.0f} | {100 * thinks / n:.0f} |")
    sums = [sum(entry[i] for entry in stats.values()) / total for i in range(4)]
    print(f"| all | 100 | {sums[1]:.0f} | {sums[2]:.0f} | {100 * sums[3]:.0f} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=20000, help="examples per split")
    count = parser.parse_args().n
    start = time.time()
    train, values, stats, wrong = run(TRAIN, count)
    seconds = time.time() - start
    held, held_values, _, wrong_held = run(HELDOUT, count // 4)
    both = sorted(set(train) & set(held))
    print_stats(stats)
    again = [list(itertools.islice(examples(5, TRAIN), 200)) for _ in range(2)]
    problems = [f"{error}: {json.dumps(example, ensure_ascii=False)}" for error, example in wrong + wrong_held]
    problems += [f"prompt in both splits: {key!r}" for key in both]
    problems += [f"value in both splits: {value!r}" for value in sorted(values & held_values)]
    problems += [f"wording in both splits: {text!r}" for text in sorted(shared_wordings())]
    problems += [f"natural tools of one name: {len(natural_tools.NATURAL) - len(natural_tools.NAMES)}"] * (
        len(natural_tools.NATURAL) != len(natural_tools.NAMES))
    problems += [f"no list, or several, begin with: {key!r}" for key in lost_wordings()]
    problems += [] if again[0] == again[1] else ["the same seed gives other examples"]
    problems += [] if is_held("Oslo") and not is_held("Paris") else ["the partition has changed"]
    for line in problems[:20]:
        print(line)
    print(f"{count} + {count // 4} examples, {count / seconds:.0f} checked per second, {len(train)} different "
          f"training prompts, {len(values)} different copied values, {len(problems)} problems")
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()
