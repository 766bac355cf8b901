// Streams as the official client reads them, in the two generations that stock software uses: the newest that Node 20
// installs, and the one that the Agents SDK brings along, whose accumulator is stricter. "Rule n" are the accumulator's
// rules in the contract, part B.4.
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { test } from "node:test";
import { pathToFileURL } from "node:url";
import OpenAI6 from "openai";
import { zodFunction } from "openai/helpers/zod";
import { z } from "zod";
import { endlessScript, fakeScript, KEY, MODEL, tokenIds, until } from "./support/server.mjs";
import { hasCancelled, toolCall, useServers } from "./support/suite.mjs";

const here = createRequire(import.meta.url);
const agents = createRequire(here.resolve("@openai/agents-openai"));

const servers = await useServers();
const { default: OpenAI7 } = await import(pathToFileURL(agents.resolve("openai")));
const generations = { 6: OpenAI6, 7: OpenAI7 };
assert.notEqual(OpenAI7, OpenAI6);

const open = (server, OpenAI = OpenAI6, options = {}) =>
  new OpenAI({ baseURL: server.baseURL, apiKey: KEY, maxRetries: 0, fetch: server.fetch, ...options });
const ask = (content, more = {}) => ({ model: MODEL, messages: [{ role: "user", content }], max_tokens: 200, seed: 7, ...more });
const weather = {
  type: "function",
  function: { name: "get_weather", parameters: { type: "object", properties: { city: { type: "string" }, days: { type: "integer" } }, required: ["city"] } },
};

// All chunks of one stream, as the SDK yields them.
async function chunksOf(client, body) {
  const chunks = [];
  for await (const chunk of await client.chat.completions.create({ ...body, stream: true })) chunks.push(chunk);
  return chunks;
}

// The message of choice `index`, put together by hand.
function joined(chunks, index = 0) {
  const message = { content: null };
  let finish_reason = null;
  for (const chunk of chunks)
    for (const { delta, ...choice } of chunk.choices.filter((each) => each.index === index)) {
      for (const key of ["content", "reasoning_content"]) if (delta[key]) message[key] = (message[key] ?? "") + delta[key];
      for (const piece of delta.tool_calls ?? []) {
        message.tool_calls ??= [];
        if (piece.id) message.tool_calls.push({ name: piece.function.name, arguments: piece.function.arguments });
        else message.tool_calls[piece.index].arguments += piece.function.arguments;
      }
      finish_reason = choice.finish_reason ?? finish_reason;
    }
  return { message, finish_reason };
}

// ---------------------------------------------------------------- the same, streamed and not

const variants = {
  "plain": {},
  "hot": { temperature: 1.5, seed: -3 },
  "three choices": { n: 3, temperature: 1.2 },
  "thinking": { chat_template_kwargs: { enable_thinking: true } },
  "cut short": { max_tokens: 5 },
  "with a tool": { tools: [weather] },
  "with a stop string": { stop: ["a", "e"] },
  "with penalties": { presence_penalty: 1, frequency_penalty: 0.5, logit_bias: { 100: -100 } },
};
for (const [name, more] of Object.entries(variants)) {
  test(`a stream's text is the whole answer's: ${name}`, async () => {
    const client = open(servers.demo);
    const body = ask("Tell me about the sea, in a sentence.", more);
    const whole = await client.chat.completions.create(body);
    const chunks = await chunksOf(client, { ...body, stream_options: { include_usage: true } });
    for (const choice of whole.choices) {
      const { message, finish_reason } = joined(chunks, choice.index);
      assert.equal(message.content ?? "", choice.message.content ?? "");
      assert.equal(message.reasoning_content ?? "", choice.message.reasoning_content ?? "");
      assert.deepEqual(
        message.tool_calls ?? [],
        (choice.message.tool_calls ?? []).map((each) => ({ name: each.function.name, arguments: each.function.arguments })),
      );
      assert.equal(finish_reason, choice.finish_reason);
    }
    const { prompt_tokens_details: cached, ...usage } = chunks.at(-1).usage;
    const { prompt_tokens_details: cachedBefore, ...usageBefore } = whole.usage;
    assert.deepEqual(usage, usageBefore);
    // The second of the two finds what the first has left in the prefix cache.
    assert.ok(cached.cached_tokens >= cachedBefore.cached_tokens && cached.cached_tokens > 0);
  });
}

