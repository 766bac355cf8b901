#!/usr/bin/env python3
"""Writes models/demo.gguf from a checkpoint, and the golden logits that the C++ tests read:

   export_gguf.py [--checkpoint FILE…] [--check-with SCRIPT]

Of several checkpoints of one run the mean is taken: ends of stages, each with the learning rate at zero.
Matrices become Q8_0; norms, the router, convolutions and one-dimensional tensors stay F32. The golden logits are
computed in float64 by model.forward_plain on the weights as they lie in the file. SCRIPT, if given, is an independent
implementation called as `SCRIPT MODEL OUT.f32 IDS`; its logits are compared.
"""
import argparse
import pathlib
import subprocess
import sys
import tempfile

import environment

if __name__ == "__main__":
    environment.restart_with(1)

import numpy as np
import torch

import chatml
import gguf_file
import model
import train

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
ARCHITECTURE = "qwen35moe"
GOLDEN_TOKENS = 64


def tensor_type(name, shape):
    """What llama.cpp keeps in F32 stays F32 here."""
    plain = len(shape) == 1 or "ffn_gate_inp" in name or "ssm_conv1d" in name or shape[-1] % 32
    return gguf_file.F32 if plain else gguf_file.Q8_0


def model_metadata(c, parameters):
    prefix = ARCHITECTURE + "."
    return [
        ("general.architecture", "str", ARCHITECTURE),
        ("general.name", "str", f"Tessera demo {parameters / 1e6:.1f}M"),
        ("general.description", "str", "A toy of a few million parameters in the architecture of Qwen3.6-35B-A3B, "
         "trained on synthetic chats to show and test the server. It knows next to nothing."),
        ("general.license", "str", "Apache-2.0"),
        ("general.file_type", "u32", 7),
        ("general.quantization_version", "u32", 2),
        ("general.sampling.top_k", "i32", 20),
        ("general.sampling.top_p", "f32", 0.95),
        ("general.sampling.temp", "f32", 0.3),
        (prefix + "block_count", "u32", c.layers),
        (prefix + "context_length", "u32", c.context),
        (prefix + "embedding_length", "u32", c.hidden),
        (prefix + "attention.head_count", "u32", c.n_head),
        (prefix + "attention.head_count_kv", "u32", c.n_head_kv),
        (prefix + "attention.key_length", "u32", c.head_dim),
        (prefix + "attention.value_length", "u32", c.head_dim),
        (prefix + "attention.layer_norm_rms_epsilon", "f32", model.EPS),
        (prefix + "rope.dimension_count", "u32", c.n_rot),
        (prefix + "rope.dimension_sections", "[i32]", c.rope_sections),
        (prefix + "rope.freq_base", "f32", c.rope_base),
        (prefix + "full_attention_interval", "u32", c.full_attention_interval),
        (prefix + "expert_count", "u32", c.experts),
        (prefix + "expert_used_count", "u32", c.experts_used),
        (prefix + "expert_feed_forward_length", "u32", c.ff_expert),
        (prefix + "expert_shared_feed_forward_length", "u32", c.ff_shared),
        (prefix + "ssm.conv_kernel", "u32", 4),
        (prefix + "ssm.state_size", "u32", c.gdn_dim),
        (prefix + "ssm.group_count", "u32", c.n_k_heads),
        (prefix + "ssm.time_step_rank", "u32", c.n_v_heads),
        (prefix + "ssm.inner_size", "u32", c.n_v_heads * c.gdn_dim),
    ]


def tokenizer_metadata(tokenizer):
    prefix = "tokenizer.ggml."
    return [
        (prefix + "model", "str", "gpt2"),
        (prefix + "pre", "str", "qwen35"),
        (prefix + "tokens", "[str]", tokenizer.token_strings()),
        (prefix + "token_type", "[i32]", tokenizer.token_types()),
        (prefix + "merges", "[str]", tokenizer.merge_lines()),
        (prefix + "eos_token_id", "u32", tokenizer.added["<|im_end|>"]),
        (prefix + "bos_token_id", "u32", tokenizer.added["<|endoftext|>"]),
        (prefix + "padding_token_id", "u32", tokenizer.added["<|endoftext|>"]),
        (prefix + "add_bos_token", "bool", False),
    ]


def stored_form(name, weight):
    """GGUF's ssm_a is -exp(A_log); all other weights are trained as they are stored."""
    return -torch.exp(weight) if name.endswith("ssm_a") else weight


