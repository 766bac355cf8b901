#!/usr/bin/env python3
"""Twenty turns with the demo model, as they happen: one chat over HTTP, temperature 0, no constraint. Prints the Markdown
table of models/README.md.

    conversation.py PROGRAM [ARGUMENT OF serve ...]
"""
import importlib.machinery
import json
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
evaluate = importlib.machinery.SourceFileLoader("evaluate", str(HERE / "evaluate")).load_module()

CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
MINUTES = {"type": "object", "properties": {"minutes": {"type": "integer"}}, "required": ["minutes"]}
TOOLS = [{"type": "function", "function": {"name": "get_weather", "description": "Get the weather for a city.",
                                           "parameters": CITY}},
         {"type": "function", "function": {"name": "set_timer", "description": "Set a timer.", "parameters": MINUTES}}]
RESULTS = ['{"temperature": 4, "condition": "cloudy"}', '{"temperature": 19, "condition": "sunny"}']
# (what the user says, what the request asks for besides)
TURNS = [
    ("Hello!", ""), ("Who are you?", ""), ("What is Tessera?", ""), ("How do I turn on streaming?", ""),
    ("My name is Marta.", ""), ("What is the capital of Peru?", ""), ("Who wrote Don Quixote?", ""),
    ("Summarise Cervantes in one sentence.", ""), ("What is my name?", ""), ("What is 47 + 38?", "thinking"),
    ("What is 91 - 46?", "thinking"), ("Repeat after me: good morning, little model", ""),
    ("Extract name and city as JSON: Lena lives in Porto.", ""), ("What's the weather in Oslo and in Lima?", "tools"),
    ("Set a timer for 12 minutes, please.", "tools"), ("Which number is larger, 45 or 54?", ""),
    ("¿Cuál es la capital de Francia?", ""), ("Who won the match last night?", ""),
    ("Sort these words: pear, apple, fig", ""), ("Thank you, goodbye!", ""),
]


def ask(server, messages, wish):
    body = {"model": evaluate.MODEL, "messages": messages, "temperature": 0, "max_tokens": evaluate.MAX_TOKENS,
            "chat_template_kwargs": {"enable_thinking": wish == "thinking"}}
    if wish == "tools":
        body["tools"] = TOOLS
    return evaluate.post(server.url, server.key, body, 120)


def shown(message):
    """One table cell: what was thought, said and called."""
    parts = [f"*{message['reasoning_content'].strip()}*"] if message.get("reasoning_content") else []
    parts += [message["content"]] if message.get("content") else []
    for call in message.get("tool_calls") or []:
        parts.append(f"`{call['function']['name']} {call['function']['arguments']}`")
    return " ".join(parts).replace("|", "\\|").replace("\n", " ")


def talk(server):
    messages = []
    print("| | |\n|---|---|")
    for text, wish in TURNS:
        messages.append({"role": "user", "content": text})
        answer = ask(server, messages, wish)
        cell, calls = shown(answer), answer.get("tool_calls") or []
        if calls:
            messages.append({"role": "assistant", "content": answer.get("content"), "tool_calls": calls})
            weather = calls[0]["function"]["name"] == "get_weather"
            for number, call in enumerate(calls):
                result = RESULTS[number % len(RESULTS)] if weather else json.dumps({"status": "ok"})
                messages.append({"role": "tool", "tool_call_id": call["id"], "content": result})
                cell += f" → `{result}`"
            answer = ask(server, messages, wish)
            cell += " " + shown(answer)
        messages.append({"role": "assistant", "content": answer.get("content") or ""})
        print(f"| {text} | {cell} |", flush=True)


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    with evaluate.Server(sys.argv[1], sys.argv[2:]) as server:
        talk(server)


if __name__ == "__main__":
    main()
