#!/usr/bin/env python3
"""`tessera render` on the real binary: a request's body in, the prompt's text out, byte for byte. Runs this folder's own cases and,
where ../shared is there, the reference renderings of the model's template.

A case's "kwargs" are the template's variables. The template thinks unless it is told not to; the product does not unless it is told
to: so the switch is always spelt out in the body."""
import argparse
import json
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
FILES = [ROOT / "tests/chat/cases.json", ROOT.parent / "shared/data/qwen36_chat_rendered_cases.json",
         ROOT.parent / "shared/data/qwen36_chat_oracle_vectors.json"]


def body_of(case):
    kwargs = dict(case["kwargs"])
    body = {"messages": case["messages"], "tools": case["tools"]}
    if kwargs.pop("continue_final_message", False):
        body["continue_final_message"] = True
    if kwargs.get("enable_thinking") is None:
        kwargs["enable_thinking"] = True
    body["chat_template_kwargs"] = kwargs
    return json.dumps(body).encode()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--binary", required=True)
    binary = parser.parse_args().binary
    passed = failed = 0
    for path in FILES:
        if not path.exists():
            print(f"skipped: {path.name} is not here")
            continue
        for case in json.loads(path.read_text()):
            refused = case["kwargs"].get("continue_final_message") and case["messages"][-1]["role"] != "assistant"
            if case.get("error") or refused:
                continue
            run = subprocess.run([binary, "render"], input=body_of(case), capture_output=True)
            if run.returncode == 0 and run.stdout == case["text"].encode():
                passed += 1
            else:
                failed += 1
                print(f"FAILED {path.name}: {case['name']}: {run.stderr.decode()}\n  got      {run.stdout!r}\n  expected {case['text'].encode()!r}")
    for bad in (b"", b"{", b"[]", b'{"messages": []}', b'{"messages": [{"role": "king", "content": ""}]}'):
        run = subprocess.run([binary, "render"], input=bad, capture_output=True)
        if run.returncode == 1 and not run.stdout and run.stderr.startswith(b"tessera: "):
            passed += 1
        else:
            failed += 1
            print(f"FAILED: {bad!r} was not refused: {run}")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
