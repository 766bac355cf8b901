#!/usr/bin/env python3
"""Every flag of the commands that touch a server's state, with values that make sense and values that make none: the command starts and
ends in order, or says what is wrong. It never aborts, and it never asks for a file that it does not name. TESSERA_BINARY names the binary."""
import concurrent.futures
import os
import pathlib
import re
import select
import signal
import subprocess
import tempfile
import time
import unittest

BINARY = os.environ["TESSERA_BINARY"]
ENVIRONMENT = {k: v for k, v in os.environ.items() if not k.startswith("TESSERA_")}
PATIENCE_S = 60
LIMITS = ["0", "1", "-1", "2147483647", "9223372036854775807", "99999999999999999999999", "1e308", "nan"]
GARBAGE = ["", "x", "\x1b[31m", "a" * 5000, "\udcff\udcfe"]
FILES = ["no/such/file", "/", "/dev/null", "/dev/zero", "/proc/self/mem"]
NOT_TESTED = {"--help", "--version"}
RANGE = re.compile(r"not in range (-?[0-9.]+) to (-?[0-9.]+)")
OURS = re.compile(r"terminate called|internal error|CHECK|AddressSanitizer|Segmentation")


def flags_of(*command):
    text = subprocess.run([BINARY, *command, "--help"], capture_output=True, text=True, env=ENVIRONMENT, check=True).stdout
    return sorted(set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", "\n".join(line[:34] for line in text.splitlines()))) - NOT_TESTED)


def run_to_start(command, folder):
    """Until it serves (and is then asked to end) or ends by itself → (exit status, what it said, whether it had started)."""
    environment = {**ENVIRONMENT, "HOME": folder, "XDG_STATE_HOME": folder}
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment, cwd=folder)
    said, started, deadline = b"", False, time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        if select.select([process.stdout], [], [], 0.1)[0]:
            data = os.read(process.stdout.fileno(), 65536)
            if not data:
                break
            said += data
        if not started and b"\nTry:\n" in said:
            started = True
            process.send_signal(signal.SIGTERM)
    else:
        process.kill()
    process.stdout.close()
    return process.wait(), said.decode(errors="replace"), started


class Flags(unittest.TestCase):
    def check(self, command, values):
        def one(value):
            with tempfile.TemporaryDirectory() as folder:
                status, said, started = run_to_start([BINARY, *command, *([value[0]] if value[1] is None else [f"{value[0]}={value[1]}"])], folder)
                left = sorted(str(path.relative_to(folder)) for path in pathlib.Path(folder).rglob("*"))
                return value, status, said, started, left

        with concurrent.futures.ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool:
            for value, status, said, started, _ in pool.map(one, values):
                with self.subTest(flag=value[0], value=(value[1] or "")[:60]):
                    where = f"{value}: status {status}\n{said[-1500:]}"
                    self.assertGreaterEqual(status, 0, where)
                    self.assertLess(status, 126, where)
                    self.assertNotRegex(said, OURS, where)
                    if started:
                        self.assertEqual(status, 0, where)
                    else:
                        self.assertTrue(said.strip(), where)

    def test_serve(self):
        flags = flags_of("serve")
        self.assertGreater(len(flags), 30)
        values = [(flag, value) for flag in flags for value in LIMITS + GARBAGE + FILES] + [(flag, None) for flag in flags]
        self.check(["serve", "--port", "0", "--drain-timeout", "0"], values)

    def test_the_limits_of_numbers(self):
        """The least and the most that a flag says it takes: it does."""
        command, values = ["serve", "--port", "0"], []
        for flag in flags_of("serve"):
            with tempfile.TemporaryDirectory() as folder:
                _, said, _ = run_to_start([BINARY, *command, f"{flag}=x"], folder)
            if found := RANGE.search(said):
                values += [(flag, found[1]), (flag, found[2])]
        self.assertGreater(len(values), 20)
        self.check(command, values)

    def test_numbers_that_are_none(self):
        for flag in ("--body-timeout", "--ping-interval", "--request-timeout"):
            for value in ("nan", "-nan", "inf"):
                with self.subTest(flag, value=value), tempfile.TemporaryDirectory() as folder:
                    status, said, started = run_to_start([BINARY, "serve", "--port", "0", f"{flag}={value}"], folder)
                    self.assertFalse(started)
                    self.assertIn("not in range", said)

    def test_what_is_no_database(self):
        with tempfile.TemporaryDirectory() as folder:
            os.mkfifo(os.path.join(folder, "pipe"))
            for name in ("/dev/null", "/", "pipe"):
                for command in (["serve", "--port", "0"], ["keys", "create", "--account", "a"], ["usage"]):
                    status, said, started = run_to_start([BINARY, *command, "--db", name], folder)
                    self.assertEqual((status, started), (1, False))
                    self.assertIn("is not a regular file", said)
            self.assertEqual(os.listdir(folder), ["pipe"])

    def test_what_is_no_file(self):
        """Nothing is waited for."""
        with tempfile.TemporaryDirectory() as folder:
            os.mkfifo(os.path.join(folder, "pipe"))
            for name in ("/dev/zero", "/", "pipe"):
                for flags in (["--tiers", name], ["--shared-prompts", name], ["--tls-cert", name, "--tls-key", name],
                              ["--backend", "fake", "--fake-script", name]):
                    status, said, started = run_to_start([BINARY, "serve", "--port", "0", *flags], folder)
                    self.assertEqual((status, started), (1, False), flags)
                    self.assertIn("not a regular file", said)

    def test_names_that_cannot_be_shown(self):
        for name in ("\udcff", "a\nb", "\x1b[31m", "a" * 257):
            with self.subTest(name), tempfile.TemporaryDirectory() as folder:
                status, said, _ = run_to_start([BINARY, "serve", "--port", "0", "--served-model-name", name], folder)
                self.assertEqual((status, os.listdir(folder)), (1, []))
                self.assertIn("--served-model-name", said)

    def test_keys_and_usage(self):
        for command in (["keys", "create"], ["keys", "list"], ["keys", "rotate"], ["keys", "revoke"], ["keys", "tier"], ["keys", "disable"], ["usage"]):
            words = {"rotate": ["key_x"], "revoke": ["key_x"], "tier": ["acme", "lite"], "disable": ["acme"], "create": ["--account", "acme"]}.get(command[-1], [])
            flags = flags_of(*command)
            self.assertTrue(flags)
            self.check([*command, *words], [(flag, value) for flag in flags for value in LIMITS + GARBAGE + FILES])


if __name__ == "__main__":
    unittest.main()
