// Vercel's AI SDK with its provider for OpenAI-compatible servers.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { APICallError, generateObject, generateText, Output, stepCountIs, streamObject, streamText, tool } from "ai";
import { z } from "zod";
import { endlessScript, fakeScript, KEY, MODEL, until } from "./support/server.mjs";
import { hasCancelled, toolCall, useServers } from "./support/suite.mjs";

globalThis.AI_SDK_LOG_WARNINGS = false;

const servers = await useServers();
const modelOf = (server, options = {}) =>
  createOpenAICompatible({ name: "tessera", baseURL: server.baseURL, apiKey: KEY, fetch: server.fetch, includeUsage: true, ...options })(MODEL);
const thinking = { tessera: { chat_template_kwargs: { enable_thinking: true } } };
const ask = (server, prompt, more = {}) => ({ model: modelOf(server), prompt, maxRetries: 0, maxOutputTokens: 200, seed: 7, ...more });
const weatherCall = (city) => toolCall("get_weather", { city });

async function textOf(result) {
  let text = "";
  for await (const piece of result.textStream) text += piece;
  return text;
}

test("generateText, with everything it can send", async () => {
  const { text, finishReason, usage, response } = await generateText(
    ask(servers.demo, "Tell me about the sea.", {
      system: "Be brief.",
      temperature: 0.4,
      topP: 0.9,
      presencePenalty: 0.1,
      frequencyPenalty: 0.2,
      stopSequences: ["###"],
    }),
  );
  assert.ok(text.length > 0);
  assert.match(finishReason, /^(stop|length)$/);
  assert.ok(usage.inputTokens > 0 && usage.outputTokens > 0);
  assert.equal(usage.totalTokens, usage.inputTokens + usage.outputTokens);
  assert.equal(usage.outputTokenDetails.reasoningTokens, 0);
  assert.equal(usage.inputTokenDetails.cacheReadTokens, 0);
  assert.match(response.id, /^chatcmpl-/);
  assert.equal(response.modelId, MODEL);
});

test("streamText gives the same text and usage", async () => {
  const whole = await generateText(ask(servers.demo, "Tell me about the sea."));
  const result = streamText(ask(servers.demo, "Tell me about the sea."));
  assert.equal(await textOf(result), whole.text);
  assert.deepEqual({ ...(await result.usage), raw: null }, { ...whole.usage, raw: null });
  assert.equal(await result.finishReason, whole.finishReason);
});

test("reasoning, whole and streamed", async (t) => {
  const fake = await servers.extra(t, { says: ["First this.\nThen that.\n</think>\n\nThe answer is 4."] });
  const whole = await generateText(ask(fake, "2 + 2?", { temperature: 0, providerOptions: thinking }));
  assert.equal(whole.reasoningText, "First this.\nThen that.");
  assert.equal(whole.text, "The answer is 4.");
  assert.ok(whole.usage.outputTokenDetails.reasoningTokens > 0);
  const result = streamText(ask(fake, "2 + 2?", { temperature: 0, providerOptions: thinking }));
  const parts = [];
  for await (const part of result.fullStream) parts.push(part);
  const kinds = parts.map((part) => part.type).filter((kind, i, all) => kind !== all[i - 1]);
  assert.deepEqual(
    kinds.filter((kind) => kind.startsWith("reasoning") || kind.startsWith("text")),
    ["reasoning-start", "reasoning-delta", "reasoning-end", "text-start", "text-delta", "text-end"],
  );
  assert.equal(parts.filter((part) => part.type === "reasoning-delta").map((part) => part.text).join(""), "First this.\nThen that.");
  assert.deepEqual((await result.usage).outputTokenDetails, whole.usage.outputTokenDetails);
});

const weather = (asked) =>
  tool({
    description: "The weather of a city",
    inputSchema: z.object({ city: z.string() }),
    execute: async ({ city }) => {
      asked.push(city);
      return { celsius: 20 };
    },
  });

test("a tool loop, whole", async (t) => {
  const fake = await servers.extra(t, { says: [`${weatherCall("Paris")}\n${weatherCall("Rome")}`, "20 C in both."] });
  const asked = [];
  const result = await generateText(ask(fake, "Paris and Rome?", { temperature: 0, tools: { get_weather: weather(asked) }, stopWhen: stepCountIs(3) }));
  assert.deepEqual(asked.sort(), ["Paris", "Rome"]);
  assert.equal(result.text, "20 C in both.");
  assert.deepEqual(result.steps.map((step) => step.finishReason), ["tool-calls", "stop"]);
});

test("a tool loop, streamed", async (t) => {
  const fake = await servers.extra(t, { says: [`Let me look.\n\n${weatherCall("Paris")}`, "20 C."] });
  const asked = [];
  const result = streamText(ask(fake, "Paris?", { temperature: 0, tools: { get_weather: weather(asked) }, stopWhen: stepCountIs(3) }));
  const parts = [];
  for await (const part of result.fullStream) parts.push(part);
  assert.deepEqual(parts.filter((part) => part.type === "error"), []);
  assert.equal(parts.filter((part) => part.type === "tool-input-delta").map((part) => part.delta).join(""), '{"city":"Paris"}');
  assert.deepEqual(asked, ["Paris"]);
  assert.equal(await result.text, "20 C.");
  assert.deepEqual((await result.steps).map((step) => step.text), ["Let me look.", "20 C."]);
});

