"""The demo model: `qwen35moe` as a function of a flat dictionary of weights that carries GGUF's tensor names.

Two forms of the same layer: `forward` (trainer, float32, kernels.py) and `forward_plain` (any dtype, plain PyTorch,
the recurrence written out), which checks the first and computes the golden logits in float64.
"""
import dataclasses
import math

import torch
import torch.nn.functional as F

from kernels import Attention, ConvSilu, Experts, GatedDelta, Linears, linear, rms_norm

EPS = 1e-6


@dataclasses.dataclass
class Config:
    vocab: int = 2048
    hidden: int = 192
    layers: int = 8
    full_attention_interval: int = 4
    n_head: int = 4
    n_head_kv: int = 2
    head_dim: int = 64
    n_rot: int = 32
    rope_base: float = 1e6
    rope_sections: tuple = (6, 5, 5, 0)
    context: int = 8192
    gdn_dim: int = 64
    n_k_heads: int = 2
    n_v_heads: int = 4
    experts: int = 8
    experts_used: int = 2
    ff_expert: int = 64
    ff_shared: int = 64

    def is_attention(self, layer):
        return (layer + 1) % self.full_attention_interval == 0


def weight_shapes(c):
    """name -> shape in row-major (out, in) order, i.e. GGUF's dims reversed."""
    shapes = {"token_embd.weight": (c.vocab, c.hidden), "output_norm.weight": (c.hidden,),
              "output.weight": (c.vocab, c.hidden)}
    qkv, inner = (2 * c.n_k_heads + c.n_v_heads) * c.gdn_dim, c.n_v_heads * c.gdn_dim
    attention = {"attn_q.weight": (2 * c.n_head * c.head_dim, c.hidden),
                 "attn_k.weight": (c.n_head_kv * c.head_dim, c.hidden),
                 "attn_v.weight": (c.n_head_kv * c.head_dim, c.hidden),
                 "attn_output.weight": (c.hidden, c.n_head * c.head_dim),
                 "attn_q_norm.weight": (c.head_dim,), "attn_k_norm.weight": (c.head_dim,)}
    delta = {"attn_qkv.weight": (qkv, c.hidden), "attn_gate.weight": (inner, c.hidden), "ssm_conv1d.weight": (qkv, 4),
             "ssm_dt.bias": (c.n_v_heads,), "ssm_a": (c.n_v_heads,), "ssm_beta.weight": (c.n_v_heads, c.hidden),
             "ssm_alpha.weight": (c.n_v_heads, c.hidden), "ssm_norm.weight": (c.gdn_dim,),
             "ssm_out.weight": (c.hidden, inner)}
    moe = {"attn_norm.weight": (c.hidden,), "post_attention_norm.weight": (c.hidden,),
           "ffn_gate_inp.weight": (c.experts, c.hidden), "ffn_gate_exps.weight": (c.experts, c.ff_expert, c.hidden),
           "ffn_up_exps.weight": (c.experts, c.ff_expert, c.hidden),
           "ffn_down_exps.weight": (c.experts, c.hidden, c.ff_expert), "ffn_gate_inp_shexp.weight": (c.hidden,),
           "ffn_gate_shexp.weight": (c.ff_shared, c.hidden), "ffn_up_shexp.weight": (c.ff_shared, c.hidden),
           "ffn_down_shexp.weight": (c.hidden, c.ff_shared)}
    for i in range(c.layers):
        for name, shape in {**(attention if c.is_attention(i) else delta), **moe}.items():
            shapes[f"blk.{i}.{name}"] = shape
    return shapes


