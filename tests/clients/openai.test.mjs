// The official OpenAI client against the real binary: what a user of the SDK sees. Streams have a file of their own.
// Run by `node --test` with TESSERA_BINARY set to the binary.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import OpenAI from "openai";
import { zodFunction, zodResponseFormat } from "openai/helpers/zod";
import { z } from "zod";
import { endlessScript, fakeScript, KEY, MODEL, sleep, until } from "./support/server.mjs";
import { hasCancelled, toolCall, useServers } from "./support/suite.mjs";

const open = (server, options = {}) =>
  new OpenAI({ baseURL: server.baseURL, apiKey: KEY, maxRetries: 0, fetch: server.fetch, ...options });

const servers = await useServers();
const client = open(servers.demo);

const example = {
  model: MODEL,
  messages: [
    { role: "system", content: "You are a concise assistant." },
    { role: "user", content: "Summarise Cervantes in one sentence." },
  ],
  temperature: 0.3,
  max_tokens: 200,
  seed: 7,
};
const weather = {
  type: "function",
  function: {
    name: "get_weather",
    description: "The weather of a city",
    parameters: { type: "object", properties: { city: { type: "string" } }, required: ["city"] },
  },
};
const weatherCall = (city) => toolCall("get_weather", { city });
const ask = (content, more = {}) => ({ model: MODEL, messages: [{ role: "user", content }], max_tokens: 100, ...more });

// ---------------------------------------------------------------- answers

test("the product page's example, whole", async () => {
  const completion = await client.chat.completions.create(example);
  assert.ok(completion.choices[0].message.content.length > 0);
  assert.ok(["stop", "length"].includes(completion.choices[0].finish_reason));
  assert.match(completion._request_id, /./);
  assert.ok(Math.abs(completion.created - Date.now() / 1000) < 60);
});

test("a seed gives the same answer again, and its digest; another seed need not", async () => {
  const body = { ...example, temperature: 1.2 };
  const { data: one, response: first } = await client.chat.completions.create(body).withResponse();
  const { data: two, response: second } = await client.chat.completions.create(body).withResponse();
  assert.equal(one.choices[0].message.content, two.choices[0].message.content);
  assert.notEqual(one.id, two.id);
  const digest = first.headers.get("x-tessera-output-digest");
  assert.match(digest, /^[0-9a-f]{64}$/);
  assert.equal(second.headers.get("x-tessera-output-digest"), digest);
  const texts = new Set();
  for (let seed = 1; seed <= 8; seed++) {
    const answer = await client.chat.completions.create({ ...body, temperature: 2, top_p: 1, top_k: 0, seed });
    texts.add(answer.choices[0].message.content);
  }
  assert.ok(texts.size > 1, "eight seeds at temperature 2 gave one text");
});

test("temperature 0 needs no seed", async () => {
  const { seed, ...body } = { ...example, temperature: 0 };
  const one = await client.chat.completions.create(body);
  const two = await client.chat.completions.create({ ...body, seed: 99 });
  assert.equal(one.choices[0].message.content, two.choices[0].message.content);
});

test("n choices; the first is what n = 1 gives", async () => {
  const body = { ...example, temperature: 1.2 };
  const three = await client.chat.completions.create({ ...body, n: 3 });
  assert.equal(three.choices.length, 3);
  const one = await client.chat.completions.create(body);
  assert.equal(one.choices[0].message.content, three.choices[0].message.content);
  assert.equal(one.usage.prompt_tokens, three.usage.prompt_tokens);
});

test("a stop string ends the answer before it", async () => {
  const whole = (await client.chat.completions.create(example)).choices[0].message.content;
  const stop = whole.slice(Math.floor(whole.length / 2)).trim().split(/\s+/)[0];
  const { message, finish_reason } = (await client.chat.completions.create({ ...example, stop })).choices[0];
  assert.equal(finish_reason, "stop");
  assert.equal(message.content.trimEnd(), whole.slice(0, whole.indexOf(stop)).trimEnd());
});

