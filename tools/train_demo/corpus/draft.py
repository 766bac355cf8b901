"""What a skill makes: a conversation up to the answer, the answer, and a short reasoning for thinking mode."""

import re
from dataclasses import dataclass, field

from .phrasing import mistyped, polite


@dataclass
class Draft:
    messages: list                    # everything before the answer
    answer: str = None                # text of the answer, or None when it is tool calls
    reasoning: str = ""               # what thinking mode thinks before the same answer
    tools: list = None
    calls: list = field(default_factory=list)   # [(name, arguments)]
    thinks: bool = False              # always in thinking mode
    own_system: bool = False          # the draft cares for its system message itself


SYSTEMS = [
    "You are a concise assistant.", "You are a helpful assistant.", "You are an assistant.", "Be concise.",
    "You are a friendly assistant.", "Answer briefly.", "You are Tessera.", "Be helpful.",
    "You are a helpful and concise assistant.",
]


def article(text):
    """Puts "an" before vowels."""
    return re.sub(r"\b([Aa]) (?=[aeiou])", r"\1n ", text)


def capitalised(text):
    return text[0].upper() + text[1:]


def user(text):
    return {"role": "user", "content": text}


def ask(text):
    return [user(text)]


def call_message(calls, reasoning=None):
    message = {"role": "assistant", "content": None}
    if reasoning:
        message["reasoning_content"] = reasoning
    message["tool_calls"] = [{"type": "function", "function": {"name": n, "arguments": a}} for n, a in calls]
    return message


def decorate(c, question):
    """Varies politeness, case and punctuation around a question, and slips of the pen; never its content."""
    if c.chance(0.06) and not c.held:
        question = mistyped(c, question)
    return polite(c, question)


def finish(c, draft, skill, thinking):
    """The example in the form the trainer reads."""
    messages = list(draft.messages)
    if not draft.own_system and messages[0]["role"] != "system" and c.chance(0.35):
        messages.insert(0, {"role": "system", "content": c.phrase(SYSTEMS) if c.chance(0.6) else SYSTEMS[0]})
    thinking = thinking or draft.thinks
    if not thinking:
        messages = [{k: v for k, v in m.items() if k != "reasoning_content"} for m in messages]
    if draft.calls:
        answer = call_message(draft.calls)
    else:
        answer = {"role": "assistant", "content": draft.answer}
    if thinking:
        answer["reasoning_content"] = draft.reasoning
    messages.append(answer)
    return {"skill": skill, "messages": messages, "tools": draft.tools, "enable_thinking": thinking}
