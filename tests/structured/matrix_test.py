#!/usr/bin/env python3
"""The matrix {direct, thinking} × {auto, none, required, named, allowed, custom, json_object, json_schema, tools with a schema} × {1, n} × {streamed, not}
against models that write what they should, and against ones that never do: always one token, whatever it is, or random logits. Each answer is
what docs/structured-output.md says: it parses and validates. Only free text is ever cut."""
import argparse
import itertools
import json
import sys

try:
    import jsonschema  # noqa: F401: property_test validates with it
except ImportError:
    print("skipped: python3-jsonschema is not installed")
    sys.exit(77)

import property_test
from property_test import Mismatch, expect
import run_cases
from run_cases import MODEL

PARAMETERS = {"type": "object", "required": ["n"], "additionalProperties": False, "properties": {
    "word": {"type": ["string", "null"], "maxLength": 4}, "n": {"type": "integer", "minimum": 0, "maximum": 99},
    "flags": {"type": "array", "items": {"type": "boolean"}, "maxItems": 2}}}
TOOLS = [{"type": "function", "function": {"name": "f", "parameters": PARAMETERS}}, {"type": "function", "function": {"name": "nothing"}}]
CUSTOM = [{"type": "custom", "custom": {"name": "c", "format": {"type": "grammar", "grammar": {
    "syntax": "lark", "definition": 'start: WORD ("," WORD)~0..2\nWORD: /[a-z]{1,3}/'}}}}]
DIFFERENT = {"type": "array", "uniqueItems": True, "minItems": 3, "maxItems": 4, "items": {
    "type": "object", "properties": {"key": {"type": "string", "maxLength": 2}, "n": {"type": "integer", "minimum": 0, "maximum": 3}, "last": {"type": "boolean"}},
    "required": ["key", "n"], "additionalProperties": False}}
SCHEMA = {"type": "json_schema", "json_schema": {"name": "s", "schema": PARAMETERS}}
REFERENCE = {"type": "function", "function": {"name": "f"}}

# What is asked for; whether the form itself brings every answer to its end.
FORMS = {
    "auto": ({"tools": TOOLS, "tool_choice": "auto"}, False),
    "none": ({"tools": TOOLS, "tool_choice": "none"}, False),
    "required": ({"tools": TOOLS, "tool_choice": "required"}, False),
    "required, one": ({"tools": TOOLS, "tool_choice": "required", "parallel_tool_calls": False}, True),
    "named": ({"tools": TOOLS, "tool_choice": REFERENCE}, True),
    "allowed": ({"tools": TOOLS, "tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [REFERENCE]}},
                 "parallel_tool_calls": False}, True),
    "custom": ({"tools": TOOLS + CUSTOM, "tool_choice": {"type": "custom", "custom": {"name": "c"}}}, True),
    "json_object": ({"response_format": {"type": "json_object"}}, False),
    "json_schema": ({"response_format": SCHEMA}, True),
    "different items": ({"response_format": {"type": "json_schema", "json_schema": {"name": "s", "schema": DIFFERENT}}}, True),
    "tools and schema": ({"tools": TOOLS, "response_format": SCHEMA, "parallel_tool_calls": False}, True),
    "none and schema": ({"tools": TOOLS, "tool_choice": "none", "response_format": SCHEMA}, True),
}
JSON = '{"n": 7, "flags": [true]}'
CALL = "<tool_call>\n<function=f>\n<parameter=n>\n7\n</parameter>\n</function>\n</tool_call>"
INPUT = "<tool_call>\n<function=c>\n<parameter=input>\nab,c\n</parameter>\n</function>\n</tool_call>"
# What a model says that knows what it is asked for, and what comes of it.
SAYINGS = {"text": "Some words.", "json": JSON, "call": CALL, "two calls": CALL + "\n" + CALL, "input": INPUT}
EXPECTED = {
    ("auto", "text"): ("stop", "Some words.", 0), ("auto", "call"): ("tool_calls", None, 1), ("auto", "two calls"): ("tool_calls", None, 2),
    ("none", "text"): ("stop", "Some words.", 0), ("required", "call"): ("tool_calls", None, 1), ("required", "two calls"): ("tool_calls", None, 2),
    ("required, one", "two calls"): ("tool_calls", None, 1), ("named", "two calls"): ("tool_calls", None, 1), ("allowed", "call"): ("tool_calls", None, 1),
    ("custom", "input"): ("tool_calls", None, 1), ("json_object", "json"): ("stop", JSON, 0), ("json_schema", "json"): ("stop", JSON, 0),
    ("tools and schema", "call"): ("tool_calls", None, 1), ("tools and schema", "json"): ("stop", JSON, 0), ("none and schema", "json"): ("stop", JSON, 0),
}
# The token that a model writes for ever.
STUBBORN = [" ", "\n", "a", "{", "\"", "[", "9", "\\", "<tool_call>", "</tool_call>", "<think>", "</think>", "<|im_start|>", "<|im_end|>"]


