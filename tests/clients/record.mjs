// Makes recorded/*.json: what each stock client sends, caught by a small server of ours that answers by a fixed script.
//   node record.mjs
// Needs no Tessera. Run it again when a pinned version changes, and look at the difference.
import { mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { HumanMessage, SystemMessage } from "@langchain/core/messages";
import { tool as langchainTool } from "@langchain/core/tools";
import { ChatOpenAI } from "@langchain/openai";
import * as agents from "@openai/agents";
import { generateObject, generateText, stepCountIs, streamText, tool } from "ai";
import OpenAI from "openai";
import { zodFunction, zodResponseFormat } from "openai/helpers/zod";
import { z } from "zod";

const MODEL = "Qwen/Qwen3.6-35B-A3B";
const apiKey = "sk-tessera-none";
globalThis.AI_SDK_LOG_WARNINGS = false;
agents.setTracingDisabled(true);
const folder = new URL("recorded/", import.meta.url);
mkdirSync(folder, { recursive: true });
for (const name of readdirSync(folder)) rmSync(new URL(name, folder));

// ---------------------------------------------------------------- the server that catches

// Headers that say what a client is; the rest depends on the machine.
const KEPT = ["accept", "content-type", "x-stainless-retry-count", "x-stainless-lang", "x-stainless-package-version"];
let caught = [];

function answerTo(body) {
  const called = body.messages.some((message) => message.role === "tool");
  const name = body.tool_choice?.function?.name ?? body.tools?.[0]?.function.name;
  const args = name === "trip" || body.response_format ? '{"city":"Paris","days":3}' : '{"city":"Paris"}';
  if (name && !called) return { calls: [{ id: "call_" + "a".repeat(24), type: "function", function: { name, arguments: args } }] };
  return { content: body.response_format ? args : "20 C in Paris." };
}

const usage = { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 };
const server = createServer((request, response) => {
  let text = "";
  request.on("data", (piece) => (text += piece));
  request.on("end", () => {
    const body = JSON.parse(text);
    const headers = Object.fromEntries(KEPT.filter((name) => request.headers[name]).map((name) => [name, request.headers[name]]));
    caught.push({ path: request.url, headers, body });
    const { content = null, calls } = answerTo(body);
    const finish_reason = calls ? "tool_calls" : "stop";
    const head = { id: "chatcmpl-1", created: 1, model: body.model };
    if (!body.stream) {
      const message = { role: "assistant", content, refusal: null, ...(calls && { tool_calls: calls }) };
      response.setHeader("Content-Type", "application/json");
      return response.end(JSON.stringify({ ...head, object: "chat.completion", choices: [{ index: 0, message, logprobs: null, finish_reason }], usage }));
    }
    response.setHeader("Content-Type", "text/event-stream");
    const send = (choices, more = {}) => response.write(`data: ${JSON.stringify({ ...head, object: "chat.completion.chunk", choices, ...more })}\n\n`);
    const delta = { role: "assistant", content: content ?? "", ...(calls && { tool_calls: calls.map((call, index) => ({ index, ...call })) }) };
    send([{ index: 0, delta, finish_reason: null }]);
    send([{ index: 0, delta: {}, finish_reason }]);
    if (body.stream_options?.include_usage) send([], { usage });
    response.end("data: [DONE]\n\n");
  });
});
await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
const baseURL = `http://127.0.0.1:${server.address().port}/v1`;

async function record(client, scenarios) {
  let count = 0;
  for (const scenario of scenarios) {
    caught = [];
    await scenario();
    if (caught.length === 0) throw new Error(`${client}: nothing was sent`);
    for (const request of caught) {
      const name = `${client}-${String(++count).padStart(2, "0")}.json`;
      writeFileSync(new URL(name, folder), JSON.stringify(request, null, 1) + "\n");
    }
  }
  console.log(`${client}: ${count}`);
}

// ---------------------------------------------------------------- the clients

const messages = [
  { role: "system", content: "Be brief." },
  { role: "user", content: "How is the weather in Paris?" },
];
const city = z.object({ city: z.string().describe("The city's name") });
const trip = z.object({ city: z.string(), days: z.number().int() });
const drained = async (iterable) => {
  for await (const _ of iterable);
};

function openaiScenarios(client) {
  const { completions } = client.chat;
  const weather = { type: "function", function: { name: "get_weather", description: "The weather of a city", parameters: z.toJSONSchema(city) } };
  const runnable = { type: "function", function: { ...weather.function, parse: JSON.parse, function: () => "20 C" } };
  const everything = {
    temperature: 0.5, top_p: 0.9, n: 2, max_completion_tokens: 40, seed: 7, stop: ["###"], presence_penalty: 0.1, frequency_penalty: 0.1,
    logit_bias: { 100: -5 }, logprobs: true, top_logprobs: 2, user: "u", store: false, metadata: { a: "b" }, service_tier: "auto",
    reasoning_effort: "low", verbosity: "low", prompt_cache_key: "k", safety_identifier: "s", modalities: ["text"], parallel_tool_calls: true,
    prediction: { type: "content", content: "20 C" }, tools: [], response_format: { type: "text" },
  };
  return [
    () => completions.create({ model: MODEL, messages }),
    () => completions.create({ model: MODEL, messages, ...everything }),
    async () => drained(await completions.create({ model: MODEL, messages, stream: true, stream_options: { include_usage: true } })),
    () => completions.stream({ model: MODEL, messages, tools: [weather] }).done(),
    () => completions.runTools({ model: MODEL, messages, tools: [runnable] }).done(),
    () => completions.parse({ model: MODEL, messages, tools: [zodFunction({ name: "get_weather", parameters: city })] }),
    () => completions.create({ model: MODEL, messages, tools: [weather], tool_choice: { type: "function", function: { name: "get_weather" } } }),
    () => completions.parse({ model: MODEL, messages, response_format: zodResponseFormat(trip, "trip") }),
    () => completions.create({ model: MODEL, messages, response_format: { type: "json_object" } }),
    () => completions.create({ model: MODEL, messages, chat_template_kwargs: { enable_thinking: true }, max_tokens: 60 }),
  ];
}

const inside = createRequire(createRequire(import.meta.url).resolve("@openai/agents-openai"));
const { default: OpenAI7 } = await import(pathToFileURL(inside.resolve("openai")));
await record("openai-6", openaiScenarios(new OpenAI({ baseURL, apiKey })));
await record("openai-7", openaiScenarios(new OpenAI7({ baseURL, apiKey })));

const provider = createOpenAICompatible({ name: "tessera", baseURL, apiKey, includeUsage: true, supportsStructuredOutputs: true });
const ai = { model: provider(MODEL), system: "Be brief.", prompt: "How is the weather in Paris?", maxRetries: 0 };
const aiTools = { get_weather: tool({ description: "The weather of a city", inputSchema: city, execute: async () => ({ celsius: 20 }) }) };
await record("ai-sdk", [
  () => generateText({ ...ai, temperature: 0.2, topP: 0.9, maxOutputTokens: 40, presencePenalty: 0.1, frequencyPenalty: 0.1, stopSequences: ["###"], seed: 7 }),
  () => drained(streamText({ ...ai, providerOptions: { tessera: { chat_template_kwargs: { enable_thinking: true } } } }).textStream),
  () => generateText({ ...ai, tools: aiTools, stopWhen: stepCountIs(3) }),
  () => drained(streamText({ ...ai, tools: aiTools, stopWhen: stepCountIs(3) }).textStream),
  () => generateText({ ...ai, tools: aiTools, toolChoice: "required" }),
  () => generateObject({ ...ai, schema: trip }),
  () => generateObject({ ...ai, output: "no-schema" }),
]);

const langchain = (more = {}) => new ChatOpenAI({ model: MODEL, apiKey, configuration: { baseURL }, maxRetries: 0, maxTokens: 40, ...more });
const talk = [new SystemMessage("Be brief."), new HumanMessage("How is the weather in Paris?")];
const weatherTool = langchainTool(() => "20 C", { name: "get_weather", description: "The weather of a city", schema: city });
await record("langchain", [
  () => langchain({ temperature: 0, topP: 0.9, stop: ["###"], frequencyPenalty: 0.1, presencePenalty: 0.1, logprobs: true, topLogprobs: 2, n: 2, user: "u" }).invoke(talk),
  async () => drained(await langchain().stream(talk)),
  async () => {
    const bound = langchain().bindTools([weatherTool]);
    const first = await bound.invoke(talk);
    await bound.invoke([...talk, first, await weatherTool.invoke(first.tool_calls[0])]);
  },
  () => langchain().withStructuredOutput(trip, { name: "trip", method: "jsonSchema" }).invoke(talk),
  () => langchain().withStructuredOutput(trip, { name: "trip", method: "functionCalling" }).invoke(talk),
  () => langchain().withStructuredOutput(trip, { name: "trip", method: "jsonMode" }).invoke(talk),
]);

const agentModel = new agents.OpenAIChatCompletionsModel(new OpenAI7({ baseURL, apiKey, maxRetries: 0 }), MODEL);
const helper = new agents.Agent({ name: "Helper", instructions: "Help.", model: agentModel });
const weatherAgentTool = agents.tool({ name: "get_weather", description: "The weather of a city", parameters: city, execute: async () => "20 C" });
const agent = (more = {}) => new agents.Agent({ name: "Guide", instructions: "Be brief.", model: agentModel, ...more });
await record("openai-agents", [
  () => agents.run(agent({ tools: [weatherAgentTool], handoffs: [helper], modelSettings: { temperature: 0.1, maxTokens: 60, toolChoice: "auto", parallelToolCalls: true, store: false } }), "Paris?"),
  async () => {
    const result = await agents.run(agent({ tools: [weatherAgentTool] }), "Paris?", { stream: true });
    await drained(result);
    await result.completed;
  },
  () => agents.run(agent({ tools: [weatherAgentTool], modelSettings: { toolChoice: "required", reasoning: { effort: "low" } } }), "Paris?"),
  () => agents.run(agent({ outputType: trip }), "A trip"),
]);
server.close();
