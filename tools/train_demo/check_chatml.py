#!/usr/bin/env python3
"""Checks chatml.py against the official chat template rendered by jinja2, where the reference files are at hand:
   check_chatml.py [DIRECTORY with the official template and rendered cases]   (default: ../shared/data, else skipped)
"""
import json
import pathlib
import sys

import chatml
import corpus

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent


def official(template_path):
    import jinja2
    environment = jinja2.Environment(trim_blocks=True, lstrip_blocks=True,
                                     extensions=["jinja2.ext.loopcontrols"])
    environment.filters["tojson"] = lambda value: json.dumps(value, ensure_ascii=False)

    def fail(text):
        raise ValueError(text)
    environment.globals["raise_exception"] = fail
    return environment.from_string(template_path.read_text())


def main():
    data = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT.parent / "shared" / "data"
    if not data.exists():
        print("skipped: no reference files")
        return
    checked = skipped = 0
    for case in json.loads((data / "qwen36_chat_rendered_cases.json").read_text()):
        if case["error"] or "image" in json.dumps(case["messages"]) or "add_vision_id" in case["kwargs"]:
            skipped += 1  # errors and images never occur in the corpus
            continue
        text = chatml.text_of(chatml.render(case["messages"], case["tools"], **case["kwargs"]))
        assert text == case["text"], (case["name"], text, case["text"])
        checked += 1
    template = official(data / "Qwen3.6-35B-A3B.chat_template.jinja")
    stream = corpus.examples(99, "train")
    for _ in range(2000):
        example = next(stream)
        kwargs = {"tools": example["tools"], "enable_thinking": example["enable_thinking"]}
        prompt = chatml.text_of(chatml.render(example["messages"][:-1], **kwargs))
        assert prompt == template.render(messages=example["messages"][:-1], add_generation_prompt=True, **kwargs)
        if example["enable_thinking"]:  # then the finished turn is the prompt and the answer, letter for letter
            answer = chatml.text_of(chatml.answer_spans(example["messages"][-1], True))
            whole = template.render(messages=example["messages"], add_generation_prompt=False, **kwargs)
            assert prompt + answer + "\n" == whole, (prompt + answer, whole)
    print(f"{checked} reference cases and 2000 corpus examples agree with the template ({skipped} cases do not apply)")


if __name__ == "__main__":
    main()
