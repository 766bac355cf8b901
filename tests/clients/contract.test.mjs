// The checks of support/contract.mjs themselves: a good answer passes, and each rule, broken once, is noticed.
import assert from "node:assert/strict";
import { test } from "node:test";
import { completionErrors, errorErrors, schemaErrors, SseRules, StreamRules, textCompletionErrors } from "./support/contract.mjs";

const usage = {
  prompt_tokens: 5,
  completion_tokens: 3,
  total_tokens: 8,
  prompt_tokens_details: { cached_tokens: 0 },
  completion_tokens_details: { reasoning_tokens: 0 },
};
const head = { id: "chatcmpl-" + "a".repeat(29), created: 1_800_000_000, model: "m", system_fingerprint: "fp" };
const callId = "call_" + "x".repeat(24);
const tools = [{ type: "function", function: { name: "f" } }];
const answer = {
  ...head,
  object: "chat.completion",
  choices: [{ index: 0, message: { role: "assistant", content: "Hi", refusal: null }, logprobs: null, finish_reason: "stop" }],
  usage,
};
const clone = (value) => JSON.parse(JSON.stringify(value));

test("a good answer passes; each defect is noticed", () => {
  const request = { model: "m" };
  assert.deepEqual(completionErrors(answer, request), []);
  const defects = {
    "a key too many": (a) => (a.extra = 1),
    "no logprobs key": (a) => delete a.choices[0].logprobs,
    "no refusal key": (a) => delete a.choices[0].message.refusal,
    "another model": (a) => (a.model = "other"),
    "a choice too many": (a) => a.choices.push({ ...a.choices[0], index: 1 }),
    "a wrong index": (a) => (a.choices[0].index = 1),
    "a wrong sum": (a) => (a.usage.total_tokens = 9),
    "reasoning tokens in direct mode": (a) => (a.usage.completion_tokens_details.reasoning_tokens = 1),
    "reasoning in direct mode": (a) => (a.choices[0].message.reasoning_content = ""),
    "null reasoning": (a) => (a.choices[0].message.reasoning_content = null),
    "tool_calls without calls": (a) => (a.choices[0].finish_reason = "tool_calls"),
    "an unknown finish_reason": (a) => (a.choices[0].finish_reason = "eos"),
    "no finish_reason": (a) => (a.choices[0].finish_reason = null),
    "unasked logprobs": (a) => (a.choices[0].logprobs = { content: [], refusal: null }),
    "created as text": (a) => (a.created = "now"),
  };
  for (const [name, spoil] of Object.entries(defects)) {
    const bad = clone(answer);
    spoil(bad);
    assert.notDeepEqual(completionErrors(bad, request), [], name);
  }
});

test("calls in an answer", () => {
  const good = clone(answer);
  const call = { id: callId, type: "function", function: { name: "f", arguments: '{"a":1}' } };
  Object.assign(good.choices[0], { finish_reason: "tool_calls", message: { role: "assistant", content: null, refusal: null, tool_calls: [call] } });
  const request = { model: "m", tools, parallel_tool_calls: false };
  assert.deepEqual(completionErrors(good, request), []);
  const defects = {
    "a finish that hides the calls": (c) => (c.finish_reason = "stop"),
    "arguments that are no JSON": (c) => (c.message.tool_calls[0].function.arguments = '{"a":'),
    "arguments that are no object": (c) => (c.message.tool_calls[0].function.arguments = "[]"),
    "an unknown function": (c) => (c.message.tool_calls[0].function.name = "g"),
    "content that is an empty string": (c) => (c.message.content = ""),
    "an empty list": (c) => (c.message.tool_calls = []),
    "an id twice": (c) => c.message.tool_calls.push(call),
    "parallel calls": (c) => c.message.tool_calls.push({ ...call, id: "call_" + "y".repeat(24) }),
    "an id of another form": (c) => (c.message.tool_calls[0].id = "1"),
  };
  for (const [name, spoil] of Object.entries(defects)) {
    const bad = clone(good);
    spoil(bad.choices[0]);
    assert.notDeepEqual(completionErrors(bad, request), [], name);
  }
});

