// What every answer has to keep to: the schemas, and the rules between the events of a stream that a schema cannot
// say. Nothing here knows a client or a server; each function returns what is wrong as a list of texts.
import { readFileSync, readdirSync } from "node:fs";
import Ajv from "ajv/dist/2020.js";
import addFormats from "ajv-formats";

const folder = new URL("../schemas/", import.meta.url);
const ajv = addFormats(new Ajv({ allErrors: true, strict: true, allowUnionTypes: true }));
for (const name of readdirSync(folder)) ajv.addSchema(JSON.parse(readFileSync(new URL(name, folder), "utf8")));

// The instance against schemas/NAME.json.
export function schemaErrors(name, value) {
  const validate = ajv.getSchema(name);
  if (!validate) throw new Error(`no schema '${name}'`);
  if (validate(value)) return [];
  return validate.errors.map((e) => `${name}${e.instancePath} ${e.message} ${JSON.stringify(e.params)}`);
}

function parsesToObject(text) {
  try {
    const value = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value);
  } catch {
    return false;
  }
}

function usageErrors(usage, thinking) {
  const wrong = [];
  const { prompt_tokens, completion_tokens, total_tokens } = usage;
  if (prompt_tokens + completion_tokens !== total_tokens) wrong.push("usage: total is not prompt + completion");
  if (usage.prompt_tokens_details.cached_tokens > prompt_tokens) wrong.push("usage: more cached than prompt tokens");
  const reasoning = usage.completion_tokens_details.reasoning_tokens;
  if (reasoning > completion_tokens) wrong.push("usage: more reasoning than completion tokens");
  if (!thinking && reasoning !== 0) wrong.push("usage: reasoning tokens in direct mode");
  return wrong;
}

// A choice put together, as a whole answer or a finished stream holds it.
function choiceErrors(choice, request) {
  const wrong = [];
  const at = `choice ${choice.index}`;
  const { message } = choice;
  const calls = message.tool_calls ?? [];
  if ((choice.finish_reason === "tool_calls") !== calls.length > 0 && choice.finish_reason !== "length")
    wrong.push(`${at}: finish_reason ${choice.finish_reason} with ${calls.length} calls`);
  if (choice.finish_reason === "tool_calls" && !calls.every((call) => call.type === "custom" || parsesToObject(call.function.arguments)))
    wrong.push(`${at}: arguments that are not a JSON object`);
  if (new Set(calls.map((call) => call.id)).size !== calls.length) wrong.push(`${at}: a call id twice`);
  if (calls.length > 0 && message.content === "") wrong.push(`${at}: content "" beside calls; null is meant`);
  const names = (request.tools ?? []).map((tool) => tool[tool.type].name);
  for (const call of calls) if (!names.includes(call[call.type].name)) wrong.push(`${at}: a call of ${call[call.type].name}`);
  if (calls.length > 1 && request.parallel_tool_calls === false) wrong.push(`${at}: parallel calls`);
  if (!isThinking(request) && message.reasoning_content !== undefined) wrong.push(`${at}: reasoning in direct mode`);
  wrong.push(...logprobErrors(choice, request).map((text) => `${at}: ${text}`));
  return wrong;
}

// A budget of no tokens is direct mode.
const isThinking = (request) => request.chat_template_kwargs?.enable_thinking === true && request.thinking_budget !== 0;

// Entries belong to the content alone, and their bytes cover it.
function logprobErrors(choice, request) {
  const { logprobs } = choice;
  if (!request.logprobs) return logprobs ? ["logprobs that nobody asked for"] : [];
  const content = choice.message.content ?? "";
  if (!logprobs?.content) return content ? ["no logprobs"] : [];
  const wrong = [];
  const wanted = request.top_logprobs ?? 0;
  for (const entry of logprobs.content) {
    if (entry.top_logprobs.length !== wanted) wrong.push(`${entry.top_logprobs.length} top_logprobs, not ${wanted}`);
    const sorted = entry.top_logprobs.every((top, i, all) => i === 0 || all[i - 1].logprob >= top.logprob);
    if (!sorted) wrong.push("top_logprobs are not in order");
  }
  // The ends of the content are trimmed and a stop string may cut its last token: the entries may hold more there.
  const covered = Buffer.from(logprobs.content.flatMap((entry) => entry.bytes ?? [])).toString("utf8");
  if (!covered.trimStart().startsWith(content.trim())) wrong.push("the entries' bytes do not cover the content");
  return wrong;
}