def initial_weights(c, seed):
    """ssm_a is trained as A_log (see `a_log` in forward); everything else is stored as it will lie in the file."""
    g = torch.Generator().manual_seed(seed)
    weights = {}
    for name, shape in weight_shapes(c).items():
        if name.endswith("norm.weight"):
            w = torch.ones(shape)
        elif name.endswith("ssm_a"):
            w = torch.log(torch.empty(shape).uniform_(0.5, 8.0, generator=g))
        elif name.endswith("ssm_dt.bias"):  # softplus^-1 of a step size between 1e-3 and 0.1
            dt = torch.exp(torch.empty(shape).uniform_(math.log(1e-3), math.log(0.1), generator=g))
            w = dt + torch.log(-torch.expm1(-dt))
        elif name.endswith("ssm_conv1d.weight"):
            w = torch.randn(shape, generator=g) * 0.3
            w[:, 3] += 0.5  # start out looking mostly at the token itself
        elif name == "token_embd.weight":
            w = torch.randn(shape, generator=g) * 0.3
        elif "ffn_gate_inp" in name or name == "output.weight":
            w = torch.randn(shape, generator=g) * 0.02
        else:
            out_projection = any(k in name for k in ("ssm_out", "attn_output", "ffn_down"))
            w = torch.randn(shape, generator=g) / math.sqrt(shape[-1]) * (0.2 if out_projection else 1.0)
        weights[name] = w
    return weights


def rope_tables(c, positions, dtype):
    half = c.n_rot // 2
    freq = c.rope_base ** (-torch.arange(half, dtype=torch.float64) * 2.0 / c.n_rot)
    angle = positions.to(torch.float64)[:, None] * freq
    return angle.cos().to(dtype)[:, None], angle.sin().to(dtype)[:, None]


def rope(x, cos, sin, n_rot):
    half = n_rot // 2
    a, b, rest = x[..., :half], x[..., half:n_rot], x[..., n_rot:]
    return torch.cat([a * cos - b * sin, b * cos + a * sin, rest], -1)


def plain_rms(x, w):
    return x * torch.rsqrt((x * x).mean(-1, keepdim=True) + EPS) * w


QUERY_BLOCK = 192  # queries that go through one product; later keys are left out of it


def attend(q, k, v, bounds, group):
    """Causal attention inside each conversation; q [N, heads, d], k and v [N, kv heads, d]."""
    parts, q = [], q * q.shape[-1] ** -0.5
    for begin, end in zip(bounds[:-1], bounds[1:]):
        for first in range(begin, end, QUERY_BLOCK):
            last = min(first + QUERY_BLOCK, end)
            n = last - first
            qs = q[first:last].transpose(0, 1).reshape(-1, group * n, q.shape[-1])  # query heads of one kv head together
            ks, vs = k[begin:last].transpose(0, 1), v[begin:last].transpose(0, 1)
            scores = torch.matmul(qs, ks.transpose(1, 2))
            future = torch.triu(torch.full((n, n), float("-inf"), dtype=q.dtype), 1).repeat(group, 1)
            scores[..., first - begin:] += future
            out = torch.matmul(torch.softmax(scores, -1), vs)
            parts.append(out.reshape(-1, n, q.shape[-1]).transpose(0, 1))
    return torch.cat(parts)