test("max_tokens and max_completion_tokens bound the answer, the latter before the former", async () => {
  for (const [limits, bound] of [
    [{ max_tokens: 3 }, 3],
    [{ max_tokens: undefined, max_completion_tokens: 4 }, 4],
    [{ max_tokens: 50, max_completion_tokens: 2 }, 2],
  ]) {
    const { choices, usage } = await client.chat.completions.create({ ...example, ...limits });
    assert.equal(choices[0].finish_reason, "length");
    assert.equal(usage.completion_tokens, bound);
  }
});

test("thinking mode splits the reasoning off", async () => {
  const completion = await client.chat.completions.create(
    ask("What is 12 + 30?", { max_tokens: 200, seed: 7, chat_template_kwargs: { enable_thinking: true } }),
  );
  const { reasoning_content, content } = completion.choices[0].message;
  assert.equal(typeof reasoning_content, "string");
  assert.doesNotMatch(content, /<\/?think>/);
  assert.ok(completion.usage.completion_tokens_details.reasoning_tokens > 0);
  const direct = await client.chat.completions.create(example);
  assert.ok(!("reasoning_content" in direct.choices[0].message));
});

test("a thinking budget is kept, and the answer still comes; none at all is direct mode", async (t) => {
  const thoughts = "One thing leads to another, and that to a third. ".repeat(10);
  const fake = await servers.extra(t, { says: [`${thoughts}</think>\n\nThe answer is 4.`] });
  const thinking = (thinking_budget) => ask("2 + 2?", { temperature: 0, max_tokens: 1000, chat_template_kwargs: { enable_thinking: true }, thinking_budget });
  const free = await open(fake).chat.completions.create(thinking(null));
  const spent = free.usage.completion_tokens_details.reasoning_tokens;
  assert.ok(spent > 50);
  for (const budget of [1, 20, spent - 1, spent]) {
    const { usage, choices } = await open(fake).chat.completions.create({ ...thinking(budget), max_tokens: budget + 50 });
    const reasoning = usage.completion_tokens_details.reasoning_tokens;
    assert.ok(reasoning > 0 && reasoning <= budget, `${reasoning} of ${budget}`);
    assert.ok(choices[0].message.content.length > 0);
  }
  // A script gives every prompt the same: the demo model tells whether the two prompts are one.
  const none = (await client.chat.completions.create(thinking(0))).choices[0].message;
  const direct = (await client.chat.completions.create(ask("2 + 2?", { temperature: 0, max_tokens: 1000 }))).choices[0].message;
  assert.equal(none.content, direct.content);
  assert.ok(!none.reasoning_content);
});

test("continue_final_message goes on with the assistant's words", async () => {
  const messages = [{ role: "user", content: "What is the capital of France?" }, { role: "assistant", content: "The capital of France is" }];
  const body = { ...example, messages, temperature: 0 };
  const { message } = (await client.chat.completions.create({ ...body, continue_final_message: true })).choices[0];
  assert.ok(message.content.length > 0);
  assert.doesNotMatch(message.content, /^The capital of France is/);
});

test("reasoning_effort has no effect, whatever it says", async () => {
  const plain = (await client.chat.completions.create(example)).choices[0].message;
  for (const reasoning_effort of ["none", "high", "whatever", null]) {
    const { message } = (await client.chat.completions.create({ ...example, reasoning_effort })).choices[0];
    assert.deepEqual(message, plain);
  }
});

