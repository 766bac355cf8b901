"""A small random checkpoint as Hugging Face has them (config.json, tokenizer.json, safetensors in BF16 or FP8), and its
logits by plain Python in float64, straight from the checkpoint's own tensors: value heads side by side for each key head,
norms around zero, A_log. Written after Transformers' model of qwen3_5_moe; shares nothing with the packer."""
import json
import math
import pathlib
import random
import struct

HIDDEN, LAYERS, VOCABULARY = 64, 4, 320
HEADS, KV_HEADS, HEAD_DIM, ROPE_DIMS, ROPE_BASE = 2, 1, 32, 8, 10000.0
K_HEADS, V_HEADS, GDN_DIM, KERNEL = 2, 4, 16, 4
EXPERTS, USED, FFN, SHARED = 4, 2, 32, 48
EPSILON = 1e-6
KEYS, VALUES = K_HEADS * GDN_DIM, V_HEADS * GDN_DIM
BLOCK = (16, 32)  # rows and columns that share an FP8 scale
PREFIX = "model.language_model."
IN_FP8 = ("in_proj_qkv", "in_proj_z", "out_proj", "q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj",
          "down_proj")
ADDED = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<tool_call>", "</tool_call>", "<tool_response>",
         "</tool_response>", "<think>", "</think>"]
FIRST_ADDED = 300


def to_bf16(value):
    bits = struct.unpack("<I", struct.pack("<f", value))[0]
    return (bits + 0x7FFF + ((bits >> 16) & 1)) >> 16


def from_bf16(bits):
    return struct.unpack("<f", struct.pack("<I", bits << 16))[0]


def from_fp8(byte):
    exponent, fraction = (byte >> 3) & 15, byte & 7
    size = fraction / 8 * 2.0 ** -6 if exponent == 0 else (1 + fraction / 8) * 2.0 ** (exponent - 7)
    return -size if byte & 128 else size


def shapes():
    """Names and shapes, experts each by itself; the deviation of the random values."""
    out = {PREFIX + "embed_tokens.weight": ([VOCABULARY, HIDDEN], 1.0), PREFIX + "norm.weight": ([HIDDEN], 0.1),
           "lm_head.weight": ([VOCABULARY, HIDDEN], 0.2)}
    for i in range(LAYERS):
        p = f"{PREFIX}layers.{i}."
        out[p + "input_layernorm.weight"] = out[p + "post_attention_layernorm.weight"] = ([HIDDEN], 0.1)
        if (i + 1) % 4 == 0:
            a = p + "self_attn."
            out[a + "q_proj.weight"] = ([2 * HEADS * HEAD_DIM, HIDDEN], 0.2)
            out[a + "k_proj.weight"] = out[a + "v_proj.weight"] = ([KV_HEADS * HEAD_DIM, HIDDEN], 0.2)
            out[a + "o_proj.weight"] = ([HIDDEN, HEADS * HEAD_DIM], 0.05)
            out[a + "q_norm.weight"] = out[a + "k_norm.weight"] = ([HEAD_DIM], 0.1)
        else:
            g = p + "linear_attn."
            out[g + "in_proj_qkv.weight"] = ([2 * KEYS + VALUES, HIDDEN], 0.2)
            out[g + "in_proj_z.weight"] = ([VALUES, HIDDEN], 0.2)
            out[g + "in_proj_b.weight"] = out[g + "in_proj_a.weight"] = ([V_HEADS, HIDDEN], 0.2)
            out[g + "conv1d.weight"] = ([2 * KEYS + VALUES, 1, KERNEL], 0.5)
            out[g + "A_log"] = out[g + "dt_bias"] = ([V_HEADS], 0.5)
            out[g + "norm.weight"] = ([GDN_DIM], 1.0)
            out[g + "out_proj.weight"] = ([HIDDEN, VALUES], 0.05)
        m = p + "mlp."
        out[m + "gate.weight"] = ([EXPERTS, HIDDEN], 0.5)
        out[m + "shared_expert_gate.weight"] = ([1, HIDDEN], 0.2)
        for expert, width in [(f"experts.{e}", FFN) for e in range(EXPERTS)] + [("shared_expert", SHARED)]:
            out[f"{m}{expert}.gate_proj.weight"] = out[f"{m}{expert}.up_proj.weight"] = ([width, HIDDEN], 0.2)
            out[f"{m}{expert}.down_proj.weight"] = ([HIDDEN, width], 0.05)
    return out


