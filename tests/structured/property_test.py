#!/usr/bin/env python3
"""Random schemas and tools against models that know nothing of them: the demo model at temperature 2, and random logits. Every answer that came to
its end parses and validates, streamed or not, in direct and in thinking mode; both ways give the same answer for the same seed. Half of the
requests have few max_tokens: if they are too few, the refusal says how many would do, and so many do. Only free text is ever cut."""
import argparse
import concurrent.futures
import json
import pathlib
import random
import re
import subprocess
import sys
import tempfile

try:
    import jsonschema
except ImportError:
    print("skipped: python3-jsonschema is not installed")
    sys.exit(77)

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tests" / "api"))
import run_cases  # noqa: E402
from run_cases import KEY, MODEL, Mismatch, expect  # noqa: E402

from random_forms import Forms, GRAMMARS  # noqa: E402

TIERS = ["[tier.enterprise]", 'requests_per_minute = "unlimited"', "concurrent_requests = 64"]


class Server(run_cases.Server):
    """The demo model, or with `script` a fake one: random logits, or one token for ever."""

    def __init__(self, binary, script=None):
        self.state = tempfile.TemporaryDirectory()
        self.log = tempfile.TemporaryFile()
        flags = ["--threads", "2", "--max-running", "8"]
        if script is not None:
            path = pathlib.Path(self.state.name) / "script.json"
            path.write_text(json.dumps(dict(script, vocabulary=run_cases.token_count(binary), max_context=1 << 15, max_sequences=16)))
            flags = ["--backend", "fake", "--fake-script", str(path)]
        self.process = subprocess.Popen(
            [binary, "serve", "--port", "0", "--api-key", KEY, "--db", self.state.name + "/tessera.db"] + self.tier_flags(TIERS) + flags,
            stdout=subprocess.PIPE, stderr=self.log, text=True)
        self.port = self.read_port()
        self.wait_ready()


def make_request(seed):
    choose = random.Random(seed)
    forms = Forms(choose)
    body = {"model": MODEL, "messages": [{"role": "user", "content": "Answer in the form that was asked for."}], "seed": seed,
            "temperature": choose.choice([2, 2, 1, 0]), "top_p": 1, "max_tokens": 600}
    form = choose.choice(["schema", "schema", "object", "tools", "tools", "both"])
    if form in ("schema", "both"):
        body["response_format"] = {"type": "json_schema", "json_schema": {"name": "s", "schema": forms.schema(), "strict": choose.random() < 0.5}}
    if form == "object":
        body["response_format"] = {"type": "json_object"}
    if form in ("tools", "both"):
        body["tools"] = forms.tools()
        kind = choose.choice(body["tools"])["type"]
        names = [tool[kind]["name"] for tool in body["tools"] if tool["type"] == kind]
        reference = {"type": kind, kind: {"name": choose.choice(names)}}
        allowed = {"mode": choose.choice(["auto", "required"]), "tools": [reference]}
        body["tool_choice"] = choose.choice(["auto", "required", "required", reference, {"type": "allowed_tools", "allowed_tools": allowed}])
        body["parallel_tool_calls"] = choose.random() < 0.5
    if choose.random() < 0.4:
        body["chat_template_kwargs"] = {"enable_thinking": True}
        body["thinking_budget"] = choose.choice([1, 5, 40])
    if choose.random() < 0.2:
        body["n"] = 2
    if choose.random() < 0.5:
        body["max_tokens"] = choose.randint(1, 60)
    return body


# ---------------------------------------------------------------- what must hold

def refuse_duplicates(pairs):
    expect(len({key for key, _ in pairs}) == len(pairs), "a key twice")
    return dict(pairs)


def parse(text):
    return json.loads(text, object_pairs_hook=refuse_duplicates, parse_constant=lambda word: expect(False, f"{word} is no JSON"))


def validate(value, schema):
    validator = jsonschema.Draft202012Validator(schema, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER)
    for error in validator.iter_errors(value):
        raise Mismatch(f"{error.message} at {list(error.absolute_path)}")


def check_content(text, body):
    format_ = body.get("response_format", {"type": "text"})
    if format_["type"] == "json_object":
        expect(isinstance(parse(text), dict), "no object")
    elif format_["type"] == "json_schema":
        validate(parse(text), format_["json_schema"]["schema"])


def name_of(reference):
    return reference[reference["type"]]["name"]


def check_calls(calls, body):
    choice = body["tool_choice"]
    tools = {name_of(tool): tool[tool["type"]] for tool in body["tools"]}
    allowed = set(tools)
    one = not body["parallel_tool_calls"]
    if isinstance(choice, dict) and choice["type"] == "allowed_tools":
        allowed = set(map(name_of, choice["allowed_tools"]["tools"]))
    elif isinstance(choice, dict):
        allowed, one = {name_of(choice)}, True
    expect(len(calls) == 1 or not one, f"{len(calls)} calls")
    expect(len({call["id"] for call in calls}) == len(calls), "an id twice")
    for call in calls:
        expect(name_of(call) in allowed, f"a call of {name_of(call)}")
        if call["type"] == "custom":
            check_input(call["custom"]["input"], tools[name_of(call)].get("format", {"type": "text"}))
        else:
            check_arguments(call["function"]["arguments"], tools[name_of(call)].get("parameters", {"type": "object"}))