test("logprobs of the content, stream and not", async () => {
  const body = { ...example, logprobs: true, top_logprobs: 4 };
  const whole = (await client.chat.completions.create(body)).choices[0];
  assert.ok(whole.logprobs.content.length > 0);
  for (const entry of whole.logprobs.content) {
    const best = entry.top_logprobs[0].logprob;
    assert.ok(entry.logprob <= best);
    assert.equal(Buffer.from(entry.bytes).toString("utf8"), entry.token);
  }
  const streamed = [];
  for await (const chunk of await client.chat.completions.create({ ...body, stream: true }))
    streamed.push(...(chunk.choices[0]?.logprobs?.content ?? []));
  assert.deepEqual(streamed, whole.logprobs.content);
  const bare = (await client.chat.completions.create({ ...example, logprobs: true })).choices[0];
  assert.deepEqual(bare.logprobs.content.map((entry) => entry.top_logprobs), whole.logprobs.content.map(() => []));
  assert.deepEqual(bare.logprobs.content.map((entry) => entry.logprob), whole.logprobs.content.map((entry) => entry.logprob));
});

test("logprobs in thinking mode cover the content alone", async (t) => {
  const fake = await servers.extra(t, { says: ["I think.\n</think>\n\nThe answer is 4."] });
  const { choices } = await open(fake).chat.completions.create(
    ask("2 + 2?", { logprobs: true, temperature: 0, chat_template_kwargs: { enable_thinking: true } }),
  );
  assert.equal(choices[0].message.reasoning_content, "I think.");
  const bytes = choices[0].logprobs.content.flatMap((entry) => entry.bytes);
  assert.equal(Buffer.from(bytes).toString("utf8").trim(), "The answer is 4.");
});

test("hosted fields are taken; metadata and the service tier come back", async () => {
  const metadata = { purpose: "test", "": "empty key" };
  const answer = await client.chat.completions.create({ ...example, metadata, store: true, user: "u", service_tier: "flex", verbosity: "high" });
  assert.deepEqual(answer.metadata, metadata);
  assert.equal(answer.service_tier, "default");
});

test("what nobody knows is ignored and named", async () => {
  const { response } = await client.chat.completions.create({ ...example, mirostat: 2, foo_bar: null }).withResponse();
  assert.deepEqual(response.headers.get("x-tessera-ignored-params").split(", ").sort(), ["foo_bar", "mirostat"]);
});

test("the models list", async () => {
  const models = [];
  for await (const model of client.models.list()) models.push(model);
  assert.deepEqual(models.map((model) => model.id), [MODEL]);
  assert.equal((await client.models.retrieve(MODEL)).id, MODEL);
  await assert.rejects(client.models.retrieve("gpt-4o"), OpenAI.NotFoundError);
});

test("legacy completions", async () => {
  const body = { model: MODEL, prompt: "The capital of France is", max_tokens: 12, seed: 3 };
  const whole = await client.completions.create(body);
  assert.equal(whole.choices.length, 1);
  let text = "";
  for await (const chunk of await client.completions.create({ ...body, stream: true })) text += chunk.choices[0]?.text ?? "";
  assert.equal(text, whole.choices[0].text);
  const many = await client.completions.create({ ...body, prompt: ["One", "Two"], n: 2, echo: true });
  assert.deepEqual(many.choices.map((choice) => choice.index), [0, 1, 2, 3]);
  assert.ok(many.choices[0].text.startsWith("One") && many.choices[3].text.startsWith("Two"));
});

test("legacy completions with logprobs", async () => {
  const body = { model: MODEL, prompt: "The capital of France is", max_tokens: 12, seed: 3 };
  const { text } = (await client.completions.create(body)).choices[0];
  const { text: answer, logprobs } = (await client.completions.create({ ...body, logprobs: 2 })).choices[0];
  assert.equal(answer, text);
  assert.equal(logprobs.tokens.join("").trim(), text.trim());
  assert.ok(logprobs.top_logprobs.every((top) => Object.keys(top).length >= 2));
});

// ---------------------------------------------------------------- tools and structured output

