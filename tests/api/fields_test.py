#!/usr/bin/env python3
"""Negative tests made from the field tables: for each field, values of every kind, at its limits and beyond them, sent to the real binary over one
connection. What must come back is worked out here from the row's declared types, range, length and words, by a model of its own. Then pairs
of fields, which must never end in a 5xx. Also: docs/api.md holds the tables as they are (--write puts them in), and /openapi.json fits them:
what is answered is good by its schemas and the answer is, too; what a row refuses is not. And the dry run tells of each chat request what became of it."""
import argparse
import copy
import http.client
import itertools
import json
import pathlib
import re
import subprocess
import sys

try:
    import jsonschema
except ImportError:
    jsonschema = None

import run_cases
from run_cases import KEY, MODEL, Mismatch, expect

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
DOCUMENT = ROOT / "docs" / "api.md"
BEGIN, END = "<!-- tessera fields --markdown -->\n", "<!-- end -->\n"
PATHS = {"chat_completions": "/v1/chat/completions", "completions": "/v1/completions"}
DRY_RUN = "/v1/chat/completions/input_tokens"

ABSENT = object()
NO_RATE_LIMIT = ["[tier.enterprise]", 'requests_per_minute = "unlimited"', 'burst_requests_per_minute = "unlimited"']


class Raw(float):
    """A number with a text of its own."""

    def __new__(cls, text):
        made = float.__new__(cls, 0)
        made.text = text
        return made

    def __repr__(self):
        return self.text


# ---------------------------------------------------------------- bodies around a field

FUNCTION = {"type": "function", "function": {"name": "f", "description": "d", "parameters": {"type": "object"}, "strict": False}}
CUSTOM = {"type": "custom", "custom": {"name": "c", "format": {"type": "grammar", "grammar": {"definition": "x", "syntax": "regex"}}}}
CALL = {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}
CUSTOM_CALL = {"id": "a", "type": "custom", "custom": {"name": "c", "input": "x"}}
ALLOWED = {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [{"type": "function", "function": {"name": "f"}}]}}
SCHEMA = {"name": "s", "schema": {"type": "object"}, "strict": True}

# What else a body holds so that the field is looked at; the first prefix that fits. The field's own example is in it.
CHAT_SETTINGS = [
    ("messages[].content[].refusal", {"messages": [{"role": "assistant", "content": [{"type": "refusal", "refusal": "no"}]}]}),
    ("messages[].content[]", {"messages": [{"role": "user", "content": [{"type": "text", "text": "x"}]}]}),
    ("messages[].tool_call_id", {"messages": [{"role": "tool", "content": "x", "tool_call_id": "a"}], "_before": {"role": "assistant", "tool_calls": [CALL]}}),
    ("messages[].tool_calls[].custom", {"messages": [{"role": "assistant", "tool_calls": [CUSTOM_CALL]}]}),
    ("messages[].tool_calls", {"messages": [{"role": "assistant", "tool_calls": [CALL]}]}),
    ("messages[].re", {"messages": [{"role": "assistant", "content": "x"}]}),
    ("messages[].function_call.", {"messages": [{"role": "assistant", "function_call": {"name": "f"}}]}),
    ("messages[].function_call", {"messages": [{"role": "assistant", "content": "x"}]}),
    ("messages[].audio", {"messages": [{"role": "assistant", "content": "x"}]}),
    ("tools[].custom", {"tools": [CUSTOM]}),
    ("tools[]", {"tools": [FUNCTION]}),
    ("tool_choice.allowed_tools.tools[].custom", {"tools": [CUSTOM], "tool_choice": {"type": "allowed_tools", "allowed_tools": {
        "mode": "auto", "tools": [{"type": "custom", "custom": {"name": "c"}}]}}}),
    ("tool_choice.allowed", {"tools": [FUNCTION], "tool_choice": ALLOWED}),
    ("tool_choice.custom", {"tools": [CUSTOM], "tool_choice": {"type": "custom", "custom": {"name": "c"}}}),
    ("functions", {"functions": [{"name": "f"}]}),
    ("function_call.", {"functions": [{"name": "f"}], "function_call": {"name": "f"}}),
    ("tool_choice.", {"tools": [FUNCTION], "tool_choice": {"type": "function", "function": {"name": "f"}}}),
    ("response_format.", {"response_format": {"type": "json_schema", "json_schema": SCHEMA}}),
    ("stream_options", {"stream": True, "stream_options": {}}),
    ("top_logprobs", {"logprobs": True}),
    ("stop[]", {"stop": ["x"]}),
    ("logit_bias.", {"logit_bias": {"5": 1}}),
    ("metadata.", {"metadata": {"5": "x"}}),
    ("modalities[]", {"modalities": ["text"]}),
    ("prediction.content[]", {"prediction": {"type": "content", "content": [{"type": "text", "text": "x"}]}}),
    ("prediction.", {"prediction": {"type": "content", "content": "x"}}),
    ("prompt_cache_options.", {"prompt_cache_options": {}}),
    ("chat_template_kwargs.", {"chat_template_kwargs": {}}),
]
TEXT_SETTINGS = [
    ("prompt[][]", {"prompt": [[1]]}),
    ("prompt[]", {"prompt": ["x"]}),
    ("stream_options", {"stream": True, "stream_options": {}}),
    ("stop[]", {"stop": ["x"]}),
    ("logit_bias.", {"logit_bias": {"5": 1}}),
]
BASE = {"chat_completions": {"model": MODEL, "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 2,
                              "cut_at_max_tokens": True},
        "completions": {"model": MODEL, "prompt": "Hi", "max_tokens": 2}}
