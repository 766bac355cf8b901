#!/usr/bin/env python3
"""`tessera keys` and `tessera usage` as an operator runs them. TESSERA_BINARY names the binary."""
import datetime
import hashlib
import json
import os
import pathlib
import re
import sqlite3
import stat
import subprocess
import tempfile
import time
import unittest

BINARY = os.environ["TESSERA_BINARY"]
KEY = re.compile(r"sk-tessera-[A-Za-z0-9]{40}")
CLEAN = {k: v for k, v in os.environ.items() if not k.startswith("TESSERA_")}


class Case(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.db = self.folder / "state" / "tessera.db"

    def run_command(self, *arguments, **options):
        options.setdefault("env", {**CLEAN, "TESSERA_DB": str(self.db)})
        options.setdefault("stdout", subprocess.PIPE)
        return subprocess.run([BINARY, *arguments], stderr=subprocess.PIPE, text=True, timeout=60, **options)

    def keys(self, *arguments):
        done = self.run_command("keys", *arguments)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def refused(self, *arguments, code=1):
        done = self.run_command(*arguments)
        self.assertEqual(done.returncode, code, done.stdout)
        self.assertEqual(done.stdout, "")
        self.assertNotRegex(done.stderr, KEY)
        return done.stderr

    def create(self, *arguments):
        return json.loads(self.keys("create", "--json", *arguments))

    def list(self, *arguments):
        return json.loads(self.keys("list", "--json", *arguments))

    def state(self, key_id):
        return next(key["state"] for key in self.list() if key["id"] == key_id)


class Create(Case):
    def test_the_key_is_alone_on_standard_output_and_nowhere_else(self):
        done = self.run_command("keys", "create", "--account", "acme")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertTrue(KEY.fullmatch(done.stdout.rstrip("\n")), done.stdout)
        self.assertEqual(done.stdout.count("\n"), 1)
        key = done.stdout.strip()
        self.assertNotIn(key[11:], done.stderr)
        self.assertIn("account acme (tier lite)", done.stderr)
        self.assertEqual(stat.S_IMODE(self.db.stat().st_mode), 0o600)
        self.assertEqual(stat.S_IMODE(self.db.parent.stat().st_mode), 0o700)
        self.assertNotIn(key[11:].encode(), self.db.read_bytes())
        with sqlite3.connect(self.db) as database:
            self.assertEqual(database.execute("SELECT hash FROM keys").fetchall(), [(hashlib.sha256(key.encode()).digest(),)])
        database.close()
        for listed in (self.keys("list"), self.keys("list", "--json")):
            self.assertNotIn(key[11:], listed)
            self.assertNotIn(hashlib.sha256(key.encode()).hexdigest(), listed)
            self.assertIn("sk-tessera-…" + key[-4:], listed)

    def test_what_is_given_is_what_is_listed(self):
        now = time.time()
        made = self.create("--account", "acme", "--tier", "scale", "--label", "prod", "--expires", "30d", "--context", "65536",
                           "--model", "a", "--model", "b c")
        (key,) = self.list()
        self.assertTrue(KEY.fullmatch(made.pop("key")))
        self.assertEqual(made, key)
        self.assertEqual(list(key), ["id", "shown", "account", "tier", "label", "models", "created", "expires", "revoked", "state"])
        self.assertEqual((key["account"], key["tier"], key["label"], key["models"]), ("acme", "scale", "prod", ["a", "b c"]))
        self.assertEqual((key["state"], key["revoked"]), ("active", None))
        self.assertEqual(key["expires"] - key["created"], 30 * 86400)
        self.assertLess(abs(key["created"] - now), 60)
        with sqlite3.connect(self.db) as database:
            self.assertEqual(database.execute("SELECT context_tokens FROM accounts").fetchall(), [(65536,)])
        database.close()

    def test_an_account_has_several_keys(self):
        first = self.create("--account", "acme", "--tier", "pro", "--label", "dev")
        second = self.create("--account", "acme", "--label", "prod")
        self.create("--account", "beta")
        self.assertNotEqual(first["key"], second["key"])
        self.assertEqual([(k["label"], k["tier"]) for k in self.list("--account", "acme")], [("dev", "pro"), ("prod", "pro")])
        self.assertEqual(len(self.list()), 3)
        table = self.keys("list").splitlines()
        self.assertEqual(len(table), 4)
        self.assertEqual(len({line.index(word) for line, word in zip(table[1:], ("pro", "pro", "lite"))}), 1)

    def test_an_expiry_date_is_its_first_moment(self):
        day = datetime.datetime.now(datetime.timezone.utc).date() + datetime.timedelta(days=40)
        made = self.create("--account", "acme", "--expires", day.isoformat())
        self.assertEqual(datetime.datetime.fromtimestamp(made["expires"], datetime.timezone.utc).isoformat(), f"{day}T00:00:00+00:00")

    def test_bad_flags_make_nothing(self):
        for flags, said in [
            (["--account", ""], "1 to 64"), (["--account", "a b"], "1 to 64"), (["--account", "a" * 65], "1 to 64"),
            (["--account", "a", "--label", "x/y"], "1 to 64"), (["--account", "a", "--tier", "gold"], "async, lite, pro, scale, enterprise"),
            (["--account", "a", "--expires", "yesterday"], "30d, and no date"), (["--account", "a", "--expires", "2020-01-01"], "future"),
            (["--account", "a", "--expires", "2027-02-29"], "there is no day"), (["--account", "a", "--expires", "0d"], "future"),
            (["--account", "a", "--expires", "-1d"], "no date"), (["--account", "a", "--expires", "99999d"], "ten years"),
            (["--account", "a", "--expires", "2027-1-31"], "no date"),
            (["--account", "a", "--context", "32769"], "32768"), (["--account", "a", "--tier", "scale", "--context", "131073"], "131072"),
            (["--account", "a", "--model", ""], "--model"), (["--account", "a", "--tiers", "/nowhere.toml"], "/nowhere.toml"),
        ]:
            with self.subTest(flags=flags):
                self.assertIn(said, self.refused("keys", "create", *flags))
        self.assertNotEqual(self.run_command("keys", "create").returncode, 0)
        self.create("--account", "a" * 64, "--label", "b" * 64, "--context", "32768")
        self.assertEqual(len(self.list()), 1)

    def test_the_names_of_given_keys_are_taken(self):
        self.assertIn("operator-", self.refused("keys", "create", "--account", "operator-1"))
        self.assertEqual(self.create("--account", "operator")["account"], "operator")

    def test_an_account_that_is_there_is_not_changed_by_the_way(self):
        self.create("--account", "acme", "--tier", "pro")
        self.assertIn("keys tier acme scale", self.refused("keys", "create", "--account", "acme", "--tier", "scale"))
        self.assertIn("keys tier acme pro --context 100", self.refused("keys", "create", "--account", "acme", "--context", "100"))
        self.create("--account", "acme", "--tier", "pro")

    def test_a_tier_of_the_operators_own(self):
        tiers = self.folder / "tiers.toml"
        tiers.write_text('[tier.gold]\nrequests_per_minute = 7\nmax_context_tokens = 40000\n')
        self.create("--account", "acme", "--tier", "gold", "--context", "40000", "--tiers", str(tiers))
        self.assertIn("40000", self.refused("keys", "tier", "acme", "gold", "--context", "40001", "--tiers", str(tiers)))

    def test_a_key_that_could_not_be_shown_is_revoked(self):
        with open("/dev/full", "w") as full:
            done = self.run_command("keys", "create", "--account", "acme", stdout=full)
        self.assertEqual(done.returncode, 1)
        self.assertIn("could not be written", done.stderr)
        self.assertEqual([key["state"] for key in self.list()], ["revoked"])


class Change(Case):
    def test_revoke(self):
        made = self.create("--account", "acme")
        self.assertIn("revoked", self.keys("revoke", made["id"]))
        self.assertEqual(self.state(made["id"]), "revoked")
        first = self.list()[0]["revoked"]
        self.keys("revoke", made["id"])  # again: no harm
        self.assertEqual(self.list()[0]["revoked"], first)

    def test_rotate_ends_the_old_key_at_once(self):
        made = self.create("--account", "acme", "--label", "prod", "--model", "m", "--expires", "30d")
        fresh = json.loads(self.keys("rotate", made["id"], "--json"))
        self.assertNotEqual(fresh["key"], made["key"])
        self.assertEqual(self.state(made["id"]), "revoked")
        self.assertEqual(self.state(fresh["id"]), "active")
        for same in ("account", "label", "models", "expires"):
            self.assertEqual(fresh[same], made[same])
        self.assertIn("revoked", self.refused("keys", "rotate", made["id"]))
        self.assertTrue(KEY.fullmatch(self.keys("rotate", fresh["id"]).strip()))

    def test_rotate_with_an_overlap(self):
        made = self.create("--account", "acme")
        fresh = json.loads(self.keys("rotate", made["id"], "--overlap", "10m", "--json"))
        old = next(key for key in self.list() if key["id"] == made["id"])
        self.assertEqual((old["state"], old["revoked"]), ("active", None))
        self.assertEqual(old["expires"] - fresh["created"], 600)
        self.assertIn("10m", self.refused("keys", "rotate", fresh["id"], "--overlap", "soon"))

    def test_an_expired_key_is_not_rotated(self):
        made = self.create("--account", "acme", "--expires", "1s")
        while self.state(made["id"]) != "expired":
            time.sleep(0.1)
        self.assertIn("expired", self.refused("keys", "rotate", made["id"]))

    def test_tier_and_context(self):
        made = self.create("--account", "acme")
        self.assertIn("tier scale, 131072 tokens", self.keys("tier", "acme", "scale", "--context", "131072"))
        self.assertEqual(self.list()[0]["tier"], "scale")
        self.assertIn("tier scale, 32768 tokens", self.keys("tier", "acme", "scale"))
        self.assertIn("131072", self.refused("keys", "tier", "acme", "scale", "--context", "131073"))
        self.assertIn("no tier", self.refused("keys", "tier", "acme", "gold"))
        self.assertEqual(self.state(made["id"]), "active")

    def test_disable_and_enable(self):
        made = self.create("--account", "acme")
        self.keys("disable", "acme")
        self.assertEqual(self.state(made["id"]), "disabled")
        self.assertIn("disabled", self.run_command("keys", "create", "--account", "acme").stderr)
        self.keys("enable", "acme")
        self.assertEqual(self.state(made["id"]), "active")

    def test_what_is_not_there(self):
        for arguments in (["keys", "list"], ["keys", "revoke", "key_x"], ["keys", "tier", "acme", "pro"], ["usage"]):
            self.assertIn("there is no database", self.refused(*arguments))
        self.assertFalse(self.db.parent.exists())
        self.create("--account", "acme")
        for arguments in (["revoke", "key_x"], ["rotate", "key_x"]):
            self.assertIn("there is no key 'key_x'", self.refused("keys", *arguments))
        for arguments in (["tier", "beta", "pro"], ["disable", "beta"], ["enable", "beta"], ["list", "--account", "beta"]):
            self.assertIn("there is no account 'beta'", self.refused("keys", *arguments))


class Place(Case):
    def test_the_default_is_in_the_users_state_folder(self):
        for variables, place in [({"XDG_STATE_HOME": str(self.folder / "xdg")}, self.folder / "xdg/tessera/tessera.db"),
                                 ({"HOME": str(self.folder)}, self.folder / ".local/state/tessera/tessera.db")]:
            clean = {k: v for k, v in CLEAN.items() if k not in ("XDG_STATE_HOME", "HOME")}
            self.run_command("keys", "create", "--account", "a", env={**clean, **variables})
            self.assertTrue(place.exists())

    def test_the_flag_wins_over_the_environment(self):
        other = self.folder / "other.db"
        self.keys("create", "--account", "a", "--db", str(other))
        self.assertTrue(other.exists())
        self.assertFalse(self.db.exists())

    def test_a_file_that_is_no_database(self):
        self.db.parent.mkdir()
        self.db.write_text("no database, " * 100)
        self.assertIn("backup", self.refused("keys", "list"))
        self.assertIn("backup", self.refused("keys", "create", "--account", "a"))

    def test_a_locked_database_fails_loudly(self):
        made = self.create("--account", "a")
        holder = sqlite3.connect(self.db, isolation_level=None)
        holder.execute("BEGIN IMMEDIATE")
        self.assertIn("locked", self.refused("keys", "revoke", made["id"]))
        holder.execute("ROLLBACK")
        holder.close()
        self.assertEqual(self.state(made["id"]), "active")


class Usage(Case):
    def setUp(self):
        super().setUp()
        self.create("--account", "acme")
        self.today = datetime.datetime.now(datetime.timezone.utc).date()
        rows = []
        for i, (days_ago, account, key, status) in enumerate([(0, "acme", "key_1", 200), (0, "acme", "key_1", 499), (0, "acme", "key_2", 200),
                                                              (1, "beta", "key_3", 200), (29, "acme", "key_1", 200), (30, "acme", "key_1", 200)]):
            midnight = datetime.datetime.combine(self.today - datetime.timedelta(days=days_ago), datetime.time(), datetime.timezone.utc)
            ended = int(midnight.timestamp())
            rows.append((ended << 31 | i, f"chatcmpl-{i}", account, key, ended, status))  # ids are in the order of the ends
        with sqlite3.connect(self.db) as database:
            database.executemany("INSERT INTO usage(id, request_id, account, key_id, endpoint, client_address, user_agent, started, ended, status, outcome, "
                                 "prompt_tokens, cached_tokens, completion_tokens, reasoning_tokens) VALUES (?, ?, ?, ?, '', '', '', 1, ?, ?, 'ok', 10, 4, 5, 2)", rows)
        database.close()

    def usage(self, *arguments):
        done = self.run_command("usage", "--json", *arguments)
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)

    def day(self, days_ago):
        return (self.today - datetime.timedelta(days=days_ago)).isoformat()

    def test_by_day_account_and_key(self):
        usage = self.usage()
        self.assertEqual((usage["from"], usage["to"]), (self.day(29), self.day(0)))
        self.assertEqual([(r["day"], r["account"], r["key"], r["requests"], r["failed"], r["prompt_tokens"]) for r in usage["rows"]],
                         [(self.day(0), "acme", "key_1", 2, 1, 20), (self.day(0), "acme", "key_2", 1, 0, 10),
                          (self.day(1), "beta", "key_3", 1, 0, 10), (self.day(29), "acme", "key_1", 1, 0, 10)])
        self.assertEqual(usage["total"], {"requests": 5, "failed": 1, "prompt_tokens": 50, "cached_tokens": 20, "completion_tokens": 25,
                                          "reasoning_tokens": 10})

    def test_filters_and_days(self):
        self.assertEqual(self.usage("--account", "beta")["total"]["requests"], 1)
        self.assertEqual(self.usage("--key", "key_1")["total"]["requests"], 3)
        self.assertEqual(self.usage("--days", "1")["total"]["requests"], 3)
        self.assertEqual(self.usage("--days", "31")["total"]["requests"], 6)
        self.assertEqual(self.usage("--from", self.day(30), "--to", self.day(29))["total"]["requests"], 2)
        self.assertEqual(self.usage("--from", self.day(1))["total"]["requests"], 4)
        self.assertEqual(self.usage("--days", "1", "--to", self.day(1))["total"]["requests"], 1)
        self.assertEqual(self.usage("--account", "nobody")["rows"], [])

    def test_the_table(self):
        lines = self.run_command("usage", "--days", "2").stdout.splitlines()
        self.assertEqual(lines[0].split(), ["DAY", "ACCOUNT", "KEY", "REQUESTS", "FAILED", "PROMPT", "CACHED", "COMPLETION", "REASONING"])
        self.assertEqual(lines[1].split(), [self.day(0), "acme", "key_1", "2", "1", "20", "8", "10", "4"])
        self.assertEqual(lines[-1].split(), ["total", "4", "1", "40", "16", "20", "8"])

    def test_bad_dates(self):
        self.assertIn("no date", self.refused("usage", "--from", "today"))
        self.assertIn("no day", self.refused("usage", "--to", "2026-02-30"))
        self.assertIn("after", self.refused("usage", "--from", "2026-02-02", "--to", "2026-02-01"))
        self.assertNotEqual(self.run_command("usage", "--days", "0").returncode, 0)
        self.assertNotEqual(self.run_command("usage", "--days", "2", "--from", "2026-02-02").returncode, 0)


if __name__ == "__main__":
    unittest.main()
