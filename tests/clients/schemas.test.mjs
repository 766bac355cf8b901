// What models that know nothing write under schemas of all kinds, looked at by ajv: a JSON answer or the arguments of calls, streamed and whole, in direct
// and in thinking mode, with few and with many tokens. Whatever came to its end parses and validates; nothing with a form is ever cut. TESSERA_SCHEMAS says
// how many schemas there are (60), TESSERA_SEED from which seed on (1).
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { test } from "node:test";
import Ajv from "ajv";
import Ajv2019 from "ajv/dist/2019.js";
import Ajv2020 from "ajv/dist/2020.js";
import addFormats from "ajv-formats";
import { fakeScript, KEY, MODEL, startServer } from "./support/server.mjs";

const COUNT = Number(process.env.TESSERA_SCHEMAS ?? 60);
const SEED = Number(process.env.TESSERA_SEED ?? 1);
const PARALLEL = 6;
// Answers that mean a refusal of the schema, before anything is written.
const REFUSED = new Set(["unsupported_schema", "invalid_schema", "schema_too_complex"]);

const printer = fileURLToPath(new URL("../structured/print_schemas.py", import.meta.url));
const schemas = execFileSync("python3", [printer, String(COUNT), String(SEED)], { encoding: "utf8", maxBuffer: 1 << 28 })
  .trim().split("\n").map((line) => JSON.parse(line));

function compile(schema) {
  const draft = schema.$schema ?? "2020-12";
  // ajv reads no draft-04 any more, and takes $dynamicRef for a reference to the root where nothing around it has the anchor.
  if (draft.includes("draft-04") || JSON.stringify(schema).includes("$dynamicRef")) return null;
  const Kind = draft.includes("draft-0") ? Ajv : draft.includes("2019") ? Ajv2019 : Ajv2020;
  for (const unicodeRegExp of [true, false]) {
    const ajv = new Kind({ strict: false, logger: false, unicodeRegExp, ownProperties: true, multipleOfPrecision: 9 });
    addFormats(ajv);
    try {
      return ajv.compile(schema);
    } catch {
      // A pattern that is one without the flag, perhaps; or nothing for ajv.
    }
  }
  return null;
}

