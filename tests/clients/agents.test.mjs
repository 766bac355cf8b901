// OpenAI's Agents SDK in chat-completions mode.
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { test } from "node:test";
import { pathToFileURL } from "node:url";
import { fakeScript, KEY, MODEL } from "./support/server.mjs";
import { toolCall, useServers } from "./support/suite.mjs";

const old = Number(process.versions.node.split(".")[0]) < 20;
const skip = old && `skipped: the Agents SDK wants Node 20 or newer, this is ${process.version}`;
const sdk = old ? {} : await import("@openai/agents");
const { z } = await import("zod");

const servers = await useServers();
const inside = createRequire(createRequire(import.meta.url).resolve("@openai/agents-openai"));
const { default: OpenAI } = await import(pathToFileURL(inside.resolve("openai"))); // the one that the SDK itself uses
sdk.setTracingDisabled?.(true);

const modelOf = (server) =>
  new sdk.OpenAIChatCompletionsModel(new OpenAI({ baseURL: server.baseURL, apiKey: KEY, maxRetries: 0, fetch: server.fetch }), MODEL);
const weather = (asked) =>
  sdk.tool({
    name: "get_weather",
    description: "The weather of a city",
    parameters: z.object({ city: z.string() }),
    execute: async ({ city }) => {
      asked.push(city);
      return "20 C";
    },
  });
const agentOf = (server, more = {}) =>
  new sdk.Agent({ name: "Guide", instructions: "Be brief.", model: modelOf(server), modelSettings: { temperature: 0, maxTokens: 200, parallelToolCalls: true }, ...more });

test("an agent with the demo model", { skip }, async () => {
  const result = await sdk.run(agentOf(servers.demo), "Tell me about the sea.");
  assert.ok(result.finalOutput.length > 0);
  assert.ok(result.rawResponses[0].usage.totalTokens > 0);
});

test("a tool loop", { skip }, async (t) => {
  const fake = await servers.extra(t, { says: [`${toolCall("get_weather", { city: "Paris" })}\n${toolCall("get_weather", { city: "Rome" })}`, "20 C in both."] });
  const asked = [];
  const result = await sdk.run(agentOf(fake, { tools: [weather(asked)] }), "Paris and Rome?");
  assert.deepEqual(asked.sort(), ["Paris", "Rome"]);
  assert.equal(result.finalOutput, "20 C in both.");
  const [first, second] = fake.seen.map(({ body }) => body).filter((body) => body.messages);
  assert.equal(first.tools[0].function.strict, true);
  assert.deepEqual(second.messages.map((message) => message.role), ["system", "user", "assistant", "tool", "tool"]);
});

test("a tool loop, streamed", { skip }, async (t) => {
  const fake = await servers.extra(t, { says: [`Let me look.\n\n${toolCall("get_weather", { city: "Paris" })}`, "20 C in Paris."] });
  const asked = [];
  const result = await sdk.run(agentOf(fake, { tools: [weather(asked)] }), "Paris?", { stream: true });
  let text = "";
  for await (const event of result) if (event.type === "raw_model_stream_event" && event.data.type === "output_text_delta") text += event.data.delta;
  await result.completed;
  assert.deepEqual(asked, ["Paris"]);
  assert.match(text, /20 C in Paris\.$/);
  assert.equal(result.finalOutput, "20 C in Paris.");
});

test("a handoff to another agent", { skip }, async (t) => {
  const fake = await servers.extra(t, { says: [toolCall("transfer_to_Helper", {}), "Helper here."] });
  const helper = agentOf(fake, { name: "Helper" });
  const result = await sdk.run(agentOf(fake, { handoffs: [helper] }), "Help!");
  assert.equal(result.finalOutput, "Helper here.");
  assert.equal(result.lastAgent.name, "Helper");
});

test("an error in mid-stream ends the run with it", { skip }, async (t) => {
  const fake = await servers.extra(t, { script: fakeScript(["The sea is deep and wide, and it is cold."], { nan_at_step: 5 }) });
  const result = await sdk.run(agentOf(fake), "Hi", { stream: true });
  await assert.rejects(async () => {
    for await (const _ of result);
    await result.completed;
  });
});

test("a refusal keeps its status", { skip }, async () => {
  const agent = agentOf(servers.demo, { modelSettings: { temperature: 3 } });
  await assert.rejects(sdk.run(agent, "Hi"), { status: 400, param: "temperature" });
});

test("an output type is asked for by json_schema", { skip }, async (t) => {
  const fake = await servers.extra(t, { says: ['{"city":"Paris","days":3}'] });
  const agent = agentOf(fake, { outputType: z.object({ city: z.string(), days: z.number() }) });
  assert.deepEqual((await sdk.run(agent, "A trip")).finalOutput, { city: "Paris", days: 3 });
});

test("toolChoice required", { skip }, async (t) => {
  const fake = await servers.extra(t, { says: [toolCall("get_weather", { city: "Paris" }), "20 C."] });
  const asked = [];
  const agent = agentOf(fake, { tools: [weather(asked)], modelSettings: { temperature: 0, toolChoice: "required" } });
  assert.equal((await sdk.run(agent, "Paris?")).finalOutput, "20 C.");
  assert.deepEqual(asked, ["Paris"]);
});

test("handoffs there and back with a tool between them, streamed", { skip }, async (t) => {
  const says = [
    toolCall("transfer_to_Helper", {}),
    toolCall("get_weather", { city: "Paris" }),
    toolCall("transfer_to_Guide", {}),
    '{"celsius":20}',
  ];
  const fake = await servers.extra(t, { says });
  const asked = [];
  const helper = agentOf(fake, { name: "Helper", tools: [weather(asked)] });
  const guide = agentOf(fake, { handoffs: [helper], outputType: z.object({ celsius: z.number() }) });
  helper.handoffs.push(guide);
  const result = await sdk.run(guide, "How warm is Paris?", { stream: true });
  const agents = [];
  for await (const event of result) if (event.type === "agent_updated_stream_event") agents.push(event.agent.name);
  await result.completed;
  assert.deepEqual(agents, ["Helper", "Guide"]);
  assert.deepEqual(asked, ["Paris"]);
  assert.deepEqual(result.finalOutput, { celsius: 20 });
});

test("an agent as another one's tool", { skip }, async (t) => {
  const says = [toolCall("translate", { input: "good day" }), "buenos dias", "They say: buenos dias."];
  const fake = await servers.extra(t, { says });
  const translator = agentOf(fake, { name: "Translator" });
  const guide = agentOf(fake, { tools: [translator.asTool({ toolName: "translate", toolDescription: "Translates" })] });
  assert.equal((await sdk.run(guide, "What do they say?")).finalOutput, "They say: buenos dias.");
});
