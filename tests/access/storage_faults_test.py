#!/usr/bin/env python3
"""What happens to the database while a server has it open: locked, full, gone, replaced, damaged. Clients of known keys notice nothing;
changes fail loudly; rows come later. And what must be in no file, log or answer. TESSERA_BINARY names the binary."""
import concurrent.futures
import contextlib
import http.client
import json
import os
import pathlib
import resource
import signal
import socket
import sqlite3
import subprocess
import time
import unittest

from limits_test import BINARY, ENVIRONMENT, FAST, MODEL, Served, error_of, eventually


class Storage(Served):
    def rows(self, server):
        with contextlib.closing(sqlite3.connect(server.database, timeout=20)) as database:
            return database.execute("SELECT count(*) FROM usage WHERE status = 200 AND ended > 0").fetchone()[0]

    def log(self, server):
        return (server.folder / "log").read_text(errors="replace")

    def answers(self, server, key, count):
        for _ in range(count):
            answer = server.chat(key)
            self.assertEqual(answer.status, 200, answer.body)

    def run_keys(self, server, *arguments):
        return subprocess.run([BINARY, "keys", *arguments, "--db", server.database], env=ENVIRONMENT, capture_output=True, text=True, timeout=60, check=False)

    def test_locked_by_another_process(self):
        with self.serve(FAST) as server:
            key, key_id = server.create_key("acme", "pro")
            self.answers(server, key, 3)
            with contextlib.closing(sqlite3.connect(server.database, isolation_level=None)) as other:
                other.execute("BEGIN IMMEDIATE")
                self.answers(server, key, 10)
                refused = self.run_keys(server, "revoke", key_id)
                self.assertEqual((refused.returncode, refused.stdout), (1, ""))
                self.assertIn("locked", refused.stderr)
                self.answers(server, key, 1)
                other.execute("ROLLBACK")
            self.assertTrue(eventually(lambda: self.rows(server) == 14))
            self.assertEqual(self.run_keys(server, "revoke", key_id).returncode, 0)
            self.assertTrue(eventually(lambda: server.chat(key).status == 401))

    def test_a_reader_that_never_ends(self):
        with self.serve(FAST) as server:
            key, _ = server.create_key("acme", "enterprise")
            with contextlib.closing(sqlite3.connect(server.database, isolation_level=None)) as other:
                other.execute("BEGIN")
                other.execute("SELECT count(*) FROM usage").fetchone()
                self.answers(server, key, 300)
                self.assertEqual(other.execute("SELECT count(*) FROM usage").fetchone()[0], 0)
            self.assertEqual(self.rows(server), 300)

    def test_no_room_for_a_while(self):
        with self.serve(FAST) as server:
            key, _ = server.create_key("acme", "enterprise")
            self.answers(server, key, 20)
            free = resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))
            self.answers(server, key, 50)
            self.assertLess(self.rows(server), 70)
            resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, free)
            self.assertTrue(eventually(lambda: self.rows(server) == 70), self.rows(server))
            self.answers(server, key, 1)
            self.assertEqual(self.rows(server), 71)

    def test_no_room_for_more_rows_than_are_kept(self):
        """From then on a row may be lost: whose tier is metered waits, the others go on."""
        tiers = "[tier.enterprise]\nrequests_per_minute = \"unlimited\"\n"
        with self.serve(FAST, tiers=tiers) as server:
            free_key, _ = server.create_key("free", "enterprise")
            metered, _ = server.create_key("metered", "pro")
            self.answers(server, metered, 1)
            room = resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))
            self.many(server, free_key, 9_000)
            self.answers(server, metered, 1)
            self.many(server, free_key, 1_200)
            refused = server.chat(metered)
            self.assertEqual((refused.status, error_of(refused)["code"], error_of(refused)["type"]),
                             (503, "usage_store_unavailable", "overloaded_error"))
            self.assertGreaterEqual(int(refused.headers["Retry-After"]), 1)
            self.assertIn("X-RateLimit-Limit-Requests", refused.headers)
            self.answers(server, free_key, 1)
            self.assertEqual(json.loads(server.ask("GET", "/readyz").body)["store"], "failing")
            resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, room)
            self.assertTrue(eventually(lambda: server.chat(metered).status == 200))
            self.assertTrue(eventually(lambda: self.rows(server) >= 9_990), self.rows(server))

    def many(self, server, key, count):
        """So many answers over a few connections that are kept."""
        body = json.dumps({"model": MODEL, "max_tokens": 1, "messages": [{"role": "user", "content": "Hi"}]})
        headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}

        def client(_):
            with contextlib.closing(server.connect()) as connection:
                for _ in range(count // 8):
                    connection.request("POST", "/v1/chat/completions", body, headers)
                    response = connection.getresponse()
                    self.assertEqual((response.status, bool(response.read())), (200, True))

        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            self.assertEqual(list(pool.map(client, range(8))), [None] * 8)

    def test_deleted(self):
        with self.serve(FAST) as server:
            key, _ = server.create_key("acme", "pro")
            for name in ("", "-wal", "-shm"):
                os.unlink(server.database + name)
            self.answers(server, key, 20)
            self.assertEqual(server.chat("sk-tessera-unknown").status, 401)
            self.assertTrue(eventually(lambda: "cannot be read; those known go on" in self.log(server)))
            self.assertIn("cannot be written, they are kept", self.log(server))
            self.assertFalse(os.path.exists(server.database))
            ready = server.ask("GET", "/readyz")
            self.assertEqual((ready.status, json.loads(ready.body)), (200, {"status": "ok", "store": "failing"}))
            self.assertNotEqual(self.run_keys(server, "list").returncode, 0)

    def test_wal_deleted(self):
        self.check_deleted("-wal")

    def test_wal_index_deleted(self):
        self.check_deleted("-shm")

    def test_wal_deleted_behind_a_link(self):
        real = pathlib.Path(self.folder) / "elsewhere" / "real.db"
        real.parent.mkdir()
        real.touch(mode=0o600)
        (pathlib.Path(self.folder) / "tessera.db").symlink_to(real)
        self.check_deleted("-wal", real)

    def check_deleted(self, suffix, real=None):
        """Others would not see our rows, nor we their revocations: that is told, and what the WAL held is in the file."""
        with self.serve(FAST) as server:
            key, key_id = server.create_key("acme", "pro")
            gone, gone_id = server.create_key("acme", "pro")
            server.keys("revoke", gone_id)
            self.answers(server, key, 20)
            os.unlink(str(real or server.database) + suffix)
            self.assertTrue(eventually(lambda: "cannot be read; those known go on" in self.log(server)))
            self.answers(server, key, 5)
            self.assertEqual(json.loads(server.ask("GET", "/readyz").body)["store"], "failing")
            self.assertEqual(self.run_keys(server, "revoke", key_id).returncode, 0)
            late = self.run_keys(server, "create", "--account", "late").stdout.strip()
        self.assertEqual(self.rows(server), 20)
        with server:
            self.assertEqual([server.chat(k).status for k in (key, gone, late)], [401, 401, 200])

    def test_replaced(self):
        with self.serve(FAST) as server:
            key, _ = server.create_key("acme", "pro")
            fresh = str(server.folder / "fresh.db")
            made = subprocess.run([BINARY, "keys", "create", "--account", "new", "--db", fresh], env=ENVIRONMENT, capture_output=True, text=True, check=True)
            os.rename(fresh, server.database)
            self.assertTrue(eventually(lambda: "cannot be read; those known go on" in self.log(server)))
            self.answers(server, key, 20)
            self.assertEqual(server.chat(made.stdout.strip()).status, 401)
        for name in ("-wal", "-shm"):
            pathlib.Path(server.database + name).unlink(missing_ok=True)
        with server:
            self.assertEqual((server.chat(key).status, server.chat(made.stdout.strip()).status), (401, 200))

    def test_damaged(self):
        with self.serve(FAST) as server:
            key, _ = server.create_key("acme", "pro")
            self.answers(server, key, 20)
            with contextlib.closing(sqlite3.connect(server.database)) as other:
                other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            size = os.path.getsize(server.database)
            with open(server.database, "r+b") as file:
                file.seek(4096)
                file.write(b"\xa5" * (size - 4096))
            self.answers(server, key, 30)
            self.assertIsNone(server.process.poll())
        for command in (["serve", "--port", "0"], ["keys", "list"], ["usage"]):
            done = subprocess.run([BINARY, *command, "--db", server.database], env=ENVIRONMENT, capture_output=True, text=True, timeout=60, check=False)
            self.assertEqual(done.returncode, 1, done)
            self.assertRegex(done.stderr, "damaged|malformed")
            self.assertIn(".recover", done.stderr)

    def test_few_descriptors(self):
        """Too few to serve: an error, or a server that answers; never an end without a word."""
        for limit in (8, 12, 16, 20, 24, 32, 64):
            with self.subTest(limit):
                process = subprocess.Popen([BINARY, "serve", "--port", "0", "--db", str(pathlib.Path(self.folder) / "few.db")], env=ENVIRONMENT, text=True,
                                           stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                           preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit)))
                said = ""
                for line in process.stdout:
                    said += line
                    if line.startswith("Try:"):
                        process.send_signal(signal.SIGTERM)
                process.stdout.close()
                self.assertIn(process.wait(), (0, 1), said)
                self.assertTrue(said)
                self.assertNotIn("terminate", said)

    def test_hangup_without_a_terminal(self):
        with self.serve(FAST, "--api-key", "k") as server:
            server.process.send_signal(signal.SIGHUP)
            self.assertTrue(eventually(lambda: "SIGHUP" in self.log(server)))
            self.assertEqual(server.chat("k").status, 200)


