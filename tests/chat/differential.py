"""Random chats: the native renderer against the model's own chat template under Jinja2.

  tests/chat/differential.py --render build/relassert/tests/chat/render_cases [--count 4000] [--seed 1]
  tests/chat/differential.py --tessera build/release/tessera --count 200   (request bodies to `tessera render`)

Prints the first chats that differ and exits with 1; 77 when the template or Jinja2 is not there.
"""

import argparse
import json
import os
import random
import re
import subprocess
import sys

TEMPLATE = "../shared/data/Qwen3.6-35B-A3B.chat_template.jinja"
MODEL = "Qwen/Qwen3.6-35B-A3B"

# Every character that str.strip() takes, near misses, and what else a renderer may trip over.
SPACES = list("\t\n\x0b\x0c\r\x1c\x1d\x1e\x1f \x85\xa0\u1680\u2000\u2003\u200a\u2028\u2029\u202f\u205f\u3000")
ODD = list("\u200b\ufeff\u180e\u2060\x7f\x01\x1b\u0301\u200d\\\"'/<>&{}[]%#") + ["\U0001f600", "雪", "é", "ß"]
WORDS = ["alpha", "beta", "Madrid", "two words", "0", "-1", "True", "null", "{{ x }}", "{% if %}", "a\nb", "\n\n",
         "```py\nx = 1\n```", "日本語"]
MARKS = ["<think>", "</think>", "<tool_call>", "</tool_call>", "<tool_response>", "</tool_response>",
         "<|im_start|>", "<|im_end|>", "<|endoftext|>", "<function=f>", "</function>", "<parameter=x>",
         "</parameter>", "<|vision_start|>"]
NUMBERS = ["0", "-0", "7", "-12", "123456789012345678901234567890", "1.5", "1.50", "-0.0", "0.0", "1e16", "1E15", "1e15",
           "9999999999999998.0", "123456789012345680.0", "0.0001", "0.00001", "1e-5", "1.25e-7", "1e22", "1e23",
           "5e-324", "1.7976931348623157e308", "0.1", "2.675", "100.0", "1e2", "1E+2", "12e-1", "3.0e0",
           "0.30000000000000004", "1e400", "-1e400", "1e-400", "-1e-400"]
NUMBER_MARK = re.compile(r'"@number:([^"]*)@"')


class Chats:
    """Builds chats as JSON text, so that numbers keep the spelling they were given."""

    def __init__(self, seed):
        self.random = random.Random(seed)

    def text(self, longest=5):
        pools = [SPACES, ODD, WORDS, WORDS, WORDS, MARKS]
        return "".join(self.random.choice(self.random.choice(pools))
                       for _ in range(self.random.randint(0, longest)))

    def name(self):
        return self.random.choice(["f", "get_weather", "a-b", "x1", "lookup_雪", "<&>'"])

    def number(self):
        if self.random.random() < 0.6:
            return f"@number:{self.random.choice(NUMBERS)}@"
        mantissa = "%d.%d" % (self.random.randint(-999, 999), self.random.randint(0, 10**self.random.randint(0, 17)))
        return f"@number:{mantissa}e{self.random.randint(-30, 30)}@"

    def value(self, depth=0):
        kind = self.random.randint(0, 5 if depth < 4 else 3)
        if kind == 0:
            return self.number()
        if kind == 1:
            return self.random.choice([True, False, None])
        if kind in (2, 3):
            return self.text()
        if kind == 4:
            return [self.value(depth + 1) for _ in range(self.random.randint(0, 3))]
        return self.object(depth)

    def object(self, depth=0):
        return {(self.text(2) + str(i) if self.random.random() < 0.3 else f"key{i}"): self.value(depth + 1)
                for i in range(self.random.randint(0, 4))}

    def tool(self):
        function = {"name": self.name(), "description": self.text()}
        if self.random.random() < 0.8:
            function["parameters"] = {"type": "object", "properties": self.object()}
        if self.random.random() < 0.3:
            function["strict"] = True
        return {"type": "function", "function": function}

    def assistant(self, serial):
        message = {"role": "assistant", "content": self.text()}
        if self.random.random() < 0.3:
            message["content"] = self.text(2) + "<think>" + self.text(3) + "</think>" + self.text(3)
        if self.random.random() < 0.4:
            message["reasoning_content"] = self.text()
        if self.random.random() < 0.4:
            calls = []
            for i in range(self.random.randint(1, 3)):
                function = {"name": self.name()}
                if self.random.random() < 0.9:
                    function["arguments"] = self.object()
                calls.append({"id": f"call_{serial}_{i}", "type": "function", "function": function})
            message["tool_calls"] = calls
            if self.random.random() < 0.5:
                message["content"] = self.random.choice(["", "", " ", None])
        return message

    def content(self):
        if self.random.random() < 0.2:
            return [{"type": "text", "text": self.text(2)} for _ in range(self.random.randint(1, 3))]
        return self.text()

    def chat(self):
        messages = []
        if self.random.random() < 0.5:
            messages.append({"role": "system", "content": self.content()})
        elif self.random.random() < 0.03:
            messages.append({"role": "tool", "content": self.text(), "tool_call_id": "none"})
        for serial in range(self.random.randint(0, 6)):
            kind = self.random.random()
            if kind < 0.4:
                messages.append({"role": "user", "content": self.content()})
            elif kind < 0.45:
                messages.append({"role": "user", "content": "<tool_response>" + self.text() + "</tool_response>"})
            else:
                message = self.assistant(serial)
                messages.append(message)
                for call in message.get("tool_calls", []):
                    if self.random.random() < 0.8:
                        messages.append({"role": "tool", "content": self.content(), "tool_call_id": call["id"]})
        messages.insert(self.random.randint(min(1, len(messages)), len(messages)),
                        {"role": "user", "content": "question" + self.text()})
        variables = {}
        for variable in ("enable_thinking", "preserve_thinking", "add_generation_prompt"):
            if self.random.random() < 0.4:
                variables[variable] = self.random.random() < 0.5
        tools = [self.tool() for _ in range(self.random.randint(1, 3))] if self.random.random() < 0.4 else None
        return self.spell({"messages": messages, "tools": tools, "kwargs": variables})

    def spell(self, value):
        return NUMBER_MARK.sub(r"\1", json.dumps(value, ensure_ascii=self.random.random() < 0.5))