def plain_attention(c, w, x, cos, sin):
    n = x.shape[0]
    qg = F.linear(x, w("attn_q.weight")).view(n, c.n_head, 2 * c.head_dim)
    q, gate = qg[..., :c.head_dim], qg[..., c.head_dim:]
    k = F.linear(x, w("attn_k.weight")).view(n, c.n_head_kv, c.head_dim)
    v = F.linear(x, w("attn_v.weight")).view(n, c.n_head_kv, c.head_dim)
    q = rope(plain_rms(q, w("attn_q_norm.weight")), cos, sin, c.n_rot)
    k = rope(plain_rms(k, w("attn_k_norm.weight")), cos, sin, c.n_rot)
    out = attend(q, k, v, [0, n], c.n_head // c.n_head_kv) * torch.sigmoid(gate)
    return F.linear(out.reshape(n, -1), w("attn_output.weight"))


def attention_layer(c, w, x, tables, seg, rows):
    """The layer's output for the tokens `rows`."""
    some = len(rows) < len(x)
    if some:
        k, v = Linears.apply(x, w("attn_k.weight"), w("attn_v.weight"))
        qg = linear(x[rows], w("attn_q.weight"))
    else:
        qg, k, v = Linears.apply(x, w("attn_q.weight"), w("attn_k.weight"), w("attn_v.weight"))
    out = Attention.apply(qg.view(len(rows), c.n_head, -1), k.view(len(x), c.n_head_kv, -1),
                          v.view(len(x), c.n_head_kv, -1), w("attn_q_norm.weight"), w("attn_k_norm.weight"), tables,
                          seg, rows)
    return linear(out.view(len(rows), -1), w("attn_output.weight"))


def gate_values(w, beta, alpha):
    return -torch.exp(w("ssm_a")) * F.softplus(alpha + w("ssm_dt.bias")), torch.sigmoid(beta)


def gdn_gates(w, x):
    return gate_values(w, F.linear(x, w("ssm_beta.weight")), F.linear(x, w("ssm_alpha.weight")))


def gdn_layer(c, w, x, seg):
    qkv, z, beta, alpha = Linears.apply(x, *(w(name) for name in ("attn_qkv.weight", "attn_gate.weight",
                                                                 "ssm_beta.weight", "ssm_alpha.weight")))
    mixed = ConvSilu.apply(qkv, w("ssm_conv1d.weight").t(), seg)
    log_decay, beta = gate_values(w, beta, alpha)
    out = GatedDelta.apply(mixed, log_decay, beta, seg, c.gdn_dim, c.n_k_heads, c.n_v_heads)
    out = rms_norm(out, w("ssm_norm.weight"), z.view_as(out))
    return linear(out.view(x.shape[0], -1), w("ssm_out.weight"))


def route(c, logits):
    """Softmax over all experts, the best ones, their weights renormalised; and the load-balancing loss."""
    p = torch.softmax(logits, -1)
    top, chosen = p.topk(c.experts_used, -1)
    load = torch.bincount(chosen.reshape(-1), minlength=c.experts).to(p.dtype) / chosen.numel()
    return top / top.sum(-1, keepdim=True), chosen, c.experts * (load * p.mean(0)).sum()


def moe_layer(c, w, x):
    logits, shared_gate = Linears.apply(x, w("ffn_gate_inp.weight"), w("ffn_gate_inp_shexp.weight"))
    weight, chosen, balance = route(c, logits)
    flat = chosen.reshape(-1)
    order = torch.argsort(flat, stable=True)
    slot = torch.empty_like(order)
    slot[order] = torch.arange(len(order))
    offsets = F.pad(torch.bincount(flat, minlength=c.experts).cumsum(0), (1, 0))
    routed = Experts.apply(x, weight, slot.view_as(chosen), order // c.experts_used, offsets,
                           *(w(f"ffn_{part}_exps.weight") for part in ("gate", "up", "down")))
    every = torch.arange(x.shape[0])  # the shared expert is one that every token chooses
    shared = Experts.apply(x, torch.sigmoid(shared_gate), every[:, None], every, torch.tensor([0, x.shape[0]]),
                           *(w(f"ffn_{part}_shexp.weight") for part in ("gate", "up", "down")))
    return routed + shared, balance


def forward(c, weights, tokens, bounds, rows=None):
    """tokens [N]: conversations back to back, bounds: their offsets. Returns the final normed hidden rows (of the
    positions `rows`, ascending, where given) and the mean load-balancing loss; the caller multiplies them by
    output.weight. The last layer computes what those rows need and no more: a fifth of the positions is learned."""
    seg = torch.tensor(bounds, dtype=torch.int64)
    positions = torch.cat([torch.arange(b - a) for a, b in zip(bounds[:-1], bounds[1:])])
    tables, every = [t[:, 0].contiguous() for t in rope_tables(c, positions, torch.float32)], torch.arange(len(tokens))
    h = F.embedding(tokens, weights["token_embd.weight"])
    balance = 0.0
    for i in range(c.layers):
        w = lambda name: weights[f"blk.{i}.{name}"]
        x = rms_norm(h, w("attn_norm.weight"))
        wanted = rows if i == c.layers - 1 and rows is not None else every
        mixed = attention_layer(c, w, x, tables, seg, wanted) if c.is_attention(i) else gdn_layer(c, w, x, seg)
        if wanted is not every:
            h, mixed = h[rows], mixed if c.is_attention(i) else mixed[rows]
        h = h + mixed
        y, aux = moe_layer(c, w, rms_norm(h, w("post_attention_norm.weight")))
        h, balance = h + y, balance + aux / c.layers
    return rms_norm(h, weights["output_norm.weight"]), balance


# ---- the plain form -------------------------------------------------------------------------------------------------

def plain_gdn(c, w, x):
    n, d = x.shape[0], c.gdn_dim
    padded = F.pad(F.linear(x, w("attn_qkv.weight")), (0, 0, 3, 0))
    mixed = F.silu(sum(padded[j:j + n] * w("ssm_conv1d.weight")[:, j] for j in range(4)))
    q, k, v = mixed.split([c.n_k_heads * d, c.n_k_heads * d, c.n_v_heads * d], -1)
    unit = lambda a: a * torch.rsqrt((a * a).sum(-1, keepdim=True) + EPS)
    repeat = c.n_v_heads // c.n_k_heads  # tiled: value head n uses key head n % n_k
    q = (unit(q.view(n, -1, d)) * d ** -0.5).repeat(1, repeat, 1)
    k = unit(k.view(n, -1, d)).repeat(1, repeat, 1)
    v = v.view(n, -1, d)
    log_decay, beta = gdn_gates(w, x)
    state, out = x.new_zeros(c.n_v_heads, d, d), []
    for t in range(n):
        state = state * log_decay[t].exp()[:, None, None]
        read = torch.einsum("hk,hkv->hv", k[t], state)
        state = state + torch.einsum("hk,hv->hkv", k[t], beta[t][:, None] * (v[t] - read))
        out.append(torch.einsum("hk,hkv->hv", q[t], state))
    out = plain_rms(torch.stack(out), w("ssm_norm.weight")) * F.silu(F.linear(x, w("attn_gate.weight")).view(n, -1, d))
    return F.linear(out.view(n, -1), w("ssm_out.weight"))


def plain_moe(c, w, x):
    weight, chosen, _ = route(c, F.linear(x, w("ffn_gate_inp.weight")))
    dense = torch.zeros(x.shape[0], c.experts, dtype=x.dtype).scatter(1, chosen, weight)
    inner = F.silu(torch.einsum("nh,efh->nef", x, w("ffn_gate_exps.weight"))) * \
        torch.einsum("nh,efh->nef", x, w("ffn_up_exps.weight"))
    routed = torch.einsum("nef,ehf,ne->nh", inner, w("ffn_down_exps.weight"), dense)
    shared = F.silu(F.linear(x, w("ffn_gate_shexp.weight"))) * F.linear(x, w("ffn_up_shexp.weight"))
    gate = torch.sigmoid(x @ w("ffn_gate_inp_shexp.weight"))[:, None]
    return routed + F.linear(shared, w("ffn_down_shexp.weight")) * gate


def forward_plain(c, weights, tokens):
    """Logits [N, vocab] of one conversation, in the dtype of the weights."""
    n = len(tokens)
    cos, sin = rope_tables(c, torch.arange(n), weights["output.weight"].dtype)
    h = F.embedding(tokens, weights["token_embd.weight"])
    for i in range(c.layers):
        w = lambda name: weights[f"blk.{i}.{name}"]
        x = plain_rms(h, w("attn_norm.weight"))
        h = h + (plain_attention(c, w, x, cos, sin) if c.is_attention(i) else plain_gdn(c, w, x))
        h = h + plain_moe(c, w, plain_rms(h, w("post_attention_norm.weight")))
    return F.linear(plain_rms(h, weights["output_norm.weight"]), weights["output.weight"])