def make_body(form, thinking, choices):
    body = {"model": MODEL, "messages": [{"role": "user", "content": "Hi"}], "temperature": 0, "seed": 1, "max_tokens": 250, "n": choices}
    body.update(FORMS[form][0])
    if "tools" in body:
        body.setdefault("tool_choice", "auto")
        body.setdefault("parallel_tool_calls", True)
    if thinking:
        body.update({"chat_template_kwargs": {"enable_thinking": True}, "thinking_budget": 12})
    return body


def run_cells(server, check, forms=FORMS, modes=(False, True)):
    """→ (answers, failures)"""
    answers, failures = 0, []
    for form, thinking, choices in itertools.product(forms, modes, (1, 3)):
        body = make_body(form, thinking, choices)
        try:
            plain = property_test.ask_both(server, body)
            expect("choices" in plain, f"refused: {plain}")
            for choice in plain["choices"]:
                answers += 1
                property_test.check_choice(choice, body)
                check(form, thinking, choice)
        except (Mismatch, ValueError, KeyError) as error:
            failures.append(f"{form}, {'thinking' if thinking else 'direct'}, n {choices}: {type(error).__name__} {error}\n    sent {json.dumps(body)}")
    return answers, failures


def check_stubborn(form, _, choice):
    if FORMS[form][1]:
        expect(choice["finish_reason"] != "length", f"cut: {choice}")
    if form.startswith("none"):
        expect(not choice["message"].get("tool_calls"), f"calls: {choice}")


def check_saying(name):
    def check(form, thinking, choice):
        finish, content, calls = EXPECTED[form, name]
        message = choice["message"]
        expect((choice["finish_reason"], message["content"] or None, len(message.get("tool_calls") or [])) == (finish, content, calls), f"{choice}")
        expect((message.get("reasoning_content") or "") == ("hm" if thinking else ""), f"reasoning: {choice}")
        for call in message.get("tool_calls") or []:
            expect(call.get("custom", {}).get("input", "ab,c") == "ab,c" and call.get("function", {}).get("arguments", '{"n":7}') == '{"n":7}', f"{call}")
    return check


def runs(binary):
    """→ (name, what makes its server, what run_cells() gets)"""
    for name, text in SAYINGS.items():
        forms = [form for form, said in EXPECTED if said == name]
        for thinking in (False, True):
            said = "hm</think>\n\n" + text if thinking else text
            yield f"says {name}", lambda said=said: run_cases.Server(binary, [(said, True)], [], property_test.TIERS), {
                "check": check_saying(name), "forms": forms, "modes": [thinking]}
    for literal in STUBBORN:
        (token,) = run_cases.token_ids(binary, literal)
        yield f"always {literal!r}", lambda token=token: property_test.Server(binary, {"never_ends": token}), {"check": check_stubborn}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--binary", required=True)
    options = parser.parse_args()
    failed = 0
    for name, make_server, arguments in runs(options.binary):
        server = make_server()
        try:
            answers, failures = run_cells(server, **arguments)
        finally:
            server.stop()
        failed += len(failures)
        print(f"{name}: {answers} answers, {len(failures)} failures")
        for failure in failures:
            print("FAILED", failure)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
