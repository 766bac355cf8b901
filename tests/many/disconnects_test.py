#!/usr/bin/env python3
"""A thousand clients that go away at random points of a request's life: while it is sent, while it waits, while its prompt is read, between two
tokens, behind the last; by a reset, a close or an end of sending, with slow readers among them. Another client has its answers all the while.
Then everything is as it was: blocks, sequences, descriptors, threads, and memory within a bound.

   disconnects_test.py --binary FILE [--clients N] [--seed N]"""
import argparse
import concurrent.futures
import json
import random
import socket
import struct
import threading
import time

from serving import KEYS, MODEL, PATIENCE_S, Server, expect

CLIENTS_AT_ONCE = 24
# What the allocator and the accounts keep, for any number of clients: a thousand that each left 32 KiB behind would be over it.
KEPT_KIB = 24 * 1024
WORDS = "river stone bridge night harbour letter window silver garden winter copper lantern meadow quiet thunder velvet".split()
# Tokens for ever, half a millisecond each step; the states and blocks of the cache are limited as a real backend's are.
SCRIPT = {"hash": 5, "max_sequences": 12, "kv_block_tokens": 16, "state_tokens": 64, "max_reserved_tokens": 60_000, "delay_us": 500}


def make_body(choose):
    text = " ".join(choose.choice(WORDS) for _ in range(choose.choice([5, 50, 500])))
    system = choose.choice(WORDS) * choose.choice([1, 100])
    body = {"model": MODEL, "messages": [{"role": "system", "content": system}, {"role": "user", "content": text}], "stream": choose.random() < 0.7,
            "max_tokens": choose.choice([1, 20, 300, 3000]), "n": choose.choice([1, 1, 1, 3])}
    if choose.random() < 0.15:
        body["response_format"] = {"type": "json_object"}
        body["max_tokens"] = 3000
    return body


def leave_somewhere(server, seed):
    choose = random.Random(seed)
    body = json.dumps(make_body(choose)).encode()
    key = choose.choice(KEYS[:2])
    raw = (f"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {key}\r\nContent-Type: application/json\r\n"
           f"Content-Length: {len(body)}\r\n\r\n").encode() + body
    with socket.socket() as peer:
        if choose.random() < 0.2:
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        peer.settimeout(PATIENCE_S)
        peer.connect(("127.0.0.1", server.port))
        point = choose.random()
        if point < 0.15:
            peer.sendall(raw[:choose.randint(0, len(raw) - 1)])
        else:
            peer.sendall(raw)
            if point > 0.4:
                read_some(peer, choose)
        how = choose.random()
        if how < 0.4:
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # closing is a reset
        elif how < 0.6:
            peer.shutdown(socket.SHUT_WR)
            time.sleep(choose.random() * 0.02)
        elif how < 0.8:
            time.sleep(choose.random() * 0.05)


def read_some(peer, choose):
    left = choose.choice([1, 300, 3000, 30_000])
    while left > 0:
        got = peer.recv(min(left, choose.choice([50, 5000])))
        left = left - len(got) if got else 0
        if choose.random() < 0.1:
            time.sleep(0.01)


class Bystander:
    """Another account's client, which must not notice."""

    def __init__(self, server):
        self.server, self.answers, self.failure, self.stopping = server, 0, None, False
        self.digest = self.ask()
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def ask(self):
        return self.server.chat([{"role": "user", "content": "Hello"}], KEYS[2], max_tokens=30, seed=4).digest

    def run(self):
        try:
            while not self.stopping:
                expect(self.ask() == self.digest, "another answer than before")
                self.answers += 1
        except Exception as error:  # noqa: BLE001: whatever it was, the test has failed
            self.failure = error

    def stop(self):
        self.stopping = True
        self.thread.join()
        if self.failure:
            raise self.failure


def run_clients(server, seeds):
    with concurrent.futures.ThreadPoolExecutor(CLIENTS_AT_ONCE) as pool:
        for _ in pool.map(lambda seed: leave_somewhere(server, seed), seeds):
            pass


def state(server):
    metrics = server.metrics()
    names = ("tessera_requests_running", "tessera_requests_waiting", "tessera_sequences", "tessera_backlog_tokens", "tessera_http_exchanges",
             "tessera_http_buffered_bytes", "tessera_http_connections", 'tessera_kv_blocks{state="running"}')
    return {**{name: metrics[name] for name in names}, "descriptors": server.descriptors(), "threads": server.status_kib("Threads")}


def resting_state(server):
    """The same twice: a connection that is being closed is still counted for a while."""
    server.wait_for(lambda metrics: metrics["tessera_http_connections"] == 0, "no connection")
    server.wait_idle()
    before = None
    while (now := state(server)) != before:
        before = now
        time.sleep(0.3)
    return now


def settle(server, start):
    deadline = time.monotonic() + PATIENCE_S
    while (now := state(server)) != start:
        expect(time.monotonic() < deadline, f"not back to where it was: {start}, now {now}")
        time.sleep(0.05)


def check(binary, name, clients, seed, *flags, script=None):
    with Server(binary, "--idle-timeout", 2, *flags, script=script) as server:
        bystander = Bystander(server)
        bystander.stop()
        start = resting_state(server)
        bystander = Bystander(server)
        # What is kept on purpose (the cache's entries, accounts, buffers) is there after the first ones.
        run_clients(server, range(seed, seed + clients // 4))
        early = server.status_kib("VmRSS")
        run_clients(server, range(seed + clients // 4, seed + clients))
        bystander.stop()
        settle(server, start)
        grown = server.status_kib("VmRSS") - early
        print(f"{name}: {clients} clients left, another had {bystander.answers} answers, memory grew by {grown} KiB over the last three quarters", flush=True)
        expect(bystander.answers > 0, "no answer beside them")
        expect(grown < KEPT_KIB, f"memory grew by {grown} KiB")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--binary", required=True)
    parser.add_argument("--clients", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    check(options.binary, "script", options.clients, options.seed, script=SCRIPT)
    check(options.binary, "demo model", options.clients // 5, options.seed, "--threads", 2, "--memory", "64MiB", "--prefix-cache", "8MiB")


if __name__ == "__main__":
    main()
