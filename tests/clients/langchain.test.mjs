// LangChain's ChatOpenAI.
import assert from "node:assert/strict";
import { test } from "node:test";
import { endlessScript, KEY, MODEL, until } from "./support/server.mjs";
import { hasCancelled, toolCall, useServers } from "./support/suite.mjs";

const old = Number(process.versions.node.split(".")[0]) < 20;
const skip = old && `skipped: LangChain wants Node 20 or newer, this is ${process.version}`;
const { ChatOpenAI } = old ? {} : await import("@langchain/openai");
const { AIMessage, AIMessageChunk, HumanMessage, SystemMessage, ToolMessage } = old ? {} : await import("@langchain/core/messages");
const { tool } = old ? {} : await import("@langchain/core/tools");
const { ContextOverflowError } = old ? {} : await import("@langchain/core/errors");
const { z } = await import("zod");

const servers = await useServers();
const chat = (server, more = {}) =>
  new ChatOpenAI({ model: MODEL, apiKey: KEY, maxRetries: 0, temperature: 0, maxTokens: 200, configuration: { baseURL: server.baseURL, fetch: server.fetch }, ...more });
const weatherCall = (city) => toolCall("get_weather", { city });

test("invoke", { skip }, async () => {
  const answer = await chat(servers.demo).invoke([new SystemMessage("Be brief."), new HumanMessage("Tell me about the sea.")]);
  assert.ok(answer instanceof AIMessage);
  assert.ok(answer.content.length > 0);
  assert.equal(answer.response_metadata.model_name, MODEL);
  assert.match(answer.response_metadata.finish_reason, /^(stop|length)$/);
  const { input_tokens, output_tokens, total_tokens } = answer.usage_metadata;
  assert.ok(input_tokens > 0 && output_tokens > 0);
  assert.equal(total_tokens, input_tokens + output_tokens);
});

// Members in order, so that equal objects give equal texts.
const sorted = (value) =>
  value && typeof value === "object" ? Object.fromEntries(Object.keys(value).sort().map((key) => [key, sorted(value[key])])) : value;

test("stream gives the same text and usage", { skip }, async () => {
  const whole = await chat(servers.demo).invoke("Tell me about the sea.");
  let joined;
  for await (const chunk of await chat(servers.demo).stream("Tell me about the sea.")) joined = joined ? joined.concat(chunk) : chunk;
  assert.ok(joined instanceof AIMessageChunk);
  assert.equal(joined.content, whole.content);
  // The client adds undefined members in one of the two.
  assert.equal(JSON.stringify(sorted(joined.usage_metadata)), JSON.stringify(sorted(whole.usage_metadata)));
  assert.equal(joined.response_metadata.finish_reason, whole.response_metadata.finish_reason);
});

test("thinking counts its tokens", { skip }, async (t) => {
  const fake = await servers.extra(t, { says: ["First this.\n</think>\n\nThe answer is 4."] });
  const answer = await chat(fake, { modelKwargs: { chat_template_kwargs: { enable_thinking: true } } }).invoke("2 + 2?");
  assert.equal(answer.content, "The answer is 4.");
  assert.ok(answer.usage_metadata.output_token_details.reasoning > 0);
});

test("batch asks at once", { skip }, async () => {
  const answers = await chat(servers.demo, { maxTokens: 20 }).batch(["One", "Two", "Three"]);
  assert.equal(answers.length, 3);
});

test("bindTools: a loop, whole and streamed", { skip }, async (t) => {
  const fake = await servers.extra(t, { says: [`${weatherCall("Paris")}\n${weatherCall("Rome")}`, "20 C in both.", weatherCall("Oslo")] });
  const weather = tool(({ city }) => `20 C in ${city}`, { name: "get_weather", description: "The weather", schema: z.object({ city: z.string() }) });
  const bound = chat(fake).bindTools([weather]);
  const messages = [new HumanMessage("Paris and Rome?")];
  const first = await bound.invoke(messages);
  assert.deepEqual(first.tool_calls.map(({ name, args }) => [name, args]), [["get_weather", { city: "Paris" }], ["get_weather", { city: "Rome" }]]);
  assert.deepEqual(first.invalid_tool_calls, []);
  messages.push(first);
  for (const call of first.tool_calls) messages.push(await weather.invoke(call));
  assert.ok(messages.at(-1) instanceof ToolMessage);
  assert.equal((await bound.invoke(messages)).content, "20 C in both.");
  let joined;
  for await (const chunk of await bound.stream("Oslo?")) joined = joined ? joined.concat(chunk) : chunk;
  assert.deepEqual(joined.tool_calls.map(({ name, args }) => [name, args]), [["get_weather", { city: "Oslo" }]]);
});