test("logprobs cover the content", () => {
  const entry = (token, logprob = -0.5) => ({ token, logprob, bytes: [...Buffer.from(token)], top_logprobs: [{ token, logprob, bytes: null }] });
  const request = { model: "m", logprobs: true, top_logprobs: 1 };
  const good = clone(answer);
  good.choices[0].logprobs = { content: [entry("H"), entry("i")], refusal: null };
  assert.deepEqual(completionErrors(good, request), []);
  for (const content of [[entry("H")], [], [entry("H"), entry("i", 0.5)], [{ ...entry("Hi"), top_logprobs: [] }], null]) {
    const bad = clone(good);
    bad.choices[0].logprobs.content = content;
    assert.notDeepEqual(completionErrors(bad, request), [], JSON.stringify(content));
  }
});

test("text completions", () => {
  const good = { ...head, id: "cmpl-" + "a".repeat(29), object: "text_completion", choices: [{ index: 0, text: "Hi", logprobs: null, finish_reason: "stop" }], usage };
  assert.deepEqual(textCompletionErrors(good, { model: "m", prompt: [1, 2] }), []);
  assert.notDeepEqual(textCompletionErrors(good, { model: "m", prompt: ["a", "b"] }), []);
  assert.notDeepEqual(textCompletionErrors(good, { model: "m", prompt: "a", logprobs: 0 }), []);
  const logprobs = { tokens: ["H", "i"], token_logprobs: [-1, -2], top_logprobs: null, text_offset: [0, 1] };
  good.choices[0].logprobs = logprobs;
  assert.deepEqual(textCompletionErrors(good, { model: "m", prompt: "a", logprobs: 0 }), []);
  logprobs.text_offset.pop();
  assert.notDeepEqual(textCompletionErrors(good, { model: "m", prompt: "a", logprobs: 0 }), []);
  const { usage: _, ...bare } = { ...good, choices: [{ ...good.choices[0], logprobs: null }] };
  assert.notDeepEqual(textCompletionErrors(bare, { model: "m", prompt: "a" }), []);
});

test("status and error type belong together", () => {
  const body = (type) => ({ error: { message: "something is wrong", type, param: null, code: "some_code" } });
  assert.deepEqual(errorErrors(401, body("invalid_request_error")), []);
  assert.deepEqual(errorErrors(429, body("rate_limit_error")), []);
  assert.notDeepEqual(errorErrors(500, body("invalid_request_error")), []);
  assert.notDeepEqual(errorErrors(400, body("api_error")), []);
  assert.notDeepEqual(errorErrors(400, { error: { message: "something is wrong", type: "invalid_request_error" } }), []);
  assert.notDeepEqual(schemaErrors("error", { error: "text" }), []);
});

// ---------------------------------------------------------------- streams

const chunk = (delta, more = {}) => ({
  ...head,
  object: "chat.completion.chunk",
  choices: [{ index: 0, delta, logprobs: null, finish_reason: null }],
  usage: null,
  ...more,
});
const finish = (reason) => ({ ...chunk({}), choices: [{ index: 0, delta: {}, logprobs: null, finish_reason: reason }] });
const role = () => chunk({ role: "assistant", content: "" });
const usageChunk = () => chunk({}, { choices: [], usage });
const DONE = "[DONE]";
const request = { model: "m", stream: true, stream_options: { include_usage: true }, tools };

function streamErrors(events, of = request, cut = false) {
  const rules = new StreamRules(of);
  for (const event of events) event === DONE ? rules.done() : rules.event(event);
  return rules.end(cut);
}

test("a good stream passes; each rule, broken, is noticed", () => {
  const good = () => [role(), chunk({ content: "Hi" }), finish("stop"), usageChunk(), DONE];
  assert.deepEqual(streamErrors(good()), []);
  const error = { error: { message: "something broke", type: "api_error", param: null, code: "engine_failure" } };
  const defects = {
    "no role": (e) => e.splice(0, 1),
    "the role twice": (e) => e.splice(1, 0, role()),
    "no finish": (e) => e.splice(2, 1),
    "a finish twice": (e) => e.splice(2, 0, finish("stop")),
    "a finish that has a delta": (e) => (e[2].choices[0].delta = { content: "!" }),
    "no usage": (e) => e.splice(3, 1),
    "usage before the finish": (e) => e.splice(2, 2, e[3], e[2]),
    "usage elsewhere": (e) => (e[1].usage = usage),
    "no usage: null": (e) => delete e[1].usage,
    "no [DONE]": (e) => e.pop(),
    "[DONE] twice": (e) => e.push(DONE),
    "an event behind [DONE]": (e) => e.push(chunk({ content: "!" })),
    "another id": (e) => (e[1].id = "chatcmpl-" + "b".repeat(29)),
    "another created": (e) => (e[1].created += 1),
    "another model": (e) => (e[1].model = "other"),
    "no choices": (e) => (e[1].choices = []),
    "a choice too many": (e) => e.splice(2, 0, { ...role(), choices: [{ ...role().choices[0], index: 1 }] }),
    "an unknown delta key": (e) => (e[1].choices[0].delta.text = "x"),
    "reasoning behind content": (e) => e.splice(2, 0, chunk({ reasoning_content: "hm" })),
    "unasked obfuscation": (e) => (e[1].obfuscation = "xx"),
    "a finish behind an error": (e) => e.splice(2, 0, error),
    "an error behind the whole answer": (e) => e.splice(3, 1, error),
  };
  for (const [name, spoil] of Object.entries(defects)) {
    const events = good();
    spoil(events);
    assert.notDeepEqual(streamErrors(events), [], name);
  }
  assert.deepEqual(streamErrors([role(), chunk({ content: "H" }), error, DONE]), []);
  assert.deepEqual(streamErrors([role()], request, true), []);
});