test("an abort in mid-stream cancels on the server", async (t) => {
  const fake = await servers.extra(t, { script: endlessScript() });
  const abort = new AbortController();
  const result = streamText(ask(fake, "Hi", { maxOutputTokens: 1_000_000, abortSignal: abort.signal, onError: () => {} }));
  let pieces = 0;
  for await (const part of result.fullStream) if (part.type === "text-delta" && ++pieces === 3) abort.abort();
  assert.ok(pieces >= 3);
  await until(() => hasCancelled(fake), "the server's note of the cancel");
  const next = await generateText(ask(fake, "Hi", { maxOutputTokens: 2 }));
  assert.equal(next.usage.outputTokens, 2);
});

test("errors keep their status, and say whether to retry", async () => {
  const failure = (promise, statusCode, isRetryable, message) =>
    assert.rejects(promise, (error) => {
      assert.ok(APICallError.isInstance(error), `${error}`);
      assert.equal(error.statusCode, statusCode);
      assert.equal(error.isRetryable, isRetryable);
      assert.match(error.message, message);
      return true;
    });
  await failure(generateText(ask(servers.demo, "Hi", { temperature: 3 })), 400, false, /temperature/);
  await failure(generateText(ask(servers.demo, "word ".repeat(100_000))), 400, false, /maximum context length/);
  const wrong = createOpenAICompatible({ name: "tessera", baseURL: servers.demo.baseURL, apiKey: "no", fetch: servers.demo.fetch })(MODEL);
  await failure(generateText({ ...ask(servers.demo, "Hi"), model: wrong }), 401, false, /key/);
});

test("an error in mid-stream comes out as an error part", async (t) => {
  const fake = await servers.extra(t, { script: fakeScript(["The sea is deep and wide, and it is cold."], { nan_at_step: 5 }) });
  const result = streamText(ask(fake, "Hi", { temperature: 0, onError: () => {} }));
  const kinds = [];
  for await (const part of result.fullStream) kinds.push(part.type);
  assert.ok(kinds.includes("text-delta") && kinds.includes("error"), kinds.join());
});

test("generateObject and streamObject keep to the schema", async (t) => {
  const fake = await servers.extra(t, { says: ['{"city":"Paris","days":3}'] });
  const schema = z.object({ city: z.string(), days: z.number() });
  const model = modelOf(fake, { supportsStructuredOutputs: true });
  const body = { model, schema, prompt: "A trip", temperature: 0, maxRetries: 0 };
  assert.deepEqual((await generateObject(body)).object, { city: "Paris", days: 3 });
  assert.equal(fake.seen.at(-1).body.response_format.type, "json_schema");
  const streamed = streamObject(body);
  let last;
  for await (const partial of streamed.partialObjectStream) last = partial;  // nothing comes to who does not read
  assert.deepEqual(last, { city: "Paris", days: 3 });
  assert.deepEqual(await streamed.object, last);
});

test("generateObject without structured outputs asks for a JSON object", async (t) => {
  const fake = await servers.extra(t, { says: ['{"city":"Paris"}'] });
  const { object } = await generateObject({ model: modelOf(fake), output: "no-schema", prompt: "A city", temperature: 0, maxRetries: 0 });
  assert.deepEqual(object, { city: "Paris" });
  assert.equal(fake.seen.at(-1).body.response_format.type, "json_object");
});

test("an output form beside tools: calls first, then the object, whole and streamed", async (t) => {
  const fake = await servers.extra(t, { says: [weatherCall("Paris"), '{"celsius":20}'] });
  const body = (asked) => ({
    model: modelOf(fake, { supportsStructuredOutputs: true }), prompt: "Paris?", temperature: 0, maxRetries: 0, stopWhen: stepCountIs(3),
    tools: { get_weather: weather(asked) }, output: Output.object({ schema: z.object({ celsius: z.number() }) }),
  });
  const asked = [];
  assert.deepEqual((await generateText(body(asked))).output, { celsius: 20 });
  const streamed = streamText(body(asked));
  let last;
  for await (const partial of streamed.partialOutputStream) last = partial;
  assert.deepEqual([last, asked], [{ celsius: 20 }, ["Paris", "Paris"]]);
});

test("arrays and choices as output", async (t) => {
  const fake = await servers.extra(t, { says: ['{"elements":["Paris","Rome"]}', '{"result":"rain"}'] });
  const body = { model: modelOf(fake, { supportsStructuredOutputs: true }), prompt: "Well?", temperature: 0, maxRetries: 0 };
  assert.deepEqual((await generateText({ ...body, output: Output.array({ element: z.string() }) })).output, ["Paris", "Rome"]);
  assert.equal((await generateText({ ...body, output: Output.choice({ options: ["sun", "rain"] }) })).output, "rain");
});

test("its retries wait as a 429 tells them", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "tessera-tiers-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  writeFileSync(`${folder}/tiers.toml`, "[tier.enterprise]\nconcurrent_requests = 1\n");
  const limited = await servers.extra(t, { script: endlessScript(), flags: ["--tiers", `${folder}/tiers.toml`] });
  const abort = new AbortController();
  const running = streamText(ask(limited, "Hi", { maxOutputTokens: 30000, abortSignal: abort.signal, onError: () => {} }));
  const pieces = running.textStream[Symbol.asyncIterator]();
  await pieces.next();
  const retried = generateText(ask(limited, "Hi", { maxOutputTokens: 1, maxRetries: 2 }));
  await until(() => limited.seen.some(({ status }) => status === 429), "the refusal");
  abort.abort();
  assert.equal((await retried).usage.outputTokens, 1);
});

test("toolChoice required gives a call", async (t) => {
  const tools = { set_flag: tool({ inputSchema: z.object({ on: z.boolean() }) }) };
  const { toolCalls, finishReason } = await generateText(ask(servers.demo, "Switch it on", { tools, toolChoice: "required" }));
  assert.equal(finishReason, "tool-calls");
  assert.equal(typeof toolCalls[0].input.on, "boolean");
});