// As the parameters of a tool; nothing where its references would lead elsewhere.
function asParameters(schema) {
  if (schema.type === "object") return schema;
  const text = JSON.stringify(schema);
  if (/"\$id"|"\$(dynamic|recursive)Ref"|"\$schema"|"\$ref":"(?!#\/\$defs\/)/.test(text)) return null;
  const { $defs, ...rest } = schema;
  return { type: "object", properties: { v: rest, w: { type: "string", maxLength: 3 } }, required: ["v"], additionalProperties: false, ...($defs && { $defs }) };
}

// A request of one of many kinds, the same for the same number; and what its answer has to fit.
function makeRequest(schema, index) {
  const pick = (count, step) => Math.floor((index * 7 + SEED) / step) % count;
  const parameters = index % 3 === 0 ? asParameters(schema) : null;
  const body = {
    model: MODEL, messages: [{ role: "user", content: "Answer." }], seed: index, temperature: 2, stream: pick(2, 1) === 1,
    max_tokens: [8, 40, 250][pick(3, 2)], n: pick(5, 3) === 0 ? 2 : 1,
    ...(pick(3, 4) === 0 && { chat_template_kwargs: { enable_thinking: true }, thinking_budget: 10 }),
  };
  if (parameters) {
    const tools = ["f", "g"].map((name) => ({ type: "function", function: { name, parameters } }));
    const choice = pick(2, 5) === 0 ? "required" : { type: "function", function: { name: "g" } };
    Object.assign(body, { tools, tool_choice: choice, parallel_tool_calls: pick(2, 6) === 0 });
  } else {
    body.response_format = { type: "json_schema", json_schema: { name: "s", schema } };
  }
  return { body, fits: parameters ?? schema };
}

// One answer, whole: {refusal} or {choices: [{finish, content, calls}]}.
async function ask(server, body) {
  const response = await server.fetch(`${server.baseURL}/chat/completions`, {
    method: "POST", headers: { authorization: `Bearer ${KEY}`, "content-type": "application/json" }, body: JSON.stringify(body),
  });
  const text = await response.text();
  if (response.status === 400) return { refusal: JSON.parse(text).error };
  assert.equal(response.status, 200, text);
  if (!body.stream) {
    return { choices: JSON.parse(text).choices.map(({ message, finish_reason }) => ({
      finish: finish_reason, content: message.content, calls: (message.tool_calls ?? []).map((call) => call.function),
    })) };
  }
  const choices = Array.from({ length: body.n }, () => ({ finish: null, content: "", calls: [] }));
  for (const line of text.split("\n")) {
    if (!line.startsWith("data: {")) continue;
    for (const { index, delta, finish_reason } of JSON.parse(line.slice(6)).choices) {
      const choice = choices[index];
      choice.finish = finish_reason ?? choice.finish;
      choice.content += delta.content ?? "";
      for (const { index: at, function: piece } of delta.tool_calls ?? []) {
        choice.calls[at] ??= { name: "", arguments: "" };
        choice.calls[at].name += piece.name ?? "";
        choice.calls[at].arguments += piece.arguments ?? "";
      }
    }
  }
  return { choices };
}

function checkText(text, validate) {
  const value = JSON.parse(text);
  if (validate) assert.ok(validate(value), JSON.stringify(validate.errors));
}

// → "written" or "refused"
async function runOne(server, schema, index) {
  const { body, fits } = makeRequest(schema, index);
  const validate = compile(fits);
  let answer = await ask(server, body);
  if (answer.refusal?.code === "max_tokens_too_small") {
    body.max_tokens = Number(/has (\d+) tokens/.exec(answer.refusal.message)[1]);
    answer = await ask(server, body);
  }
  if (answer.refusal) {
    assert.ok(REFUSED.has(answer.refusal.code), `refused: ${JSON.stringify(answer.refusal)}`);
    return answer.refusal.message.startsWith("no ") ? "impossible" : "refused";
  }
  for (const { finish, content, calls } of answer.choices) {
    try {
      assert.equal(finish, body.tools ? "tool_calls" : "stop");
      if (!body.tools) checkText(content, validate);
      if (body.tools) assert.ok(calls.length === 1 || (calls.length > 1 && body.tool_choice === "required" && body.parallel_tool_calls), `${calls.length} calls`);
      for (const call of calls) checkText(call.arguments, validate);
    } catch (error) {
      throw new Error(`${error.message}\n  in ${JSON.stringify({ finish, content, calls })}`);
    }
  }
  return validate ? "validated" : "parsed";
}

for (const [name, script] of [["the demo model", undefined], ["random logits", SEED]]) {
  test(`${COUNT} schemas, ${name}`, { timeout: 3_600_000 }, async (t) => {
    const { responses, end_token, ...limits } = fakeScript([]);
    const server = await startServer(script === undefined ? {} : { script: { ...limits, max_context: 1 << 15, hash: script } });
    const counts = {};
    const failures = [];
    const work = schemas.entries();
    const worker = async () => {
      for (const [index, schema] of work) {
        try {
          const outcome = await runOne(server, schema, index);
          counts[outcome] = (counts[outcome] ?? 0) + 1;
        } catch (error) {
          failures.push(`schema ${index}: ${error.message}\n  under ${JSON.stringify(schema)}\n  sent ${JSON.stringify(makeRequest(schema, index).body)}`);
        }
      }
    };
    try {
      await Promise.all(Array.from({ length: PARALLEL }, worker));
      await server.assertClean();
    } finally {
      await server.stop();
    }
    t.diagnostic(JSON.stringify(counts));
    assert.equal(failures.length, 0, `${failures.length} failures\n${failures.join("\n")}`);
    assert.ok((counts.validated ?? 0) * 2 > COUNT, `ajv looked at too few: ${JSON.stringify(counts)}`);
  });
}
