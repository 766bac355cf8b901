"""The real binary under test, and clients that see all of an answer: its status, its text, its usage, and the digest of its tokens, which a stream
has in its trailer."""
import collections
import contextlib
import http.client
import json
import os
import pathlib
import re
import socket
import subprocess
import tempfile
import time

MODEL = "Qwen/Qwen3.6-35B-A3B"
KEYS = ["sk-tessera-" + letter * 40 for letter in "ABC"]
ENVIRONMENT = {key: value for key, value in os.environ.items() if not key.startswith("TESSERA_")}
PATIENCE_S = 900  # for anything that has to happen; nothing waits for it when all is well
DIGEST = "x-tessera-output-digest"

# `texts`: of each choice (reasoning, content, tool calls). `seconds`: to the end of the answer.
Answer = collections.namedtuple("Answer", "status headers body texts usage digest reasons seconds")


class Mismatch(Exception):
    """What was expected and what came."""


def expect(condition, text):
    if not condition:
        raise Mismatch(text)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def token_ids(binary, text):
    out = subprocess.run([binary, "tokenize", "--added"], input=text.encode(), capture_output=True, check=True).stdout
    return [int(i) for i in out.decode().split(",") if i.strip()]


def fake_flags(binary, folder, script):
    """Flags for a backend that says what `script` says, in the demo model's vocabulary."""
    text = subprocess.run([binary, "inspect"], capture_output=True, check=True).stdout.decode()
    sizes = [int(size) for size in re.findall(r"vocabulary +(\d+)", text.replace(",", ""))]
    path = pathlib.Path(folder) / "script.json"
    path.write_text(json.dumps({"vocabulary": max(sizes), "max_context": 1 << 18, **script}))
    return ["--backend", "fake", "--fake-script", str(path)]


class Server:
    """`tessera serve FLAGS…`; its accounts are those of KEYS. A context manager."""

    def __init__(self, binary, *flags, script=None, tiers=""):
        self.binary, self.folder = binary, tempfile.TemporaryDirectory()
        path = pathlib.Path(self.folder.name)
        (path / "tiers.toml").write_text(tiers)
        self.log_path, self.port, self.admin_port = path / "log", free_port(), free_port()
        flags = [str(flag) for flag in flags] + (fake_flags(binary, path, script) if script else [])
        with open(self.log_path, "w") as log:
            self.process = subprocess.Popen(
                [binary, "serve", "--port", str(self.port), "--admin-port", str(self.admin_port), "--db", str(path / "tessera.db"), "--tiers",
                 str(path / "tiers.toml")] + [word for key in KEYS for word in ("--api-key", key)] + flags,
                env=ENVIRONMENT, stdout=log, stderr=log)

    def __enter__(self):
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            expect(self.process.poll() is None, "the server ended: " + self.log())
            with contextlib.suppress(OSError):
                if self.get("/readyz")[0] == 200:
                    return self
            time.sleep(0.05)
        raise Mismatch("not ready: " + self.log())

    def __exit__(self, kind, *_):
        self.process.terminate()
        status = self.process.wait(timeout=PATIENCE_S)
        log = self.log()
        self.folder.cleanup()
        expect(kind is not None or status == 0, f"the server ended with status {status}: {log[-2000:]}")

    def log(self):
        return self.log_path.read_text()

    def get(self, path, port=None):
        connection = http.client.HTTPConnection("127.0.0.1", port or self.port, timeout=PATIENCE_S)
        with contextlib.closing(connection):
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, response.read().decode()

    def post(self, path, body, key=KEYS[0]):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
        with contextlib.closing(connection):
            connection.request("POST", path, body, {"Authorization": f"Bearer {key}", "Content-Type": "application/json"})
            return connection.getresponse().read().decode()

    def make_key(self, tier, *flags):
        """A key of a new account, which works already."""
        path = self.folder.name
        made = subprocess.run([self.binary, "keys", "create", "--account", f"in-{tier}", "--tier", tier, "--json", *flags],
                              capture_output=True, check=True,
                              env={**ENVIRONMENT, "TESSERA_DB": path + "/tessera.db", "TESSERA_TIERS": path + "/tiers.toml"}).stdout
        key = json.loads(made)["key"]
        deadline = time.monotonic() + PATIENCE_S
        while "error" in json.loads(self.post("/tokenize", '{"content": ""}', key)):
            expect(time.monotonic() < deadline, "the new key does not work")
            time.sleep(0.05)
        return key

    def metrics(self):
        lines = self.get("/metrics", self.admin_port)[1].splitlines()
        return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))}

    def status_kib(self, name):
        found = re.search(rf"^{name}:\s+(\d+)", pathlib.Path(f"/proc/{self.process.pid}/status").read_text(), re.MULTILINE)
        return int(found[1])

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def wait_for(self, condition, what):
        deadline = time.monotonic() + PATIENCE_S
        while not condition(metrics := self.metrics()):
            short = {name: value for name, value in metrics.items() if "{" not in name}
            expect(time.monotonic() < deadline, f"{what}: never, but {short}")
            time.sleep(0.02)

    def wait_idle(self):
        self.wait_for(lambda m: m["tessera_requests_running"] + m["tessera_requests_waiting"] + m["tessera_sequences"] == 0, "idle")

    def send(self, body, key=KEYS[0]):
        """The request on a connection of its own; the socket, with nothing read yet."""
        raw = json.dumps({"model": MODEL, **body}).encode()
        peer = socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE_S)
        peer.sendall(f"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {key}\r\nConnection: close\r\n"
                     f"Content-Type: application/json\r\nContent-Length: {len(raw)}\r\n\r\n".encode() + raw)
        return peer

    def ask(self, body, key=KEYS[0]):
        start = time.monotonic()
        with self.send(body, key) as peer:
            raw = b"".join(iter(lambda: peer.recv(1 << 16), b""))
        return read_answer(raw, time.monotonic() - start)

    def chat(self, messages, key=KEYS[0], **more):
        answer = self.ask({"messages": messages, **more}, key)
        expect(answer.status == 200, f"{answer.status}: {answer.body}")
        return answer


