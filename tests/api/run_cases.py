#!/usr/bin/env python3
"""Runs the cases of tests/api/cases against the real binary with its fake backend. README.md tells the format."""
import argparse
import fnmatch
import http.client
import json
import pathlib
import re
import subprocess
import sys
import tempfile
import time

KEY = "sk-tessera-" + "A" * 40
MODEL = "Qwen/Qwen3.6-35B-A3B"
# No path, address or key of ours in a message to a client.
OURS_ALONE = re.compile(r"/(home|root|tmp|usr|var|etc|proc)\b|\.cpp|0x[0-9a-f]{6}|" + KEY)
HERE = pathlib.Path(__file__).resolve().parent


class Mismatch(Exception):
    """What was expected and what came."""


def expect(condition, text):
    if not condition:
        raise Mismatch(text)


# ---------------------------------------------------------------- the server

def token_ids(binary, text):
    out = subprocess.run([binary, "tokenize", "--added"], input=text.encode(), capture_output=True, check=True).stdout
    return [int(i) for i in out.decode().split(",") if i.strip()]


class Server:
    """The binary, serving what a script says."""

    def __init__(self, binary, says, flags, tiers=(), delay_us=0):
        (end,) = token_ids(binary, "<|im_end|>")
        responses = []
        for text, ends in says or [("ok", True)]:
            ids = token_ids(binary, text)
            responses.append(ids + [end] if ends else ids * 200)
        vocabulary = 1 + max([end] + [i for r in responses for i in r])
        script = {"responses": responses, "end_token": end, "vocabulary": max(vocabulary, token_count(binary)), "max_context": 1 << 20,
                  "max_sequences": 16, "delay_us": delay_us}
        self.script = tempfile.NamedTemporaryFile("w", suffix=".json")
        json.dump(script, self.script)
        self.script.flush()
        self.state = tempfile.TemporaryDirectory()
        self.log = tempfile.TemporaryFile()  # not a pipe, which would fill up and stall the server
        self.process = subprocess.Popen(
            [binary, "serve", "--backend", "fake", "--fake-script", self.script.name, "--port", "0", "--api-key", KEY,
             "--db", self.state.name + "/tessera.db"] + self.tier_flags(tiers) + flags,
            stdout=subprocess.PIPE, stderr=self.log, text=True)
        self.port = self.read_port()
        self.wait_ready()

    def tier_flags(self, tiers):
        if not tiers:
            return []
        path = pathlib.Path(self.state.name) / "tiers.toml"
        path.write_text("\n".join(tiers))
        return ["--tiers", str(path)]

    def read_port(self):
        """What it tells when it listens; the rest of what it says is little, and stays in the pipe."""
        for line in self.process.stdout:
            found = re.search(r"url +http://127\.0\.0\.1:(\d+)/", line)
            if found:
                return int(found[1])
        self.log.seek(0)
        raise Mismatch("the server ended: " + self.log.read().decode())

    def wait_ready(self):
        for _ in range(600):
            if self.process.poll() is not None:
                self.log.seek(0)
                raise Mismatch("the server ended: " + self.log.read().decode())
            try:
                if self.ask("GET", "/readyz", None, {})[0] == 200:
                    return
            except OSError:
                pass
            time.sleep(0.05)
        raise Mismatch("the server did not become ready")

    def ask(self, method, path, body, headers):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            return response.status, response.headers, response.read()
        finally:
            connection.close()

    def stop(self):
        alive = self.process.poll() is None
        self.process.terminate()
        status = self.process.wait(timeout=60)
        self.process.stdout.close()
        self.log.close()
        self.state.cleanup()
        expect(alive and status == 0, f"the server ended with status {status}, alive before: {alive}")


_COUNTS = {}


def token_count(binary):
    """The demo vocabulary's size, read from `inspect`."""
    if binary not in _COUNTS:
        text = subprocess.run([binary, "inspect"], capture_output=True, check=True).stdout.decode()
        words = text.replace(",", "").split()
        _COUNTS[binary] = max(int(words[i + 1]) for i, w in enumerate(words[:-1]) if w == "vocabulary" and words[i + 1].isdigit())
    return _COUNTS[binary]


# ---------------------------------------------------------------- cases