test("tool calls with tool_choice auto, and the loop's second request", async (t) => {
  const fake = await servers.extra(t, { says: [`Let me look.\n\n${weatherCall("Paris")}\n${weatherCall("Rome")}`, "It is warm."] });
  const messages = [{ role: "user", content: "The weather in Paris and Rome?" }];
  const first = await open(fake).chat.completions.create({ model: MODEL, messages, tools: [weather], tool_choice: "auto", temperature: 0 });
  const { message, finish_reason } = first.choices[0];
  assert.equal(finish_reason, "tool_calls");
  assert.equal(message.content, "Let me look.");
  assert.deepEqual(message.tool_calls.map((call) => [call.function.name, JSON.parse(call.function.arguments)]), [
    ["get_weather", { city: "Paris" }],
    ["get_weather", { city: "Rome" }],
  ]);
  messages.push(message, ...message.tool_calls.map((call) => ({ role: "tool", tool_call_id: call.id, content: "20 C" })));
  const second = await open(fake).chat.completions.create({ model: MODEL, messages, tools: [weather], temperature: 0 });
  assert.equal(second.choices[0].message.content, "It is warm.");
});

test("custom tools: calls with an input, whole and streamed, and in the second request", async (t) => {
  const call = "<tool_call>\n<function=patch>\n<parameter=input>\n+ a \"b\"\n\n</parameter>\n</function>\n</tool_call>";
  const fake = await servers.extra(t, { says: [call, call, "Done."] });
  const format = { type: "grammar", grammar: { syntax: "lark", definition: 'start: ("+" | "-") /[^\\n]+/ "\\n"' } };
  const tools = [{ type: "custom", custom: { name: "patch", description: "Patches a file.", format } }];
  const messages = [{ role: "user", content: "Patch it." }];
  const body = { model: MODEL, messages, tools, tool_choice: { type: "custom", custom: { name: "patch" } }, temperature: 0 };
  const { message, finish_reason } = (await open(fake).chat.completions.create(body)).choices[0];
  assert.equal(finish_reason, "tool_calls");
  assert.deepEqual(message.tool_calls.map(({ type, custom }) => [type, custom]), [["custom", { name: "patch", input: '+ a "b"\n' }]]);
  let name, input = "";
  for await (const chunk of await open(fake).chat.completions.create({ ...body, stream: true })) {
    for (const { custom } of chunk.choices[0].delta.tool_calls ?? []) {
      name ??= custom.name;
      input += custom.input;
    }
  }
  assert.deepEqual([name, input], ["patch", '+ a "b"\n']);
  messages.push(message, { role: "tool", tool_call_id: message.tool_calls[0].id, content: "patched" });
  assert.equal((await open(fake).chat.completions.create({ model: MODEL, messages, tools, temperature: 0 })).choices[0].message.content, "Done.");
});

test("runTools runs the loop", async (t) => {
  const fake = await servers.extra(t, { says: [weatherCall("Paris"), "It is 20 C in Paris."] });
  const asked = [];
  const tool = {
    type: "function",
    function: {
      ...weather.function,
      function: ({ city }) => {
        asked.push(city);
        return "20 C";
      },
      parse: JSON.parse,
    },
  };
  const runner = open(fake).chat.completions.runTools({ ...ask("Paris?", { temperature: 0 }), tools: [tool] });
  assert.equal(await runner.finalContent(), "It is 20 C in Paris.");
  assert.deepEqual(asked, ["Paris"]);
});

test("runTools, streamed: several calls, and what all turns took", async (t) => {
  const fake = await servers.extra(t, { says: [`Let me look.\n\n${weatherCall("Paris")}\n${weatherCall("Atlantis")}`, "20 C, and no such place."] });
  const tool = {
    type: "function",
    function: {
      ...weather.function,
      function: ({ city }) => (city === "Atlantis" ? "no such city" : { celsius: 20 }),
      parse: JSON.parse,
    },
  };
  const runner = open(fake).chat.completions.runTools({
    ...ask("Paris and Atlantis?", { temperature: 0 }), tools: [tool], stream: true, stream_options: { include_usage: true },
  });
  const contents = [];
  runner.on("content", (delta) => contents.push(delta));
  assert.equal(await runner.finalContent(), "20 C, and no such place.");
  assert.equal(contents.join(""), "Let me look.20 C, and no such place.");
  assert.deepEqual(runner.messages.map((message) => message.role), ["user", "assistant", "tool", "tool", "assistant"]);
  const sent = fake.seen.map(({ body }) => body).filter((body) => body.messages).at(-1).messages;
  assert.equal(sent[2].content, '{"celsius":20}');
  assert.equal(sent[3].content, "no such city");
  const { prompt_tokens, completion_tokens, total_tokens } = await runner.totalUsage();
  assert.ok(prompt_tokens > 0 && completion_tokens > 0);
  assert.equal(total_tokens, prompt_tokens + completion_tokens);
});

