"""The chat format of Qwen3.6: messages to spans of template control tokens and text.

A span is (text, is_control). Control tokens come from the template only; a message that spells one stays text.
"""
import json
import re

STRIP = "".join(map(chr, [*range(0x09, 0x0E), *range(0x1C, 0x21), 0x85, 0xA0, 0x1680, *range(0x2000, 0x200B), 0x2028,
                          0x2029, 0x202F, 0x205F, 0x3000]))
CONTROLS = re.compile(r"(<\|im_start\|>|<\|im_end\|>|</?think>|</?tool_call>|</?tool_response>)")

TOOLS_HEAD = "# Tools\n\nYou have access to the following functions:\n\n<tools>"
TOOLS_TAIL = """
</tools>

If you choose to call a function ONLY reply in the following format with NO suffix:

<tool_call>
<function=example_function_name>
<parameter=example_parameter_1>
value_1
</parameter>
<parameter=example_parameter_2>
This is the value for the second parameter
that can span
multiple lines
</parameter>
</function>
</tool_call>

<IMPORTANT>
Reminder:
- Function calls MUST follow the specified format: an inner <function=...></function> block must be nested within \
<tool_call></tool_call> XML tags
- Required parameters MUST be specified
- You may provide optional reasoning for your function call in natural language BEFORE the function call, but NOT after
- If there is no function call available, answer the question like normal with your current knowledge and do not tell \
the user about function calls
</IMPORTANT>"""


def fixed(text):
    """Template text: the control tokens in it are control tokens."""
    return [(part, bool(CONTROLS.fullmatch(part))) for part in CONTROLS.split(text) if part]


def plain(text):
    return [(text, False)] if text else []


def content_text(message):
    content = message.get("content")
    if isinstance(content, list):
        content = "".join(part["text"] for part in content)
    return (content or "").strip(STRIP)


def call_spans(calls, after_content):
    spans = []
    for i, call in enumerate(calls or []):
        function = call.get("function", call)
        lead = "\n" if i else "\n\n" if after_content else ""
        spans += fixed(f"{lead}<tool_call>\n<function=") + plain(function["name"]) + fixed(">\n")
        for key, value in (function.get("arguments") or {}).items():
            shown = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            spans += fixed("<parameter=") + plain(key) + fixed(">\n") + plain(shown) + fixed("\n</parameter>\n")
        spans += fixed("</function>\n</tool_call>")
    return spans


def split_reasoning(message):
    content, reasoning = content_text(message), message.get("reasoning_content")
    if isinstance(reasoning, str):
        return content, reasoning.strip(STRIP)
    if "</think>" not in content:
        return content, ""
    reasoning = content.split("</think>")[0].rstrip("\n").split("<think>")[-1].lstrip("\n").strip(STRIP)
    return content.split("</think>")[-1].lstrip("\n"), reasoning


def last_query(messages):
    for i in range(len(messages) - 1, -1, -1):
        text = content_text(messages[i])
        if messages[i]["role"] == "user" and not (
                text.startswith("<tool_response>") and text.endswith("</tool_response>")):
            return i
    raise ValueError("No user query found in messages.")


def system_spans(messages, tools):
    text = content_text(messages[0]) if messages[0]["role"] == "system" else None
    if tools:
        spans = fixed("<|im_start|>system\n" + TOOLS_HEAD)
        for tool in tools:
            spans += plain("\n" + json.dumps(tool, ensure_ascii=False))
        return spans + fixed(TOOLS_TAIL) + (plain("\n\n" + text) if text else []) + fixed("<|im_end|>\n")
    if text is None:
        return []
    return fixed("<|im_start|>system\n") + plain(text) + fixed("<|im_end|>\n")


def message_spans(messages, i, keep_reasoning):
    """One message of a conversation, the leading system message excepted."""
    message, role = messages[i], messages[i]["role"]
    if role == "user":
        return fixed("<|im_start|>user\n") + plain(content_text(message)) + fixed("<|im_end|>\n")
    if role == "assistant":
        content, reasoning = split_reasoning(message)
        spans = fixed("<|im_start|>assistant\n")
        if keep_reasoning:
            spans += fixed("<think>\n") + plain(reasoning) + fixed("\n</think>\n\n")
        return spans + plain(content) + call_spans(message.get("tool_calls"), content.strip(STRIP)) + fixed(
            "<|im_end|>\n")
    if role == "tool":
        spans = fixed("<|im_start|>user") if i and messages[i - 1]["role"] != "tool" else []
        spans += fixed("\n<tool_response>\n") + plain(content_text(message)) + fixed("\n</tool_response>")
        last = i + 1 == len(messages) or messages[i + 1]["role"] != "tool"
        return spans + (fixed("<|im_end|>\n") if last else [])
    if role != "system" or i:
        raise ValueError("Unexpected message role.")
    return []


def generation_prompt(enable_thinking):
    return fixed("<|im_start|>assistant\n" + ("<think>\n\n</think>\n\n" if enable_thinking is False else "<think>\n"))


def render(messages, tools=None, add_generation_prompt=True, enable_thinking=True, preserve_thinking=False):
    """The whole prompt as spans."""
    spans, query = system_spans(messages, tools), last_query(messages)
    for i in range(len(messages)):
        spans += message_spans(messages, i, preserve_thinking or i > query)
    return spans + (generation_prompt(enable_thinking) if add_generation_prompt else [])


def answer_spans(message, enable_thinking):
    """What the model has to write after the generation prompt, end token included."""
    content, reasoning = split_reasoning(message)
    spans = plain(reasoning) + fixed("\n</think>\n\n") if enable_thinking is not False else []
    return spans + plain(content) + call_spans(message.get("tool_calls"), content) + fixed("<|im_end|>")


def encode_session(tokenizer, example):
    """Every answer is learnt, in thinking mode those that have a reasoning."""
    messages, thinking = example["messages"], example["enable_thinking"]
    ids, learned = tokenizer.encode_spans(system_spans(messages, example["tools"])), []
    for i, message in enumerate(messages):
        if message["role"] != "assistant":
            ids += tokenizer.encode_spans(message_spans(messages, i, True))
            continue
        ids += tokenizer.encode_spans(generation_prompt(thinking if "reasoning_content" in message else False))
        begin = len(ids)
        ids += tokenizer.encode_spans(answer_spans(message, thinking and "reasoning_content" in message))
        if not thinking or "reasoning_content" in message:
            learned.append((begin, len(ids)))
        ids += tokenizer.encode_text("\n")
    return ids[:learned[-1][1]], learned


def encode_example(tokenizer, example):
    """(ids, learned): the loss is on the ids of the spans [(begin, end)]; the last of them ends the conversation."""
    if example.get("learn_all"):
        return encode_session(tokenizer, example)
    messages, thinking = example["messages"], example["enable_thinking"]
    prompt = tokenizer.encode_spans(render(messages[:-1], example["tools"], enable_thinking=thinking))
    ids = prompt + tokenizer.encode_spans(answer_spans(messages[-1], thinking))
    return ids, [(len(prompt), len(ids))]


def text_of(spans):
    return "".join(text for text, _ in spans)