// A whole chat.completion as the answer to `request` (the JSON body that was sent).
export function completionErrors(answer, request) {
  const wrong = schemaErrors("chat.completion", answer);
  if (wrong.length > 0) return wrong;
  if (answer.model !== request.model) wrong.push(`model ${answer.model}, not ${request.model}`);
  const n = request.n ?? 1;
  if (answer.choices.length !== n || answer.choices.some((choice, i) => choice.index !== i))
    wrong.push(`choices ${answer.choices.map((choice) => choice.index)} for n = ${n}`);
  if (answer.metadata && JSON.stringify(answer.metadata) !== JSON.stringify(request.metadata))
    wrong.push("metadata that was not sent");
  for (const choice of answer.choices) {
    wrong.push(...choiceErrors(choice, request));
    if (isThinking(request) && choice.message.reasoning_content === undefined)
      wrong.push(`choice ${choice.index}: no reasoning_content in thinking mode`);
  }
  return wrong.concat(usageErrors(answer.usage, isThinking(request)));
}

// The same for a whole text_completion.
export function textCompletionErrors(answer, request) {
  const wrong = schemaErrors("text_completion", answer);
  if (wrong.length > 0) return wrong;
  if (answer.model !== request.model) wrong.push(`model ${answer.model}, not ${request.model}`);
  const expected = promptCount(request) * (request.n ?? 1);
  if (answer.choices.length !== expected || answer.choices.some((choice, i) => choice.index !== i))
    wrong.push(`choices ${answer.choices.map((choice) => choice.index)}, ${expected} expected`);
  for (const { index, finish_reason, logprobs } of answer.choices) {
    if (!finish_reason) wrong.push(`choice ${index}: no finish_reason`);
    if ((logprobs !== null) !== Number.isInteger(request.logprobs)) wrong.push(`choice ${index}: logprobs ${logprobs}`);
    if (logprobs && new Set(Object.values(logprobs).filter(Boolean).map((list) => list.length)).size !== 1)
      wrong.push(`choice ${index}: logprobs of unequal length`);
  }
  if (!answer.usage) return wrong.concat("no usage");
  return wrong.concat(usageErrors(answer.usage, false));
}

// Prompts of a text completion: one, or an array of texts or of arrays of token ids.
const promptCount = ({ prompt }) => (Array.isArray(prompt) && typeof prompt[0] !== "number" ? prompt.length : 1);

// An error answer: its status and its envelope belong together.
export function errorErrors(status, body) {
  const wrong = schemaErrors("error", body);
  if (wrong.length > 0) return wrong;
  const { type } = body.error;
  const types = {
    403: ["permission_error"],
    429: ["rate_limit_error", "insufficient_quota"],
    500: ["api_error"],
    503: ["overloaded_error"],
  }[status] ?? ["invalid_request_error"];
  return types.includes(type) ? [] : [`error type ${type} with status ${status}`];
}

// ---------------------------------------------------------------- streams

// The events of one stream, in order: event(object) for each, done() for [DONE], end(cut) at its end; `cut` says
// that the client left or the connection broke, so that the rest may be missing.
export class StreamRules {
  constructor(request, kind = "chat.completion.chunk") {
    this.request = request;
    this.kind = kind;
    this.wrong = [];
    this.events = 0;
    this.choices = new Map();
    this.usage = null;
    this.error = null;
    this.isDone = false;
    this.first = null;
  }

  event(value) {
    this.events++;
    if (this.isDone) this.wrong.push("an event behind [DONE]");
    if (this.error) this.wrong.push("an event behind an error");
    if (this.usage) this.wrong.push("an event behind the usage chunk");
    if (value && typeof value === "object" && "error" in value) {
      this.error = value.error;
      this.wrong.push(...schemaErrors("error", value));
      return;
    }
    const bad = schemaErrors(this.kind, value);
    if (bad.length > 0) {
      this.wrong.push(...bad.map((text) => `event ${this.events}: ${text}`));
      return;
    }
    this.checkHead(value);
    this.checkUsage(value);
    for (const choice of value.choices) {
      if (this.kind === "text_completion") this.textDelta(choice);
      else this.chatDelta(choice);
    }
  }

  checkHead(value) {
    this.first ??= value;
    for (const key of ["id", "object", "created", "model", "system_fingerprint"])
      if (value[key] !== this.first[key]) this.wrong.push(`event ${this.events}: another ${key}`);
    if (value.model !== this.request.model) this.wrong.push(`event ${this.events}: model ${value.model}`);
    if (value.obfuscation !== undefined && this.request.stream_options?.include_obfuscation !== true)
      this.wrong.push("obfuscation that nobody asked for");
  }

  checkUsage(value) {
    const wanted = this.request.stream_options?.include_usage === true;
    if (wanted !== "usage" in value) this.wrong.push(`event ${this.events}: usage ${wanted ? "is missing" : "unasked"}`);
    if (value.usage) {
      this.usage = value.usage;
      if (value.choices.length > 0) this.wrong.push("usage beside choices");
      if (![...this.choices.values()].every((choice) => choice.finish_reason)) this.wrong.push("usage before the end");
      this.wrong.push(...usageErrors(value.usage, isThinking(this.request)));
    } else if (value.choices.length === 0) {
      this.wrong.push(`event ${this.events}: neither choices nor usage`);
    }
  }

