// Bodies that stock clients sent, recorded once: ours (recorded/, made by record.mjs) and those that are handed to the
// project in ../shared/clients. Each is sent as it is, and must be answered.
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import Ajv from "ajv/dist/2020.js";
import addFormats from "ajv-formats";
import { KEY, MODEL } from "./support/server.mjs";
import { useServers } from "./support/suite.mjs";

const names = [MODEL, "tessera"]; // that were recorded
const servers = await useServers({ names });

// The demo model takes 8192 tokens: coding agents' bodies are answered by a script.
const serverFor = (t, body) =>
  JSON.stringify(body).length < 16_000 ? servers.demo : servers.extra(t, { says: ["ok"], names, flags: ["--ctx", "65536"] });

function withKey(recorded) {
  const headers = new Headers(recorded);
  headers.set("authorization", `Bearer ${KEY}`);
  headers.set("content-type", "application/json");
  return headers;
}

// The path of the first part of a message that is no text.
function firstMedia({ messages }) {
  for (const [i, { content }] of messages.entries()) {
    const at = Array.isArray(content) ? content.findIndex((part) => !["text", "refusal"].includes(part.type)) : -1;
    if (at >= 0) return `messages[${i}].content[${at}].type`;
  }
}

async function eventsOf(response) {
  const frames = (await response.text()).split("\n\n").filter((frame) => frame.startsWith("data: {"));
  return frames.map((frame) => JSON.parse(frame.slice("data: ".length)));
}

function checkAgainst(schema, text) {
  const { $schema, ...rest } = schema;
  const validate = addFormats(new Ajv({ strict: false })).compile(rest);
  assert.ok(validate(JSON.parse(text)), JSON.stringify(validate.errors));
}

// What the schemas say of an answer that came to its end.
function checkStructure({ response_format, tools }, answer) {
  for (const { message, finish_reason } of answer.choices) {
    if (finish_reason === "length") continue;
    for (const { function: call } of message.tool_calls ?? []) {
      const tool = tools.find((tool) => tool.function.name === call.name);
      checkAgainst(tool.function.parameters ?? { type: "object" }, call.arguments);
    }
    if (finish_reason === "stop" && response_format?.type.startsWith("json_"))
      checkAgainst(response_format.json_schema?.schema ?? { type: "object" }, message.content);
  }
}

async function send(t, { headers, body }) {
  const server = await serverFor(t, body);
  const response = await server.fetch(`${server.baseURL}/chat/completions`, {
    method: "POST",
    headers: withKey(headers),
    body: JSON.stringify(body),
  });
  const media = firstMedia(body);
  if (media) {
    // The contract: media parts are refused by name, nothing is fetched.
    const { error } = await response.json();
    assert.deepEqual([response.status, error.code, error.param], [400, "unsupported_content", media]);
    return;
  }
  assert.equal(response.status, 200, response.status === 200 ? "" : await response.text());
  // The checking fetch has looked at every event and key; here is left what only the request can say.
  if (body.stream) {
    const events = await eventsOf(response);
    assert.ok(!events.some((event) => event.error), JSON.stringify(events.at(-1)));
    return;
  }
  checkStructure(body, await response.json());
}

for (const [name, folder] of [
  ["recorded", new URL("recorded/", import.meta.url)],
  ["shared", new URL("../../../shared/clients/", import.meta.url)],
]) {
  if (!existsSync(folder)) {
    test(`${name}: the bodies`, { skip: "skipped: ../shared/clients is not here" }, () => {});
    continue;
  }
  const files = readdirSync(folder).filter((file) => file.endsWith(".json")).sort();
  test(`${name}: there are bodies`, () => assert.ok(files.length >= 40, `${files.length} files`));
  for (const file of files) {
    const recording = JSON.parse(readFileSync(new URL(file, folder), "utf8"));
    test(`${name}/${file}`, (t) => send(t, recording));
  }
}
