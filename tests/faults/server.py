"""The binary under test with its fake backend, what is counted in it, and the client that runs beside every case."""
import contextlib
import http.client
import json
import os
import pathlib
import re
import resource
import sqlite3
import ssl
import subprocess
import tempfile
import threading
import time

MODEL = "Qwen/Qwen3.6-35B-A3B"
KEY = "sk-tessera-" + "F" * 40
CANARY_KEY = "sk-tessera-" + "C" * 40
PATIENCE_S = 30  # for anything that has to happen; no case waits for it when all is well
SETTLED_METRICS = ("tessera_requests_running", "tessera_requests_waiting", "tessera_sequences", "tessera_http_exchanges",
                   "tessera_http_buffered_bytes", "tessera_http_body_bytes")


class Mismatch(Exception):
    """What was expected and what came."""


def expect(condition, text):
    if not condition:
        raise Mismatch(text)


def eventually(condition, text, details):
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        expect(time.monotonic() < deadline, f"{text}: {details()}")
        time.sleep(0.02)


def command_output(*command, text=None):
    return subprocess.run(command, input=text, capture_output=True, check=True).stdout.decode()


def fake_script(binary):
    """A model that says the same sentence for ever; a millisecond each step, so that there is a middle to be cut in."""
    ids = [int(i) for i in command_output(binary, "tokenize", text=b" All tesserae make one picture.").split(",")]
    words = command_output(binary, "inspect").replace(",", "").split()
    sizes = [int(words[i + 1]) for i, word in enumerate(words[:-1]) if word == "vocabulary" and words[i + 1].isdigit()]
    return {"responses": [ids * 20000], "end_token": 0, "vocabulary": max(sizes), "max_context": 1 << 20, "max_sequences": 64,
            "delay_us": 1000}


def read_metrics(connection):
    connection.request("GET", "/metrics")
    lines = connection.getresponse().read().decode().splitlines()
    return {name: float(value) for name, value in (line.split() for line in lines if not line.startswith("#"))}