def load_exported(path):
    """(config, weights as the trainer has them, float64) of an exported file."""
    metadata, tensors = gguf_file.read(path)
    get = lambda key: metadata[f"{ARCHITECTURE}.{key}"]
    config = model.Config(
        vocab=len(metadata["tokenizer.ggml.tokens"]), hidden=get("embedding_length"), layers=get("block_count"),
        full_attention_interval=get("full_attention_interval"), n_head=get("attention.head_count"),
        n_head_kv=get("attention.head_count_kv"), head_dim=get("attention.key_length"),
        n_rot=get("rope.dimension_count"), rope_base=get("rope.freq_base"), gdn_dim=get("ssm.state_size"),
        n_k_heads=get("ssm.group_count"), n_v_heads=get("ssm.time_step_rank"), experts=get("expert_count"),
        experts_used=get("expert_used_count"), ff_expert=get("expert_feed_forward_length"),
        ff_shared=get("expert_shared_feed_forward_length"))
    weights = {}
    for name, array in tensors.items():
        w = torch.from_numpy(array.astype(np.float64))
        weights[name] = torch.log(-w) if name.endswith("ssm_a") else w
    return config, weights


def golden_ids(tokenizer):
    """A real chat, cut to a fixed number of tokens."""
    messages = [{"role": "system", "content": "You are a concise assistant."},
                {"role": "user", "content": "Summarise Cervantes in one sentence."},
                {"role": "assistant", "content": "Miguel de Cervantes was a Spanish writer, best known for Don "
                 "Quixote, which is often called the first modern novel."},
                {"role": "user", "content": "What is the weather in Valencia today?"}]
    ids = tokenizer.encode_spans(chatml.render(messages, enable_thinking=False))
    assert len(ids) >= GOLDEN_TOKENS, len(ids)
    return ids[:GOLDEN_TOKENS]


def logits(config, weights, ids):
    with torch.no_grad():
        return model.forward_plain(config, weights, torch.tensor(ids)).numpy()


def describe(name, ours, other):
    """Prints how far two sets of logits are apart."""
    log_p = lambda x: x - np.log(np.exp(x - x.max(-1, keepdims=True)).sum(-1, keepdims=True)) - x.max(-1, keepdims=True)
    p, q = log_p(ours.astype(np.float64)), log_p(other.astype(np.float64))
    divergence = (np.exp(p) * (p - q)).sum(-1)
    rms = np.sqrt(((ours - other) ** 2).mean())
    print(f"{name}: largest difference {np.abs(ours - other).max():.2e}, rms {rms:.2e}, "
          f"mean KL {divergence.mean():.2e}, same argmax {(ours.argmax(-1) == other.argmax(-1)).mean():.1%}")


def check_with(script, path, ids, golden):
    with tempfile.TemporaryDirectory() as folder:
        out = pathlib.Path(folder) / "logits.f32"
        subprocess.run([sys.executable, script, str(path), str(out), ",".join(map(str, ids))], check=True,
                       stdout=subprocess.DEVNULL)
        describe("the independent implementation", golden, np.fromfile(out, np.float32).reshape(golden.shape))


def load_mean(paths, field):
    """(config, weights, tokenizer, step) of the last of some checkpoints, the weights being the mean of all of theirs."""
    total = {}
    for path in paths:
        saved = train.load_checkpoint(path)
        config, weights = train.checkpoint_weights(saved, field)
        tokenizer = train.checkpoint_tokenizer(saved)
        if path != paths[0] and (config, tokenizer.merge_lines()) != kind:
            raise SystemExit(f"{path} has another shape or tokenizer than {paths[0]}")
        kind = config, tokenizer.merge_lines()
        for name, w in weights.items():
            total[name] = total.get(name, 0) + w / len(paths)
    return config, total, tokenizer, saved["step"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", nargs="+", default=[str(train.BUILD_DIR / "checkpoint.pt")])
    parser.add_argument("--field", default="mean", choices=["mean", "weights"], help="averaged or last weights")
    parser.add_argument("--out", default=str(ROOT / "models" / "demo.gguf"))
    parser.add_argument("--golden", default=str(ROOT / "tests" / "golden"), help="folder of the golden logits")
    parser.add_argument("--check-with", metavar="SCRIPT")
    args = parser.parse_args()
    config, weights, tokenizer, step = load_mean(args.checkpoint, args.field)
    parameters = sum(w.numel() for w in weights.values())
    tensors = [(name, stored_form(name, w).numpy(), tensor_type(name, w.shape)) for name, w in weights.items()]
    out, golden_dir = pathlib.Path(args.out), pathlib.Path(args.golden)
    partial = out.with_suffix(".tmp")
    gguf_file.write(partial, model_metadata(config, parameters) + tokenizer_metadata(tokenizer), tensors)
    partial.rename(out)
    print(f"{out.name}: step {step}, {parameters / 1e6:.2f} M parameters, {out.stat().st_size / 1e6:.2f} MB")

    ids = golden_ids(tokenizer)
    stored_config, stored = load_exported(out)
    golden = logits(stored_config, stored, ids)
    golden_dir.mkdir(parents=True, exist_ok=True)
    (golden_dir / "demo_tokens.txt").write_text(",".join(map(str, ids)) + "\n")
    golden.astype(np.float32).tofile(golden_dir / "demo_logits.f32")
    describe("before quantisation", golden, logits(config, {k: w.double() for k, w in weights.items()}, ids))
    if args.check_with:
        check_with(args.check_with, out, ids, golden)


if __name__ == "__main__":
    main()
