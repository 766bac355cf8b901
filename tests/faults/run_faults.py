#!/usr/bin/env python3
"""Runs the fault cases of tests/faults/cases against the real binary with its fake backend. README.md tells the format.

Each case also checks that ordinary streamed requests of another key, running all the time, get their whole answers, one of them
sent and answered while the case's own connections are still there, and that afterwards the process, its descriptors, its threads,
its memory, the engine's sequences and the usage rows are what they have to be."""
import argparse
import concurrent.futures
import fnmatch
import itertools
import json
import pathlib
import re
import socket
import ssl
import struct
import sys
import threading
import time
import warnings

from server import CANARY_KEY, KEY, MODEL, PATIENCE_S, Canary, Mismatch, Server, eventually, expect, fake_script

HERE = pathlib.Path(__file__).resolve().parent
# No path, address or key of ours in a message to a client.
OURS_ALONE = re.compile(r"/(home|root|tmp|usr|var|etc|proc)\b|\.cpp|\b0x[0-9a-f]{6}|" + KEY + "|" + CANARY_KEY)
CANARY_ACCOUNT = "operator-2"  # of the second --api-key
MAX_GROWTH_BYTES = 96 << 20  # of anonymous memory since the file's first case, beside what the file says that the server keeps on purpose
OVERTAKEN = 12  # times that the canary is looked at in a flood
MAX_OVERTAKING = 5  # answers of the flood, at the least of these times: what was being worked on anyway


# ---------------------------------------------------------------- one connection