  chatDelta({ index, delta, finish_reason, logprobs }) {
    const at = `event ${this.events}, choice ${index}`;
    let choice = this.choices.get(index);
    if (!choice) {
      if (JSON.stringify(delta) !== '{"role":"assistant","content":""}') this.wrong.push(`${at}: the role is not first`);
      choice = { index, message: { role: "assistant", content: null }, logprobs: null, finish_reason: null };
      this.choices.set(index, choice);
    } else if ("role" in delta) {
      this.wrong.push(`${at}: the role once more`);
    }
    if (choice.finish_reason) this.wrong.push(`${at}: a delta behind its finish`);
    if (finish_reason && Object.keys(delta).length > 0) this.wrong.push(`${at}: the finish has a delta`);
    choice.finish_reason = finish_reason;
    const { message } = choice;
    if (delta.reasoning_content) {
      if (message.content || message.tool_calls) this.wrong.push(`${at}: reasoning behind the answer`);
      message.reasoning_content = (message.reasoning_content ?? "") + delta.reasoning_content;
    }
    if (delta.content) message.content = (message.content ?? "") + delta.content;
    if (logprobs?.content) (choice.logprobs ??= { content: [] }).content.push(...logprobs.content);
    for (const piece of delta.tool_calls ?? []) this.callDelta((message.tool_calls ??= []), piece, at);
  }

  callDelta(calls, piece, at) {
    if ("id" in piece) {
      if (piece.index !== calls.length) this.wrong.push(`${at}: call ${piece.index} out of order`);
      calls.push(structuredClone(piece));
    } else if (piece.index !== calls.length - 1) {
      this.wrong.push(`${at}: arguments of call ${piece.index}, but call ${calls.length - 1} is running`);
    } else {
      if (piece.custom) calls[piece.index].custom.input += piece.custom.input;
      else calls[piece.index].function.arguments += piece.function.arguments;
    }
  }

  textDelta({ index, text, finish_reason }) {
    const choice = this.choices.get(index) ?? { index, text: "", finish_reason: null };
    if (choice.finish_reason) this.wrong.push(`choice ${index}: text behind its finish`);
    choice.text += text;
    choice.finish_reason = finish_reason;
    this.choices.set(index, choice);
  }

  done() {
    if (this.isDone) this.wrong.push("[DONE] twice");
    this.isDone = true;
  }

  end(cut) {
    if (cut) return this.wrong;
    if (!this.isDone) this.wrong.push("no [DONE]");
    const choices = [...this.choices.values()];
    if (this.error) {
      if (choices.length > 0 && choices.every((choice) => choice.finish_reason))
        this.wrong.push("an error behind an answer that looks whole");
      return this.wrong;
    }
    const expected = (this.request.n ?? 1) * promptCount(this.request);
    if (choices.length !== expected || choices.some((choice) => choice.index >= expected))
      this.wrong.push(`choices ${choices.map((choice) => choice.index)}, ${expected} expected`);
    for (const choice of choices) {
      if (!choice.finish_reason) this.wrong.push(`choice ${choice.index}: no finish_reason`);
      else if (this.kind !== "text_completion") this.wrong.push(...choiceErrors(choice, this.request));
    }
    if (this.request.stream_options?.include_usage && !this.usage) this.wrong.push("no usage chunk");
    return this.wrong;
  }
}

// Server-sent events as bytes, cut anywhere: push(bytes), then end(cut).
export class SseRules {
  constructor(rules) {
    this.rules = rules;
    this.decoder = new TextDecoder("utf-8", { fatal: true });
    this.text = "";
  }

  push(bytes) {
    try {
      this.text += this.decoder.decode(bytes, { stream: true });
    } catch {
      this.rules.wrong.push("bytes that are no UTF-8");
    }
    for (let at; (at = this.text.indexOf("\n\n")) >= 0; this.text = this.text.slice(at + 2))
      this.frame(this.text.slice(0, at));
  }

  frame(text) {
    if (/^: ?ping$/.test(text)) return;
    if (!/^data: [^\n\r]+$/.test(text)) this.rules.wrong.push(`an event that is not one data line: ${text.slice(0, 80)}`);
    const data = text.slice("data: ".length);
    if (data === "[DONE]") return this.rules.done();
    try {
      this.rules.event(JSON.parse(data));
    } catch (error) {
      this.rules.wrong.push(`${error}: ${data.slice(0, 80)}`);
    }
  }

  end(cut) {
    if (!cut && this.text !== "") this.rules.wrong.push("the stream ends in mid-event");
    return this.rules.end(cut);
  }
}