def template_renderer():
    import jinja2

    def refuse(message):
        raise jinja2.TemplateError(message)

    environment = jinja2.Environment(trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"])
    environment.filters["tojson"] = lambda value: json.dumps(value, ensure_ascii=False)
    environment.globals["raise_exception"] = refuse
    with open(TEMPLATE, encoding="utf-8") as file:
        template = environment.from_string(file.read())

    def render(chat):
        return template.render(messages=chat["messages"], tools=chat["tools"],
                               **{"add_generation_prompt": True, **chat["kwargs"]})

    return render


def native_texts(program, lines):
    run = subprocess.run([program], input="\n".join(lines) + "\n", capture_output=True, text=True, check=True,
                         encoding="utf-8")
    answers = [json.loads(line) for line in run.stdout.split("\n") if line]
    assert len(answers) == len(lines), f"{len(answers)} answers to {len(lines)} chats"
    return [answer.get("text", answer) for answer in answers]


def request_body(line):
    """The chat as a client would send it: arguments as JSON text, template variables in chat_template_kwargs."""
    chat = json.loads(NUMBER_MARK.sub(r"\1", line))
    for message in chat["messages"]:
        for call in message.get("tool_calls", []):
            arguments = call["function"].get("arguments", {})
            call["function"]["arguments"] = json.dumps(arguments, ensure_ascii=False)
    variables = {"enable_thinking": chat["kwargs"].get("enable_thinking", True),
                 "preserve_thinking": chat["kwargs"].get("preserve_thinking", False)}
    body = {"model": MODEL, "messages": chat["messages"], "chat_template_kwargs": variables}
    if chat["tools"]:
        body["tools"] = chat["tools"]
    return json.dumps(body, ensure_ascii=False)


def tessera_texts(program, lines):
    texts = []
    for line in lines:
        run = subprocess.run([program, "render"], input=request_body(line).encode(), capture_output=True)
        texts.append(run.stdout.decode() if run.returncode == 0 else {"error": run.stderr.decode()})
    return texts


def plain_for_requests(line):
    """Whether an API takes the chat: no odd tool names, no null content without calls, no leading tool result,
    numbers in range, and always a generation prompt."""
    chat = json.loads(line)
    names = [tool["function"]["name"] for tool in chat["tools"] or []]
    names += [call["function"]["name"] for message in chat["messages"] for call in message.get("tool_calls", [])]
    return (all(re.fullmatch(r"[A-Za-z0-9_-]{1,64}", name) for name in names)
            and len(set(tool["function"]["name"] for tool in chat["tools"] or [])) == len(chat["tools"] or [])
            and chat["messages"][0]["role"] != "tool" and "Infinity" not in json.dumps(chat)
            and chat["kwargs"].get("add_generation_prompt", True))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--render", help="the render_cases program: thousands of chats in one process")
    parser.add_argument("--tessera", help="the tessera program: one process a chat")
    parser.add_argument("--count", type=int, default=4000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    if not options.render and not options.tessera:
        parser.error("--render or --tessera is needed")
    if not os.path.exists(TEMPLATE):
        print(f"skipped: {TEMPLATE} is not there")
        return 77
    try:
        render = template_renderer()
    except ImportError:
        print("skipped: Jinja2 is not there (Debian: python3-jinja2)")
        return 77

    chats = Chats(options.seed)
    lines = []
    while len(lines) < options.count:
        line = chats.chat()
        if not options.tessera or plain_for_requests(line):
            lines.append(line)
    native = tessera_texts(options.tessera, lines) if options.tessera else native_texts(options.render, lines)
    different = 0
    for line, ours in zip(lines, native):
        theirs = render(json.loads(line))
        if ours == theirs:
            continue
        different += 1
        if different <= 3:
            print("chat:    ", line, "\ntemplate:", repr(theirs), "\nnative:  ", repr(ours), "\n")
    print(f"{len(lines)} chats, {different} differ")
    return 1 if different or not lines else 0


if __name__ == "__main__":
    sys.exit(main())