SETTINGS = {"chat_completions": CHAT_SETTINGS, "completions": TEXT_SETTINGS}


def steps(path):
    """"messages[].content" → ["messages", 0, "content"]; "logit_bias.*" → ["logit_bias", "5"]."""
    for part in path.split("."):
        name = part.rstrip("[]")
        yield "5" if name == "*" else name
        for _ in range(part.count("[]")):
            yield 0


def body_with(table, path, value):
    """→ (body, the path as refusals write it)"""
    body = copy.deepcopy(BASE[table])
    setting = next((more for prefix, more in SETTINGS[table] if path.startswith(prefix)), {})
    body.update(copy.deepcopy({k: v for k, v in setting.items() if k != "_before"}))
    way = list(steps(path))
    place = body
    for step in way[:-1]:
        place = place[step] if isinstance(step, int) else place.setdefault(step, {})
    if value is not ABSENT:
        if isinstance(way[-1], int):
            place[0] = value
        else:
            place[way[-1]] = value
    elif not isinstance(way[-1], int):
        place.pop(way[-1], None)
    written = ""
    if "_before" in setting:
        body["messages"].insert(0, copy.deepcopy(setting["_before"]))
        way[1] = 1
    for step in way:
        written += f"[{step}]" if isinstance(step, int) else ("." if written else "") + step
    return body, written


# ---------------------------------------------------------------- what must come back, from the row

def exact(value):
    """A number as (integer or float, whether it is an integer)."""
    if isinstance(value, Raw):
        if re.fullmatch(r"-?\d+", value.text):
            return int(value.text), True
        number = float(value.text)
        return (number, number == int(number)) if abs(number) != float("inf") else (number, False)
    return value, isinstance(value, int) or value == int(value)


def number_code(row, value):
    number, whole = exact(value)
    if "number" in row["types"]:
        if number < row["min"]:
            return "decimal_below_min_value"
        return "decimal_above_max_value" if number > row["max"] else None
    if not whole and abs(number) != float("inf"):
        return row["wrong_type"]
    if number < row["min"]:
        return "integer_below_min_value"
    return "integer_above_max_value" if number > row["max"] else None


def string_code(row, text):
    if len(text) > row.get("max_length", 1 << 60):
        return "string_above_max_length"
    if row["letters"] == "name" and not re.fullmatch(r"[A-Za-z0-9_-]+", text):
        return "invalid_value"
    if row["letters"] == "no_nul" and "\0" in text:
        return "invalid_value"
    if len(text) < row.get("min_length", 0):
        return "invalid_value"
    return "invalid_value" if "choices" in row and text not in row["choices"] else None