class Checkpoint:
    def __init__(self, fp8=False, seed=1):
        self.fp8, self.random = fp8, random.Random(seed)
        self.values = {}  # name → rows of floats, or one row
        self.stored = {}  # name → (dtype, shape, bytes)
        for name, (shape, deviation) in shapes().items():
            if fp8 and any(part in name for part in IN_FP8):
                self.make_fp8(name, shape, deviation)
            else:
                self.make_bf16(name, shape, deviation)
        if not fp8:
            self.fuse_experts()
        # What a text model has no use for.
        self.stored["model.visual.pos_embed.weight"] = ("I64", [2], bytes(16))
        self.stored["mtp.fc.weight"] = ("BF16", [2, 2], bytes(8))

    def make_bf16(self, name, shape, deviation):
        count = math.prod(shape)
        bits = [to_bf16(self.random.gauss(0, deviation)) for _ in range(count)]
        self.stored[name] = ("BF16", shape, struct.pack(f"<{count}H", *bits))
        self.values[name] = self.in_rows([from_bf16(b) for b in bits], shape)

    def make_fp8(self, name, shape, deviation):
        rows, columns = shape
        data = bytes(self.random.choice([b for b in range(256) if b & 127 <= 0x48]) for _ in range(rows * columns))
        blocks = [-(-rows // BLOCK[0]), -(-columns // BLOCK[1])]
        bits = [to_bf16(deviation * self.random.uniform(0.5, 1.5)) for _ in range(blocks[0] * blocks[1])]
        self.stored[name] = ("F8_E4M3", shape, data)
        self.stored[name + "_scale_inv"] = ("BF16", blocks, struct.pack(f"<{len(bits)}H", *bits))
        scales = self.in_rows([from_bf16(b) for b in bits], blocks)
        self.values[name] = [[from_fp8(data[r * columns + c]) * scales[r // BLOCK[0]][c // BLOCK[1]]
                              for c in range(columns)] for r in range(rows)]

    def fuse_experts(self):
        for i in range(LAYERS):
            mlp = f"{PREFIX}layers.{i}.mlp.experts."
            take = lambda e, part: self.stored.pop(f"{mlp}{e}.{part}_proj.weight")[2]
            gate_up = b"".join(take(e, "gate") + take(e, "up") for e in range(EXPERTS))
            self.stored[mlp + "gate_up_proj"] = ("BF16", [EXPERTS, 2 * FFN, HIDDEN], gate_up)
            down = b"".join(take(e, "down") for e in range(EXPERTS))
            self.stored[mlp + "down_proj"] = ("BF16", [EXPERTS, HIDDEN, FFN], down)

    @staticmethod
    def in_rows(values, shape):
        if len(shape) == 1:
            return values
        columns = math.prod(shape[1:])
        return [values[at:at + columns] for at in range(0, len(values), columns)]

    # ---- files

    def config(self):
        text = {"model_type": "qwen3_5_moe_text", "num_hidden_layers": LAYERS, "hidden_size": HIDDEN,
                "vocab_size": VOCABULARY, "max_position_embeddings": 512, "rms_norm_eps": EPSILON,
                "num_attention_heads": HEADS, "num_key_value_heads": KV_HEADS, "head_dim": HEAD_DIM,
                "linear_conv_kernel_dim": KERNEL, "linear_key_head_dim": GDN_DIM, "linear_value_head_dim": GDN_DIM,
                "linear_num_key_heads": K_HEADS, "linear_num_value_heads": V_HEADS, "num_experts": EXPERTS,
                "num_experts_per_tok": USED, "moe_intermediate_size": FFN, "shared_expert_intermediate_size": SHARED,
                "full_attention_interval": 4, "hidden_act": "silu", "attn_output_gate": True, "attention_bias": False,
                "layer_types": ["full_attention" if i % 4 == 3 else "linear_attention" for i in range(LAYERS)],
                "eos_token_id": FIRST_ADDED, "pad_token_id": None,
                "rope_parameters": {"rope_type": "default", "rope_theta": int(ROPE_BASE),
                                    "partial_rotary_factor": ROPE_DIMS / HEAD_DIM, "mrope_section": [2, 1, 1]}}
        config = {"architectures": ["Qwen3_5MoeForConditionalGeneration"], "model_type": "qwen3_5_moe",
                  "tie_word_embeddings": False, "text_config": text}
        if self.fp8:
            config["quantization_config"] = {"quant_method": "fp8", "fmt": "e4m3", "weight_block_size": list(BLOCK)}
        return config

    @staticmethod
    def tokenizer():
        kept = [*range(33, 127), *range(161, 173), *range(174, 256)]
        spelling = [chr(b) for b in kept] + [chr(256 + i) for i in range(256 - len(kept))]
        tokens = spelling + ["he", "ll", "hell"]
        merges = [["h", "e"], ["l", "l"], "he ll"]
        added = [{"id": FIRST_ADDED + i, "content": text, "special": text.startswith("<|")}
                 for i, text in enumerate(ADDED)]
        return ({"model": {"type": "BPE", "vocab": {t: i for i, t in enumerate(tokens)}, "merges": merges},
                 "added_tokens": added},
                {"added_tokens_decoder": {str(FIRST_ADDED + len(ADDED)): {"content": "<tts_pad>", "special": True}},
                 "chat_template": "{{ messages }}"})

    def write(self, directory, shards=2):
        directory = pathlib.Path(directory)
        directory.mkdir(exist_ok=True)
        tokenizer, tokenizer_config = self.tokenizer()
        files = {"config.json": self.config(), "tokenizer.json": tokenizer, "tokenizer_config.json": tokenizer_config,
                 "generation_config.json": {"temperature": 0.5, "top_p": 0.75, "top_k": 20,
                                            "eos_token_id": [FIRST_ADDED + 2, FIRST_ADDED]}}
        names, index = sorted(self.stored), {}
        for shard in range(shards):
            file = f"model-{shard + 1:05}-of-{shards:05}.safetensors"
            mine = names[shard::shards]
            index.update((name, file) for name in mine)
            (directory / file).write_bytes(self.safetensors(mine))
        files["model.safetensors.index.json"] = {"weight_map": index}
        for name, content in files.items():
            (directory / name).write_text(json.dumps(content))
        return directory

    def safetensors(self, names):
        header, data = {"__metadata__": {"format": "pt"}}, b""
        for name in names:
            dtype, shape, content = self.stored[name]
            header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(data), len(data) + len(content)]}
            data += content
        text = json.dumps(header).encode()
        return struct.pack("<Q", len(text)) + text + data

    # ---- the model

    def logits(self, tokens):
        hidden = [list(self.values[PREFIX + "embed_tokens.weight"][t]) for t in tokens]
        for i in range(LAYERS):
            self.at = f"{PREFIX}layers.{i}."
            x = [norm(h, self.get("input_layernorm.weight"), 1) for h in hidden]
            y = self.attention(x) if (i + 1) % 4 == 0 else self.delta_net(x)
            hidden = [add(h, o) for h, o in zip(hidden, y)]
            hidden = [add(h, self.experts(norm(h, self.get("post_attention_layernorm.weight"), 1))) for h in hidden]
        final = [norm(h, self.values[PREFIX + "norm.weight"], 1) for h in hidden]
        return [times(self.values["lm_head.weight"], h) for h in final]

    def get(self, name):
        return self.values[self.at + name]

    def attention(self, xs):
        q_norm, k_norm = self.get("self_attn.q_norm.weight"), self.get("self_attn.k_norm.weight")
        keys, values, out = [], [], []
        for position, x in enumerate(xs):
            heads = split(times(self.get("self_attn.q_proj.weight"), x), 2 * HEAD_DIM)
            keys.append([rope(norm(k, k_norm, 1), position)
                         for k in split(times(self.get("self_attn.k_proj.weight"), x), HEAD_DIM)])
            values.append(split(times(self.get("self_attn.v_proj.weight"), x), HEAD_DIM))
            row = []
            for head, both in enumerate(heads):
                q, gate = rope(norm(both[:HEAD_DIM], q_norm, 1), position), both[HEAD_DIM:]
                kv = head // (HEADS // KV_HEADS)
                scores = softmax([dot(q, k[kv]) / math.sqrt(HEAD_DIM) for k in keys])
                mixed = [sum(s * v[kv][d] for s, v in zip(scores, values)) for d in range(HEAD_DIM)]
                row += [m * sigmoid(g) for m, g in zip(mixed, gate)]
            out.append(times(self.get("self_attn.o_proj.weight"), row))
        return out

    def delta_net(self, xs):
        g = "linear_attn."
        conv, a_log, dt_bias = self.get(g + "conv1d.weight"), self.get(g + "A_log"), self.get(g + "dt_bias")
        past = [[0.0] * (2 * KEYS + VALUES)] * (KERNEL - 1)
        states = [[[0.0] * GDN_DIM for _ in range(GDN_DIM)] for _ in range(V_HEADS)]
        out = []
        for x in xs:
            past = past + [times(self.get(g + "in_proj_qkv.weight"), x)]
            c = [silu(sum(conv[ch][j] * past[-KERNEL + j][ch] for j in range(KERNEL))) for ch in range(len(conv))]
            q, k = split(c[:KEYS], GDN_DIM), split(c[KEYS:2 * KEYS], GDN_DIM)
            v, z = split(c[2 * KEYS:], GDN_DIM), split(times(self.get(g + "in_proj_z.weight"), x), GDN_DIM)
            beta = times(self.get(g + "in_proj_b.weight"), x)
            alpha = times(self.get(g + "in_proj_a.weight"), x)
            row = []
            for head in range(V_HEADS):
                of = head // (V_HEADS // K_HEADS)  # heads of one key head stand side by side
                decay = math.exp(-math.exp(a_log[head]) * math.log1p(math.exp(alpha[head] + dt_bias[head])))
                row += self.delta_head(states[head], [u / math.sqrt(GDN_DIM) for u in unit(q[of])], unit(k[of]),
                                       v[head], z[head], sigmoid(beta[head]), decay)
            out.append(times(self.get(g + "out_proj.weight"), row))
        return out

    def delta_head(self, state, q, k, v, z, beta, decay):
        for row in state:
            row[:] = [s * decay for s in row]
        read = [sum(k[i] * state[i][d] for i in range(GDN_DIM)) for d in range(GDN_DIM)]
        change = [beta * (a - b) for a, b in zip(v, read)]
        for i in range(GDN_DIM):
            state[i] = [s + k[i] * c for s, c in zip(state[i], change)]
        o = [sum(q[i] * state[i][d] for i in range(GDN_DIM)) for d in range(GDN_DIM)]
        return [a * silu(b) for a, b in zip(norm(o, self.get("linear_attn.norm.weight"), 0), z)]

    def experts(self, x):
        weights = softmax(times(self.get("mlp.gate.weight"), x))
        best = sorted(range(EXPERTS), key=lambda e: -weights[e])[:USED]
        total = sum(weights[e] for e in best)
        share = sigmoid(dot(self.get("mlp.shared_expert_gate.weight")[0], x))
        out = [share * value for value in self.expert("shared_expert", x)]
        for e in best:
            out = add(out, [weights[e] / total * value for value in self.expert(f"experts.{e}", x)])
        return out

    def expert(self, name, x):
        gate = times(self.get(f"mlp.{name}.gate_proj.weight"), x)
        up = times(self.get(f"mlp.{name}.up_proj.weight"), x)
        return times(self.get(f"mlp.{name}.down_proj.weight"), [silu(a) * b for a, b in zip(gate, up)])


def dot(a, b):
    return sum(x * y for x, y in zip(a, b))


def times(matrix, x):
    return [dot(row, x) for row in matrix]


def add(a, b):
    return [x + y for x, y in zip(a, b)]


def split(x, width):
    return [x[at:at + width] for at in range(0, len(x), width)]


def norm(x, weight, plus):
    scale = 1 / math.sqrt(dot(x, x) / len(x) + EPSILON)
    return [v * scale * (w + plus) for v, w in zip(x, weight)]


def unit(x):
    scale = 1 / math.sqrt(dot(x, x) + EPSILON)
    return [v * scale for v in x]


def rope(x, position):
    half = ROPE_DIMS // 2
    out = list(x)
    for i in range(half):
        angle = position * ROPE_BASE ** (-2 * i / ROPE_DIMS)
        out[i] = x[i] * math.cos(angle) - x[i + half] * math.sin(angle)
        out[i + half] = x[i + half] * math.cos(angle) + x[i] * math.sin(angle)
    return out


def softmax(x):
    powers = [math.exp(v - max(x)) for v in x]
    return [p / sum(powers) for p in powers]


def sigmoid(x):
    return 1 / (1 + math.exp(-x))


def silu(x):
    return x * sigmoid(x)
