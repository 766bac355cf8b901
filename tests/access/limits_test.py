#!/usr/bin/env python3
"""Keys, tiers and limits on the real binary: what clients see, while the operator changes things beside the server.
TESSERA_BINARY names the binary."""
import collections
import http.client
import json
import os
import pathlib
import re
import signal
import subprocess
import tempfile
import threading
import time
import unittest

BINARY = os.environ["TESSERA_BINARY"]
MODEL = "Qwen/Qwen3.6-35B-A3B"
ENVIRONMENT = {k: v for k, v in os.environ.items() if not k.startswith("TESSERA_")}
Answer = collections.namedtuple("Answer", "status headers body")
FAST = {"count": {"first": 65, "tokens": 3}, "end_token": 1, "vocabulary": 4096}
SLOW = {"never_ends": 65, "vocabulary": 4096, "delay_us": 20_000}


def eventually(condition, pause_s=0.02):
    """Waits for what happens beside the test, which may take a second."""
    for _ in range(500):
        if condition():
            return True
        time.sleep(pause_s)
    return False


def port_of(process, log):
    """What it tells when it listens; the rest of what it says is little, and stays in the pipe."""
    for line in process.stdout:
        found = re.search(r"url +https?://127\.0\.0\.1:(\d+)/", line)
        if found:
            return int(found[1])
    raise AssertionError(log())


class Server:
    """`tessera serve` with a script, a database and a tiers file in a folder of its own."""

    def __init__(self, folder, script, *flags):
        self.folder = pathlib.Path(folder)
        self.database = str(self.folder / "tessera.db")
        self.tiers = self.folder / "tiers.toml"
        if not self.tiers.exists():
            self.tiers.write_text("")
        (self.folder / "script.json").write_text(json.dumps(script))
        self.flags = ["--backend", "fake", "--fake-script", str(self.folder / "script.json"), "--db", self.database, "--tiers",
                      str(self.tiers), "--drain-timeout", "1", *flags]

    def __enter__(self):
        self.log = open(self.folder / "log", "a")
        self.process = subprocess.Popen([BINARY, "serve", "--port", "0", *self.flags], env=ENVIRONMENT,
                                        stdout=subprocess.PIPE, stderr=self.log, text=True)
        self.port = port_of(self.process, lambda: (self.folder / "log").read_text())
        for _ in range(600):
            if self.process.poll() is not None:
                raise AssertionError((self.folder / "log").read_text())
            try:
                if self.ask("GET", "/readyz").status == 200:
                    return self
            except OSError:
                time.sleep(0.05)
        raise AssertionError("not ready")

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        self.log.close()
        self.process.stdout.close()
        assert self.process.wait(timeout=60) in (0, -signal.SIGKILL), (self.folder / "log").read_text()

    def keys(self, *arguments):
        """`tessera keys …` beside the server; what it prints."""
        environment = {**ENVIRONMENT, "TESSERA_DB": self.database, "TESSERA_TIERS": str(self.tiers)}
        done = subprocess.run([BINARY, "keys", *arguments], env=environment, capture_output=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode()

    def create_key(self, account, tier):
        """A key that works already, and its id."""
        made = json.loads(self.keys("create", "--account", account, "--tier", tier, "--json"))
        # Not often: an address that asks with keys that are not known yet is soon told to wait.
        assert eventually(lambda: self.ask("GET", "/v1/models", key=made["key"]).status == 200, pause_s=0.2)
        return made["key"], made["id"]

    def set_tiers(self, text):
        fresh = self.tiers.with_suffix(".new")
        fresh.write_text(text)
        fresh.rename(self.tiers)

    def connect(self):
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)

    def ask(self, method, path, key=None, body=None):
        connection = self.connect()
        headers = {"Content-Type": "application/json"} if body else {}
        if key:
            headers["Authorization"] = f"Bearer {key}"
        try:
            connection.request(method, path, json.dumps(body) if body else None, headers)
            response = connection.getresponse()
            return Answer(response.status, response.headers, response.read())
        finally:
            connection.close()

    def chat(self, key, **fields):
        return self.ask("POST", "/v1/chat/completions", key, {"model": MODEL, "max_tokens": 4, "messages": [{"role": "user", "content": "Hi"}], **fields})

    def stream(self, key):
        """A stream that has begun: (connection, response)."""
        connection = self.connect()
        body = {"model": MODEL, "stream": True, "messages": [{"role": "user", "content": "Hi"}]}
        connection.request("POST", "/v1/chat/completions", json.dumps(body), {"Authorization": f"Bearer {key}", "Content-Type": "application/json"})
        response = connection.getresponse()
        assert response.status == 200, response.read()
        response.readline()
        return connection, response

    def limit(self, key):
        return self.ask("GET", "/v1/models", key).headers.get("X-RateLimit-Limit-Requests")


