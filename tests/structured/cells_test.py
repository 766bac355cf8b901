#!/usr/bin/env python3
"""Every cell of {no format, json_object, json_schema} × {no tools, none, auto, required, named, allowed auto, allowed required} × {one call, several} ×
{direct, thinking} × {plenty of max_tokens, as few as will do, fewer} × {steered, cut_at_max_tokens}, each streamed and not, for the demo model and for
random logits. What each cell's answer may be is worked out here, from docs/structured-output.md, and held against an independent validator."""
import argparse
import concurrent.futures
import itertools
import json
import re
import sys

try:
    import jsonschema  # noqa: F401: property_test validates with it
except ImportError:
    print("skipped: python3-jsonschema is not installed")
    sys.exit(77)

import property_test
from property_test import Mismatch, expect
from run_cases import MODEL

SCHEMA = {"type": "object", "properties": {"city": {"type": "string", "pattern": "^[A-Z][a-z]{1,8}$"}, "size": {"enum": ["S", "XL", None]},
                                           "at": {"type": "array", "items": {"type": "number", "minimum": -90, "maximum": 90}, "minItems": 2, "maxItems": 2}},
          "required": ["city", "at"], "additionalProperties": False}
PARAMETERS = {"type": "object", "properties": {"text": {"type": "string", "minLength": 3}, "n": {"type": ["integer", "null"], "minimum": 5},
                                               "deep": {"type": "object", "properties": {"x": {"type": "boolean"}}, "required": ["x"], "additionalProperties": False}},
              "required": ["text", "deep"], "additionalProperties": {"type": "integer"}}
TOOLS = [{"type": "function", "function": {"name": "first", "parameters": PARAMETERS}}, {"type": "function", "function": {"name": "second"}},
         {"type": "custom", "custom": {"name": "third", "format": {"type": "grammar", "grammar": {"syntax": "regex", "definition": "[a-z]{1,3}(-\\d{2})?"}}}}]
NAMED = {"type": "function", "function": {"name": "first"}}
ALLOWED = [NAMED, {"type": "custom", "custom": {"name": "third"}}]
FORMATS = {"text": None, "json_object": {"type": "json_object"}, "json_schema": {"type": "json_schema", "json_schema": {"name": "s", "schema": SCHEMA}}}
CHOICES = {"no tools": None, "none": "none", "auto": "auto", "required": "required", "named": NAMED,
           "allowed auto": {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": ALLOWED}},
           "allowed required": {"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": ALLOWED}}}
MUST = {"required", "named", "allowed required"}
PLENTY = 300


def make_body(cell, seed):
    format_, choice, parallel, thinking, cut = cell
    body = {"model": MODEL, "messages": [{"role": "user", "content": "Where is it?"}], "seed": seed, "temperature": 1.5, "max_tokens": PLENTY}
    if FORMATS[format_]:
        body["response_format"] = FORMATS[format_]
    if CHOICES[choice]:
        body.update({"tools": TOOLS, "tool_choice": CHOICES[choice], "parallel_tool_calls": parallel})
    if thinking:
        body["chat_template_kwargs"] = {"enable_thinking": True}
    if cut:
        body["cut_at_max_tokens"] = True
    return body


class Cell:
    """What may come of it."""

    def __init__(self, format_, choice):
        self.calls = choice not in ("no tools", "none")
        self.text = format_ == "text" and choice not in MUST
        self.json = format_ != "text" and choice not in MUST
        self.named = choice == "named"


def check(choice, body, cell):
    """One choice of an answer. → whether it was cut"""
    message, finish = choice["message"], choice["finish_reason"]
    calls = message.get("tool_calls") or []
    content = message["content"]
    expect(cell.calls or not calls, f"calls: {calls}")
    expect(finish in ("stop", "length", "tool_calls"), f"finish {finish}")
    if finish == "length":
        expect(cell.text or body.get("cut_at_max_tokens"), "it was cut")
        # What was whole before the end is as it should be.
        if calls[1:]:
            expect(body["parallel_tool_calls"] and not cell.named, f"{len(calls)} calls")
            property_test.check_calls(calls[:-1], body)
        return True
    if finish == "tool_calls":
        expect(calls and (cell.text or not content), f"content {content!r}, calls {calls}")
        property_test.check_calls(calls, body)
        return False
    expect(not calls and (cell.text or cell.json), f"calls {calls}, content {content!r}")
    if cell.json:
        property_test.check_content(content, body)
    return False


def least_of(server, body):
    """The fewest max_tokens, as the refusal of one token says; none is too few: 1."""
    plain = property_test.ask_both(server, dict(body, max_tokens=1))
    if "error" not in plain:
        return 1, plain
    expect(plain["error"]["code"] == "max_tokens_too_small" and plain["error"]["param"] == "max_tokens", f"refused: {plain}")
    return int(re.search(r"has (\d+) tokens", plain["error"]["message"])[1]), None


def run_cell(server, key, seed):
    """→ (answers, those that were cut)"""
    cell = Cell(*key[:2])
    body = make_body(key, seed)
    cut = body.get("cut_at_max_tokens")
    least, one = least_of(server, body)
    expect((least == 1) == bool(cell.text or cut), f"one token is enough, or not: {least}")
    answers = [(dict(body, max_tokens=1), one)] if one else []
    for tokens in {PLENTY, 12, least}:
        few = tokens < least
        plain = property_test.ask_both(server, dict(body, max_tokens=tokens))
        expect(("error" in plain) == few, f"{tokens} tokens, {least} needed: {plain}")
        if not few:
            answers.append((dict(body, max_tokens=tokens), plain))
    if least > 1:
        plain = property_test.ask_both(server, dict(body, max_tokens=least - 1))
        expect("error" in plain and plain["error"]["code"] == "max_tokens_too_small", f"one less than {least}: {plain}")
    were_cut = 0
    for sent, plain in answers:
        expect(plain["usage"]["completion_tokens"] <= sent["max_tokens"], f"usage {plain['usage']}")
        for choice in plain["choices"]:
            try:
                was_cut = check(choice, sent, cell)
            except (Mismatch, ValueError) as error:
                raise Mismatch(f"{error}\n    with {sent['max_tokens']} tokens in {json.dumps(choice, ensure_ascii=False)}") from None
            expect(not was_cut or plain["usage"]["completion_tokens"] == sent["max_tokens"], f"cut, but {plain['usage']}")
            were_cut += was_cut
    return len(answers), were_cut


def run(server, name, seed):
    cells = [key for key in itertools.product(FORMATS, CHOICES, (True, False), (False, True), (False, True)) if key[1] != "no tools" or key[2]]
    failures = answers = cut = 0
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        jobs = {pool.submit(run_cell, server, key, seed + i): key for i, key in enumerate(cells)}
        for job in concurrent.futures.as_completed(jobs):
            try:
                some, some_cut = job.result()
                answers, cut = answers + some, cut + some_cut
            except Exception as error:  # noqa: BLE001: everything is a failure of this cell
                failures += 1
                print(f"FAILED {name}, {jobs[job]}: {type(error).__name__} {error}")
    print(f"{name}: {len(cells)} cells, {answers} answers streamed and not, {cut} cut, {failures} failures")
    return failures + (cut == 0)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--binary", required=True)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    failures = 0
    for name, script in (("demo model", None), ("random logits", {"hash": options.seed})):
        server = property_test.Server(options.binary, script)
        try:
            failures += run(server, name, options.seed)
        finally:
            server.stop()
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