class Memory(Served):
    def status_kib(self, server, name):
        return next(int(line.split()[1]) for line in pathlib.Path(f"/proc/{server.process.pid}/status").read_text().splitlines() if line.startswith(name + ":"))

    def test_too_little_for_some_requests(self):
        """They fail; the process, and those that need little, go on."""
        with self.serve(FAST, "--api-key", "k") as server:
            self.assertEqual(server.chat("k").status, 200)
            size = self.status_kib(server, "VmSize") * 1024
            if size > 1 << 40:
                self.skipTest("a sanitizer has all addresses already")
            large = [{"role": "user", "content": "x " * (7 << 19)}]
            for spare in (64 << 20, 24 << 20, 8 << 20, 1 << 20):
                resource.prlimit(server.process.pid, resource.RLIMIT_AS, (size + spare, resource.RLIM_INFINITY))
                with concurrent.futures.ThreadPoolExecutor(4) as pool:
                    for status in pool.map(lambda _: self.status_of(server, large), range(4)):
                        self.assertIn(status, (0, 400, 500, 503))
                resource.prlimit(server.process.pid, resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
                self.assertEqual(server.chat("k").status, 200)
            self.assertIn("out of memory", (server.folder / "log").read_text())

    def status_of(self, server, messages):
        try:
            return server.chat("k", messages=messages).status
        except (OSError, http.client.HTTPException):
            return 0


class Secrets(Served):
    """Of a key its first and last characters and its hash; of prompts and answers nothing."""

    def test_no_file_and_no_log_has_them(self):
        prompt, answer = "PROMPTMARK" * 3, "ANSWERMARK"
        tokens = [int(i) for i in subprocess.run([BINARY, "tokenize"], input=answer * 3, capture_output=True, text=True, check=True).stdout.split(",")]
        words = {"responses": [tokens], "end_token": 0, "vocabulary": 4096, "delay_us": 500}
        for log_flags in ([], ["--log-json"]):
            with self.subTest(log_flags), self.serve(words, "--admin-port", "0", *log_flags) as server:
                key, key_id = server.create_key("acme", "enterprise")
                secret = key[len("sk-tessera-"):]
                messages = [{"role": "user", "content": prompt}]
                good = server.chat(key, messages=messages, max_tokens=100)
                self.assertIn(answer, good.body.decode())
                told = [server.chat(key, messages=messages, temperature=9), server.chat(key, messages=messages, model=prompt[:60] + key),
                        server.chat(key + "x", messages=messages), server.chat(key, messages=[{"role": prompt, "content": key}]),
                        server.chat(key, messages=messages, **{prompt: key}), server.ask("GET", "/v1/" + secret, key), server.ask("POST", "/v1/models", key, {}),
                        server.ask("GET", "/v1/models?api_key=" + key), server.chat(key, messages=messages, stream=True, n=99), server.ask("GET", "/openapi.json")]
                for raw in (b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer " + key.encode() + b"\r\nContent-Length: 9\r\n\r\n{\"" + prompt.encode()[:7],
                            b"GET / HTTP/1.1\r\nHost: localhost\r\nAuthorization : Bearer " + key.encode() + b"\r\n\r\n", b"\x16\x03\x01" + key.encode() + b"\r\n\r\n",
                            b"GET /" + key.encode() + b"\x00 HTTP/1.1\r\nHost: localhost\r\n\r\n"):
                    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as wire:
                        wire.sendall(raw)
                        wire.shutdown(socket.SHUT_WR)
                        told.append(type(good)(0, "", wire.recv(65536)))
                for each in told:  # what names a value that was sent may show the start of it; never a key
                    self.assertNotIn(secret, str(each.headers) + each.body.decode(errors="replace"))
                for connection in server.stream(key):
                    connection.close()
                server.keys("rotate", key_id, "--overlap", "1h")
                server.keys("list")
                self.assertTrue(eventually(lambda: server.process.poll() is None and pathlib.Path(server.database + "-wal").exists()))
                cmdline = pathlib.Path(f"/proc/{server.process.pid}/cmdline").read_bytes()
                files = {path: path.read_bytes() for path in server.folder.iterdir() if path.name not in ("script.json", "tiers.toml")}
                self.assertGreaterEqual(len(files), 4)
                for path, content in [*files.items(), ("cmdline", cmdline)]:
                    for mark in (secret, "PROMPTMARK", answer):
                        self.assertNotIn(mark.encode(), content, path)
                self.assertIn(f"sk-tessera-…{key[-4:]}".encode(), files[pathlib.Path(server.database)] + files[pathlib.Path(server.database + "-wal")])

    def test_lines_of_the_log_are_ours(self):
        """CR, LF, escapes and long texts of a request make no lines and no colours."""
        with self.serve(FAST, "--api-key", "k") as server:
            body = json.dumps({"model": MODEL, "messages": [{"role": "user", "content": "a"}], "user": "x\r\nFORGED", "metadata": {"a": "\x1b[31mFORGED"}, "FORGED\r\nline": 1})
            with socket.create_connection(("127.0.0.1", server.port), timeout=20) as wire:
                wire.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer k\r\nUser-Agent: \x1b[31mFORGED\r\nX-Request-Id: FORGED;a\r\n"
                             b"Content-Length: " + str(len(body)).encode() + b"\r\n\r\n" + body.encode())
                self.assertTrue(wire.recv(65536))
            for path in ("/FORGED%0d%0a", "/v1/models/FORGED%0a%1b[31m"):
                server.ask("GET", path, "k")
            log = (server.folder / "log").read_text()
            self.assertNotIn("FORGED", log)
            self.assertNotIn("\x1b", log)
            with contextlib.closing(sqlite3.connect(server.database)) as database:
                for row in database.execute("SELECT * FROM usage"):
                    self.assertNotIn("\x1b", str(list(row)).encode().decode("unicode_escape", errors="ignore"))


if __name__ == "__main__":
    unittest.main()