def expected_code(row, value):
    """The code that the row's columns give; None where they let the value through."""
    if value is ABSENT or (value is None and not row["path"].endswith(("[]", "*"))):
        return "missing_required_parameter" if row["required"] else None
    if row["effect"] == "refused":
        return "unsupported_parameter"
    types = row["types"]
    if len(types) == 6:
        return None
    if isinstance(value, bool):
        return None if "boolean" in types else row["wrong_type"]
    if isinstance(value, (int, float)):
        return number_code(row, value) if {"integer", "number"} & set(types) else row["wrong_type"]
    if isinstance(value, str):
        return string_code(row, value) if "string" in types else row["wrong_type"]
    kind = {list: "array", dict: "object"}.get(type(value))
    if kind not in types:
        return row["wrong_type"]
    if len(value) < row.get("min_items", 0):
        return "empty_array"
    return "array_above_max_length" if len(value) > row.get("max_items", 1 << 60) else None


def values_of(row):
    return list(all_values(row))


def all_values(row):
    yield from [ABSENT, None, True, False, -1, 0, 1, 1.5, Raw("-0"), Raw("1.0"), Raw("1e2"), 1 << 31, (1 << 63) - 1, 1 << 63, -(1 << 63) - 1,
                10**18, Raw("1e400"), Raw("-1e400"), "NaN", "", "x", "\0", "x" * 65, "é" * 64, [], [[]], [1], {}, {"x": {"y": []}}]
    if "min" in row:
        yield from [row["min"], row["max"]]
        if "integer" in row["types"]:
            yield from [row["min"] - 1, row["max"] + 1]
        else:
            yield from [row["min"] - 0.01, row["max"] + 0.01]
    if row.get("max_length"):
        yield from ["x" * row["max_length"], "x" * (row["max_length"] + 1)]
    for word in row.get("choices", []):
        yield from [word, word.upper(), word + " "]
    if "max_items" in row:
        for count in (row["max_items"], row["max_items"] + 1):
            if "array" in row["types"]:
                yield [item(row["path"], i) for i in range(count)]
            if "object" in row["types"]:
                yield {str(i): 1 if row["path"] == "logit_bias" else "x" for i in range(count)}


ITEMS = {"messages": {"role": "user", "content": "x"}, "messages[].content": {"type": "text", "text": "x"}, "prediction.content": {"type": "text", "text": "x"},
         "messages[].tool_calls": CALL,
         "tools": FUNCTION, "functions": {"name": "f"}, "tool_choice.allowed_tools.tools": {"type": "function", "function": {"name": "f"}}, "stop": "s"}


def item(path, i):
    """The i-th element of an array that is good."""
    made = copy.deepcopy(ITEMS.get(path, "text"))
    if path == "messages[].tool_calls":
        made["id"] = str(i)
    if path == "functions":
        made["name"] = f"f{i}"
    if path == "tools":
        made["function"]["name"] = f"f{i}"
    return made


# ---------------------------------------------------------------- sending

class Schemas:
    """What /openapi.json says of bodies and answers."""
    BODIES = {"/v1/chat/completions": "ChatCompletionRequest", "/v1/completions": "CompletionRequest"}
    ANSWERS = {"/v1/chat/completions": "ChatCompletion", "/v1/completions": "Completion"}

    def __init__(self, document):
        self.components = document["components"]
        self.validators = {}

    def fault(self, name, value):
        """The first thing that is wrong by the schema of that name; None: nothing, or nobody can tell."""
        if jsonschema is None:
            return None
        if name not in self.validators:
            schema = {"$ref": f"#/components/schemas/{name}", "components": self.components}
            self.validators[name] = jsonschema.Draft202012Validator(schema)
        error = next(self.validators[name].iter_errors(value), None)
        return error and f"{list(error.absolute_path)}: {error.message[:200]}"

    def check(self, path, status, raw, text):
        """An exchange: the answer, and if it is no refusal the body."""
        answer = self.ANSWERS[path]
        values = [json.loads(raw)] if not raw.startswith(b"data: ") else [
            json.loads(event[6:]) for event in raw.decode().split("\n\n") if event.startswith("data: {")]
        name = "ErrorResponse" if status != 200 else answer + ("Chunk" if raw.startswith(b"data: ") else "")
        for value in values:
            fault = self.fault(name, value)
            expect(fault is None, f"/openapi.json, {name}: {fault}\n    sent {text[:300]}\n    got {raw[:300]}")
        fault = self.fault(self.BODIES[path], json.loads(text)) if status == 200 else None
        expect(fault is None, f"/openapi.json, {self.BODIES[path]}, and it was answered: {fault}\n    sent {text[:300]}")


