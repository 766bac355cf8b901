#!/usr/bin/env python3
"""Far more requests than places, and an engine that fails, on the real binary: what is let in is answered whole, the rest is refused at once with a
time to come again, and afterwards everything is as it was. A step that fails or has no numbers ends its own requests, one that hangs ends the
process for its supervisor. TESSERA_BINARY names the binary."""
import collections
import concurrent.futures
import contextlib
import os
import unittest

from serving import KEYS, PATIENCE_S, Server

BINARY = os.environ["TESSERA_BINARY"]
TIERS = '[tier.enterprise]\nrequests_per_minute = "unlimited"\nconcurrent_requests = "unlimited"\n'
RUNNING, WAITING = 4, 8
FAKE = {"hash": 3, "max_sequences": RUNNING, "delay_us": 2000}


def make_body(number):
    return {"messages": [{"role": "user", "content": f"Question {number % 7}"}], "max_tokens": 20, "seed": number % 7}


class Overload(unittest.TestCase):
    def test_what_is_let_in_is_answered_and_the_rest_told_when_to_come_again(self):
        with Server(BINARY, "--max-queue", WAITING, "--max-running", RUNNING, script=FAKE, tiers=TIERS) as server:
            alone = [server.ask(make_body(number)).digest for number in range(7)]
            for times in (2, 10, 50):
                count = times * (RUNNING + WAITING)
                with concurrent.futures.ThreadPoolExecutor(count) as pool:
                    answers = list(pool.map(lambda number: server.ask(make_body(number), KEYS[number % 3]), range(count)))
                for number, answer in enumerate(answers):
                    if answer.status == 200:
                        self.assertEqual(answer.digest, alone[number % 7])
                        continue
                    self.assertEqual((answer.status, answer.body["error"]["code"]), (503, "server_overloaded"))
                    self.assertGreaterEqual(int(answer.headers["retry-after"]), 1)
                refused = sum(answer.status != 200 for answer in answers)
                # All of the first places at least; and who asks when nobody else does is let in.
                self.assertGreaterEqual(count - refused, RUNNING)
                if times >= 10:
                    self.assertGreater(refused, 0)
                server.wait_idle()
                self.assertEqual(server.ask(make_body(1)).digest, alone[1])

    def test_what_waits_too_long_is_refused_and_never_computed(self):
        slow = {"never_ends": 65, "max_sequences": 1, "delay_us": 5000}
        with Server(BINARY, "--queue-timeout", 1, script=slow, tiers=TIERS) as server:
            with server.send({"messages": [{"role": "user", "content": "Hello"}], "max_tokens": 100_000, "stream": True}) as running:
                running.recv(10_000)
                server.wait_for(lambda metrics: metrics["tessera_generated_tokens_total"] > 0, "the first token")
                computed = server.metrics()["tessera_prompt_tokens_total"]
                answer = server.ask(make_body(1), KEYS[1])
                self.assertEqual((answer.status, answer.body["error"]["code"]), (503, "server_overloaded"))
                self.assertIn("retry-after", answer.headers)
                self.assertEqual(server.metrics()["tessera_prompt_tokens_total"], computed)
            server.wait_idle()


class Fairness(unittest.TestCase):
    def test_two_that_always_wait_are_served_by_their_tiers_weights(self):
        tiers = TIERS + "weight = 12\n" + '[tier.lite]\nrequests_per_minute = "unlimited"\nconcurrent_requests = "unlimited"\nweight = 3\n'
        with Server(BINARY, "--max-running", 8, script={**FAKE, "max_sequences": 8, "delay_us": 3000}, tiers=tiers) as server:
            answered, left = collections.Counter(), [160]

            def ask_on(key):
                while left[0] > 0:
                    if server.ask({**make_body(0), "max_tokens": 12}, key).status == 200:
                        answered[key] += 1
                        left[0] -= 1

            heavy, light = KEYS[0], server.make_key("lite")
            with concurrent.futures.ThreadPoolExecutor(48) as pool:
                for asked in [pool.submit(ask_on, key) for key in (heavy, light) * 24]:
                    asked.result()
            # Four to one; the last ones, when nobody comes any more, are as many of each.
            self.assertGreater(answered[heavy] - 24, 2 * (answered[light] - 24), answered)
            self.assertGreater(answered[light], 24)


class BrokenEngine(unittest.TestCase):
    def ask_three(self, **fault):
        """→ the statuses of three requests one after the other; the fault is in the second's first steps."""
        with Server(BINARY, script={"hash": 3, **fault}) as server:
            answers = [server.ask({**make_body(number), "max_tokens": 10}) for number in range(3)]
            server.wait_idle()
            return [answer.status for answer in answers], answers[1].body["error"]["code"]

    def test_numbers_that_are_not_finite_end_their_request(self):
        self.assertEqual(self.ask_three(nan_at_step=13), ([200, 500, 200], "numerical_error"))

    def test_a_step_that_fails_ends_its_requests(self):
        statuses, _ = self.ask_three(fail_at_step=13)
        self.assertEqual(statuses, [200, 503, 200])

    def test_a_step_that_hangs_ends_the_process(self):
        server = Server(BINARY, "--step-timeout", 0.3, script={"hash": 3, "delay_us": 3_000_000}).__enter__()
        try:
            with concurrent.futures.ThreadPoolExecutor(2) as pool:
                asked = [pool.submit(server.ask, make_body(number)) for number in range(2)]
                self.assertEqual([answer.result().status for answer in asked], [500, 500])
            with contextlib.suppress(ConnectionError):  # it may have ended already
                self.assertEqual(server.get("/readyz")[0], 503)
                self.assertEqual(server.get("/healthz")[0], 200)
            self.assertEqual(server.process.wait(PATIENCE_S), 70)
            self.assertIn("hang", server.log())
        finally:
            server.process.kill()
            server.process.wait()
            server.folder.cleanup()


if __name__ == "__main__":
    unittest.main()