test("images, sounds and files in messages are refused by their place", async () => {
  const parts = [
    { type: "image_url", image_url: { url: "http://127.0.0.1:9/never-asked-for.png", detail: "low" } },
    { type: "input_audio", input_audio: { data: "AAAA", format: "wav" } },
    { type: "file", file: { filename: "a.pdf", file_data: "data:application/pdf;base64,AAAA" } },
    { type: "file", file: { file_id: "file-1" } },
  ];
  for (const part of parts)
    for (const stream of [false, true])
      await assert.rejects(client.chat.completions.create(ask([{ type: "text", text: "What is this?" }, part], { stream })), (error) => {
        assert.ok(error instanceof OpenAI.BadRequestError);
        assert.deepEqual([error.code, error.param], ["unsupported_content", "messages[0].content[1].type"]);
        return true;
      });
});

test("asResponse is the answer as it came", async () => {
  const response = await client.chat.completions.create(ask("Hi", { max_tokens: 2, stream: true })).asResponse();
  assert.equal(response.status, 200);
  assert.equal(response.headers.get("content-type"), "text/event-stream; charset=utf-8");
  assert.match(await response.text(), /\ndata: \[DONE\]\n\n$/);
});

test("a strict zod tool is parsed by the SDK", async (t) => {
  const fake = await servers.extra(t, { says: [weatherCall("Paris")] });
  const tool = zodFunction({ name: "get_weather", parameters: z.object({ city: z.string() }) });
  const answer = await open(fake).chat.completions.parse({ ...ask("Paris?", { temperature: 0 }), tools: [tool] });
  assert.deepEqual(answer.choices[0].message.tool_calls[0].function.parsed_arguments, { city: "Paris" });
});

test(".parse with a zod response format", async (t) => {
  const fake = await servers.extra(t, { says: ['{"city":"Paris","days":3}'] });
  const format = zodResponseFormat(z.object({ city: z.string(), days: z.number().int() }), "trip");
  const body = { ...ask("A trip", { temperature: 0 }), response_format: format };
  const answer = await open(fake).chat.completions.parse(body);
  assert.deepEqual(answer.choices[0].message.parsed, { city: "Paris", days: 3 });
  const streamed = await open(fake).chat.completions.stream(body).finalChatCompletion();
  assert.deepEqual(streamed.choices[0].message.parsed, { city: "Paris", days: 3 });
});

test("the demo model's own JSON keeps to the schema", async (t) => {
  const colour = z.object({ colour: z.enum(["red", "green"]), sure: z.boolean() });
  for (let seed = 0; seed < 5; seed++) {
    const body = { ...ask("A colour?", { seed }), response_format: zodResponseFormat(colour, "colour") };
    const answer = await client.chat.completions.parse(body);
    assert.equal(answer.choices[0].finish_reason, "stop");
    colour.parse(answer.choices[0].message.parsed);
    const free = await client.chat.completions.create({ ...ask("An object?", { seed }), response_format: { type: "json_object" } });
    if (free.choices[0].finish_reason === "stop") assert.equal(typeof JSON.parse(free.choices[0].message.content), "object");
  }
});

test("tool_choice required and named give a call", async (t) => {
  const flag = { type: "function", function: { name: "set_flag", parameters: { type: "object", properties: { on: { type: "boolean" } }, required: ["on"], additionalProperties: false } } };
  for (const tool_choice of ["required", { type: "function", function: { name: "set_flag" } }]) {
    const { choices } = await client.chat.completions.create(ask("Switch it on", { tools: [flag], tool_choice, parallel_tool_calls: false }));
    assert.equal(choices[0].finish_reason, "tool_calls");
    assert.equal(typeof JSON.parse(choices[0].message.tool_calls[0].function.arguments).on, "boolean");
  }
});

