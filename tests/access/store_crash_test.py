#!/usr/bin/env python3
"""A store that is killed with SIGKILL while it is written: what was acknowledged is there, once, and the file is whole.
TESSERA_CRASH_WRITER names the writer (store_crash_writer.cpp), TESSERA_BINARY the program."""
import json
import os
import pathlib
import random
import signal
import sqlite3
import subprocess
import tempfile
import threading
import time
import unittest

WRITER = os.environ["TESSERA_CRASH_WRITER"]
BINARY = os.environ["TESSERA_BINARY"]
ROUNDS = int(os.environ.get("TESSERA_CRASH_ROUNDS", "50"))
CLEAN = {k: v for k, v in os.environ.items() if not k.startswith("TESSERA_")}


def lines_of(stream):
    """Whole lines alone: the last one may be cut by the kill."""
    return [line.decode() for line in stream.read().split(b"\n")[:-1]]


class Killed(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.db = pathlib.Path(folder.name) / "tessera.db"
        self.random = random.Random(20261122)

    def kill_after(self, process, seconds):
        killer = threading.Timer(seconds, process.send_signal, [signal.SIGKILL])
        killer.start()
        lines = lines_of(process.stdout)  # until the pipe closes
        killer.join()
        self.assertEqual(process.wait(), -signal.SIGKILL)
        process.stdout.close()
        return lines

    def query(self, sql):
        database = sqlite3.connect(self.db)
        try:
            return database.execute(sql).fetchall()
        finally:
            database.close()

    def keys(self, *arguments):
        done = subprocess.run([BINARY, "keys", *arguments, "--db", str(self.db)], env=CLEAN, capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def test_the_writer(self):
        usage, discarded, keys, revoked = {}, set(), set(), set()
        for number in range(ROUNDS):
            process = subprocess.Popen([WRITER, str(self.db), str(number)], stdout=subprocess.PIPE)
            for line in self.kill_after(process, self.random.uniform(0.01, 0.3)):
                kind, name, *rest = line.split()
                if kind == "usage":
                    usage[name] = int(rest[0])
                else:
                    {"discarded": discarded, "key": keys, "revoked": revoked}[kind].add(name)
            # The next process of ours is the first to open the file after the kill.
            listed = {key["id"]: key["state"] for key in json.loads(self.keys("list", "--json") if keys else "[]")}
            self.assertLessEqual(keys, listed.keys())
            self.assertEqual({name for name in revoked if listed[name] != "revoked"}, set())
            if self.db.exists():
                self.assertEqual(self.query("PRAGMA integrity_check"), [("ok",)])
        self.assertGreater(len(usage), ROUNDS)
        self.assertGreater(len(revoked), ROUNDS / 2)
        rows = self.query("SELECT request_id, prompt_tokens, ended, count(*) FROM usage GROUP BY request_id")
        self.assertEqual({count for *_, count in rows}, {1})
        there = {name: tokens for name, tokens, ended, _ in rows if ended}
        self.assertEqual({name: there.get(name) for name in usage}, usage)
        self.assertEqual(discarded & {name for name, *_ in rows}, set())
        self.assertEqual(self.query("PRAGMA foreign_key_check"), [])

    def test_the_keys_command(self):
        made = json.loads(self.keys("create", "--account", "acme", "--json"))
        told = {made["id"]}
        for _ in range(ROUNDS):
            process = subprocess.Popen([BINARY, "keys", "create", "--account", "acme", "--json", "--db", str(self.db)], env=CLEAN,
                                       stdout=subprocess.PIPE)
            time.sleep(self.random.uniform(0, 0.06))
            process.send_signal(signal.SIGKILL)
            for line in lines_of(process.stdout):
                told.add(json.loads(line)["id"])
            process.wait()
            process.stdout.close()
        listed = {key["id"]: key["state"] for key in json.loads(self.keys("list", "--json"))}
        self.assertLessEqual(told, listed.keys())
        self.assertEqual(set(listed.values()), {"active"})
        for name in sorted(told)[:10]:
            process = subprocess.Popen([BINARY, "keys", "revoke", name, "--db", str(self.db)], env=CLEAN, stdout=subprocess.PIPE)
            time.sleep(self.random.uniform(0, 0.06))
            process.send_signal(signal.SIGKILL)
            acknowledged = any("is revoked" in line for line in lines_of(process.stdout))
            process.wait()
            process.stdout.close()
            state = next(key["state"] for key in json.loads(self.keys("list", "--json")) if key["id"] == name)
            self.assertIn(state, {"revoked"} if acknowledged else {"revoked", "active"})
        self.assertEqual(self.query("PRAGMA integrity_check"), [("ok",)])


if __name__ == "__main__":
    unittest.main()