class Server:
    def __init__(self, binary, script, setup):
        self.folder = tempfile.TemporaryDirectory()
        path = pathlib.Path(self.folder.name)
        (path / "script.json").write_text(json.dumps(script))
        flags = ["--backend", "fake", "--fake-script", str(path / "script.json"), "--port", "0", "--admin-port", "0",
                 "--api-key", KEY, "--api-key", CANARY_KEY] + setup["flags"]
        self.tls = None
        if setup["tls"]:
            make_certificate(path)
            flags += ["--tls-cert", str(path / "cert.pem"), "--tls-key", str(path / "key.pem")]
            self.tls = ssl.create_default_context(cafile=str(path / "cert.pem"))
        limit = setup["nofile"]
        self.process = subprocess.Popen(
            [binary, "serve"] + flags, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env={**os.environ, "XDG_STATE_HOME": str(path), "HOME": str(path)},
            preexec_fn=(lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))) if limit else None)
        self.log = []
        self.readers = [threading.Thread(target=self.read_lines, args=(stream,), daemon=True)
                        for stream in (self.process.stdout, self.process.stderr)]
        for reader in self.readers:
            reader.start()
        self.port = int(self.wait_line(r"url +https?://127\.0\.0\.1:(\d+)/v1"))
        admin_port = int(self.wait_line(r"metrics on http://127\.0\.0\.1:(\d+)/"))
        self.admin = http.client.HTTPConnection("127.0.0.1", admin_port, timeout=PATIENCE_S)

    def read_lines(self, stream):
        for line in stream:
            self.log.append(line)

    def wait_line(self, pattern):
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            for line in list(self.log):
                found = re.search(pattern, line)
                if found:
                    return found[1]
            expect(self.process.poll() is None, "the server ended: " + "".join(self.log))
            time.sleep(0.01)
        raise Mismatch("the server did not start: " + "".join(self.log))

    def metrics(self):
        """Over one connection, which stays: its descriptor is part of every count."""
        return read_metrics(self.admin)

    def own_metrics(self):
        """From a case's thread: over a connection of its own."""
        admin = http.client.HTTPConnection(self.admin.host, self.admin.port, timeout=PATIENCE_S)
        try:
            return read_metrics(admin)
        finally:
            admin.close()

    def status_line(self, name):
        for line in pathlib.Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith(name + ":"):
                return int(line.split()[1])
        raise Mismatch(f"no {name} in /proc")

    def state(self):
        """What has to be the same after a case as before it."""
        expect(self.process.poll() is None, "the server died:\n" + "".join(self.log)[-2000:])
        metrics = self.metrics()
        return {"descriptors": len(os.listdir(f"/proc/{self.process.pid}/fd")), "threads": self.status_line("Threads"),
                "start": metrics["process_start_time_seconds"], "connections": metrics["tessera_http_connections"],
                **{name: metrics[name] for name in SETTLED_METRICS}}

    def settle(self, canary, start=None):
        """Waits until nothing is under way, and all is as it was at the start; → that state. The canary pauses for each look only,
        so that its connection does not become too idle."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            with canary.turn:
                now = self.state()
            if now == start or (start is None and not any(now[name] for name in SETTLED_METRICS)):
                return now
            expect(time.monotonic() < deadline, f"not back to where it was: at the start {start}, now {now}")
            canary.check()
            time.sleep(0.02)

    def usage_rows(self):
        """→ (account, status, prompt tokens, completion tokens) of every row that was committed."""
        path = pathlib.Path(self.folder.name) / "tessera" / "tessera.db"
        with contextlib.closing(sqlite3.connect(path)) as database:
            return database.execute("SELECT account, status, prompt_tokens, completion_tokens FROM usage").fetchall()

    def stop(self):
        self.admin.close()
        self.process.terminate()
        status = self.process.wait(timeout=60)
        for reader in self.readers:
            reader.join()
        self.process.stdout.close()
        self.process.stderr.close()
        self.folder.cleanup()
        expect(status == 0, f"the server ended with status {status}")
        leaked = [line for line in self.log if KEY in line or CANARY_KEY in line]
        expect(not leaked, f"a key in the log: {len(leaked)} lines")


def make_certificate(folder):
    command_output("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                   "-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem"), "-subj", "/CN=localhost",
                   "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost")


class Canary:
    """An ordinary client of another key: one streamed request after the other, on one connection."""

    def __init__(self, server, may_idle_out):
        self.may_idle_out, self.turn, self.stopping = may_idle_out, threading.Lock(), False
        self.answers, self.failure, self.expected = 0, None, None
        self.heard = threading.Condition()  # of answers and failure
        self.connection = (http.client.HTTPSConnection("127.0.0.1", server.port, timeout=PATIENCE_S, context=server.tls) if server.tls
                           else http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE_S))
        self.expected = self.ask()
        expect(self.expected[0].startswith(" All tesserae make one picture.") or "tesserae" in self.expected[0],
               f"the canary hears {self.expected}")
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def ask(self):
        body = {"model": MODEL, "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 24, "temperature": 0, "stream": True,
                "stream_options": {"include_usage": True}}
        response = self.send(json.dumps(body))
        raw = response.read().decode()
        expect(response.status == 200, f"status {response.status}: {raw[:300]}")
        events = [event for event in raw.split("\n\n") if event and not event.startswith(":")]
        expect(events[-1] == "data: [DONE]", f"the stream ended with {events[-1][:200]}")
        chunks = [json.loads(event[6:]) for event in events[:-1]]
        text = "".join(choice["delta"].get("content") or "" for chunk in chunks for choice in chunk["choices"])
        reasons = [choice["finish_reason"] for chunk in chunks for choice in chunk["choices"] if choice["finish_reason"]]
        return text, reasons, chunks[-1]["usage"]["completion_tokens"]

    def send(self, body, again=True):
        headers = {"Authorization": f"Bearer {CANARY_KEY}", "Content-Type": "application/json"}
        try:
            self.connection.request("POST", "/v1/chat/completions", body, headers)
            return self.connection.getresponse()
        except (http.client.RemoteDisconnected, ConnectionError):
            # Idle for too long while the cases were looked at: where that is short, clients connect again.
            expect(again and self.may_idle_out, "the connection ended")
            self.connection.close()
            return self.send(body, again=False)

    def run(self):
        while not self.stopping:
            with self.turn:
                try:
                    answer = self.ask()
                    expect(answer == self.expected, f"heard {answer} instead of {self.expected}")
                    self.tell(answers=self.answers + 1)
                except Exception as error:  # noqa: BLE001: whatever it was, the case has failed
                    self.tell(failure=f"{type(error).__name__}: {error}")
                    return
            time.sleep(0.002)

    def tell(self, **news):
        with self.heard:
            vars(self).update(news)
            self.heard.notify_all()

    def pass_by(self):
        """Until an answer is whole whose request was sent after this was called."""
        with self.heard:
            wanted = self.answers + 2  # the one under way, and the next
            self.heard.wait_for(lambda: self.failure or self.answers >= wanted, PATIENCE_S)
            expect(self.failure or self.answers >= wanted, f"the canary got no answer in {PATIENCE_S} s beside the case")
        self.check()

    def check(self):
        expect(self.failure is None, f"the canary: {self.failure}")

    def stop(self):
        self.stopping = True
        self.thread.join()
        self.connection.close()
        self.check()