def check_dry_run(dry, status, raw, text):
    """What was refused is among what it said would be; what was answered has the tokens that it counted."""
    where = f"the dry run\n    sent {text[:300]}\n    it said {dry[1][:300]}\n    and then {status} {raw[:300]}"
    expect(dry[0] in (200, status), f"status {dry[0]}: {where}")
    told = json.loads(dry[1])
    if status != 200:
        error = json.loads(raw)["error"]
        would_be = [told["error"]] if dry[0] != 200 else told["would_be_rejected"]
        expect((error["code"], error["param"]) in [(e["code"], e["param"]) for e in would_be], where)
    elif not raw.startswith(b"data: "):
        answer = json.loads(raw)
        usage = answer["usage"]
        expect(not told["would_be_rejected"] and told["input_tokens"] == usage["prompt_tokens"], where)
        expect(usage["completion_tokens"] <= told["max_output_tokens"] * len(answer["choices"]), where)
    else:
        expect(not told["would_be_rejected"], where)


class Client:
    def __init__(self, port, schemas):
        self.port = port
        self.schemas = schemas
        self.connection = None
        self.sent = 0

    def post(self, path, body):
        text = re.sub(r'"\\u0001([^"]*)"', r"\1", json.dumps(marked(body)))
        status, raw = self.exchange(path, text)
        self.schemas.check(path, status, raw, text)
        if path == PATHS["chat_completions"]:
            check_dry_run(self.exchange(DRY_RUN, text), status, raw, text)
        return status, raw, text

    def exchange(self, path, text):
        for attempt in (0, 1):
            if self.connection is None:
                self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
            try:
                self.connection.request("POST", path, text.encode(), {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"})
                response = self.connection.getresponse()
                raw = response.read()
                break
            except (http.client.HTTPException, OSError):
                self.connection.close()
                self.connection = None
                if attempt:
                    raise
        self.sent += 1
        return response.status, raw

    def close(self):
        if self.connection is not None:
            self.connection.close()


def marked(value):
    """Raw numbers as strings that post() takes the quotes from."""
    if isinstance(value, Raw):
        return "\x01" + value.text
    if isinstance(value, list):
        return [marked(v) for v in value]
    if isinstance(value, dict):
        return {k: marked(v) for k, v in value.items()}
    return value


def check_value(client, table, row, value):
    """Sends one value. → (whether its row refuses it, whether it was answered)"""
    body, written = body_with(table, row["path"], value)
    code = expected_code(row, value)
    status, raw, text = client.post(PATHS[table], body)
    where = f"{table}: {row['path']}\n    sent {text[:300]}\n    got {status} {raw[:300]}"
    expect(status in (200, 400, 404), f"status {status}: {where}")
    error = None if status == 200 else json.loads(raw)["error"]
    if code:
        expect(error is not None and status == 400, f"{code} expected: {where}")
        expect(error["code"] == code, f"{code} expected: {where}")
        expect(error["param"] == written, f"param {written} expected: {where}")
        expect(written in error["message"], f"the message does not name {written}: {where}")
        fault = jsonschema is None or client.schemas.fault(client.schemas.BODIES[PATHS[table]], json.loads(text))
        expect(fault, f"good by /openapi.json, and refused: {where}")
    elif error is not None:
        # The columns let it through: only a further rule of this field, or a field around or below it, may refuse it.
        related = error["param"] is not None and (error["param"].startswith(written) or written.startswith(error["param"]))
        expect(related or error["code"] in row["more"], f"refused for another field: {where}")
        if error["param"] == written:
            expect(error["code"] in row["more"], f"{error['code']} is not declared: {where}")
    return code is not None, status == 200


def check_rows(client, tables):
    for table, rows in tables.items():
        for row in rows:
            refused, answered = 0, 0
            for value in values_of(row) + EXAMPLES.get(row["path"], []):
                by_row, ok = check_value(client, table, row, value)
                refused += by_row
                answered += ok and value is not ABSENT and value is not None
            anything = len(row["types"]) == 6
            expect(refused > 0 or anything, f"{table}: {row['path']} has no negative case")
            around = [r for r in rows if (row["path"] + ".").startswith(r["path"] + ".") and "unsupported_value" in r["more"]]
            hopeless = row["effect"] == "refused" or around
            expect(answered > 0 or hopeless, f"{table}: {row['path']} has no value that is answered")


# Values that are answered, where those made from the columns are not.
EXAMPLES = {
    "model": [MODEL], "messages": [[ITEMS["messages"]]], "messages[]": [ITEMS["messages"]], "messages[].content[]": [ITEMS["messages[].content"]],
    "messages[].tool_calls[]": [CALL], "messages[].tool_calls[].function": [CALL["function"]], "messages[].tool_call_id": ["a"],
    "tools[]": [FUNCTION], "tools[].function": [FUNCTION["function"]], "messages[].tool_calls": [[CALL]], "tool_choice": ["auto"], "response_format": [{"type": "text"}], "top_logprobs": [3],
    "messages[].function_call": [{"name": "f"}], "functions": [[{"name": "f"}]], "functions[]": [{"name": "f"}], "function_call": ["auto"],
    "function_call.name": ["f"], "response_format.json_schema": [SCHEMA], "tool_choice.function": [{"name": "f"}], "tool_choice.function.name": ["f"],
    "tool_choice.allowed_tools": [ALLOWED["allowed_tools"]], "tool_choice.allowed_tools.tools": [ALLOWED["allowed_tools"]["tools"]],
    "tool_choice.allowed_tools.tools[]": ALLOWED["allowed_tools"]["tools"], "tool_choice.allowed_tools.tools[].function": [{"name": "f"}],
    "tool_choice.allowed_tools.tools[].function.name": ["f"], "continue_final_message": [False],
    "messages[].tool_calls[].custom": [CUSTOM_CALL["custom"]], "tools[].custom": [CUSTOM["custom"]], "tools[].custom.format": [CUSTOM["custom"]["format"]],
    "tools[].custom.format.grammar": [CUSTOM["custom"]["format"]["grammar"]], "tools[].custom.format.grammar.definition": ["x"],
    "tool_choice.custom": [{"name": "c"}], "tool_choice.custom.name": ["c"], "tool_choice.allowed_tools.tools[].custom": [{"name": "c"}],
    "tool_choice.allowed_tools.tools[].custom.name": ["c"], "prediction": [{"type": "content", "content": ""}],
    "prediction.content[]": [{"type": "text", "text": ""}], "modalities": [["text"]], "prompt[]": [[1]], "suffix": [""], "best_of": [1],
}


# ---------------------------------------------------------------- pairs

PAIRS = {
    "stream": [False, True], "n": [1, 2, 9], "tools": [[], [FUNCTION], [CUSTOM]], "functions": [[{"name": "f"}]],
    "function_call": ["none", "auto", {"name": "f"}],
    "tool_choice": ["none", "auto", "required", {"type": "function", "function": {"name": "f"}}, ALLOWED],
    "logprobs": [False, True], "top_logprobs": [0, 20], "stop": [[], "o", ["a", "b"]], "seed": [-1, 7], "logit_bias": [{}, {"5": -100, "7": 100}],
    "presence_penalty": [-2, 2], "frequency_penalty": [-2, 2], "max_tokens": [1, 3, 10**18], "thinking_budget": [0, 1],
    "chat_template_kwargs": [{"enable_thinking": True}, {"enable_thinking": False, "preserve_thinking": True}],
    "stream_options": [{"include_usage": True, "include_obfuscation": True}], "parallel_tool_calls": [False],
    "response_format": [{"type": "text"}, {"type": "json_object"}, {"type": "json_schema", "json_schema": SCHEMA}],
    "temperature": [0, 2], "top_p": [0, 1], "continue_final_message": [True], "cut_at_max_tokens": [False],
}


def check_pairs(client):
    answered = 0
    for (a, values_a), (b, values_b) in itertools.combinations(PAIRS.items(), 2):
        for value_a, value_b in itertools.product(values_a, values_b):
            status, raw, text = client.post(PATHS["chat_completions"], {**BASE["chat_completions"], a: value_a, b: value_b})
            expect(status in (200, 400), f"status {status}\n    sent {text}\n    got {raw[:300]}")
            expect(status == 200 or json.loads(raw)["error"]["param"], f"no param\n    sent {text}\n    got {raw[:300]}")
            expect(b'"error"' not in raw or status != 200, f"an error in mid-stream\n    sent {text}\n    got {raw[-300:]}")
            answered += status == 200
    expect(answered > 100, f"only {answered} pairs were answered")


# ---------------------------------------------------------------- documents

def schema_at(schema, way):
    """All schemas that the steps of a path lead to."""
    found = [schema]
    for step in way:
        forms = [f for s in found for f in [s] + s.get("anyOf", [])]
        key = {0: "items", "5": "additionalProperties"}.get(step)
        found = [f[key] for f in forms if key in f] if key else [f["properties"][step] for f in forms if step in f.get("properties", {})]
    return found


def check_openapi(document, tables):
    expect(document["openapi"].startswith("3.1."), "not OpenAPI 3.1")
    text = json.dumps(document)
    headers = document["components"]["headers"]
    expect(all(name in text.partition('"components"')[0] or name in ("Retry-After", "x-should-retry") for name in headers), "openapi: a header of no answer")
    for name in set(re.findall(r'"\$ref": "#/components/([^"]+)"', text)):
        kind, _, key = name.partition("/")
        expect(key in document["components"][kind], f"openapi: {name} is referred to and not there")
    for path in PATHS.values():
        expect("post" in document["paths"][path], f"openapi: no {path}")
    bodies = {"chat_completions": "ChatCompletionRequest", "completions": "CompletionRequest"}
    for table, rows in tables.items():
        schema = document["components"]["schemas"][bodies[table]]
        for row in rows:
            found = schema_at(schema, list(steps(row["path"])))
            expect(len(found) == 1, f"openapi: {row['path']} is there {len(found)} times")
            forms = found[0].get("anyOf", [found[0]])
            types = {f["type"] for f in forms if "type" in f} - {"null"}
            if row["effect"] == "refused":
                expect(forms[0].get("type") == "null", f"openapi: {row['path']} is refused, and may be more than null")
                continue
            expect(types == set(row["types"]) or len(row["types"]) == 6, f"openapi: {row['path']} has types {types}")
            for form in forms:
                if form.get("type") in ("integer", "number"):
                    expect([form["minimum"], form["maximum"]] == [row["min"], row["max"]], f"openapi: range of {row['path']}")
                expect("enum" not in form or form["enum"] == row["choices"], f"openapi: words of {row['path']}")


def check_document(tables, write):
    """The page holds the tables, which `tessera fields --markdown` prints."""
    page = DOCUMENT.read_text()
    head, rest = page.split(BEGIN)
    old, tail = rest.split(END)
    if write:
        DOCUMENT.write_text(head + BEGIN + tables + END + tail)
    else:
        expect(old == tables, "docs/api.md is out of date: run tests/api/fields_test.py with --write")


def run(binary, write):
    print_fields = [binary, "fields"]
    tables = json.loads(subprocess.run(print_fields, capture_output=True, check=True).stdout)
    check_document(subprocess.run(print_fields + ["--markdown"], capture_output=True, check=True).stdout.decode(), write)
    if write:
        return 0
    server = run_cases.Server(binary, [("ok", True)], [], NO_RATE_LIMIT)
    client = None
    if jsonschema is None:
        print("no python3-jsonschema: bodies and answers are not held to /openapi.json")
    try:
        status, _, raw = server.ask("GET", "/openapi.json", None, {})
        expect(status == 200, f"/openapi.json: {status}")
        document = json.loads(raw)
        check_openapi(document, tables)
        client = Client(server.port, Schemas(document))
        check_rows(client, tables)
        check_pairs(client)
    finally:
        if client is not None:
            client.close()
        server.stop()
    return client.sent


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--binary", required=True)
    parser.add_argument("--write", action="store_true", help="put the tables into docs/api.md instead")
    options = parser.parse_args()
    try:
        sent = run(options.binary, options.write)
    except Mismatch as mismatch:
        print(f"FAILED {mismatch}")
        return 1
    print(f"{sent} exchanges passed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
