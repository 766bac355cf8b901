// The real binary under test, and a fetch that looks at everything that goes by.
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { completionErrors, errorErrors, schemaErrors, SseRules, StreamRules, textCompletionErrors } from "./contract.mjs";

export const MODEL = "Qwen/Qwen3.6-35B-A3B";
export const KEY = "sk-tessera-" + "B".repeat(40);
export const BINARY = process.env.TESSERA_BINARY;
if (!BINARY) throw new Error("TESSERA_BINARY is to name the binary under test");

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// Until `condition` holds; throws after 20 s, which only a broken server needs.
export async function until(condition, what) {
  for (let i = 0; i < 2000; i++) {
    const value = await condition();
    if (value) return value;
    await sleep(10);
  }
  throw new Error(`waited in vain for ${what}`);
}

// The token ids of a text in the demo model's vocabulary, control tokens spelt out.
export function tokenIds(text) {
  const out = execFileSync(BINARY, ["tokenize", "--added"], { input: text, encoding: "utf8" });
  return out.split(",").map((id) => id.trim()).filter(Boolean).map(Number);
}

// A script for the fake backend: the k-th prompt is answered with says[k % size], each ended by the end of turn.
export function fakeScript(says, more = {}) {
  const [end] = tokenIds("<|im_end|>");
  const responses = says.map((text) => [...tokenIds(text), end]);
  const inspect = execFileSync(BINARY, ["inspect"], { encoding: "utf8" }).replaceAll(",", "");
  const vocabulary = Math.max(...[...inspect.matchAll(/vocabulary\s+(\d+)/g)].map((match) => Number(match[1])));
  return { responses, end_token: end, vocabulary, max_context: 1 << 20, max_sequences: 16, ...more };
}

// The same token for ever, a millisecond each.
export function endlessScript(more = {}) {
  const { responses, end_token, ...limits } = fakeScript([], { delay_us: 1000 });
  return { ...limits, never_ends: 100, ...more };
}

// One server process. `says` (texts) or `script` choose the fake backend; without them the embedded demo model answers.
export async function startServer({ says, script, flags = [], names = [] } = {}) {
  const folder = mkdtempSync(join(tmpdir(), "tessera-clients-"));
  const args = ["serve", "--port", "0", "--threads", "2", "--db", join(folder, "tessera.db"), "--api-key", KEY, ...flags];
  for (const name of names) args.push("--served-model-name", name);
  if (says || script) {
    const path = join(folder, "script.json");
    writeFileSync(path, JSON.stringify(script ?? fakeScript(says)));
    args.push("--backend", "fake", "--fake-script", path);
  }
  const process_ = spawn(BINARY, args, { stdio: ["ignore", "pipe", "pipe"] });
  const server = new Server(process_, folder);
  try {
    await until(async () => {
      if (process_.exitCode !== null) throw new Error(`the server ended: ${server.log}`);
      return server.origin && fetch(`${server.origin}/readyz`).then((response) => response.ok, () => false);
    }, "a ready server");
  } catch (error) {
    process_.kill("SIGKILL");
    rmSync(folder, { recursive: true, force: true });
    throw error;
  }
  return server;
}

class Server {
  constructor(process_, folder) {
    this.process = process_;
    this.folder = folder;
    this.greeting = ""; // where it tells its port
    this.log = "";
    process_.stdout.setEncoding("utf8").on("data", (text) => (this.greeting += text));
    process_.stderr.setEncoding("utf8").on("data", (text) => (this.log += text));
    this.seen = []; // requests that went by, newest last: {path, body, headers, status, responseHeaders}
    this.violations = [];
    this.reading = new Set(); // streams that are not at their end
    this.stopping = false;
    this.fetch = (input, init) => this.checkedFetch(input, init);
  }

  get baseURL() {
    return /url +(\S+)\n/.exec(this.greeting)?.[1];
  }

  get origin() {
    return this.baseURL && new URL(this.baseURL).origin;
  }

  // Of a server with the flags `--admin-port 0`.
  get adminOrigin() {
    return /metrics on (\S+)\/metrics/.exec(this.log)[1];
  }

  // Call it from afterEach: what was wrong with the answers since the last time.
  async assertClean() {
    await until(() => this.reading.size === 0, "the streams' ends");
    const found = this.violations.splice(0);
    assert.deepEqual(found, []);
    if (!this.stopping) assert.equal(this.process.exitCode, null, `the server ended: ${this.log}`);
  }

  // Begins the shutdown; stop() waits for its end.
  terminate() {
    this.stopping = true;
    this.process.kill("SIGTERM");
  }

