#!/usr/bin/env python3
"""Random traffic for so many minutes (every kind of request, clients that leave, new prompts all the time), and what memory the server holds: a line
every ten seconds, and in the end how much it grew over the second half. Not a test of CI: ten minutes, or an hour.

   churn.py --binary FILE [--minutes N] [--limit-mib N] [-- FLAGS OF serve…]"""
import argparse
import random
import threading
import time

import digests_test
from disconnects_test import leave_somewhere
from serving import KEYS, Server, expect

CLIENTS = 6


class Client(threading.Thread):
    def __init__(self, server, number, end):
        super().__init__()
        self.server, self.number, self.end, self.answers, self.failure = server, number, end, 0, None

    def run(self):
        choose = random.Random(self.number)
        try:
            while time.monotonic() < self.end:
                if choose.random() < 0.3:
                    leave_somewhere(self.server, choose.randint(0, 1 << 40))
                    continue
                (body,) = digests_test.make_requests(1, choose.randint(0, 1 << 40))
                digests_test.ask(self.server, body, choose.choice(KEYS), choose.random() < 0.5)
                self.answers += 1
        except Exception as error:  # noqa: BLE001: whatever it was, the run has failed
            self.failure = error


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--binary", required=True)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--limit-mib", type=int, default=16, help="growth over the second half that is too much")
    parser.add_argument("flags", nargs="*", default=[])
    options = parser.parse_args()
    flags = options.flags or ["--threads", "2", "--memory", "128MiB"]
    with Server(options.binary, *flags) as server:
        end = time.monotonic() + 60 * options.minutes
        clients = [Client(server, number, end) for number in range(CLIENTS)]
        for client in clients:
            client.start()
        held = []
        while any(client.is_alive() for client in clients):
            time.sleep(10)
            metrics = server.metrics()
            held.append(server.status_kib("RssAnon"))
            print(f"{held[-1] / 1024:.1f} MiB anonymous, {sum(client.answers for client in clients)} answers, "
                  f"{metrics['tessera_prefix_cache_entries']:.0f} states kept, {metrics['tessera_prefix_cache_evictions_total']:.0f} gone, "
                  f"{server.descriptors()} descriptors", flush=True)
        for client in clients:
            if client.failure:
                raise client.failure
        server.wait_idle()
        half = held[len(held) // 2:]
        grown = (max(half[len(half) // 2:]) - max(half[:len(half) // 2 or 1])) / 1024
        print(f"over the second half the most that was held grew by {grown:.1f} MiB")
        expect(grown < options.limit_mib, "that is too much")


if __name__ == "__main__":
    main()