def check_arguments(text, schema):
    arguments = parse(text)
    validate(arguments, schema)
    order = list(schema.get("properties", {}))
    places = [order.index(key) for key in arguments if key in order]
    expect(places == sorted(places), f"arguments out of order: {list(arguments)}")
    outside_strings = re.sub(r'"(\\.|[^"\\])*"', '""', text)
    expect(not re.search(r"\s", outside_strings), "arguments with white space")


def check_input(text, format_):
    expect(not re.search("^(</parameter>|</function>|<parameter=)", text, re.MULTILINE), "an input that looks like a tag")
    if format_["type"] != "grammar":
        return
    grammar = format_["grammar"]
    pattern = grammar["definition"] if grammar["syntax"] == "regex" else GRAMMARS[grammar["definition"]]
    fits = pattern(text) if callable(pattern) else re.fullmatch(pattern, text)
    expect(fits, f"an input that its grammar does not have: {text!r}")


def must_call(body):
    choice = body.get("tool_choice", "auto")
    if isinstance(choice, str):
        return choice == "required"
    return choice["type"] != "allowed_tools" or choice["allowed_tools"]["mode"] == "required"


def check_choice(choice, body):
    """→ whether it came to its end"""
    message, finish = choice["message"], choice["finish_reason"]
    calls = message.get("tool_calls") or []
    if finish == "length":
        expect("response_format" not in body and not must_call(body) and not calls, f"an answer that was cut: {calls}")
        return False
    if finish == "tool_calls":
        expect(calls, "no calls")
        check_calls(calls, body)
        if "response_format" in body:
            expect(not message["content"], "content beside calls")
        return True
    expect(finish == "stop" and not calls and not must_call(body), f"finish {finish}, calls {calls}")
    check_content(message["content"], body)
    return True


def without_ids(choice):
    message = choice["message"]
    calls = [call[call["type"]] for call in message.get("tool_calls") or []]
    return [message["content"] or "", message.get("reasoning_content") or "", calls, choice["finish_reason"]]


def ask_both(server, body):
    """→ the whole answer, which is that of the stream, or the refusal"""
    headers = {"Authorization": "Bearer " + KEY, "Content-Type": "application/json"}
    answers = []
    for stream in (False, True):
        status, _, raw = server.ask("POST", "/v1/chat/completions", json.dumps(dict(body, stream=stream)), headers)
        if status == 400 and not stream:
            return json.loads(raw)
        expect(status == 200, f"status {status}: {raw[:500]}")
        answers.append(run_cases.from_stream(run_cases.sse_events(raw)) if stream else json.loads(raw))
    plain, streamed = answers
    expect("choices" in streamed and list(map(without_ids, plain["choices"])) == list(map(without_ids, streamed["choices"])),
           f"streamed {streamed}\nnot {plain['choices']}")
    return plain


def run_one(server, body):
    """→ (choices, those that came to their end)"""
    plain = ask_both(server, body)
    if "error" in plain and plain["error"]["code"] == "max_tokens_too_small":
        least = int(re.search(r"has (\d+) tokens", plain["error"]["message"])[1])
        expect(body["max_tokens"] < least, f"refused: {plain}")
        body = dict(body, max_tokens=least)
        plain = ask_both(server, body)
    if "error" in plain:
        expect(plain["error"]["code"] in ("invalid_schema", "unsupported_schema"), f"refused: {plain}")
        return 0, 0, plain["error"]["message"]
    ended = 0
    for choice in plain["choices"]:
        try:
            ended += check_choice(choice, body)
        except (Mismatch, ValueError) as error:
            raise Mismatch(f"{error}\n    in {json.dumps(choice, ensure_ascii=False)}") from None
    return len(plain["choices"]), ended, None


def run_many(server, name, first, count):
    """→ failures"""
    choices = ended = 0
    refused, failures = [], 0
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        jobs = {pool.submit(run_one, server, make_request(seed)): seed for seed in range(first, first + count)}
        for job in concurrent.futures.as_completed(jobs):
            try:
                some, whole, refusal = job.result()
                choices, ended = choices + some, ended + whole
                refused += [refusal] if refusal else []
            except Exception as error:  # noqa: BLE001: everything is a failure of this seed
                failures += 1
                print(f"FAILED {name}, seed {jobs[job]}: {type(error).__name__} {error}\n    sent {json.dumps(make_request(jobs[job]))}")
    print(f"{name}: {count} requests, {choices} choices, {ended} ended, {len(refused)} refused, {failures} failures")
    for message in sorted(set(refused)):
        print("    refused:", message)
    if ended * 2 < choices:
        print(f"FAILED {name}: most answers were cut; nothing was seen of them")
        failures += 1
    return failures


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--binary", required=True)
    parser.add_argument("--count", type=int, default=120, help="requests for each model")
    parser.add_argument("--first", type=int, default=0, help="the first one's seed")
    options = parser.parse_args()
    failures = 0
    for name, seed in (("demo model", None), ("random logits", options.first)):
        server = Server(options.binary, None if seed is None else {"hash": seed})
        try:
            failures += run_many(server, name, options.first, options.count)
        finally:
            server.stop()
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
