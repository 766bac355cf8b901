#!/usr/bin/env python3
"""A key's life on the real binary, as its clients see it: rotated, expired, bound to a model, out of quota, revoked in every state of a
request; and a client who waits as long as it is told is let in. TESSERA_BINARY names the binary."""
import json
import socket
import threading
import time
import unittest

from limits_test import FAST, MODEL, SLOW, Served, error_of, eventually

# A step takes long and reads little: time to revoke while a prompt is read.
READS_SLOWLY = {"never_ends": 65, "vocabulary": 4096, "delay_us": 50_000, "max_batch_tokens": 16}


class Life(Served):
    def create(self, server, *flags):
        made = json.loads(server.keys("create", "--account", "acme", "--json", *flags))
        self.assertTrue(eventually(lambda: server.ask("GET", "/v1/models", key=made["key"]).status != 401))
        return made["key"], made["id"]

    def test_rotated_with_an_overlap(self):
        # Asked many times on a slow machine: the limit of requests is not what is tested here.
        with self.serve(FAST, tiers="[tier.lite]\nrequests_per_minute = 1000\nburst_requests_per_minute = 1000\n") as server:
            old, old_id = self.create(server)
            new = json.loads(server.keys("rotate", old_id, "--overlap", "3s", "--json"))["key"]
            self.assertTrue(eventually(lambda: server.chat(new).status == 200))
            self.assertEqual(server.chat(old).status, 200)
            self.assertTrue(eventually(lambda: server.chat(old).status == 401))
            self.assertEqual(server.chat(new).status, 200)

    def test_expired_while_a_stream_runs(self):
        with self.serve(SLOW) as server:
            key, _ = self.create(server, "--expires", "3s")
            connection, response = server.stream(key)
            self.check_cut(response.read())
            connection.close()
            refused = server.chat(key)
            self.assertEqual((refused.status, error_of(refused)["code"]), (401, "invalid_api_key"))

    def test_for_one_model_only(self):
        with self.serve(FAST, "--served-model-name", MODEL, "--served-model-name", "other") as server:
            key, _ = self.create(server, "--model", "other")
            self.assertEqual(server.chat(key, model="other").status, 200)
            refused = server.chat(key)
            self.assertEqual((refused.status, error_of(refused)["type"], error_of(refused)["code"]), (403, "permission_error", "model_not_allowed"))
            shown = json.loads(server.ask("GET", "/v1/models", key).body)["data"]
            self.assertEqual([model["id"] for model in shown], ["other"])
            for path, body in (("/v1/completions", {"model": MODEL, "prompt": "a"}), ("/v1/tokenize", {"model": MODEL, "prompt": "a"})):
                self.assertEqual(server.ask("POST", path, key, body).status, 403, path)
            self.assertEqual(server.ask("GET", "/v1/models/" + MODEL, key).status, 403)

    def test_a_quota_of_reasoning_tokens(self):
        with self.serve(FAST, tiers="[tier.lite]\nthinking_tokens_per_day = 100\n") as server:
            key, _ = self.create(server)
            thinking = {"chat_template_kwargs": {"enable_thinking": True}, "max_tokens": 200}
            for fields in ({"thinking_budget": 101}, {"thinking_budget": 51, "n": 2}):
                refused = server.chat(key, **thinking, **fields)
                self.assertEqual((refused.status, error_of(refused)["type"], error_of(refused)["code"]), (429, "insufficient_quota", "insufficient_quota"))
                self.assertEqual(refused.headers["x-should-retry"], "false")
            used = 0
            while (answer := server.chat(key, **thinking, thinking_budget=100 - used)).status == 200 and used < 100:
                spent = json.loads(answer.body)["usage"]["completion_tokens_details"]["reasoning_tokens"]
                self.assertGreater(spent, 0)
                used += spent
                over = server.chat(key, **thinking, thinking_budget=100 - used + 1)
                self.assertEqual((over.status, error_of(over)["code"]), (429, "insufficient_quota"))
            self.assertEqual(used, 100)
            self.assertEqual(server.chat(key).status, 200, "direct mode costs no reasoning tokens")
        with server:  # a restart is no fresh quota
            self.assertEqual(server.chat(key, **thinking, thinking_budget=1).status, 429)

    def check_cut(self, raw):
        events = [line[6:] for line in raw.decode().splitlines() if line.startswith("data: ")]
        self.assertEqual(events[-1], "[DONE]")
        self.assertEqual(json.loads(events[-2])["error"]["code"], "invalid_api_key")
        self.assertFalse(any('"finish_reason":"' in event for event in events))

    def test_revoked_in_every_state(self):
        """Idle on a kept connection, waiting in the queue, while the prompt is read, in the middle; streams and whole answers."""
        with self.serve(READS_SLOWLY, "--max-running", "2") as server:
            stay, _ = self.create(server)
            key, key_id = self.create(server)
            idle = server.connect()
            idle.request("GET", "/v1/models", headers={"Authorization": f"Bearer {key}"})
            self.assertEqual(idle.getresponse().read()[:1], b"{")
            other = server.stream(stay)
            middle = server.stream(key)
            long = [{"role": "user", "content": "word " * 2000}]
            answers, connections = [], []

            def ask(fields):
                connection = server.connect()
                connections.append(connection)
                body = {"model": MODEL, "messages": [{"role": "user", "content": "Hi"}], **fields}
                connection.request("POST", "/v1/chat/completions", json.dumps(body), {"Authorization": f"Bearer {key}"})
                response = connection.getresponse()
                answers.append((fields["stream"], response.status, response.read()))

            # Two places: these wait, and one of them reads its long prompt when `middle` goes.
            threads = [threading.Thread(target=ask, args=({"stream": stream, "messages": long, "max_tokens": 100},)) for stream in (False, True) for _ in range(2)]
            for thread in threads:
                thread.start()
            time.sleep(0.3)
            for each in reversed(middle):
                each.close()
            time.sleep(0.3)
            server.keys("revoke", key_id)
            for thread in threads:
                thread.join(20)
                self.assertFalse(thread.is_alive())
            self.assertEqual(len(answers), 4)
            for streamed, status, body in answers:
                if streamed:
                    self.assertEqual(status, 200)
                    self.check_cut(body)
                else:
                    self.assertEqual((status, json.loads(body)["error"]["code"]), (401, "invalid_api_key"))
            idle.request("GET", "/v1/models", headers={"Authorization": f"Bearer {key}"})
            self.assertEqual(idle.getresponse().status, 401)
            self.assertTrue(other[1].readline())
            for each in (idle, *connections, *reversed(other)):
                each.close()

    def test_revoked_while_its_body_comes(self):
        """Also one so long that it is counted as the account's."""
        with self.serve(FAST) as server:
            for words in (1, 100_000):
                key, key_id = server.create_key("acme", "pro")
                body = json.dumps({"model": MODEL, "max_tokens": 1, "messages": [{"role": "user", "content": "word " * words}]}).encode()
                with socket.create_connection(("127.0.0.1", server.port), timeout=60) as wire:
                    wire.sendall(f"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {key}\r\n"
                                 f"Connection: close\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body[:20])
                    server.keys("revoke", key_id)
                    self.assertTrue(eventually(lambda: server.ask("GET", "/v1/models", key).status == 401))
                    wire.sendall(body[20:])
                    with wire.makefile("rb") as answer:
                        said = answer.read()
                self.assertTrue(said.startswith(b"HTTP/1.1 401 "), said[:200])
                self.assertIn(b'"invalid_api_key"', said)

    def test_who_waits_as_told_is_let_in(self):
        """The window is a minute: one turn of it."""
        with self.serve(FAST, tiers="[tier.lite]\nrequests_per_minute = 3\nburst_requests_per_minute = 5\nburst_minutes_per_hour = 1\n") as server:
            key, _ = self.create(server)
            remaining, refused = [], 0
            for _ in range(8):
                answer = server.chat(key)
                remaining.append(int(answer.headers["X-RateLimit-Remaining-Requests"]))
                if answer.status == 429:
                    refused += 1
                    wait = int(answer.headers["retry-after-ms"])
                    self.assertLessEqual(wait, int(answer.headers["Retry-After"]) * 1000)
                    time.sleep(wait / 1000)
                    answer = server.chat(key)
                self.assertEqual(answer.status, 200, answer.body)
                if refused:
                    break
            self.assertEqual(refused, 1)
            self.assertEqual(remaining, [2, 1, 0, 0, 0, 0])


if __name__ == "__main__":
    unittest.main()