def parse_case(path):
    """→ (says, flags, tiers, requests, delay_us); a request is a dict with its expectations."""
    says, flags, tiers, requests, delay_us = [], [], [], [], 0
    for number, line in enumerate(path.read_text().split("\n"), 1):
        if not line.strip() or line.startswith("#"):
            continue
        verb, _, rest = line.partition(" ")
        unescaped = rest.replace("\\n", "\n")
        if verb in ("say", "say..."):
            says.append((unescaped, verb == "say"))
        elif verb == "flags":
            flags += rest.split()
        elif verb == "delay_us":
            delay_us = int(rest)
        elif verb == "tiers":
            tiers.append(rest)
        elif verb in ("request", "raw", "chat", "both", "text", "textboth"):
            requests.append({"verb": verb, "text": rest, "line": number, "headers": {}, "expect": []})
        elif verb == "with":
            name, _, value = rest.partition(":")
            requests[-1]["headers"][name] = value.strip()
        else:
            requests[-1]["expect"].append((verb, rest if verb in ("body", "call", "json") else unescaped, number))
    return says, flags, tiers, requests, delay_us


def merged_body(body, text, stream):
    body.update(json.loads(text or "{}"))
    if stream is not None:
        body["stream"] = stream
    return json.dumps({k: v for k, v in body.items() if v is not None})


def exchanges(request):
    """→ (method, path, body) for each time the request is sent."""
    verb, text = request["verb"], request["text"]
    for stream in ([False, True] if verb in ("both", "textboth") else [None]):
        if verb in ("chat", "both"):
            chat = {"model": MODEL, "messages": [{"role": "user", "content": "Hi"}]}
            yield "POST", "/v1/chat/completions", merged_body(chat, text, stream)
        if verb in ("text", "textboth"):
            yield "POST", "/v1/completions", merged_body({"model": MODEL, "prompt": "Hi"}, text, stream)
    if verb not in ("request", "raw"):
        return
    method, _, rest = text.partition(" ")
    path, _, body = rest.partition(" ")
    yield method, path, body or None


def sse_events(raw):
    text = raw.decode()
    expect(text.endswith("\n\n"), "the stream does not end with a blank line")
    events = [e for e in text.split("\n\n")[:-1] if not e.startswith(":")]
    expect(all(e.startswith("data: ") and "\n" not in e for e in events), "an event that is not one data line")
    expect(events[-1] == "data: [DONE]", "the stream does not end with [DONE]")
    return [json.loads(e[6:]) for e in events[:-1]]


def from_stream(events):
    """Chunks put together as clients do: the shape of a whole answer, checking the stream's rules on the way."""
    choices, usage = {}, None
    wants_usage = "usage" in events[0]
    for event in events:
        if "error" in event:
            expect(event is events[-1], "something behind the error")
            return event
        expect(all(event[key] == events[0][key] for key in ("id", "object", "created", "model", "system_fingerprint")), "id or so changed")
        expect(event["object"] in ("chat.completion.chunk", "text_completion"), "object")
        expect(usage is None and ("usage" in event) == wants_usage, "usage has to be on every chunk, and its own at the end")
        expect(event["choices"] or event["usage"], "a chunk of nothing")
        usage = event.get("usage")
        for choice in event["choices"]:
            if "text" in choice:
                text_piece(choices, choice)
                continue
            delta = choice["delta"]
            message = choices.setdefault(choice["index"], {"message": {"content": None}, "finish_reason": None})
            if choice["index"] not in choices or "role" in delta:
                expect(delta == {"role": "assistant", "content": ""}, "the first delta is not the role")
            expect(message["finish_reason"] is None, "a delta behind the finish")
            message["finish_reason"] = choice["finish_reason"]
            if choice["logprobs"] is not None:
                expect("content" in delta, "log probabilities without content")
                logprobs = message.setdefault("logprobs", {"content": [], "refusal": None})
                logprobs["content"] += choice["logprobs"]["content"]
            for key in ("content", "reasoning_content"):
                if delta.get(key):
                    message["message"][key] = (message["message"].get(key) or "") + delta[key]
            for call in delta.get("tool_calls", []):
                calls = message["message"].setdefault("tool_calls", [])
                kind = "custom" if "custom" in call else "function"
                if "id" in call:
                    expect(call["index"] == len(calls) and call["type"] == kind, "a call out of order")
                    calls.append({"id": call["id"], "type": kind, kind: dict(call[kind])})
                else:
                    member = "input" if kind == "custom" else "arguments"
                    expect(list(call) == ["index", kind] and list(call[kind]) == [member], f"a piece of a call: {call}")
                    calls[call["index"]][kind][member] += call[kind][member]
    expect(all(c["finish_reason"] for c in choices.values()), "a choice without finish_reason")
    expect(wants_usage == (usage is not None), "no usage at the end")
    return {"choices": [choices[i] for i in sorted(choices)], "usage": usage, "events": events}