  async stop() {
    const ended = new Promise((resolve) => this.process.once("exit", (code) => resolve(code)));
    if (this.process.exitCode === null && !this.stopping) this.terminate();
    const code = this.process.exitCode ?? (await ended);
    rmSync(this.folder, { recursive: true, force: true });
    assert.equal(code, 0, `a drained server exits with 0; its log:\n${this.log}`);
  }

  async checkedFetch(input, init = {}) {
    const request = new Request(input, init);
    const path = new URL(request.url).pathname;
    const body = request.method === "POST" ? await request.clone().json() : {};
    const response = await fetch(request);
    const entry = {
      path,
      body,
      headers: Object.fromEntries(request.headers),
      status: response.status,
      responseHeaders: Object.fromEntries(response.headers),
      receivedAt: performance.now(),
    };
    this.seen.push(entry);
    const report = (texts) => {
      for (const text of texts) this.violations.push(`${request.method} ${path} ${response.status}: ${text}`);
    };
    report(this.headerErrors(entry));
    if (entry.responseHeaders["content-type"]?.startsWith("text/event-stream")) {
      const kind = path.endsWith("/chat/completions") ? "chat.completion.chunk" : "text_completion";
      return this.watched(response, new SseRules(new StreamRules(body, kind)), report, request.signal);
    }
    const text = await response.text();
    report(bodyErrors(path, body, response.status, text));
    return new Response(text || null, { status: response.status, headers: response.headers });
  }

  headerErrors({ path, headers, body, status, responseHeaders }) {
    const wrong = [];
    const streamed = status === 200 && body.stream === true;
    const type = streamed ? "text/event-stream" : "application/json";
    if (!responseHeaders["content-type"]?.startsWith(type)) wrong.push(`Content-Type ${responseHeaders["content-type"]}`);
    if (streamed && responseHeaders["cache-control"] !== "no-cache") wrong.push("a stream that may be cached");
    if (streamed && responseHeaders["x-accel-buffering"] !== "no") wrong.push("a stream that proxies may buffer");
    if (!/^[A-Za-z0-9_.:-]{1,128}$/.test(responseHeaders["x-request-id"] ?? "")) wrong.push("no X-Request-Id");
    if (status === 429 && !/^[1-9][0-9]*$/.test(responseHeaders["retry-after"] ?? "") && responseHeaders["x-should-retry"] !== "false")
      wrong.push(`429 with Retry-After ${responseHeaders["retry-after"]}`);
    if (status === 401 && responseHeaders["www-authenticate"] !== "Bearer") wrong.push("401 without WWW-Authenticate");
    if (status !== 401 && path.startsWith("/v1/") && headers.authorization) {
      for (const name of ["limit", "remaining", "reset"]) {
        const value = responseHeaders[`x-ratelimit-${name}-requests`];
        if (!/^[0-9]+$/.test(value ?? "")) wrong.push(`X-RateLimit-${name}-Requests ${value}`);
      }
    }
    return wrong;
  }

  // The same response, read by way of the rules. A client that leaves cancels the source.
  watched(response, rules, report, signal) {
    const reader = response.body.getReader();
    const token = {};
    this.reading.add(token);
    const finish = (cut) => {
      if (this.reading.delete(token)) report(rules.end(cut));
    };
    signal.addEventListener("abort", () => finish(true)); // also where nobody reads
    const body = new ReadableStream({
      pull: async (controller) => {
        try {
          const { done, value } = await reader.read();
          if (done) {
            finish(false);
            return controller.close();
          }
          if (this.reading.has(token)) rules.push(value);
          controller.enqueue(value);
        } catch (error) {
          finish(true);
          controller.error(error);
        }
      },
      async cancel(reason) {
        // A client may leave at [DONE], without reading on to the end of the body.
        finish(!rules.rules.isDone);
        await reader.cancel(reason);
      },
    });
    return new Response(body, { status: response.status, headers: response.headers });
  }
}

function bodyErrors(path, request, status, text) {
  let value;
  try {
    value = JSON.parse(text);
  } catch {
    return [`no JSON: ${text.slice(0, 80)}`];
  }
  if (status >= 400) return errorErrors(status, value);
  if (path.endsWith("/chat/completions")) return completionErrors(value, request);
  if (path === "/v1/completions") return textCompletionErrors(value, request);
  if (path === "/v1/models") return schemaErrors("model_list", value);
  if (path.startsWith("/v1/models/")) return schemaErrors("model", value);
  return [];
}