// ---------------------------------------------------------------- errors and retries

async function failure(promise, type, code, param = null) {
  await assert.rejects(promise, (error) => {
    assert.ok(error instanceof type, `${error.constructor.name}: ${error.message}`);
    assert.equal(error.code, code);
    assert.equal(error.param, param);
    assert.match(error.requestID, /./);
    return true;
  });
}

test("errors arrive as the SDK's classes, with code and param", async () => {
  const create = (more) => client.chat.completions.create({ ...example, ...more });
  await failure(create({ temperature: 3 }), OpenAI.BadRequestError, "decimal_above_max_value", "temperature");
  await failure(create({ temperature: "1" }), OpenAI.BadRequestError, "invalid_type", "temperature");
  await failure(create({ messages: [] }), OpenAI.BadRequestError, "empty_array", "messages");
  await failure(create({ messages: undefined }), OpenAI.BadRequestError, "missing_required_parameter", "messages");
  await failure(create({ n: 1000 }), OpenAI.BadRequestError, "integer_above_max_value", "n");
  const image = [{ role: "user", content: [{ type: "image_url", image_url: { url: "http://127.0.0.1/x.png" } }] }];
  await failure(create({ messages: image }), OpenAI.BadRequestError, "unsupported_content", "messages[0].content[0].type");
  await failure(create({ model: "gpt-4o" }), OpenAI.NotFoundError, "model_not_found", "model");
  await failure(client.responses.create({ model: MODEL, input: "Hi" }), OpenAI.NotFoundError, "unknown_url");
  await failure(client.embeddings.create({ model: MODEL, input: "Hi" }), OpenAI.NotFoundError, "unknown_url");
  for (const apiKey of ["sk-tessera-wrong", "sk-tessera-" + "C".repeat(40), "x"])
    await failure(open(servers.demo, { apiKey }).chat.completions.create(example), OpenAI.AuthenticationError, "invalid_api_key");
});

test("a refusal of a streamed request comes before the stream", async () => {
  await failure(client.chat.completions.create({ ...example, stream: true, temperature: 3 }), OpenAI.BadRequestError, "decimal_above_max_value", "temperature");
});

test("a prompt over the context says so in the words clients look for", async () => {
  const messages = [{ role: "user", content: "word ".repeat(100_000) }];
  await assert.rejects(client.chat.completions.create({ ...example, messages }), (error) => {
    assert.ok(error instanceof OpenAI.BadRequestError);
    assert.equal(error.code, "context_length_exceeded");
    assert.equal(error.param, "messages");
    assert.match(error.message, /maximum context length/);
    return true;
  });
});

// How often the SDK asked, for the requests since `from`.
const attempts = (each, from) => each.seen.slice(from).filter(({ path }) => path.endsWith("/chat/completions"));

test("a 500 is an InternalServerError, retried only where that can help", async (t) => {
  const fake = await servers.extra(t, { script: fakeScript(["ok"], { nan_at_step: 0 }) });
  const outcome = await open(fake, { maxRetries: 2 }).chat.completions.create(ask("Hi", { temperature: 0 })).catch((error) => error);
  const tries = attempts(fake, 0);
  assert.equal(tries[0].status, 500);
  if (tries[0].responseHeaders["x-should-retry"] === "false") {
    assert.ok(outcome instanceof OpenAI.InternalServerError);
    assert.equal(tries.length, 1);
  } else {
    assert.equal(outcome.choices[0].message.content, "ok");
    assert.equal(tries.length, 2);
  }
});