def text_piece(choices, choice):
    """A chunk of POST /v1/completions."""
    whole = choices.setdefault(choice["index"], {"text": "", "finish_reason": None, "logprobs": None})
    expect(whole["finish_reason"] is None, "text behind the finish")
    whole["text"] += choice["text"]
    whole["finish_reason"] = choice["finish_reason"]
    if choice["logprobs"] is not None:
        whole["logprobs"] = whole["logprobs"] or {}
        for key, values in choice["logprobs"].items():
            whole["logprobs"].setdefault(key, []).extend(values)


def same(pattern, value, path="body"):
    if pattern == "*":
        return
    if isinstance(pattern, dict):
        expect(isinstance(value, dict) and list(pattern) == list(value), f"{path}: keys {list(pattern)} expected, got {value}")
        for key in pattern:
            same(pattern[key], value[key], f"{path}.{key}")
    elif isinstance(pattern, list):
        expect(isinstance(value, list) and len(pattern) == len(value), f"{path}: {len(pattern)} elements expected, got {value}")
        for i, item in enumerate(pattern):
            same(item, value[i], f"{path}[{i}]")
    else:
        expect(pattern == value and type(pattern) is type(value), f"{path}: expected {pattern!r}, got {value!r}")


def check_error(answer, text):
    code, _, param = text.partition(" ")
    error = answer.get("error") if isinstance(answer, dict) else None
    expect(error is not None and list(error) == ["message", "type", "param", "code"], f"no error envelope: {answer}")
    expect(error["code"] == code, f"code {code} expected, got {error}")
    expect(error["param"] == (param or None), f"param {param or None} expected, got {error}")
    expect(error["message"] and not OURS_ALONE.search(error["message"]), f"message: {error['message']}")


def check(expectations, status, headers, raw):
    streamed = headers.get("Content-Type", "").startswith("text/event-stream")
    answer = from_stream(sse_events(raw)) if streamed else (json.loads(raw) if raw else None)
    expect(headers.get("X-Request-Id"), "no X-Request-Id")
    calls = 0
    if not any(verb == "status" for verb, _, _ in expectations):
        expect(status == 200, f"status 200 expected, got {status}: {raw[:300]}")
    for verb, text, number in expectations:
        try:
            if verb == "status":
                expect(status == int(text), f"status {text} expected, got {status}: {raw[:300]}")
            elif verb == "header":
                name, _, pattern = text.partition(":")
                expect(fnmatch.fnmatchcase(headers.get(name, ""), pattern.strip()), f"{name}: got {headers.get(name)}")
            elif verb == "body":
                same(json.loads(text), json.loads(raw))
            elif verb == "error":
                check_error(answer, text)
            elif verb == "rejects":
                got = [e["code"] for e in answer["would_be_rejected"]]
                expect(got == text.split(), f"would be rejected {got}")
            elif verb == "chunks":
                key, _, wanted = text.partition(" ")
                deltas = [e for e in answer["events"] if e["choices"]]
                expect(all((key in e) == (wanted == "yes") for e in deltas), f"{key} on {[e.get(key) for e in deltas]}")
            elif verb == "raw_has":
                expect(text.encode() in raw, f"not in {raw[:500]}")
            elif verb == "texts":
                got = [c["text"] for c in answer["choices"]]
                expect(got == json.loads(text), f"texts {got}")
            elif verb == "choices":
                expect(len(answer["choices"]) == int(text), f"{len(answer['choices'])} choices")
            elif verb == "usage":
                if answer["usage"] is not None:
                    got = [answer["usage"]["prompt_tokens"], answer["usage"]["completion_tokens"],
                           answer["usage"]["completion_tokens_details"]["reasoning_tokens"]]
                    expect(all(w == "*" or int(w) == g for w, g in zip(text.split(), got)), f"usage {got}")
            else:
                calls += check_choice(verb, text, answer["choices"][0], calls)
        except Mismatch as mismatch:
            raise Mismatch(f"line {number}: {mismatch}") from None


