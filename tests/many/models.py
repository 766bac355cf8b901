"""Random models with the demo model's vocabulary, as GGUF files: any shape of the architecture, weights that mean nothing."""
import pathlib
import sys

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tools" / "train_demo"))
import gguf_file  # noqa: E402

# The demo model's shape, under GGUF's names.
DEMO = {"block_count": 8, "context_length": 8192, "embedding_length": 192, "attention.head_count": 4, "attention.head_count_kv": 2,
        "attention.key_length": 64, "attention.value_length": 64, "rope.dimension_count": 32, "full_attention_interval": 4, "expert_count": 8,
        "expert_used_count": 2, "expert_feed_forward_length": 64, "expert_shared_feed_forward_length": 64, "ssm.conv_kernel": 4,
        "ssm.state_size": 64, "ssm.group_count": 2, "ssm.time_step_rank": 4}
# One attention layer of one small head, for contexts of a quarter million tokens.
SMALL = {**DEMO, "block_count": 2, "context_length": 1 << 18, "embedding_length": 32, "attention.head_count": 1, "attention.head_count_kv": 1,
         "attention.key_length": 16, "attention.value_length": 16, "rope.dimension_count": 8, "full_attention_interval": 2, "expert_count": 2,
         "expert_used_count": 1, "expert_feed_forward_length": 32, "expert_shared_feed_forward_length": 32, "ssm.state_size": 16,
         "ssm.group_count": 1, "ssm.time_step_rank": 1}


class Weights:
    def __init__(self, seed):
        self.random, self.tensors = np.random.default_rng(seed), []

    def add(self, name, shape, mean, deviation, kind):
        values = self.random.standard_normal(shape, np.float32) * np.float32(deviation) + np.float32(mean)
        self.tensors.append((name, values, kind))

    def vector(self, name, size, mean=1.0, deviation=0.1):
        self.add(name, (size,), mean, deviation, gguf_file.F32)

    def matrix(self, name, *shape, gain=1.0):
        """Rows of shape[-1] inputs; inputs of size 1 give outputs of size `gain`."""
        plain = shape[-1] % 32 != 0 or "ffn_gate_inp" in name
        self.add(name, shape, 0, gain / shape[-1] ** 0.5, gguf_file.F32 if plain else gguf_file.Q8_0)


def add_gdn(w, block, s):
    hidden, heads, size = s["embedding_length"], s["ssm.time_step_rank"], s["ssm.state_size"]
    channels = heads * size + 2 * s["ssm.group_count"] * size
    w.matrix(block + "attn_qkv.weight", channels, hidden)
    w.matrix(block + "attn_gate.weight", heads * size, hidden)
    w.add(block + "ssm_conv1d.weight", (channels, s["ssm.conv_kernel"]), 0, 0.5, gguf_file.F32)
    w.add(block + "ssm_a", (heads,), -2, 0.3, gguf_file.F32)
    w.vector(block + "ssm_dt.bias", heads, -3, 1)
    w.matrix(block + "ssm_beta.weight", heads, hidden)
    w.matrix(block + "ssm_alpha.weight", heads, hidden, gain=0.5)
    w.vector(block + "ssm_norm.weight", size)
    w.matrix(block + "ssm_out.weight", hidden, heads * size, gain=0.3)


def add_attention(w, block, s):
    hidden, size = s["embedding_length"], s["attention.key_length"]
    width, kv_width = s["attention.head_count"] * size, s["attention.head_count_kv"] * size
    w.matrix(block + "attn_q.weight", 2 * width, hidden)
    w.matrix(block + "attn_k.weight", kv_width, hidden)
    w.matrix(block + "attn_v.weight", kv_width, hidden)
    w.matrix(block + "attn_output.weight", hidden, width, gain=0.3)
    w.vector(block + "attn_q_norm.weight", size)
    w.vector(block + "attn_k_norm.weight", size)


def add_mixture(w, block, s):
    hidden, experts = s["embedding_length"], s["expert_count"]
    ffn, shared = s["expert_feed_forward_length"], s["expert_shared_feed_forward_length"]
    w.matrix(block + "ffn_gate_inp.weight", experts, hidden, gain=2)
    w.matrix(block + "ffn_gate_exps.weight", experts, ffn, hidden)
    w.matrix(block + "ffn_up_exps.weight", experts, ffn, hidden)
    w.matrix(block + "ffn_down_exps.weight", experts, hidden, ffn, gain=0.5)
    w.vector(block + "ffn_gate_inp_shexp.weight", hidden, 0)
    w.matrix(block + "ffn_gate_shexp.weight", shared, hidden)
    w.matrix(block + "ffn_up_shexp.weight", shared, hidden)
    w.matrix(block + "ffn_down_shexp.weight", hidden, shared, gain=0.5)


def write_random(path, shape, seed=1):
    """A random model as the file `path`, which is returned as a string."""
    demo, _ = gguf_file.read(ROOT / "models" / "demo.gguf")
    numbers = {**shape, "ssm.inner_size": shape["ssm.time_step_rank"] * shape["ssm.state_size"]}
    metadata = [("general.architecture", "str", "qwen35moe"), ("general.name", "str", "random")]
    metadata += [("qwen35moe." + key, "u32", value) for key, value in numbers.items()]
    metadata += [("qwen35moe.attention.layer_norm_rms_epsilon", "f32", 1e-6), ("qwen35moe.rope.freq_base", "f32", 1e6)]
    kinds = {str: "str", bool: "bool", int: "u32"}
    for key, value in demo.items():
        if key.startswith("tokenizer."):
            of_list = isinstance(value, list) and ("[str]" if isinstance(value[0], str) else "[i32]")
            metadata.append((key, of_list or kinds[type(value)], value))
    w = Weights(seed)
    hidden, vocabulary = shape["embedding_length"], len(demo["tokenizer.ggml.tokens"])
    w.matrix("token_embd.weight", vocabulary, hidden, gain=hidden ** 0.5)
    w.vector("output_norm.weight", hidden)
    w.matrix("output.weight", vocabulary, hidden, gain=4)
    for layer in range(shape["block_count"]):
        block = f"blk.{layer}."
        w.vector(block + "attn_norm.weight", hidden)
        w.vector(block + "post_attention_norm.weight", hidden)
        (add_gdn if (layer + 1) % shape["full_attention_interval"] else add_attention)(w, block, shape)
        add_mixture(w, block, shape)
    gguf_file.write(pathlib.Path(path), metadata, w.tensors)
    return str(path)