def error_of(answer):
    return json.loads(answer.body)["error"]


class Served(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def serve(self, script, *flags, tiers=""):
        (pathlib.Path(self.folder) / "tiers.toml").write_text(tiers)
        return Server(self.folder, script, *flags)


class Limits(Served):
    def test_of_a_thousand_concurrent_requests_a_hundred_pass(self):
        tiers = "[tier.enterprise]\nrequests_per_minute = 100\nburst_requests_per_minute = 100\nconcurrent_requests = \"unlimited\"\n"
        with self.serve(FAST, "--api-key", "k", "--max-queue", "2000", tiers=tiers) as server:
            answers, go = [], threading.Event()

            def client():
                go.wait()
                for _ in range(5):
                    answers.append(server.chat("k"))

            threads = [threading.Thread(target=client) for _ in range(200)]
            for thread in threads:
                thread.start()
            go.set()
            for thread in threads:
                thread.join()
            self.assertEqual(collections.Counter(a.status for a in answers), {200: 100, 429: 900})
            for answer in answers:
                self.assertEqual(answer.headers["X-RateLimit-Limit-Requests"], "100")
                self.assertIn(int(answer.headers["X-RateLimit-Reset-Requests"]), range(1, 61))
                if answer.status == 429:
                    self.assertEqual(answer.headers["X-RateLimit-Remaining-Requests"], "0")
                    self.assertIn(int(answer.headers["Retry-After"]), range(1, 61))
                    self.assertEqual((error_of(answer)["type"], error_of(answer)["code"]), ("rate_limit_error", "rate_limit_exceeded"))
            passed = sorted(int(a.headers["X-RateLimit-Remaining-Requests"]) for a in answers if a.status == 200)
            self.assertLess(passed[-1], 100)

    def test_a_restart_is_no_fresh_quota(self):
        tiers = "[tier.enterprise]\nrequests_per_minute = 5\nburst_requests_per_minute = 5\n"
        with self.serve(FAST, "--api-key", "k", tiers=tiers) as server:
            self.assertEqual([server.chat("k").status for _ in range(4)], [200] * 4)
            server.process.kill()
            server.process.wait()
        with self.serve(FAST, "--api-key", "k", tiers=tiers) as server:
            self.assertEqual([server.chat("k").status for _ in range(2)], [200, 429])

    def test_places_come_back_when_streams_end(self):
        with self.serve(SLOW, "--api-key", "k", tiers="[tier.enterprise]\nconcurrent_requests = 2\n") as server:
            streams = [server.stream("k") for _ in range(2)]
            third = server.chat("k")
            self.assertEqual(third.status, 429)
            self.assertEqual(error_of(third)["code"], "concurrency_limit")
            self.assertGreaterEqual(int(third.headers["Retry-After"]), 1)
            for each in streams[0]:
                each.close()
            self.assertTrue(eventually(lambda: server.chat("k").status == 200))
            for each in streams[1]:
                each.close()

    def test_who_finds_no_place_is_not_counted(self):
        """Nor whose quota is used up: what a 429 refuses costs nothing of the rate."""
        with self.serve(SLOW, "--api-key", "k", tiers="[tier.enterprise]\nconcurrent_requests = 1\nthinking_tokens_per_day = 9\n"
                        "requests_per_minute = 3\nburst_requests_per_minute = 3\n") as server:
            stream = server.stream("k")
            refused = [server.chat("k") for _ in range(5)]
            self.assertEqual({(a.status, error_of(a)["code"], a.headers["X-RateLimit-Remaining-Requests"]) for a in refused},
                             {(429, "concurrency_limit", "2")})
            for each in stream:
                each.close()
            self.assertTrue(eventually(lambda: server.chat("k").status == 200))
            thinking = server.chat("k", max_tokens=10, chat_template_kwargs={"enable_thinking": True})
            self.assertEqual((thinking.status, error_of(thinking)["code"]), (429, "insufficient_quota"))
            self.assertEqual(thinking.headers["X-RateLimit-Remaining-Requests"], "1")
            self.assertEqual([server.chat("k").status for _ in range(2)], [200, 429])

    def test_guessing_is_slowed_down_and_good_keys_work(self):
        with self.serve(FAST, "--api-key", "k") as server:
            answers = [server.ask("GET", "/v1/models", f"sk-tessera-guess{i}") for i in range(30)]
            self.assertEqual([a.status for a in answers], [401] * 20 + [429] * 10)
            self.assertEqual(len({error_of(a)["message"] for a in answers[:20]}), 1)
            self.assertGreaterEqual(int(answers[-1].headers["Retry-After"]), 1)
            self.assertEqual(server.chat("k").status, 200)
            self.assertEqual(server.ask("GET", "/v1/models").status, 401)

    def test_the_tiers_file_is_followed(self):
        with self.serve(FAST, "--api-key", "k") as server:
            self.assertEqual(server.limit("k"), "5000")
            server.set_tiers("[tier.enterprise]\nrequests_per_minute = 4000\n")
            self.assertTrue(eventually(lambda: server.limit("k") == "4000"))
            server.set_tiers("[tier.enterprise]\nrequests_per_minute = -1\n")
            self.assertTrue(eventually(lambda: "the tiers stay as they were" in (server.folder / "log").read_text()))
            self.assertEqual(server.limit("k"), "4000")

    def test_a_pipe_where_the_tiers_file_was_holds_nothing_up(self):
        """Who waited for it would see no revoked key any more."""
        with self.serve(FAST) as server:
            key, key_id = server.create_key("acme", "pro")
            server.tiers.unlink()
            os.mkfifo(server.tiers)
            self.assertTrue(eventually(lambda: "is a named pipe" in (server.folder / "log").read_text()))
            self.assertEqual(server.limit(key), "200")
            subprocess.run([BINARY, "keys", "revoke", key_id, "--db", server.database], env=ENVIRONMENT, check=True, capture_output=True)
            self.assertTrue(eventually(lambda: server.chat(key).status == 401))


class Changes(Served):
    """The operator's commands beside a running server."""

    def test_a_revoked_key_ends_its_streams_and_no_others(self):
        with self.serve(SLOW) as server:
            key, key_id = server.create_key("acme", "pro")
            other, _ = server.create_key("acme", "pro")
            connection, response = server.stream(key)
            other_connection, other_response = server.stream(other)
            server.keys("revoke", key_id)
            events = [line[6:] for line in response.read().decode().splitlines() if line.startswith("data: ")]
            self.assertEqual(events[-1], "[DONE]")
            self.assertEqual(json.loads(events[-2])["error"]["code"], "invalid_api_key")
            self.assertFalse(any('"finish_reason":"' in event for event in events))
            refused = server.chat(key)
            self.assertEqual((refused.status, error_of(refused)["code"]), (401, "invalid_api_key"))
            for _ in range(50):
                self.assertTrue(other_response.readline())
            for each in (response, connection, other_response, other_connection):
                each.close()

    def test_a_tier_change_needs_no_restart(self):
        with self.serve(FAST) as server:
            key, _ = server.create_key("acme", "lite")
            self.assertEqual(server.limit(key), "50")
            server.keys("tier", "acme", "scale", "--context", "65536")
            self.assertTrue(eventually(lambda: server.limit(key) == "500"))
            shown = json.loads(server.ask("GET", "/v1/models", key).body)["data"][0]
            self.assertLessEqual(shown["max_model_len"], 65536)

    def test_a_disabled_account_is_forbidden_until_it_is_enabled(self):
        with self.serve(FAST) as server:
            key, _ = server.create_key("acme", "lite")
            server.keys("disable", "acme")
            self.assertTrue(eventually(lambda: server.chat(key).status == 403))
            self.assertEqual(error_of(server.chat(key))["code"], "account_disabled")
            server.keys("enable", "acme")
            self.assertTrue(eventually(lambda: server.chat(key).status == 200))

    def test_a_burst_passes_over_the_sustained_rate(self):
        with self.serve(FAST) as server:
            key, _ = server.create_key("acme", "lite")
            answers = [server.chat(key) for _ in range(101)]
            self.assertEqual(collections.Counter(a.status for a in answers), {200: 100, 429: 1})
            self.assertRegex(error_of(answers[-1])["message"], re.escape("50 requests per minute on tier lite (burst of 100 used up)"))


if __name__ == "__main__":
    unittest.main()