test("without include_usage there is no usage key", () => {
  const events = [role(), finish("stop")].map(({ usage: _, ...rest }) => rest);
  const of = { model: "m", stream: true };
  assert.deepEqual(streamErrors([...events, DONE], of), []);
  assert.notDeepEqual(streamErrors([role(), finish("stop"), DONE], of), []);
});

test("streamed calls", () => {
  const start = (index) => chunk({ tool_calls: [{ index, id: "call_" + `${index}`.repeat(24), type: "function", function: { name: "f", arguments: "" } }] });
  const piece = (index, text, more = {}) => chunk({ tool_calls: [{ index, ...more, function: { arguments: text } }] });
  const good = () => [role(), start(0), piece(0, '{"a"'), piece(0, ":1}"), start(1), piece(1, "{}"), finish("tool_calls"), usageChunk(), DONE];
  assert.deepEqual(streamErrors(good()), []);
  const defects = {
    "the type once more": (e) => (e[2].choices[0].delta.tool_calls[0].type = "function"),
    "the name once more": (e) => (e[2].choices[0].delta.tool_calls[0].function.name = "f"),
    "a null id": (e) => (e[2].choices[0].delta.tool_calls[0].id = null),
    "no type at first": (e) => delete e[1].choices[0].delta.tool_calls[0].type,
    "no arguments at first": (e) => delete e[1].choices[0].delta.tool_calls[0].function.arguments,
    "calls mixed": (e) => e.splice(6, 0, piece(0, " ")),
    "an index left out": (e) => (e[4].choices[0].delta.tool_calls[0].index = 2),
    "an index too high": (e) => (e[4].choices[0].delta.tool_calls[0].index = 128),
    "cut arguments": (e) => e.splice(3, 1),
    "a finish that hides the calls": (e) => (e[6] = finish("stop")),
  };
  for (const [name, spoil] of Object.entries(defects)) {
    const events = good();
    spoil(events);
    assert.notDeepEqual(streamErrors(events), [], name);
  }
});

test("the bytes of a stream, cut anywhere", () => {
  const frames = (text) => {
    const bytes = Buffer.from(text);
    const found = [];
    for (const size of [1, 2, 3, 7, bytes.length]) {
      const sse = new SseRules(new StreamRules(request));
      for (let i = 0; i < bytes.length; i += size) sse.push(bytes.subarray(i, i + size));
      found.push(sse.end(false));
    }
    return found;
  };
  const data = (value) => `data: ${value === DONE ? DONE : JSON.stringify(value)}\n\n`;
  const good = data(role()) + ": ping\n\n" + data(chunk({ content: "né 🎉" })) + data(finish("stop")) + data(usageChunk()) + data(DONE);
  for (const errors of frames(good)) assert.deepEqual(errors, []);
  for (const bad of [
    good.replace("data: ", "data:"),
    good.replace("\n\n", "\r\n\r\n"),
    good.replace(": ping\n\n", "event: x\n\n"),
    good.replace('"role"', '"role'),
    good + "data: rest",
    good.slice(0, -1),
  ])
    for (const errors of frames(bad)) assert.notDeepEqual(errors, [], bad.slice(0, 60));
  const broken = new SseRules(new StreamRules(request));
  broken.push(Buffer.from([0x64, 0xff]));
  assert.match(broken.end(true).join(), /UTF-8/);
});
