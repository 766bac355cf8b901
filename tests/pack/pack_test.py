#!/usr/bin/env python3
"""`tessera pack` as a user runs it: checkpoints and GGUF files in, GGUF files out, and what bad input gets to hear.
TESSERA_BINARY names the binary."""
import json
import math
import os
import pathlib
import resource
import struct
import subprocess
import tempfile
import unittest

import checkpoint

BINARY = os.environ["TESSERA_BINARY"]
TOKENS = [72, 5, 300, 17, 256, 64, 302, 9]


def run(*arguments, text=b"", **more):
    return subprocess.run([BINARY, *map(str, arguments)], input=text, capture_output=True, timeout=240, **more)


class Pack(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.path = pathlib.Path(self.folder.name)

    def pack(self, source, out, *flags):
        done = run("pack", source, self.path / out, *flags)
        self.assertEqual(done.returncode, 0, done.stderr.decode())
        self.assertFalse((self.path / (out + ".partial")).exists())
        return done.stdout.decode()

    def refused(self, *arguments, **more):
        before = sorted(self.path.iterdir())
        done = run("pack", *arguments, **more)
        self.assertEqual(done.returncode, 1, done.stdout.decode())
        self.assertEqual(sorted(self.path.iterdir()), before)  # no half file
        return done.stderr.decode()

    def logits(self, model, *flags):
        (self.path / "tokens").write_text(",".join(map(str, TOKENS)))
        done = run("logits", "-m", self.path / model, "--tokens", self.path / "tokens", "--out", self.path / "logits",
                   *flags)
        self.assertEqual(done.returncode, 0, done.stderr.decode())
        data = (self.path / "logits").read_bytes()
        return struct.unpack(f"<{len(data) // 4}f", data)

    def same_logits(self, source, model, tolerance):
        wanted = [x for row in source.logits(TOKENS) for x in row]
        got = self.logits(model)
        self.assertEqual(len(got), len(wanted))
        size = math.sqrt(sum(x * x for x in wanted) / len(wanted))
        self.assertGreater(size, 0.1)
        self.assertLess(max(abs(a - b) for a, b in zip(got, wanted)), tolerance * size)

    # ---- checkpoints

    def test_a_checkpoint_in_bf16_gives_its_own_logits(self):
        source = checkpoint.Checkpoint()
        report = self.pack(source.write(self.path / "hf"), "out.gguf", "--type", "BF16")
        self.same_logits(source, "out.gguf", 2e-4)
        matrices = [line for line in report.splitlines() if " BF16 " in line]
        self.assertGreater(len(matrices), 40)
        for line in matrices:
            if " BF16     BF16 " in line:
                self.assertTrue(line.endswith("none"), line)

    def test_a_checkpoint_in_fp8_gives_its_own_logits(self):
        source = checkpoint.Checkpoint(fp8=True, seed=2)
        self.pack(source.write(self.path / "hf", shards=3), "out.gguf", "--type", "F32")
        self.same_logits(source, "out.gguf", 2e-4)

    def test_tokens_names_and_sampling_come_along(self):
        self.pack(checkpoint.Checkpoint().write(self.path / "little-model"), "out.gguf", "--type", "Q8_0")
        out = self.path / "out.gguf"
        self.assertEqual(run("tokenize", "-m", out, text=b"hello").stdout, b"258,78\n")
        self.assertEqual(run("tokenize", "-m", out, "--added", text=b"<think><|im_end|>").stdout, b"307,302\n")
        shown = run("inspect", out).stdout.decode()
        for part in ['general.name = "little-model"', "general.sampling.temp = 0.5", "general.sampling.top_k = 20",
                     "tokenizer.ggml.eos_token_id = 302", "general.file_type = 7", 'chat_template = "{{ messages }}"']:
            self.assertIn(part, shown)

    def test_checkpoints_that_lack_something_are_told_what(self):
        source = checkpoint.Checkpoint()
        folder = source.write(self.path / "hf")
        out = self.path / "out.gguf"

        def without(name, change):
            path = folder / name
            kept = path.read_text()
            content = json.loads(kept)
            change(content)
            path.write_text(json.dumps(content))
            said = self.refused(folder, out)
            path.write_text(kept)
            return said

        text = lambda key, value: without("config.json", lambda c: c["text_config"].__setitem__(key, value))
        self.assertIn("num_experts is no integer", text("num_experts", "many"))
        self.assertIn("hidden_act is gelu", text("hidden_act", "gelu"))
        self.assertIn("model_type is llama", text("model_type", "llama"))
        self.assertIn("another kind for layer 0", text("layer_types", ["full_attention"] * 4))
        self.assertRegex(text("hidden_size", 32), r"embed_tokens.weight is \[320, 64\], not \[320, 32\]")
        self.assertIn("id 0 is both", without("tokenizer.json",
                                              lambda t: t["added_tokens"].append({"id": 0, "content": "x"})))
        self.assertIn("none of 0 to 319", without("tokenizer.json",
                                                  lambda t: t["added_tokens"].append({"id": 320, "content": "x"})))
        self.assertIn("rope_type is yarn",
                      without("config.json",
                              lambda c: c["text_config"]["rope_parameters"].__setitem__("rope_type", "yarn")))
        for name in ["config.json", "tokenizer.json", "model-00002-of-00002.safetensors"]:
            (folder / name).rename(folder / "away")
            self.assertIn(name, self.refused(folder, out))
            (folder / "away").rename(folder / name)
        del source.stored[checkpoint.PREFIX + "layers.1.linear_attn.A_log"]
        source.write(folder)
        self.assertIn("layers.1.linear_attn.A_log is missing", self.refused(folder, out))

    def test_bad_safetensors_are_refused(self):
        folder = checkpoint.Checkpoint().write(self.path / "hf")
        out, file = self.path / "out.gguf", folder / "model-00001-of-00002.safetensors"
        whole = file.read_bytes()
        for size in [0, 4, 8, 100, len(whole) - 1]:
            file.write_bytes(whole[:size])
            self.assertIn(file.name, self.refused(folder, out))
        file.write_bytes(struct.pack("<Q", 1 << 60) + whole[8:])
        self.assertIn("header of 1152921504606846976 bytes", self.refused(folder, out))

    def test_numbers_that_are_none_are_refused(self):
        source = checkpoint.Checkpoint()
        name = checkpoint.PREFIX + "layers.2.mlp.gate.weight"
        dtype, shape, data = source.stored[name]
        source.stored[name] = (dtype, shape, data[:130] + b"\xc0\x7f" + data[132:])
        said = self.refused(source.write(self.path / "hf"), self.path / "out.gguf")
        self.assertIn("tensor blk.2.ffn_gate_inp.weight: row 1 holds nan", said)

    # ---- GGUF files

    def test_a_file_of_the_same_types_is_the_same(self):
        self.pack(checkpoint.Checkpoint().write(self.path / "hf"), "a.gguf", "--type", "Q8_0")
        report = self.pack(self.path / "a.gguf", "b.gguf", "--type", "Q8_0", "--threads", "1")
        self.assertEqual((self.path / "a.gguf").read_bytes(), (self.path / "b.gguf").read_bytes())
        self.assertTrue(all(line.endswith("none") for line in report.splitlines()[1:]))

    def test_the_types_of_short_rows_can_be_written_and_run(self):
        self.pack(checkpoint.Checkpoint().write(self.path / "hf"), "a.gguf", "--type", "F32")
        wanted = self.logits("a.gguf")
        for name in ["Q8_0", "Q5_1", "Q5_0", "Q4_1", "Q4_0", "IQ4_NL", "MXFP4_MOE", "Q4_K_M"]:
            self.pack(self.path / "a.gguf", name, "--type", name)
            got = self.logits(name)
            error = math.sqrt(sum((a - b) ** 2 for a, b in zip(got, wanted)) / sum(b * b for b in wanted))
            self.assertLess(error, 0.8, name)  # logits that have nothing to do with each other give 1.4
            self.assertGreater(error, 0, name)

    def test_files_in_the_way(self):
        folder = checkpoint.Checkpoint().write(self.path / "hf")
        self.pack(folder, "out.gguf", "--type", "Q8_0")
        before = (self.path / "out.gguf").read_bytes()
        self.assertIn("there already", self.refused(folder, self.path / "out.gguf"))
        self.assertEqual((self.path / "out.gguf").read_bytes(), before)
        self.pack(folder, "out.gguf", "--type", "F16", "--force")
        self.assertNotEqual((self.path / "out.gguf").read_bytes(), before)
        self.pack(self.path / "out.gguf", "out.gguf", "--type", "Q8_0", "--force")  # over its own source
        self.assertIn("cannot create", self.refused(folder, self.path / "nowhere" / "out.gguf"))
        self.assertIn("no regular file", self.refused(folder, "/dev/null", "--force"))
        self.assertIn("unknown type 'Q9'", self.refused(folder, self.path / "x.gguf", "--type", "Q9"))
        (self.path / "left.gguf.partial").write_bytes(b"of a process that was killed")
        self.pack(folder, "left.gguf", "--type", "Q8_0")

    def test_no_room(self):
        folder = checkpoint.Checkpoint().write(self.path / "hf")
        limit = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, 1 << 16))
        said = self.refused(folder, self.path / "out.gguf", preexec_fn=limit)
        self.assertRegex(said, r"out.gguf.partial: no room for .*KiB")


if __name__ == "__main__":
    unittest.main()