test("logprobs", { skip }, async () => {
  const answer = await chat(servers.demo, { logprobs: true, topLogprobs: 2, maxTokens: 10 }).invoke("Hi");
  assert.ok(answer.response_metadata.logprobs.content.length > 0);
});

test("a context overflow is recognised", { skip }, async () => {
  await assert.rejects(chat(servers.demo).invoke("word ".repeat(100_000)), (error) => {
    assert.ok(ContextOverflowError.isInstance(error), `${error.name}: ${error.message}`);
    return true;
  });
});

test("errors keep their status", { skip }, async () => {
  await assert.rejects(chat(servers.demo, { temperature: 3 }).invoke("Hi"), { status: 400, param: "temperature" });
  await assert.rejects(chat(servers.demo, { apiKey: "no" }).invoke("Hi"), { status: 401, code: "invalid_api_key" });
  await assert.rejects(chat(servers.demo, { model: "gpt-4o" }).invoke("Hi"), { status: 404, code: "model_not_found" });
});

test("an abort in mid-stream cancels on the server", { skip }, async (t) => {
  const fake = await servers.extra(t, { script: endlessScript() });
  const abort = new AbortController();
  await assert.rejects(async () => {
    let pieces = 0;
    for await (const _ of await chat(fake, { maxTokens: 1_000_000 }).stream("Hi", { signal: abort.signal })) if (++pieces === 4) abort.abort();
  }, /abort/i);
  await until(() => hasCancelled(fake), "the server's note of the cancel");
});

const trip = z.object({ city: z.string(), days: z.number().int() });

test("withStructuredOutput by json_schema", { skip }, async (t) => {
  const fake = await servers.extra(t, { says: ['{"city":"Paris","days":3}'] });
  const structured = chat(fake).withStructuredOutput(trip, { name: "trip", method: "jsonSchema" });
  assert.deepEqual(await structured.invoke("A trip"), { city: "Paris", days: 3 });
  assert.equal(fake.seen.at(-1).body.response_format.type, "json_schema");
});

test("withStructuredOutput by a named function", { skip }, async (t) => {
  const says = ["<tool_call>\n<function=trip>\n<parameter=city>\nParis\n</parameter>\n<parameter=days>\n3\n</parameter>\n</function>\n</tool_call>"];
  const fake = await servers.extra(t, { says });
  const structured = chat(fake).withStructuredOutput(trip, { name: "trip", method: "functionCalling" });
  assert.deepEqual(await structured.invoke("A trip"), { city: "Paris", days: 3 });
  assert.equal(fake.seen.at(-1).body.tool_choice.function.name, "trip");
});

test("withStructuredOutput in JSON mode", { skip }, async (t) => {
  const fake = await servers.extra(t, { says: ['{"city":"Paris","days":3}'] });
  const structured = chat(fake).withStructuredOutput(trip, { name: "trip", method: "jsonMode" });
  assert.deepEqual(await structured.invoke("A trip, as JSON"), { city: "Paris", days: 3 });
});

test("withStructuredOutput: raw and parsed, streamed, and what cannot be parsed", { skip }, async (t) => {
  const fake = await servers.extra(t, { says: ['{"city":"Paris","days":3}'] });
  const both = chat(fake).withStructuredOutput(trip, { name: "trip", method: "jsonSchema", includeRaw: true });
  const { raw, parsed } = await both.invoke("A trip");
  assert.ok(raw instanceof AIMessage);
  assert.deepEqual(parsed, { city: "Paris", days: 3 });
  let last;
  for await (const piece of await chat(fake).withStructuredOutput(trip, { name: "trip", method: "jsonSchema" }).stream("A trip")) last = piece;
  assert.deepEqual(last, { city: "Paris", days: 3 });
});

test("streamEvents", { skip }, async () => {
  const kinds = [];
  let text = "";
  for await (const { event, data } of chat(servers.demo, { maxTokens: 20 }).streamEvents("Tell me about the sea.", { version: "v2" })) {
    kinds.push(event);
    if (event === "on_chat_model_stream") text += data.chunk.content;
    if (event === "on_chat_model_end") assert.equal(data.output.content, text);
  }
  assert.deepEqual([kinds[0], kinds.at(-1)], ["on_chat_model_start", "on_chat_model_end"]);
});
