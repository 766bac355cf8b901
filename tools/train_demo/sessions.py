"""Sessions, the trainer's own addition to the corpus: several examples in one conversation, every answer of which is
learnt. The text that all share (the system message, the tools and the rules for calling them, most of a prompt) is
then read once for several answers, not once for each.

In a session every answer carries its reasoning block, empty in direct mode, so that each stands where it stands when
it is asked for: after the generation prompt.
"""
import json
import random

import corpus
from corpus.people import system as people_system
from corpus.draft import SYSTEMS

LIMIT_CHARACTERS = 4000  # about 1,150 tokens
MOST_TOOLS = 5
# a system message or an earlier wish bends the answer
LONERS = {"system"}
# system messages that bend no answer
PLAIN_SYSTEMS = {*SYSTEMS, *people_system.ASKED[SYSTEMS[0]]}


def stands_alone(example):
    """A thinking example may be of the skill "system", too."""
    first = example["messages"][0]
    return example["skill"] in LONERS or first["role"] == "system" and first["content"] not in PLAIN_SYSTEMS


def tool_names(example):
    return [tool["function"]["name"] for tool in example["tools"] or []]


def results_of(rng, message):
    """What tools answer to calls, and what the assistant says then."""
    calls = [call["function"]["name"] for call in message["tool_calls"]]
    word = rng.choice(["ok", "done", "success"])
    content = json.dumps({"status": word}) if rng.random() < 0.6 else word
    reply = {"role": "assistant", "content": " ".join(f"Done: {name} was successful." for name in dict.fromkeys(calls))}
    return [{"role": "tool", "content": content} for _ in calls] + [reply]


def size_of(example):
    """Characters, about; 90 stand for a message's control tokens."""
    text = sum(90 + len(str(m.get("content") or "")) + len(str(m.get("reasoning_content") or "")) +
               len(json.dumps(m.get("tool_calls") or "")) for m in example["messages"])
    return text + sum(len(json.dumps(tool)) for tool in example["tools"] or [])


def fits(session, example):
    """The tools of both together leave each request as clear as it was."""
    if not session or not example["tools"]:
        return True
    names = [name for other in session for name in tool_names(other)]
    new = tool_names(example)
    if len(names) + len(new) > MOST_TOOLS or set(names) & set(new):
        return False
    verbs = {name[:3].lower() for name in names}
    return not any(name[:3].lower() in verbs for name in new)


def joined(rng, session):
    """One conversation of several examples; "learn_all" says that each of its answers is learnt."""
    messages, thinking = [], session[0]["enable_thinking"]
    tools = list({tool["function"]["name"]: tool for example in session for tool in example["tools"] or []}.values())
    rng.shuffle(tools)
    for number, example in enumerate(session):
        part = example["messages"]
        if part[0]["role"] == "system":
            if not number:
                messages.append(part[0])
            part = part[1:]
        messages += part
        if part[-1].get("tool_calls") and number + 1 < len(session):
            messages += results_of(rng, part[-1])
    return {"skill": "session", "messages": messages, "tools": tools or None, "enable_thinking": thinking,
            "learn_all": True}


def tool_sessions(seed):
    """Endless: several requests to the same tools."""
    rng = random.Random(f"tool sessions:{seed}")
    for session in corpus.tool_sessions(seed, corpus.TRAIN):
        kept = session[:1]
        size = 1100 + size_of(session[0])
        for example in session[1:]:
            size += size_of({**example, "tools": None})
            if size < LIMIT_CHARACTERS:
                kept.append(example)
        yield joined(rng, kept)


def mixed(stream, share, same_tools, tools_share, seed):
    """The stream with this share of its examples in sessions of up to ten; between them sessions of the stream
    `same_tools`, `tools_share` for each example."""
    rng, open_sessions = random.Random(f"sessions:{seed}"), {}
    for example in stream:
        if rng.random() < tools_share:
            yield next(same_tools)
        if stands_alone(example) or rng.random() >= share:
            yield example
            continue
        # the common text of tools is long; some questions that need no tool go there, too
        with_tools = bool(example["tools"]) or rng.random() < 0.12
        key = (example["enable_thinking"], with_tools)
        session, size, most = open_sessions.get(key, ([], 0, 0))
        if session and (not fits(session, example) or size + size_of(example) > LIMIT_CHARACTERS
                        or len(session) >= most):
            yield joined(rng, session)
            session = []
        if not session:
            size, most = 1100 * with_tools, rng.randint(3, 10)
        open_sessions[key] = (session + [example], size + size_of(example), most)