test("a full queue is a 503 with Retry-After, and the SDK's retry gets through", async (t) => {
  const fake = await servers.extra(t, { script: endlessScript({ max_sequences: 1 }), flags: ["--max-queue", "1", "--account-share", "1"] });
  const streams = [];
  for (let i = 0; i < 2; i++) streams.push(await open(fake).chat.completions.create(ask("Hi", { stream: true, max_tokens: 30000 })));
  await until(async () => {
    const refused = await open(fake).chat.completions.create(ask("Hi", { max_tokens: 1 })).catch((error) => error);
    if (!(refused instanceof OpenAI.InternalServerError)) return false;
    assert.equal(refused.status, 503);
    assert.equal(refused.code, "server_overloaded");
    assert.match(refused.headers.get("retry-after"), /^[1-9][0-9]*$/);
    return true;
  }, "a refusal");
  const from = fake.seen.length;
  const retried = open(fake, { maxRetries: 2 }).chat.completions.create(ask("Hi", { max_tokens: 1 }));
  await until(() => attempts(fake, from).length > 0, "the first attempt");
  for (const stream of streams) stream.controller.abort();
  assert.equal((await retried).choices[0].finish_reason, "length");
  assert.deepEqual(attempts(fake, from).map(({ status }) => status), [503, 200]);
});

test("over the rate limit: RateLimitError, told before the body is read", async (t) => {
  const limited = await limitedServer(t, "requests_per_minute = 3\nburst_requests_per_minute = 3\n");
  const answers = [];
  for (let i = 0; i < 5; i++)
    answers.push(await open(limited).chat.completions.create(ask("Hi", { max_tokens: 1 })).then(() => 200, (error) => error));
  assert.equal(answers.filter((answer) => answer === 200).length, 3);
  assert.deepEqual(attempts(limited, 0).map(({ responseHeaders }) => responseHeaders["x-ratelimit-remaining-requests"]), ["2", "1", "0", "0", "0"]);
  for (const error of answers.slice(3)) {
    assert.ok(error instanceof OpenAI.RateLimitError);
    assert.equal(error.code, "rate_limit_exceeded");
    assert.equal(error.type, "rate_limit_error");
    const wait = Number(error.headers.get("retry-after"));
    assert.ok(wait >= 1 && wait <= 60);
  }
});

test("a used-up quota is a RateLimitError that nobody retries", async (t) => {
  const limited = await limitedServer(t, "thinking_tokens_per_day = 50\n");
  const thinking = ask("Hi", { max_tokens: 100, chat_template_kwargs: { enable_thinking: true } });
  await assert.rejects(open(limited, { maxRetries: 2 }).chat.completions.create(thinking), (error) => {
    assert.ok(error instanceof OpenAI.RateLimitError);
    assert.equal(error.code, "insufficient_quota");
    return true;
  });
  assert.equal(attempts(limited, 0).length, 1);
  const { choices } = await open(limited).chat.completions.create(ask("Hi"));
  assert.equal(choices[0].message.content, "ok");
});

test("a 429 is retried after retry-after, and then gets through", async (t) => {
  const limited = await limitedServer(t, "concurrent_requests = 1\n", { script: endlessScript() });
  const running = await open(limited).chat.completions.create(ask("Hi", { stream: true, max_tokens: 30000 }));
  const from = limited.seen.length;
  const retried = open(limited, { maxRetries: 2 }).chat.completions.create(ask("Hi", { max_tokens: 1 }));
  await until(() => attempts(limited, from).length > 0, "the refusal");
  running.controller.abort();
  assert.equal((await retried).choices.length, 1);
  const [refused, answered] = attempts(limited, from);
  assert.deepEqual([refused.status, answered.status], [429, 200]);
  const told = Number(refused.responseHeaders["retry-after-ms"] ?? 1000 * Number(refused.responseHeaders["retry-after"]));
  assert.ok(answered.receivedAt - refused.receivedAt >= told - 5, "the SDK did not wait as told");
});

