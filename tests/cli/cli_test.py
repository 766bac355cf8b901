#!/usr/bin/env python3
"""The binary's commands as a user runs them: keys, start and end of `serve`, the small tools, and what they say to
bad input. TESSERA_BINARY names the binary."""
import http.client
import json
import os
import pathlib
import re
import signal
import socket
import stat
import subprocess
import tempfile
import time
import unittest

BINARY = os.environ["TESSERA_BINARY"]
EXAMPLE = {"model": "Qwen/Qwen3.6-35B-A3B", "max_tokens": 8, "messages": [{"role": "user", "content": "Hello"}]}


def run(*arguments, text=b""):
    return subprocess.run([BINARY, *arguments], input=text, capture_output=True, timeout=120)


class Serve:
    """`tessera serve` on a free port, as a context; with state of its own, unless the flags say --db."""

    def __init__(self, *flags):
        self.flags = flags

    def __enter__(self):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        environment = {k: v for k, v in os.environ.items() if not k.startswith("TESSERA_")}
        self.state = tempfile.TemporaryDirectory()
        environment["XDG_STATE_HOME"] = self.state.name
        self.process = subprocess.Popen([BINARY, "serve", "--port", str(self.port), *self.flags], env=environment,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for _ in range(600):
            try:
                if self.ask("GET", "/readyz")[0] == 200:
                    return self
            except OSError:
                time.sleep(0.05)
            if self.process.poll() is not None:
                raise AssertionError(self.process.stderr.read().decode())
        raise AssertionError("not ready")

    def ask(self, method, path, body=None, key=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        headers = {"Content-Type": "application/json"} if body else {}
        if key:
            headers["Authorization"] = f"Bearer {key}"
        try:
            connection.request(method, path, json.dumps(body) if body else None, headers)
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def chat(self, key):
        return self.ask("POST", "/v1/chat/completions", EXAMPLE, key)[0]

    def stop(self, how=signal.SIGTERM):
        self.process.send_signal(how)
        self.out, self.err = (text.decode() for text in self.process.communicate(timeout=60))
        return self.process.returncode

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        self.process.stderr.close()
        self.state.cleanup()


class Keys(unittest.TestCase):
    def test_a_made_key_is_shown_once_and_kept_as_a_hash(self):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "state" / "tessera.db"
            with Serve("--db", str(path)) as first:
                first.stop()
            key = re.search(r"sk-tessera-[A-Za-z0-9]{40}\b", first.out).group()
            self.assertEqual(stat.S_IMODE(path.stat().st_mode), 0o600)
            for file in path.parent.iterdir():
                self.assertNotIn(key[15:-4].encode(), file.read_bytes(), file)
            self.assertNotIn(key, first.err)
            with Serve("--db", str(path)) as second:
                self.assertEqual(second.chat(key), 200)
                self.assertEqual(second.chat(key + "x"), 401)
                second.stop()
            self.assertIsNone(re.search(r"sk-tessera-\w", second.out))
            self.assertIn("tessera keys create --account default", second.out)
            with Serve("--db", str(path), "--new-key") as third:
                self.assertEqual(third.chat(key), 401)
                fresh = self.shown(third)
                self.assertNotEqual(fresh, key)
                self.assertEqual(third.chat(fresh), 200)
            with Serve("--db", str(path), "--api-key", "one") as fourth:
                self.assertEqual([fourth.chat(k) for k in (fresh, "one", key)], [200, 200, 401])

    def shown(self, server):
        """The key in the start-up lines of a server that goes on."""
        text = b""
        while not (found := re.search(rb"sk-tessera-[A-Za-z0-9]{40}\b", text)):
            text += os.read(server.process.stdout.fileno(), 4096)
        return found.group().decode()

    def test_a_failed_start_changes_no_key(self):
        with tempfile.TemporaryDirectory() as folder:
            path = str(pathlib.Path(folder) / "tessera.db")
            with Serve("--db", path) as server:
                key = self.shown(server)
                taken = run("serve", "--port", str(server.port), "--db", path, "--new-key")
                self.assertEqual(taken.returncode, 1)
                self.assertEqual(server.chat(key), 200)
        self.assertIn(b"give --api-key", run("serve", "--db", ":memory:").stderr)

    def test_the_state_folder_is_the_users(self):
        with Serve("--api-key", "one") as server:
            path = pathlib.Path(server.state.name) / "tessera" / "tessera.db"
            self.assertEqual(stat.S_IMODE(path.stat().st_mode), 0o600)
            self.assertEqual(stat.S_IMODE(path.parent.stat().st_mode), 0o700)

    def test_several_given_keys(self):
        with Serve("--api-key", "one", "--api-key", "two") as server:
            self.assertEqual([server.chat(k) for k in ("one", "two", "three", None)], [200, 200, 401, 401])
            server.stop()
            for text in (server.out, server.err):
                self.assertNotIn("one\n", text)


class EndOfServe(unittest.TestCase):
    def slow_server(self, folder):
        script = pathlib.Path(folder) / "script.json"
        script.write_text(json.dumps({"count": {"first": 65, "tokens": 20}, "end_token": 1, "vocabulary": 4096, "delay_us": 50_000}))
        return Serve("--api-key", "k", "--backend", "fake", "--fake-script", str(script))

    def start_stream(self, server):
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
        connection.request("POST", "/v1/chat/completions", json.dumps({**EXAMPLE, "max_tokens": 15, "stream": True}),
                           {"Content-Type": "application/json", "Authorization": "Bearer k"})
        return connection, connection.getresponse()

    def test_sigterm_lets_running_answers_end(self):
        with tempfile.TemporaryDirectory() as folder, self.slow_server(folder) as server:
            connection, response = self.start_stream(server)
            server.process.send_signal(signal.SIGTERM)
            text = response.read().decode()
            connection.close()
            self.assertIn('"finish_reason":"length"', text)
            self.assertTrue(text.endswith("data: [DONE]\n\n"))
            self.assertEqual(server.process.wait(timeout=30), 0)

    def test_a_second_signal_ends_at_once(self):
        with tempfile.TemporaryDirectory() as folder, self.slow_server(folder) as server:
            connection, _ = self.start_stream(server)
            server.process.send_signal(signal.SIGTERM)
            time.sleep(0.1)
            self.assertNotEqual(server.stop(), 0)
            connection.close()

    def test_a_client_that_leaves_ends_its_work(self):
        with tempfile.TemporaryDirectory() as folder, self.slow_server(folder) as server:
            for stream in (False, True):
                connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
                connection.request("POST", "/v1/chat/completions", json.dumps({**EXAMPLE, "max_tokens": 1000, "stream": stream}),
                                   {"Content-Type": "application/json", "Authorization": "Bearer k"})
                time.sleep(0.15)
                connection.close()
                time.sleep(0.4)
            self.assertEqual(server.stop(), 0)
            self.assertEqual(server.err.count(" cancelled from "), 2, server.err)

    def test_what_cannot_be_served_is_said(self):
        with Serve("--api-key", "k") as server:
            taken = run("serve", "--port", str(server.port), "--api-key", "k", "--db", ":memory:")
            self.assertEqual(taken.returncode, 1)
            self.assertIn(str(server.port), taken.stderr.decode())
            server.stop()
        for flags, word in ((["--model", "/no/such/file"], "No such file"), (["--model", __file__], "GGUF"), (["--model", "/"], "is a directory; `tessera pack`"),
                            (["--ctx", "1"], "--ctx"), (["--api-key", "a b"], "printable ASCII"), (["--backend", "fake"], "--fake-script"),
                            (["--backend", "fake", "--fake-script", "/no/script"], "/no/script: cannot open: No such file"),
                            (["--backend", "fake", "--fake-script", __file__], "cli_test.py: the script is not JSON"), (["--host", "no.such.host.invalid"], "no.such.host.invalid"),
                            (["--tls-cert", "/no/cert"], "--tls-key is missing"), (["--tls-key", "/no/key"], "--tls-cert is missing"),
                            (["--tls-cert", "/no/cert", "--tls-key", "/no/key"], "/no/cert: cannot open: No such file"),
                            (["--tls-cert", __file__, "--tls-key", __file__], "certificate (PEM)")):
            refused = run("serve", "--port", "0", "--api-key", "k", "--db", ":memory:", *flags)
            self.assertEqual(refused.returncode, 1, flags)
            self.assertIn(word, refused.stderr.decode())


class Metrics(unittest.TestCase):
    def ask(self, port, method, path, **headers):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        connection.request(method, path, headers=headers)
        response = connection.getresponse()
        text = response.read().decode()
        connection.close()
        return response, text

    def check_types(self, text):
        """Each family is announced once, before its samples, with the type that its name promises."""
        announced, family = set(), None
        for line in text.splitlines():
            if line.startswith("# TYPE "):
                _, _, family, kind = line.split(" ", 3)
                self.assertNotIn(family, announced)
                announced.add(family)
                self.assertEqual(kind, "counter" if family.endswith("_total") else "histogram" if f"{family}_bucket" in text else "gauge")
            elif not line.startswith("#"):
                name = line.split("{")[0].split(" ")[0]
                self.assertIn(name, (family, f"{family}_bucket", f"{family}_sum", f"{family}_count"))

    def test_what_the_admin_listener_tells(self):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        with Serve("--api-key", "k", "--admin-port", str(port)) as server:
            before = dict(line.split() for line in self.ask(port, "GET", "/metrics")[1].splitlines() if not line.startswith("#"))
            self.assertEqual(server.chat("k"), 200)
            for _ in range(200):  # the answer may be here before the engine has put everything away
                response, text = self.ask(port, "GET", "/metrics")
                if "\ntessera_sequences 0\n" in text and "\ntessera_requests_running 0\n" in text:
                    break
                time.sleep(0.01)
            after = dict(line.split() for line in text.splitlines() if not line.startswith("#"))
            self.assertEqual((response.status, response.headers["Content-Type"]), (200, "text/plain; version=0.0.4; charset=utf-8"))
            self.assertEqual(before["tessera_generated_tokens_total"], "0")
            self.assertGreater(int(after["tessera_generated_tokens_total"]), 0)
            self.assertGreater(int(after["tessera_prompt_tokens_total"]), 0)
            self.assertEqual(after["tessera_ignored_parameters_total"], "0")
            self.assertEqual(server.ask("POST", "/v1/chat/completions", {**EXAMPLE, "vendor_extra": 1, "another": 2}, "k")[0], 200)
            self.assertIn("\ntessera_ignored_parameters_total 2\n", self.ask(port, "GET", "/metrics")[1])
            self.assertEqual((after["tessera_requests_running"], after["tessera_sequences"]), ("0", "0"))
            self.check_types(text)
            labels = 'model="Qwen/Qwen3.6-35B-A3B",tier="enterprise"'
            self.assertEqual(after["tessera_time_to_first_output_seconds_count{%s}" % labels], "1")
            self.assertEqual(after['tessera_time_to_first_output_seconds_bucket{%s,le="+Inf"}' % labels], "1")
            self.assertGreaterEqual(int(after["tessera_output_gap_seconds_count{%s}" % labels]), 0)  # deliveries may have waited together
            self.assertEqual(after["tessera_step_seconds_count"], after["tessera_steps_total"])
            self.assertEqual(after['tessera_kv_blocks{state="running"}'], "0")
            self.assertEqual(after["tessera_prefix_cache_misses_total"], "1")
            self.assertEqual(self.ask(port, "GET", "/v1/models")[0].status, 404)
            refused = self.ask(port, "POST", "/metrics")[0]
            self.assertEqual((refused.status, refused.headers["Allow"]), (405, "GET, HEAD"))
            self.assertEqual([self.ask(port, "GET", "/metrics", Host=name)[0].status for name in ("localhost:1", "rebound.example")],
                             [200, 403])
            self.assertEqual(server.ask("GET", "/metrics")[0], 404)  # not on the public port
            self.assertEqual(server.stop(), 0)
        with self.assertRaises(OSError):
            self.ask(port, "GET", "/metrics")


class LostModel(unittest.TestCase):
    def test_a_file_truncated_in_use_fails_requests_and_not_the_process(self):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "model.gguf"
            path.write_bytes((pathlib.Path(__file__).resolve().parents[2] / "models/demo.gguf").read_bytes())
            with Serve("--api-key", "k", "--model", str(path)) as server:
                self.assertEqual(server.chat("k"), 200)
                os.truncate(path, 4096)
                self.assertEqual(server.chat("k"), 503)
                self.assertEqual(server.chat("k"), 503)
                self.assertEqual(server.ask("GET", "/healthz")[0], 200)
                self.assertEqual(server.ask("GET", "/readyz")[0], 503)
                self.assertEqual(server.stop(), 0)

    def test_a_file_deleted_or_replaced_in_use_does_no_harm(self):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "model.gguf"
            path.write_bytes((pathlib.Path(__file__).resolve().parents[2] / "models/demo.gguf").read_bytes())
            with Serve("--api-key", "k", "--model", str(path)) as server:
                path.unlink()
                path.write_bytes(b"something else")
                self.assertEqual(server.chat("k"), 200)
                self.assertEqual(server.stop(), 0)


class Tools(unittest.TestCase):
    def test_version_and_help(self):
        self.assertRegex(run("--version").stdout.decode(), r"^tessera \d+\.\d+\.\d+")
        for command in ("serve", "chat", "inspect", "logits", "render", "tokenize", "detokenize"):
            self.assertEqual(run(command, "--help").returncode, 0)

    def test_the_environment_is_read_for_the_command_that_is_asked_for(self):
        environment = {**os.environ, "TESSERA_PORT": "many"}
        for arguments, status, said in ((("tokenize",), 0, ""), (("--help",), 0, ""),
                                        (("serve",), 2, "--port: Value many not in range 0 to 65535 (from TESSERA_PORT)"),
                                        (("serve", "--port", "few"), 2, "--port: Value few not in range 0 to 65535\n")):
            done = subprocess.run([BINARY, *arguments], input=b"", capture_output=True, timeout=120, env=environment)
            self.assertEqual(done.returncode, status, done.stderr)
            self.assertIn(said, done.stderr.decode())

    def test_wrong_use_is_told(self):
        """What is wrong and which help tells more, and status 2."""
        for arguments, word, command in (((), "which command? There are serve, chat", ""), (("fly",), "'fly' is no command; commands are serve", ""),
                                         (("--fly",), "'--fly' is no flag here", ""), (("keys", "fly"), "'fly' is no command; commands are create", " keys"),
                                         (("serve", "--fly"), "'--fly' is not taken here", " serve"), (("keys", "list", "--fly", "x"), "'--fly x' is not taken", " keys list"), (("serve", "--port", "65536"), "not in range 0 to 65535", " serve"),
                                         (("serve", "--model", ""), "--model: the value is empty", " serve"), (("logits",), "--tokens is required", " logits"),
                                         (("serve", "--memory", "-5"), "-5 is no whole number of bytes", " serve"),
                                         (("serve", "--memory", "5 apples"), "5 apples is no whole number of bytes", " serve"),
                                         (("serve", "--body-memory", "33554431"), "not in range 32.00 MiB to", " serve")):
            done = run(*arguments)
            self.assertEqual((done.returncode, done.stdout), (2, b""), arguments)
            self.assertIn(word, done.stderr.decode())
            self.assertTrue(done.stderr.decode().endswith(f"`tessera{command} --help` tells more.\n"), done.stderr)

    def test_text_goes_there_and_back(self):
        text = "Summarise Cervantes: 12 + 30, ¿qué? \U0001F600 <|im_end|>\n".encode()
        ids = run("tokenize", text=text).stdout
        self.assertEqual(run("detokenize", text=ids).stdout, text)
        added = run("tokenize", "--added", text=b"a<|im_end|>").stdout.decode()
        self.assertLess(len(added.split(",")), len(run("tokenize", text=b"a<|im_end|>").stdout.decode().split(",")))

    def bench(self, *arguments):
        done = run("bench", "--repeats", "2", "--json", *arguments)
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        return [json.loads(line) for line in done.stdout.splitlines()]

    def test_bench_has_a_row_for_each_speed(self):
        rows = self.bench("--streams", "1,3", "--depths", "70,0", "--prompt", "20")
        self.assertEqual([(row["what"], row["settings"].get("streams"), row["settings"]["depth"]) for row in rows],
                         [("decode", 1, 0), ("decode", 1, 70), ("decode, slower than at the least depth by", 1, 70),
                          ("decode", 3, 0), ("decode", 3, 70),
                          ("prefill", None, 0), ("prefill", None, 70), ("prefill, time of a token", None, 70)])
        for row in rows:
            self.assertEqual((row["bench"], row["samples"], row["settings"]["backend"].split("/")[0]), ("engine", 2, "cpu"))
            self.assertLessEqual(row["p10"], row["median"])
            if row["unit"] == "tokens/s":
                self.assertGreater(row["median"], 0)
                self.assertIn("roof_unit", row)
            self.assertNotIn("bar", row)  # they are for files that no cache holds
        self.assertEqual(len(run("bench", "--streams", "1", "--prompt", "0", "--repeats", "1").stdout.splitlines()), 3)
        self.assertNotEqual(run("bench", "--streams", "-1").returncode, 0)
        self.assertEqual(run("bench", "--model", "/nonexistent").returncode, 1)

    def test_bench_takes_turns(self):
        rows = self.bench("--streams", "0", "--prompt", "0", "--turn", "48", "--by-threads", "1,2", "--by-isa", "scalar")
        self.assertEqual([(row["unit"], row["settings"]["threads"]) for row in rows],
                         [(unit, threads) for threads in (1, 2) for unit in ("s", "s", "x")])
        for row in rows:
            self.assertEqual((row["settings"]["backend"], row["settings"]["conversation"]), ("cpu/scalar", 48))

    def test_inspect_tells_the_configuration(self):
        out = run("inspect").stdout.decode()
        for word in ("qwen35moe", "vocabulary", "token_embd.weight", "Q8_0"):
            self.assertIn(word, out)
        self.assertEqual(run("inspect", "/no/such/file").returncode, 1)

    def test_logits_are_the_same_for_every_chunk(self):
        with tempfile.TemporaryDirectory() as folder:
            tokens = pathlib.Path(folder) / "tokens.txt"
            tokens.write_text(",".join(str(i) for i in range(1, 41)))
            rows = []
            for flags in ([], ["--chunk", "1"], ["--chunk", "7"], ["--threads", "1"], ["--isa", "scalar"]):
                out = pathlib.Path(folder) / "out.f32"
                done = run("logits", "--tokens", str(tokens), "--out", str(out), *flags)
                self.assertEqual(done.returncode, 0, done.stderr)
                rows.append(out.read_bytes())
            self.assertEqual(len(set(rows)), 1)
            self.assertEqual(len(rows[0]) % (40 * 4), 0)
            for bad in ("", "1,x", "-1", "99999999"):
                tokens.write_text(bad)
                self.assertEqual(run("logits", "--tokens", str(tokens), "--out", str(out)).returncode, 1, bad)

    def test_samples_fit_their_schema(self):
        with tempfile.TemporaryDirectory() as folder:
            schema = pathlib.Path(folder) / "schema.json"
            schema.write_text(json.dumps({"type": "object", "properties": {
                "a": {"type": "integer", "minimum": 3, "maximum": 12}, "b": {"type": "array", "items": {"type": "string", "pattern": "^x[yz]{1,4}$"}, "minItems": 2},
                "c": {"enum": [None, "é\n", {"k": [1]}]}}, "required": ["a", "b"], "additionalProperties": False}))
            command = ("grammar", "sample", "--schema", str(schema), "--count", "20")
            done = run(*command, "--seed", "5")
            self.assertEqual(done.returncode, 0, done.stderr)
            answers = [json.loads(line) for line in done.stdout.decode().splitlines()]
            self.assertEqual(len(answers), 20)
            for answer in answers:
                self.assertIn(answer["a"], range(3, 13))
                self.assertGreaterEqual(len(answer["b"]), 2)
                self.assertTrue(all(re.fullmatch("x[yz]{1,4}", text) for text in answer["b"]), answer)
                self.assertIn(answer.get("c"), [None, "é\n", {"k": [1]}])
            self.assertEqual(run(*command, "--seed", "5").stdout, done.stdout)
            self.assertNotEqual(run(*command, "--seed", "6").stdout, done.stdout)
            schema.write_text('{"properties": {"x": {"pattern": "("}}}')
            done = run(*command)
            self.assertEqual(done.returncode, 1)
            self.assertIn(b"/properties/x/pattern", done.stderr)
            self.assertEqual(run("grammar", "sample", "--schema", folder + "/none").returncode, 1)


if __name__ == "__main__":
    unittest.main()