class Connection:
    """A bare socket, or TLS on one, that can be as wrong as a case likes."""

    def __init__(self, server, kind=None):
        self.buffer = b""
        self.socket = socket.socket()
        self.socket.settimeout(PATIENCE_S)
        if kind == "small":  # a receive window that is soon full
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            kind = None
        self.socket.connect(("127.0.0.1", server.port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        kind = kind or ("tls" if server.tls else "plain")
        if kind != "plain":
            self.socket = tls_context(server, kind).wrap_socket(self.socket, server_hostname="localhost")

    def send(self, data):
        try:
            self.socket.sendall(data)
        except OSError:
            pass  # it may have refused us in the middle: what it said is looked at next

    def more(self):
        """False at the connection's end."""
        try:
            data = self.socket.recv(65536)
        except TimeoutError:
            raise Mismatch(f"nothing came in {PATIENCE_S} s; so far {self.buffer[-200:]!r}") from None
        except OSError:
            return False
        self.buffer += data
        return bool(data)

    def wait_for(self, text):
        while text not in self.buffer:
            expect(self.more(), f"the connection ended without {text!r}: {self.buffer[-300:]!r}")

    def take(self, count):
        while len(self.buffer) < count:
            expect(self.more(), "the answer is cut")
        data, self.buffer = self.buffer[:count], self.buffer[count:]
        return data

    def line(self):
        while b"\r\n" not in self.buffer:
            expect(self.more(), "the answer is cut")
        line, self.buffer = self.buffer.split(b"\r\n", 1)
        return line.decode("latin-1")

    def response(self, bodiless):
        """→ (interim statuses, status, headers, body); status 0 when the connection ended instead."""
        interim = []
        while True:
            while b"\r\n" not in self.buffer:
                if not self.more():
                    expect(not self.buffer, f"half an answer: {self.buffer[:200]!r}")
                    return interim, 0, {}, b""
            status = int(self.line().split(" ")[1])
            headers = {}
            while line := self.line():
                name, _, value = line.partition(":")
                headers[name.lower()] = value.strip()
            if status >= 200:
                break
            interim.append(status)
        body = b""
        if bodiless or status == 204:
            pass
        elif headers.get("transfer-encoding") == "chunked":
            while size := int(self.line(), 16):
                body += self.take(size + 2)[:-2]
            while self.line():
                pass
        else:
            body = self.take(int(headers["content-length"]))
        return interim, status, headers, body

    def reset(self):
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()


TLS_VERSIONS = {f"tls1.{minor}": ssl.TLSVersion(0x0301 + minor) for minor in range(4)}


def tls_context(server, kind):
    if kind == "tls":
        return server.tls
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if kind.startswith("tls1."):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of what is tested to be refused
            context.minimum_version = context.maximum_version = TLS_VERSIONS[kind]
        context.set_ciphers("ALL:@SECLEVEL=0")
    elif kind.startswith("alpn:"):
        context.set_alpn_protocols(kind[5:].split(","))
    elif kind.startswith("cipher:"):
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers(kind[7:] + ":@SECLEVEL=0")
    else:
        raise Mismatch(f"unknown kind of connection: {kind}")
    return context


# ---------------------------------------------------------------- cases

MACRO = re.compile(r"@(\d+)([*#])([^@]+)@|@(\w+)@")
NUMBERS = itertools.count()  # what @number@ stands for, each time another
ESCAPE = re.compile(r"\\(x[0-9a-fA-F]{2}|.)")
NAMED_ESCAPES = {"r": "\r", "n": "\n", "t": "\t", "0": "\0", "v": "\v", "\\": "\\"}


def chat_text(changes):
    body = {"model": MODEL, "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 4}
    body.update(json.loads(changes or "{}"))
    return json.dumps({key: value for key, value in body.items() if value is not None})


NAMES = {
    "key": KEY,
    "auth": f"Authorization: Bearer {KEY}\r\n",
    "post": "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n",
    "get": "GET /healthz HTTP/1.1\r\nHost: localhost\r\n",
    "model": MODEL,
    "chat": chat_text("{}"),
    "form": chat_text('{"max_tokens": 300}')[:-1] + ", ",
    "endless": chat_text('{"stream": true, "max_tokens": 100000}'),
    "waiting": chat_text('{"max_tokens": 100000}'),
    "long_prompt": chat_text(json.dumps({"messages": [{"role": "user", "content": "word " * 20000}], "max_tokens": 100000})),
}


def expand(text, escapes=True):
    """A case's text → bytes: macros, then (unless the text is JSON) escapes."""
    pieces = []
    for part in re.split(r"(@\d+[*#][^@]+@|@\w+@)", text):
        found = MACRO.fullmatch(part)
        if found and found[2] == "*":
            pieces.append(unescape(found[3], escapes) * int(found[1]))
        elif found and found[2] == "#":
            pieces += [unescape(found[3].replace("#", str(number)), escapes) for number in range(int(found[1]))]
        elif found and found[4] == "number":
            pieces.append(str(next(NUMBERS)).encode())
        elif found and found[4] in NAMES:
            pieces.append(NAMES[found[4]].encode())
        else:
            pieces.append(unescape(part, escapes))
    return b"".join(pieces)


def unescape(text, escapes):
    if not escapes:
        return text.encode()
    out, at = b"", 0
    for found in ESCAPE.finditer(text):
        out += text[at:found.start()].encode()
        out += bytes([int(found[1][1:], 16)]) if found[1].startswith("x") else NAMED_ESCAPES[found[1]].encode()
        at = found.end()
    return out + text[at:].encode()


def parse_file(path):
    """→ (setup, cases); a case is {id, title, line, times, flood, steps}, a step [verb, text, line]."""
    setup, cases = {"flags": [], "tls": False, "nofile": 0, "keeps_mib": 0}, []
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        verb, _, rest = line.partition(" ")
        if verb == "case":
            identity, _, title = rest.partition(" ")
            cases.append({"id": identity, "title": title, "line": number, "times": 1, "flood": 0, "steps": []})
        elif verb in ("flags", "tls", "nofile", "keeps_mib") and not cases:
            setup[verb] = rest.split() if verb == "flags" else True if verb == "tls" else int(rest)
        elif verb in ("times", "flood"):
            cases[-1][verb] = int(rest)
        else:
            cases[-1]["steps"].append([verb, rest, number])
    return setup, cases


def request_bytes(method, path, body, fields):
    head = {"Host": "localhost", "Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}
    for name, value in fields:
        head.pop(name, None)
        if value:
            head[name] = value
    if body is not None:
        head.setdefault("Content-Length", str(len(body)))
    lines = "".join(f"{name}: {value}\r\n" for name, value in head.items())
    return f"{method} {path} HTTP/1.1\r\n{lines}\r\n".encode() + (body or b"")


class Run:
    """One pass of a case's steps over connections of its own."""

    def __init__(self, server, case):
        self.server, self.case, self.exchanges = server, case, 0
        self.connection, self.answer, self.pending, self.crowd = None, None, None, []
        self.chat, self.chats_sent, self.chats_answered = False, 0, 0

    def go(self, before_end=lambda: None):
        try:
            for verb, text, number in self.case["steps"]:
                try:
                    if verb != "with":
                        self.send_pending()
                    expect(hasattr(self, "do_" + verb), f"unknown verb '{verb}'")
                    getattr(self, "do_" + verb)(text)
                except (Mismatch, LookupError, TypeError, ValueError) as error:
                    raise Mismatch(f"line {number}: {error if isinstance(error, Mismatch) else repr(error)}") from None
            self.send_pending()
            before_end()
        finally:
            for one in [self.connection and self.connection.socket, *self.crowd]:
                if one is not None:
                    one.close()
        return self

    def send_pending(self):
        """A composed request goes out once its header fields are known."""
        if self.pending is not None:
            method, path, body, fields = self.pending
            self.pending = None
            self.chat = path == "/v1/chat/completions"
            self.chats_sent += self.chat
            self.open().send(request_bytes(method, path, body, fields))

    def open(self):
        if self.connection is None:
            self.connection = Connection(self.server)
        return self.connection

    # What is done.
    def do_connect(self, kind):
        self.connection = Connection(self.server, kind or None)

    def do_refused(self, kind):
        self.exchanges += 1
        try:
            Connection(self.server, kind).socket.close()
        except OSError:
            return
        raise Mismatch(f"the handshake succeeded: {kind}")

    def do_send(self, text):
        data = expand(text)
        self.chat = False
        self.chats_sent += data.count(b"POST /v1/chat/completions")
        self.open().send(data)

    def do_slowly(self, text):
        """PAUSE BYTES: a byte, a pause, until all is sent or the other side has said something."""
        pause, _, data = text.partition(" ")
        connection = self.open()
        for byte in expand(data):
            connection.send(bytes([byte]))
            connection.socket.settimeout(float(pause))
            try:
                if not connection.more() or connection.buffer:
                    break
            except Mismatch:
                pass
        connection.socket.settimeout(PATIENCE_S)

    def compose(self, method, path, body):
        self.pending = (method, path, body, [])

    def do_request(self, text):
        method, path, *body = text.split(" ", 2)
        self.compose(method, path, expand(body[0], escapes=False) if body else None)

    def do_chat(self, changes):
        self.compose("POST", "/v1/chat/completions", chat_text(expand(changes, escapes=False).decode()).encode())

    def do_body(self, text):
        self.compose("POST", "/v1/chat/completions", expand(text, escapes=False))

    def do_bytes(self, text):
        self.compose("POST", "/v1/chat/completions", expand(text))

    def do_schema(self, text):
        """An answer that has to fit this schema."""
        self.do_body('@form@"response_format": {"type": "json_schema", "json_schema": {"name": "s", "schema": ' + text + "}}}")

    def do_tool(self, text):
        """An answer that has to call a tool with these parameters."""
        self.do_body('@form@"tool_choice": "required", "tools": [{"type": "function", "function": {"name": "f", "parameters": ' + text + "}}]}")

    def do_with(self, text):
        name, _, value = text.partition(":")
        self.pending[3].append((name, expand(value.strip()).decode("latin-1")))

    def do_truncated(self, text):
        """Every true prefix of a JSON text is refused, on one connection."""
        whole = expand(text, escapes=False)
        for size in range(len(whole)):
            self.compose("POST", "/v1/chat/completions", whole[:size])
            self.send_pending()
            self.do_status("400")
            self.do_code("invalid_json|missing_required_parameter")

    def do_wait(self, text):
        self.open().wait_for(expand(text))

    def do_crowd(self, count):
        """So many connections that do nothing, until the case ends."""
        self.crowd += [socket.create_connection(("127.0.0.1", self.server.port), timeout=PATIENCE_S) for _ in range(int(count))]
        self.exchanges += int(count)

    def do_keep(self, megabytes):
        """This connection stays until the case ends, and the server has read so many MiB of bodies; what follows is another's."""
        self.crowd.append(self.open().socket)
        self.connection = None
        eventually(lambda: self.server.own_metrics()["tessera_http_body_bytes"] >= float(megabytes) * (1 << 20),
                   "bodies that are read", lambda: self.server.own_metrics()["tessera_http_body_bytes"])

    def do_logged(self, text):
        self.server.wait_line("(" + re.escape(text) + ")")

    def do_pause(self, seconds):
        time.sleep(float(seconds))

    def do_half(self, _):
        self.open().socket.shutdown(socket.SHUT_WR)

    def do_reset(self, _):
        self.exchanges += 1
        self.open().reset()
        self.connection = None

    def do_leave(self, _):
        self.exchanges += 1
        self.open().socket.close()
        self.connection = None

    # What is expected.
    def do_status(self, text):
        wanted, _, option = text.partition(" ")
        self.exchanges += 1
        self.answer = self.open().response(bodiless=option == "nobody")
        interim, status, headers, body = self.answer
        self.chats_answered += self.chat and status == 200
        expect(str(status) in wanted.split("|"), f"status {wanted} expected, got {status}: {body[:300]!r}")
        if status >= 400 and option != "nobody":
            self.check_envelope(headers, body)
        expect(not OURS_ALONE.search(str(headers)), f"a header gives away too much: {headers}")

    def check_envelope(self, headers, body):
        expect(headers.get("content-type") == "application/json", f"Content-Type {headers.get('content-type')}")
        error = json.loads(body).get("error")
        expect(isinstance(error, dict) and list(error) == ["message", "type", "param", "code"], f"no error envelope: {body[:300]!r}")
        expect(error["message"] and error["type"] and error["code"], f"an empty member: {error}")
        expect(not OURS_ALONE.search(error["message"]), f"the message gives away too much: {error['message']}")
        expect(headers.get("x-request-id"), "no X-Request-Id")

    def do_code(self, text):
        code = json.loads(self.answer[3])["error"]["code"]
        expect(code in text.split("|"), f"code {text} expected, got {code}")

    def do_header(self, text):
        name, _, pattern = text.partition(":")
        got = self.answer[2].get(name.lower(), "")
        expect(fnmatch.fnmatchcase(got, pattern.strip()), f"{name}: got '{got}'")

    def do_text(self, text):
        expect(expand(text) in self.answer[3], f"not in the body: {text}; got {self.answer[3][:300]!r}")

    def do_interim(self, text):
        expect([str(status) for status in self.answer[0]] == text.split(), f"interim {self.answer[0]}")

    def do_closed(self, _):
        """The connection ends here, and nothing more has come."""
        connection = self.open()
        while connection.more():
            pass
        expect(not connection.buffer, f"more came: {connection.buffer[:300]!r}")
        connection.socket.close()
        self.connection = None

    def do_cut(self, _):
        """The stream ends here without looking finished."""
        connection = self.open()
        while connection.more():
            pass
        self.exchanges += 1
        expect(b"[DONE]" not in connection.buffer and not connection.buffer.endswith(b"0\r\n\r\n"), "the stream looks finished")
        connection.socket.close()
        self.connection = None

    def do_open(self, _):
        """The connection goes on: another request is answered."""
        self.do_send("@get@\\r\\n")
        self.do_status("200")

    def do_times_out(self, _):
        self.do_status("408")
        self.do_code("request_timeout")
        self.do_closed("")


class Watch:
    """What a file's cases have to leave as it was."""

    def __init__(self, server, canary, keeps_mib):
        self.server, self.canary = server, canary
        self.start = server.settle(canary)
        self.most_growth = MAX_GROWTH_BYTES + (keeps_mib << 20)
        self.memory = server.status_line("RssAnon") << 10
        self.chats_sent = self.chats_answered = self.grown = 0

    def check(self, runs):
        """After a case: that nothing of it is left, and that it was paid for."""
        self.canary.check()
        self.server.settle(self.canary, self.start)
        self.canary.check()
        self.grown = (self.server.status_line("RssAnon") << 10) - self.memory
        expect(self.grown <= self.most_growth, f"{self.grown >> 20} MiB more memory than before the first case")
        self.chats_sent += sum(run.chats_sent for run in runs)
        self.chats_answered += sum(run.chats_answered for run in runs)
        rows = sum(account != CANARY_ACCOUNT for account, *_ in self.server.usage_rows())
        expect(self.chats_answered <= rows <= self.chats_sent,
               f"{rows} usage rows for {self.chats_answered} whole answers to {self.chats_sent} requests")

    def check_end(self):
        """A row for each answer that cost tokens, and none for what cost nothing."""
        answers, expected = self.canary.answers, self.canary.expected
        expect(answers > 0, "the canary was never answered")
        rows = self.server.usage_rows()
        of_canary = [row for row in rows if row[0] == CANARY_ACCOUNT]
        expect(len(of_canary) == answers + 1, f"{len(of_canary)} usage rows for {answers + 1} answers to the canary")
        expect({(status, completion) for _, status, _, completion in of_canary} == {(200, expected[2])}, f"the canary's rows: {of_canary[:3]}")

        def unpaid():
            return [row for row in self.server.usage_rows() if row[2] + row[3] == 0]

        eventually(lambda: not unpaid(), "usage rows without tokens", unpaid)  # they are taken back when nobody waits for it


def run_times(server, canary, case):
    """The case, or so many of it at once; the canary is answered before any of them lets go of its connections."""
    if case["times"] == 1:
        return [Run(server, case).go(canary.pass_by)]
    with concurrent.futures.ThreadPoolExecutor(max_workers=min(case["times"], 64)) as pool:
        runs = [pool.submit(Run(server, case).go, canary.pass_by) for _ in range(case["times"])]
        return [run.result() for run in runs]


def run_flood(server, canary, case):
    """So many clients that do the case again and again. Counted is how many of their answers come between a request of the canary
    and its answer: were it to wait behind them, that would be all that wait there, each time; the least of some is looked at."""
    clients, runs, stop, overtaken = case["flood"], [], threading.Event(), []

    def client():
        while not stop.is_set():
            runs.append(Run(server, case).go())

    with concurrent.futures.ThreadPoolExecutor(max_workers=clients) as pool:
        ends = [pool.submit(client) for _ in range(clients)]
        try:
            deadline = time.monotonic() + 4 * PATIENCE_S
            while len(runs) < clients and not any(end.done() for end in ends):
                canary.check()
                expect(time.monotonic() < deadline, f"{len(runs)} of {clients} answers to the flood")
                time.sleep(0.01)
            while len(overtaken) < OVERTAKEN and not any(end.done() for end in ends):
                before = len(runs)
                canary.pass_by()
                overtaken.append(len(runs) - before)
        finally:
            stop.set()
        for end in ends:
            end.result()
    expect(min(overtaken) <= MAX_OVERTAKING, f"the canary waits behind the flood: answers of it before the canary's: {overtaken}")
    return runs


def run_file(binary, script, path, verbose):
    setup, cases = parse_file(path)
    server = Server(binary, script, setup)
    exchanges = failed = answers = 0
    try:
        canary = Canary(server, "--idle-timeout" in setup["flags"])
        watch = Watch(server, canary, setup["keeps_mib"])
        for case in cases:
            start = time.monotonic()
            try:
                runs = (run_flood if case["flood"] else run_times)(server, canary, case)
                exchanges += sum(run.exchanges for run in runs)
                watch.check(runs)
            except (Mismatch, OSError) as error:
                failed += 1
                print(f"FAILED {path.name}:{case['line']} {case['id']} {case['title']}: {error}", flush=True)
                if canary.failure or server.process.poll() is not None:
                    break
            if verbose:
                print(f"{time.monotonic() - start:7.2f} s {watch.grown / 1048576:6.1f} MiB  {path.name}:{case['line']} {case['id']} {case['title']}", flush=True)
        canary.stop()
        answers = canary.answers
        watch.check_end()
    except Mismatch as mismatch:
        failed += 1
        print(f"FAILED {path.name}: {mismatch}", flush=True)
    finally:
        try:
            server.stop()
        except Mismatch as mismatch:
            failed += 1
            print(f"FAILED {path.name}: {mismatch}", flush=True)
    return exchanges, answers, failed


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--binary", required=True)
    parser.add_argument("--verbose", action="store_true", help="each case, how long it took, and the memory since the first")
    parser.add_argument("files", nargs="*", type=pathlib.Path)
    options = parser.parse_args()
    script = fake_script(options.binary)
    totals = [0, 0, 0]
    for path in options.files or sorted((HERE / "cases").glob("*.fault")):
        totals = [a + b for a, b in zip(totals, run_file(options.binary, script, path, options.verbose))]
    print(f"{totals[0]} exchanges, {totals[1]} answers to the canary beside them, {totals[2]} failures")
    return 1 if totals[2] or not totals[0] else 0


if __name__ == "__main__":
    sys.exit(main())