// Operators' keys are of the Enterprise tier: its cells are made small.
async function limitedServer(t, cells, options = {}) {
  const folder = mkdtempSync(join(tmpdir(), "tessera-tiers-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  writeFileSync(`${folder}/tiers.toml`, `[tier.enterprise]\n${cells}`);
  return servers.extra(t, { says: ["ok"], ...options, flags: ["--tiers", `${folder}/tiers.toml`] });
}

test("the SDK's own headers are welcome", async () => {
  const headers = { "X-Request-Id": "trace-1.2:3_4", "Idempotency-Key": "abc", "OpenAI-Organization": "org", "OpenAI-Project": "p" };
  const answer = await client.chat.completions.create(ask("Hi", { max_tokens: 1 }), { headers });
  assert.equal(answer._request_id, "trace-1.2:3_4");
  assert.equal(servers.demo.seen.at(-1).headers["x-stainless-lang"], "js");
});

// ---------------------------------------------------------------- leaving

test("an abort in mid-stream cancels on the server; the next request is fine", async (t) => {
  const fake = await servers.extra(t, { script: endlessScript() });
  const stream = await open(fake).chat.completions.create(ask("Hi", { stream: true, max_tokens: 1_000_000 }));
  let id, chunks = 0;
  await assert.doesNotReject(async () => {
    for await (const chunk of stream) {
      id = chunk.id;
      if (++chunks === 5) stream.controller.abort();
    }
  });
  await until(() => hasCancelled(fake, id), "the server's note of the cancel");
  assert.equal((await open(fake).chat.completions.create(ask("Hi", { max_tokens: 2 }))).usage.completion_tokens, 2);
});

test("breaking out of the loop cancels as well", async (t) => {
  const fake = await servers.extra(t, { script: endlessScript() });
  let id;
  for await (const chunk of await open(fake).chat.completions.create(ask("Hi", { stream: true, max_tokens: 1_000_000 }))) {
    id = chunk.id;
    break;
  }
  await until(() => hasCancelled(fake, id), "the server's note of the cancel");
});

test("an abort of a request that is not streamed cancels it", async (t) => {
  const fake = await servers.extra(t, { script: endlessScript(), flags: ["--admin-port", "0"] });
  const abort = new AbortController();
  const answer = open(fake).chat.completions.create(ask("Hi", { max_tokens: 1_000_000 }), { signal: abort.signal });
  const metrics = async () => (await fetch(`${fake.adminOrigin}/metrics`)).text();
  await until(async () => (await metrics()).includes("\ntessera_requests_running 1\n"), "the request under way");
  abort.abort();
  await assert.rejects(answer, OpenAI.APIUserAbortError);
  await until(() => hasCancelled(fake), "the server's note of the cancel");
});

test("a client's timeout is a cancel for the server", async (t) => {
  const fake = await servers.extra(t, { script: endlessScript() });
  await assert.rejects(open(fake).chat.completions.create(ask("Hi", { max_tokens: 1_000_000 }), { timeout: 200 }), OpenAI.APIConnectionTimeoutError);
  await until(() => hasCancelled(fake), "the server's note of the cancel");
});

// ---------------------------------------------------------------- the server's end

test("a shutdown ends a stream with an error, never with a finish; short ones come to their end", async (t) => {
  const fake = await servers.extra(t, { script: endlessScript(), flags: ["--drain-timeout", "1"] });
  const long = await open(fake).chat.completions.create(ask("Hi", { stream: true, max_tokens: 1_000_000 }));
  const short = open(fake).chat.completions.create(ask("Hi", { max_tokens: 100 }));
  await until(() => fake.seen.length > 0, "the stream's begin");
  await sleep(50);
  fake.terminate();
  assert.equal((await short).choices[0].finish_reason, "length");
  const finishes = new Set();
  await assert.rejects(
    async () => {
      for await (const chunk of long) finishes.add(chunk.choices[0].finish_reason);
    },
    (error) => {
      assert.ok(error instanceof OpenAI.APIError, `${error}`);
      assert.equal(error.code, "draining");
      return true;
    },
  );
  assert.deepEqual([...finishes], [null]);
});