test("include_obfuscation pads the deltas and changes nothing else", async () => {
  const client = open(servers.demo);
  const plain = joined(await chunksOf(client, ask("Hi")));
  const padded = await chunksOf(client, ask("Hi", { stream_options: { include_obfuscation: true } }));
  assert.deepEqual(joined(padded), plain);
  for (const chunk of padded.filter(({ choices }) => choices[0]?.delta.content)) assert.equal(typeof chunk.obfuscation, "string");
});

// ---------------------------------------------------------------- the accumulator's rules

for (const generation of [6, 7]) {
  const about = (text) => `openai ${generation}: ${text}`;
  const client = (server, options) => open(server, generations[generation], options);

  test(about("rule 1: every choice has a role and a finish_reason"), async () => {
    const stream = client(servers.demo).chat.completions.stream(ask("Hi", { n: 3, stream_options: { include_usage: true } }));
    const { choices, usage } = await stream.finalChatCompletion();
    assert.equal(choices.length, 3);
    for (const choice of choices) {
      assert.equal(choice.message.role, "assistant");
      assert.match(choice.finish_reason, /^(stop|length)$/);
    }
    assert.equal(usage.prompt_tokens + usage.completion_tokens, usage.total_tokens);
  });

  test(about("the stream helper's events"), async () => {
    const seen = {};
    const stream = client(servers.demo).chat.completions.stream(ask("Hi"));
    for (const event of ["connect", "chunk", "content", "content.delta", "content.done", "chatCompletion", "message", "finalContent", "finalMessage", "finalChatCompletion", "end", "error", "abort"])
      stream.on(event, () => (seen[event] = (seen[event] ?? 0) + 1));
    let text = "";
    stream.on("content.delta", ({ delta }) => (text += delta));
    await stream.done();
    assert.equal(text, await stream.finalContent());
    for (const event of ["connect", "chatCompletion", "message", "finalContent", "finalMessage", "finalChatCompletion", "end", "content.done"])
      assert.equal(seen[event], 1, event);
    assert.ok(seen.chunk > 2 && seen.content > 0);
    assert.equal(seen.error ?? seen.abort, undefined);
  });

  test(about("rule 2: a call has a type, a name and arguments, also when it has no parameters"), async (t) => {
    const fake = await servers.extra(t, { says: [toolCall("now", {})] });
    const now = { type: "function", function: { name: "now" } };
    const stream = client(fake).chat.completions.stream(ask("When?", { tools: [now], temperature: 0 }));
    const final = await stream.finalChatCompletion();
    const [made] = final.choices[0].message.tool_calls;
    assert.deepEqual([made.type, made.function.name, made.function.arguments], ["function", "now", "{}"]);
    assert.equal(final.choices[0].finish_reason, "tool_calls");
  });

  test(about("rule 3: later deltas of a call leave its identity out; parallel calls"), async (t) => {
    const fake = await servers.extra(t, { says: [`${toolCall("get_weather", { city: "Paris", days: 3 })}\n${toolCall("get_weather", { city: "Rome" })}`] });
    const tool = { ...weather, function: { ...weather.function, strict: false } };
    const body = ask("Paris and Rome?", { tools: [tool], temperature: 0 });
    const done = [];
    const stream = client(fake).chat.completions.stream(body).on("tool_calls.function.arguments.done", (event) => done.push([event.index, event.arguments]));
    const final = await stream.finalChatCompletion();
    assert.deepEqual(done, [[0, '{"city":"Paris","days":3}'], [1, '{"city":"Rome"}']]);
    assert.equal(final.choices[0].message.tool_calls.length, 2);
    const later = (await chunksOf(client(fake), body)).flatMap((chunk) => chunk.choices[0]?.delta.tool_calls ?? []).filter((piece) => !("id" in piece));
    assert.ok(later.length >= 2);
    for (const piece of later) {
      assert.deepEqual(Object.keys(piece), ["index", "function"]);
      assert.deepEqual(Object.keys(piece.function), ["arguments"]);
    }
  });

  test(about("a call's arguments arrive as deltas that make the whole"), async (t) => {
    const fake = await servers.extra(t, { says: [`${toolCall("get_weather", { city: "Palma de Mallorca", days: 3 })}\n${toolCall("get_weather", { city: "Rome" })}`] });
    const deltas = ["", ""];
    const snapshots = [];
    const stream = client(fake).chat.completions.stream(ask("Palma and Rome?", { tools: [weather], temperature: 0 }));
    stream.on("tool_calls.function.arguments.delta", ({ name, index, arguments: sofar, arguments_delta: delta }) => {
      assert.equal(name, "get_weather");
      deltas[index] += delta;
      if (index === 0) snapshots.push(sofar);
    });
    const calls = (await stream.finalChatCompletion()).choices[0].message.tool_calls;
    assert.deepEqual(deltas, calls.map((call) => call.function.arguments));
    assert.deepEqual(calls.map((call) => JSON.parse(call.function.arguments)), [{ city: "Palma de Mallorca", days: 3 }, { city: "Rome" }]);
    assert.ok(snapshots.length > 2, "one piece");
    for (const snapshot of snapshots) assert.ok(deltas[0].startsWith(snapshot));
    assert.notEqual(calls[0].id, calls[1].id);
    assert.equal((await stream.finalFunctionToolCall()).name, "get_weather");
  });

  test(about("log probabilities arrive as events; a stream goes through a ReadableStream"), async () => {
    const body = ask("Hi", { logprobs: true, top_logprobs: 2, max_tokens: 8 });
    let seen = 0;
    const stream = client(servers.demo).chat.completions.stream(body).on("logprobs.content.delta", ({ content }) => (seen += content.length));
    const [choice] = (await stream.finalChatCompletion()).choices;
    assert.equal(seen, choice.logprobs.content.length);
    assert.ok(seen > 0);
    const sent = client(servers.demo).chat.completions.stream(body).toReadableStream();
    const { ChatCompletionStream } = await import(pathToFileURL((generation === 7 ? agents : here).resolve("openai/lib/ChatCompletionStream")));
    assert.equal(await ChatCompletionStream.fromReadableStream(sent).finalContent(), choice.message.content);
  });

  test(about("rule 3: strict tools are parsed while they stream"), async (t) => {
    const fake = await servers.extra(t, { says: [toolCall("get_weather", { city: "Paris", days: 3 })] });
    const tool = zodFunction({ name: "get_weather", parameters: z.object({ city: z.string(), days: z.number() }) });
    const stream = client(fake).chat.completions.stream(ask("Paris?", { tools: [tool], temperature: 0 }));
    const final = await stream.finalChatCompletion();
    assert.deepEqual(final.choices[0].message.tool_calls[0].function.parsed_arguments, { city: "Paris", days: 3 });
  });

  test(about("rule 4: a long call is not thousands of fragments of a byte"), async (t) => {
    const text = "The sea is deep and wide, and it is cold. ".repeat(200);
    const fake = await servers.extra(t, { says: [toolCall("write", { text })] });
    const write = { type: "function", function: { name: "write", parameters: { type: "object", properties: { text: { type: "string" } } } } };
    const body = ask("Write!", { tools: [write], temperature: 0, max_tokens: 30_000 });
    const pieces = (await chunksOf(client(fake), body)).flatMap((chunk) => chunk.choices[0]?.delta.tool_calls ?? []);
    assert.ok(pieces.length <= tokenIds(text).length + 10, `${pieces.length} fragments`);
    const final = await client(fake).chat.completions.stream(body).finalChatCompletion();
    assert.equal(JSON.parse(final.choices[0].message.tool_calls[0].function.arguments).text, text);
  });

  test(about("rule 5: a cut answer with something to parse is a LengthFinishReasonError"), async (t) => {
    const fake = await servers.extra(t, { says: [toolCall("get_weather", { city: "Paris ".repeat(50) })] });
    const tool = zodFunction({ name: "get_weather", parameters: z.object({ city: z.string() }) });
    const cut = { temperature: 0, max_tokens: 30, cut_at_max_tokens: true };
    const stream = client(fake).chat.completions.stream(ask("Paris?", { tools: [tool], ...cut }));
    await assert.rejects(stream.finalChatCompletion(), generations[generation].LengthFinishReasonError);
    const chunks = await chunksOf(client(fake), ask("Paris?", { tools: [weather], ...cut }));
    assert.equal(joined(chunks).finish_reason, "length");
  });

  test(about("rule 6: reasoning deltas are pieces; a client puts them together itself"), async (t) => {
    const fake = await servers.extra(t, { says: ["First I think of this.\nThen of that.\n</think>\n\nThe answer is 4."] });
    const body = ask("2 + 2?", { temperature: 0, chat_template_kwargs: { enable_thinking: true } });
    const pieces = [];
    const stream = client(fake).chat.completions.stream(body).on("chunk", (chunk) => {
      const piece = chunk.choices[0]?.delta.reasoning_content;
      if (piece !== undefined) pieces.push(piece);
    });
    const final = await stream.finalChatCompletion();
    assert.ok(pieces.length > 1);
    assert.equal(pieces.join(""), "First I think of this.\nThen of that.");
    assert.equal(final.choices[0].message.content, "The answer is 4.");
  });

  test(about("rule 7: an error in mid-stream is an APIError, and nothing looks finished"), async (t) => {
    const fake = await servers.extra(t, { script: fakeScript(["The sea is deep and wide, and it is cold."], { nan_at_step: 5 }) });
    const chunks = [];
    await assert.rejects(
      async () => {
        for await (const chunk of await client(fake).chat.completions.create(ask("Hi", { temperature: 0, stream: true }))) chunks.push(chunk);
      },
      (error) => {
        assert.ok(error instanceof generations[generation].APIError);
        assert.equal(error.code, "numerical_error");
        return true;
      },
    );
    const { message, finish_reason } = joined(chunks);
    assert.ok("The sea is deep and wide".startsWith(message.content));
    assert.equal(finish_reason, null);
    const next = await client(fake).chat.completions.create(ask("Hi", { temperature: 0 }));
    assert.equal(next.choices[0].message.content, "The sea is deep and wide, and it is cold.");
  });

  test(about("rule 8: retries of what is refused before the stream, then the stream"), async (t) => {
    const fake = await servers.extra(t, { script: fakeScript(["ok"], { fail_at_step: 0 }) });
    const outcome = await client(fake, { maxRetries: 2 }).chat.completions.stream(ask("Hi", { temperature: 0 })).finalContent().catch((error) => error);
    // The role chunk is out before the first step: what fails then is in mid-stream, and never retried.
    assert.equal(fake.seen.filter(({ path }) => path.endsWith("/chat/completions")).length, 1);
    assert.ok(outcome instanceof generations[generation].APIError);
    assert.equal(await client(fake).chat.completions.stream(ask("Hi", { temperature: 0 })).finalContent(), "ok");
  });

  test(about("stream.abort() cancels on the server"), async (t) => {
      const fake = await servers.extra(t, { script: endlessScript() });
    const stream = client(fake).chat.completions.stream(ask("Hi", { max_tokens: 1_000_000 }));
    let id;
    stream.on("chunk", (chunk) => {
      id ??= chunk.id;
      if (chunk.choices[0].delta.content) stream.abort();
    });
    await assert.rejects(stream.done(), generations[generation].APIUserAbortError);
    await until(() => hasCancelled(fake, id), "the server's note of the cancel");
  });

  test(about("a structured answer, parsed while it streams"), async (t) => {
    const fake = await servers.extra(t, { says: ['{"city":"Paris","days":3}'] });
    const schema = { type: "object", properties: { city: { type: "string" }, days: { type: "integer" } }, required: ["city", "days"], additionalProperties: false };
    const response_format = { type: "json_schema", json_schema: { name: "trip", strict: true, schema } };
    const final = await client(fake).chat.completions.stream(ask("A trip", { temperature: 0, response_format })).finalChatCompletion();
    assert.deepEqual(JSON.parse(final.choices[0].message.content), { city: "Paris", days: 3 });
  });
}
