"""The synthetic corpus of the demo model: an endless, seeded stream of chat examples in two disjoint splits,
and a test split beside them."""

import json

from chatml import TOOLS_HEAD, TOOLS_TAIL

from . import extraction, skills_chat, skills_text, skills_tools, test_split
from .chooser import HELDOUT, TRAIN, Chooser
from .draft import finish
from .people import skills as people_skills

TEST = "test"  # a split of its own, for the five skills that have a bar; see test_split.py

# Skill -> share of the examples. "thinking" draws another skill by these shares and answers in thinking mode;
# with arithmetic_thinking and a part of text about 30 % of all examples think.
SKILLS = {
    "readme": 0.05,
    "greeting": 0.028,
    "tessera": 0.075,
    "facts": 0.11,
    "unknown": 0.022,
    "arithmetic_direct": 0.022,
    "arithmetic_thinking": 0.045,
    "text": 0.07,
    "extract_json": 0.035,
    "passage": 0.025,
    "tool_call": 0.145,
    "tool_parallel": 0.045,
    "tool_none": 0.028,
    "tool_result": 0.035,
    "multi_turn": 0.03,
    "system": 0.02,
    "thinking": 0.215,
}
MAKERS = {
    "readme": skills_chat.readme, "greeting": skills_chat.greeting, "tessera": skills_chat.tessera,
    "facts": people_skills.fact, "unknown": skills_chat.unknown, "multi_turn": people_skills.multi_turn,
    "system": people_skills.system, "arithmetic_direct": skills_text.arithmetic_direct,
    "arithmetic_thinking": skills_text.arithmetic_thinking, "text": people_skills.text,
    "extract_json": extraction.extract_json, "passage": skills_text.passage, "tool_call": skills_tools.tool_call,
    "tool_parallel": skills_tools.tool_parallel, "tool_none": skills_tools.tool_none,
    "tool_result": skills_tools.tool_result,
}
_THINKABLE = [name for name in MAKERS if name not in ("arithmetic_direct", "arithmetic_thinking")]


def make_example(chooser, skill, makers=MAKERS):
    """One example of one skill."""
    base, thinking = skill, skill == "thinking"
    if thinking:
        base = chooser.rng.choices(_THINKABLE, [SKILLS[name] for name in _THINKABLE])[0]
    return finish(chooser, makers[base](chooser), skill, thinking)


def examples(seed, split, skills=None):
    """Endless iterator of examples; skills, if given, are names or a dict of name -> share."""
    makers = test_split.MAKERS if split == TEST else MAKERS
    chooser = Chooser(f"test:{seed}" if split == TEST else seed, HELDOUT if split == TEST else split)
    shares = {name: SKILLS[name] for name in SKILLS if split != TEST or name in makers} if skills is None else skills
    if not isinstance(shares, dict):
        shares = {name: SKILLS[name] for name in shares}
    names, weights = list(shares), list(shares.values())
    total, cumulative = 0.0, []
    for weight in weights:
        total += weight
        cumulative.append(total)
    while True:
        yield make_example(chooser, chooser.rng.choices(names, cum_weights=cumulative)[0], makers)


def tool_sessions(seed, split):
    """Endless iterator of lists of examples with the same tools and the same mode."""
    chooser = Chooser(f"sessions:{seed}", split)
    while True:
        thinking = chooser.chance(0.3)
        drafts = skills_tools.tool_session(chooser)
        yield [finish(chooser, draft, "tool_parallel" if len(draft.calls) > 1 else "tool_call", thinking)
               for draft in drafts]


def call_text(function):
    """A tool call in the form the model writes."""
    lines = [f"<function={function['name']}>"]
    for key, value in function["arguments"].items():
        shown = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        lines.append(f"<parameter={key}>\n{shown}\n</parameter>")
    return "\n".join(lines + ["</function>"])


def plain_text(example):
    """The texts of an example, one under the other, without control tokens."""
    parts = []
    if example["tools"]:
        parts += [TOOLS_HEAD] + [json.dumps(tool, ensure_ascii=False) for tool in example["tools"]] + [TOOLS_TAIL]
    for message in example["messages"]:
        parts.append(message["role"])
        parts.append(message.get("reasoning_content") or "")
        parts.append(message.get("content") or "")
        parts += [call_text(call["function"]) for call in message.get("tool_calls", [])]
    return "\n".join(part for part in parts if part)


def tokenizer_text(seed, n_bytes):
    """About n_bytes of representative text for training a tokenizer."""
    parts, size = [], 0
    for example in examples(f"tokenizer:{seed}", TRAIN):
        text = plain_text(example)
        parts.append(text)
        size += len(text.encode()) + 1
        if size >= n_bytes:
            return "\n".join(parts)


__all__ = ["SKILLS", "TRAIN", "HELDOUT", "TEST", "examples", "make_example", "tokenizer_text", "tool_sessions"]
