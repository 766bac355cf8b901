// The official OpenAI client against the real binary with the embedded demo model: what a user of the SDK sees.
// Run by `node --test` with TESSERA_BINARY set to the binary.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createServer } from "node:net";
import { after, before, test } from "node:test";
import OpenAI from "openai";

const MODEL = "Qwen/Qwen3.6-35B-A3B";
const KEY = "sk-tessera-" + "B".repeat(40);
let server, baseURL, client;

async function freePort() {
  const probe = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => probe.once("listening", resolve));
  const { port } = probe.address();
  await new Promise((resolve) => probe.close(resolve));
  return port;
}

before(async () => {
  const port = await freePort();
  baseURL = `http://127.0.0.1:${port}/v1`;
  server = spawn(process.env.TESSERA_BINARY, ["serve", "--port", String(port), "--api-key", KEY, "--threads", "2", "--db", ":memory:"], {
    stdio: ["ignore", "ignore", "inherit"],
  });
  client = new OpenAI({ baseURL, apiKey: KEY, maxRetries: 0 });
  for (let i = 0; i < 600; i++) {
    if (server.exitCode !== null) throw new Error("the server ended");
    try {
      if ((await fetch(`http://127.0.0.1:${port}/readyz`)).ok) return;
    } catch {}
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error("the server did not become ready");
});

after(async () => {
  const ended = new Promise((resolve) => server.once("exit", (code) => resolve(code)));
  server.kill("SIGTERM");
  assert.equal(await ended, 0, "a drained server exits with 0");
});

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

test("the product page's example, whole", async () => {
  const completion = await client.chat.completions.create(example);
  assert.match(completion.id, /^chatcmpl-/);
  assert.equal(completion.object, "chat.completion");
  assert.equal(completion.model, MODEL);
  assert.ok(completion.choices[0].message.content.length > 0);
  assert.ok(["stop", "length"].includes(completion.choices[0].finish_reason));
  const { prompt_tokens, completion_tokens, total_tokens } = completion.usage;
  assert.equal(prompt_tokens + completion_tokens, total_tokens);
  assert.ok(completion._request_id);
});

test("the same example streamed gives the same text", async () => {
  const whole = await client.chat.completions.create(example);
  const stream = await client.chat.completions.create({ ...example, stream: true, stream_options: { include_usage: true } });
  let text = "", usage, finish;
  for await (const chunk of stream) {
    text += chunk.choices[0]?.delta.content ?? "";
    finish = chunk.choices[0]?.finish_reason ?? finish;
    if (chunk.usage) usage = chunk.usage;
  }
  assert.equal(text, whole.choices[0].message.content);
  assert.equal(finish, whole.choices[0].finish_reason);
  assert.deepEqual(usage, whole.usage);
});

test("the SDK's accumulating stream helper", async () => {
  const final = await client.chat.completions.stream(example).finalChatCompletion();
  assert.equal(final.choices[0].message.role, "assistant");
  assert.ok(final.choices[0].message.content.length > 0);
});

test("thinking mode splits the reasoning off", async () => {
  const completion = await client.chat.completions.create({
    ...example,
    messages: [{ role: "user", content: "What is 12 + 30?" }],
    chat_template_kwargs: { enable_thinking: true },
  });
  const { reasoning_content, content } = completion.choices[0].message;
  assert.equal(typeof reasoning_content, "string");
  assert.doesNotMatch(content, /<\/?think>/);
  assert.ok(completion.usage.completion_tokens_details.reasoning_tokens > 0);
  const direct = await client.chat.completions.create(example);
  assert.ok(!("reasoning_content" in direct.choices[0].message));
});

test("the models list", async () => {
  const models = [];
  for await (const model of client.models.list()) models.push(model);
  assert.deepEqual(models.map((model) => model.id), [MODEL]);
  assert.equal((await client.models.retrieve(MODEL)).id, MODEL);
});

test("errors arrive as the SDK's classes", async () => {
  const wrong = new OpenAI({ baseURL, apiKey: "sk-tessera-wrong", maxRetries: 0 });
  await assert.rejects(wrong.chat.completions.create(example), OpenAI.AuthenticationError);
  await assert.rejects(client.chat.completions.create({ ...example, model: "gpt-4o" }), OpenAI.NotFoundError);
  await assert.rejects(client.chat.completions.create({ ...example, temperature: 3 }), (error) => {
    assert.ok(error instanceof OpenAI.BadRequestError);
    assert.equal(error.param, "temperature");
    return true;
  });
  const long = "word ".repeat(100_000);
  await assert.rejects(client.chat.completions.create({ ...example, messages: [{ role: "user", content: long }] }), (error) => {
    assert.equal(error.code, "context_length_exceeded");
    assert.match(error.message, /maximum context length/);
    return true;
  });
});

test("leaving a stream early does not harm the next request", async () => {
  const stream = await client.chat.completions.create({ ...example, stream: true });
  for await (const _ of stream) break;
  const completion = await client.chat.completions.create(example);
  assert.ok(completion.choices[0].message.content.length > 0);
});
