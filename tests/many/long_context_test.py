#!/usr/bin/env python3
"""A conversation that fills a context of 262,144 tokens, on the real binary with a small random model: its prompt is read, the answer goes on to the
context's last token, the next turn begins in the cache, its memory is what the arithmetic says, and the limits of context and tier hold to the
token.

   long_context_test.py --binary FILE [--context N]"""
import argparse
import json
import pathlib
import subprocess
import sys
import tempfile
import threading

try:
    import models
except ImportError:
    print("skipped: python3-numpy is not installed")
    sys.exit(77)

from serving import KEYS, MODEL, Server, expect

ANSWER = 12
SCALE = 131_072  # tokens that an account of tier scale may be given
# Key and value of one layer's one head, a byte for each number and a float32 scale.
KV_BYTES = 2 * (models.SMALL["attention.key_length"] + 4)
# Beside blocks and states: the body, its text and its tokens, several times each while they are worked on.
REQUEST_KIB = 64 * 1024


def count(server, messages):
    body = json.dumps({"model": MODEL, "messages": messages})
    return json.loads(server.post("/v1/chat/completions/input_tokens", body))["input_tokens"]


def make_messages(server, tokens):
    """A prompt of exactly so many tokens: words, then digits, each of which is one."""
    words = " one" * (tokens // 3)
    digits = tokens - count(server, [{"role": "user", "content": words}])
    messages = [{"role": "user", "content": words + "1" * digits}]
    expect(digits > 0 and count(server, messages) == tokens, f"{count(server, messages)} tokens instead of {tokens}")
    return messages


def expect_refused(server, messages, limit, key=KEYS[0]):
    answer = server.ask({"messages": messages, "max_tokens": 1}, key)
    error = answer.body["error"]
    expect(answer.status == 400 and error["code"] == "context_length_exceeded", f"{answer.status} {answer.body}")
    expect(f"maximum context length is {limit} tokens" in error["message"], error["message"])


def check_conversation(server, context):
    """→ what the whole context holds."""
    messages = make_messages(server, context - ANSWER)
    before = server.status_kib("VmRSS")
    first = server.chat(messages, temperature=1, seed=1, max_tokens=ANSWER + 100)
    expect(first.usage["prompt_tokens"] == context - ANSWER and first.usage["completion_tokens"] == ANSWER and first.reasons == ["length"],
           f"not to the context's last token: {first.usage} {first.reasons}")
    grown = server.status_kib("VmRSS") - before
    arithmetic = context * KV_BYTES // 1024
    expect(arithmetic * 3 // 4 < grown < arithmetic + REQUEST_KIB, f"memory grew by {grown} KiB, for {arithmetic} of keys and values")
    again = server.chat(messages, temperature=1, seed=1, max_tokens=ANSWER, stream=True, stream_options={"include_usage": True})
    cached = again.usage["prompt_tokens_details"]["cached_tokens"]
    expect(cached > context - ANSWER - 16, f"only {cached} tokens from the cache")
    expect(again.digest == first.digest, "another answer from the cache")
    print(f"a prompt of {context - ANSWER} tokens: {first.seconds:.1f} s, again {again.seconds:.3f} s with {cached} from the cache; "
          f"memory grew by {grown} KiB, keys and values are {arithmetic} KiB", flush=True)
    return messages


def check_tier(server, key):
    """Tier scale: a request of 131,072 tokens is begun, of one more refused, though the model could."""
    messages = make_messages(server, SCALE - 1)
    with server.send({"messages": messages, "max_tokens": 100, "stream": True}, key):
        server.wait_for(lambda metrics: metrics["tessera_requests_running"] == 1, "a request of the tier's size")
    expect_refused(server, make_messages(server, SCALE), SCALE, key)
    server.wait_idle()


def check_start(binary, path, context):
    """A memory that cannot hold one such conversation is refused, with its parts."""
    done = subprocess.run([binary, "serve", "-m", path, "--ctx", str(context), "--memory", f"{context * KV_BYTES}b", "--port", "0"],
                          capture_output=True, text=True, timeout=60)
    expect(done.returncode != 0 and f"keys and values {context * KV_BYTES / (1 << 20):.2f} MiB" in done.stderr, done.stderr)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--binary", required=True)
    parser.add_argument("--context", type=int, default=262_144)
    options = parser.parse_args()
    context = options.context
    with tempfile.TemporaryDirectory() as folder:
        path = models.write_random(pathlib.Path(folder) / "small.gguf", models.SMALL)
        check_start(options.binary, path, context)
        memory = ["--memory", f"{context * KV_BYTES + (3 << 20)}b"]  # weights, scratch and states, too
        with Server(options.binary, "-m", path, "--ctx", context, "--threads", 2, *memory) as server:
            messages = check_conversation(server, context)
            messages[0]["content"] += "1" * ANSWER
            expect_refused(server, messages, context)
            if context > SCALE:
                check_tier(server, server.make_key("scale", "--context", str(SCALE)))


if __name__ == "__main__":
    main()