def unchunk(raw):
    """→ the body and the trailer's lines; a stream that was cut is an error."""
    body = b""
    while True:
        size, _, raw = raw.partition(b"\r\n")
        expect(size != b"", "the stream was cut")
        length = int(size, 16)
        if length == 0:
            return body, raw
        body, raw = body + raw[:length], raw[length + 2:]


def header_fields(lines):
    pairs = (line.split(":", 1) for line in lines.decode().split("\r\n") if ":" in line)
    return {name.lower(): value.strip() for name, value in pairs}


def read_answer(raw, seconds):
    head, _, rest = raw.partition(b"\r\n\r\n")
    expect(head.startswith(b"HTTP/1.1 "), f"no answer, but {head[:100]!r}")
    status, headers = int(head.split()[1]), header_fields(head)
    if headers.get("transfer-encoding") == "chunked":
        rest, trailer = unchunk(rest)
        headers.update(header_fields(trailer))
    if not headers["content-type"].startswith("text/event-stream"):
        body = json.loads(rest)
        choices = body.get("choices", [])
        texts = [text_of(choice["message"]) for choice in choices]
        reasons = [choice["finish_reason"] for choice in choices]
        return Answer(status, headers, body, texts, body.get("usage"), headers.get(DIGEST), reasons, seconds)
    events = [event[6:] for event in rest.decode().split("\n\n") if event.startswith("data: ")]
    expect(events[-1] == "[DONE]", f"the stream ended with {events[-1][:200]}")
    chunks = [json.loads(event) for event in events[:-1]]
    texts, reasons, usage = [], {}, None
    for chunk in chunks:
        expect("error" not in chunk, f"in the stream: {chunk}")
        usage = chunk.get("usage") or usage
        for choice in chunk["choices"]:
            while len(texts) <= choice["index"]:
                texts.append(["", "", ""])
            add_delta(texts[choice["index"]], choice["delta"])
            if choice["finish_reason"]:
                reasons[choice["index"]] = choice["finish_reason"]
    return Answer(status, headers, chunks, [tuple(text) for text in texts], usage, headers.get(DIGEST), [reasons[i] for i in sorted(reasons)],
                  seconds)


def calls_text(calls):
    said = [call.get("function") or call.get("custom") or {} for call in calls or []]
    return "".join((call.get("name") or "") + (call.get("arguments") or call.get("input") or "") for call in said)


def text_of(message):
    return (message.get("reasoning_content") or "", message.get("content") or "", calls_text(message.get("tool_calls")))


def add_delta(text, delta):
    text[0] += delta.get("reasoning_content") or ""
    text[1] += delta.get("content") or ""
    text[2] += calls_text(delta.get("tool_calls"))