def check_logprobs(text, logprobs):
    """The entries cover the text, with as many alternatives as asked for: "N TEXT"."""
    count, _, covered = text.partition(" ")
    if "tokens" in logprobs:
        expect("".join(logprobs["tokens"]) == covered, f"tokens {logprobs['tokens']}")
        expect(len({len(logprobs[key]) for key in ("tokens", "token_logprobs", "top_logprobs", "text_offset")}) == 1, "lists of unequal length")
        expect(all(len(top) <= int(count) for top in logprobs["top_logprobs"]), "too many alternatives")
        return
    expect(list(logprobs) == ["content", "refusal"] and logprobs["refusal"] is None, f"keys {list(logprobs)}")
    expect(bytes(b for e in logprobs["content"] for b in e["bytes"]).decode() == covered, f"entries {logprobs['content']}")
    for entry in logprobs["content"]:
        expect(entry["token"] == bytes(entry["bytes"]).decode(errors="replace") and -9999 <= entry["logprob"] <= 0, f"entry {entry}")
        expect(len(entry["top_logprobs"]) == int(count), f"{len(entry['top_logprobs'])} alternatives")
        likeliest = [t["logprob"] for t in entry["top_logprobs"]]
        expect(likeliest == sorted(likeliest, reverse=True), "alternatives out of order")


def check_choice(verb, text, choice, calls):
    if verb == "logprobs":
        check_logprobs(text, choice["logprobs"])
        return 0
    message = choice.get("message", {"content": choice.get("text")})
    if verb == "content":
        expected = None if text == "null" else text
        expect(message["content"] == expected or (not text and not message["content"]), f"content {message['content']!r}")
    elif verb == "json":
        expect(json.loads(message["content"]) == json.loads(text), f"content {message['content']!r}")
    elif verb == "reasoning":
        expect(message.get("reasoning_content") == text, f"reasoning {message.get('reasoning_content')!r}")
    elif verb == "finish":
        expect(choice["finish_reason"] == text, f"finish_reason {choice['finish_reason']}")
    elif verb == "call":
        name, _, arguments = text.partition(" ")
        got = message["tool_calls"][calls]["function"]
        expect(got["name"] == name and got["arguments"] == arguments, f"call {got}")
        return 1
    elif verb == "input":
        name, _, text = text.partition(" ")
        call = message["tool_calls"][calls]
        expect(call["type"] == "custom" and call["custom"] == {"name": name, "input": text}, f"call {call}")
        return 1
    else:
        raise Mismatch(f"unknown verb '{verb}'")
    return 0


def run_file(binary, path):
    says, flags, tiers, requests, delay_us = parse_case(path)
    server = Server(binary, says, flags, tiers, delay_us)
    sent = 0
    try:
        for request in requests:
            for method, target, body in exchanges(request):
                headers = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}
                headers.update(request["headers"])
                headers = {k: v for k, v in headers.items() if v}
                status, got, raw = server.ask(method, target, body.encode() if body else None, headers)
                sent += 1
                try:
                    check(request["expect"], status, got, raw)
                except Mismatch as mismatch:
                    raise Mismatch(f"{path.name}:{request['line']}: {mismatch}\n    sent {method} {target} {body}") from None
    finally:
        server.stop()
    return sent


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--binary", required=True)
    parser.add_argument("files", nargs="*", type=pathlib.Path)
    options = parser.parse_args()
    failed = passed = 0
    for path in options.files or sorted((HERE / "cases").glob("*.case")):
        try:
            passed += run_file(options.binary, path)
        except Mismatch as mismatch:
            failed += 1
            print(f"FAILED {mismatch}")
    print(f"{passed} exchanges passed, {failed} files failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
