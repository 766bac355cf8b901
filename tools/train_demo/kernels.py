"""Autograd wrappers around the kernels (*.cpp), which are compiled on first use into build/train_demo."""
import ctypes
import hashlib
import pathlib
import subprocess

import torch

HERE = pathlib.Path(__file__).resolve().parent
BUILD_DIR = HERE.parent.parent / "build" / "train_demo"
FLAGS = ["-O3", "-march=native", "-mprefer-vector-width=512", "-ffast-math", "-fopenmp", "-shared", "-fPIC",
         "-std=c++17"]


def load_library():
    sources = sorted(HERE.glob("*.cpp"))
    text = b"".join(path.read_bytes() for path in sources + sorted(HERE.glob("*.h")))
    tag = hashlib.sha256(text).hexdigest()[:12]
    target = BUILD_DIR / f"kernels-{tag}.so"
    if not target.exists():
        BUILD_DIR.mkdir(parents=True, exist_ok=True)
        partial = target.with_suffix(".tmp")
        subprocess.run(["g++", *FLAGS, *map(str, sources), "-o", str(partial)], check=True)
        partial.rename(target)
    return ctypes.CDLL(str(target))


_library = None


def call(name, *args):
    """Calls a kernel: tensors become pointers (they must be contiguous), integers 64-bit or the declared int.
    What it returns counts only if it returns an int64_t."""
    global _library
    if _library is None:
        _library = load_library()
    converted = []
    for value in args:
        if isinstance(value, torch.Tensor):
            assert value.is_contiguous()
            converted.append(ctypes.c_void_p(value.data_ptr()))
        elif value is None:
            converted.append(ctypes.c_void_p(None))
        else:
            converted.append(ctypes.c_int64(value))
    function = getattr(_library, name)
    function.restype = ctypes.c_int64
    return function(*converted)


class GatedDelta(torch.autograd.Function):
    """c [N, q|k|v channels], log_decay and beta [N, n_v] -> output [N, n_v, dim]; normalises q and k itself."""

    @staticmethod
    def forward(ctx, c, log_decay, beta, seg, dim, n_k, n_v):
        c, log_decay, beta = c.contiguous(), log_decay.contiguous(), beta.contiguous()
        out = c.new_empty(c.shape[0], n_v, dim)
        diff, states = torch.empty_like(out), c.new_empty(call("gdn_states", dim, n_v, c.shape[0], len(seg) - 1))
        call("gdn_forward", dim, n_k, n_v, seg, len(seg) - 1, c, log_decay, beta, out, diff, states)
        ctx.save_for_backward(c, log_decay, beta, seg, diff, states)
        ctx.shape = (dim, n_k, n_v)
        return out

    @staticmethod
    def backward(ctx, d_out):
        c, log_decay, beta, seg, diff, states = ctx.saved_tensors
        dim, n_k, n_v = ctx.shape
        dc, dg, db = torch.empty_like(c), torch.empty_like(log_decay), torch.empty_like(beta)
        call("gdn_backward", dim, n_k, n_v, seg, len(seg) - 1, c, log_decay, beta, diff, states, d_out.contiguous(), dc,
             dg, db)
        return dc, dg, db, None, None, None, None


class ConvSilu(torch.autograd.Function):
    """x [N, C], w [4, C] -> silu(causal depthwise convolution)."""

    @staticmethod
    def forward(ctx, x, w, seg):
        x, w = x.contiguous(), w.contiguous()
        y = torch.empty_like(x)
        call("conv_silu_forward", x.shape[1], seg, len(seg) - 1, x, w, y)
        ctx.save_for_backward(x, w, seg)
        return y

    @staticmethod
    def backward(ctx, dy):
        x, w, seg = ctx.saved_tensors
        dx, dw = torch.zeros_like(x), torch.zeros_like(w)
        call("conv_silu_backward", x.shape[1], seg, len(seg) - 1, x, w, dy.contiguous(), dx, dw)
        return dx, dw, None


class RmsNorm(torch.autograd.Function):
    """x / rms(x) * w over the last axis, times silu(z) if a gate is given."""

    @staticmethod
    def forward(ctx, x, w, z):
        x = x.contiguous()
        z = None if z is None else z.contiguous()
        y, n = torch.empty_like(x), x.shape[-1]
        call("rms_forward", x.numel() // n, n, x, w, z, y)
        ctx.save_for_backward(x, w, z)
        return y

    @staticmethod
    def backward(ctx, dy):
        x, w, z = ctx.saved_tensors
        dx, dw, n = torch.empty_like(x), torch.zeros_like(w), x.shape[-1]
        dz = None if z is None else torch.empty_like(x)
        call("rms_backward", x.numel() // n, n, x, w, z, dy.contiguous(), dx, dw, dz)
        return dx, dw, dz


def gradient(w):
    """Where a weight's gradient is added up: its own .grad, which the trainer points into shared memory."""
    if w.grad is None:
        w.grad = torch.zeros_like(w)
    return w.grad


class Linears(torch.autograd.Function):
    """x [N, in] and weights [out_i, in] -> (x w_i^T for each). The weights must be leaves: their gradients are added
    to .grad here, and x's gradient is added up in one place."""

    @staticmethod
    def forward(ctx, x, *weights):
        x = x.contiguous()
        outputs = []
        for w in weights:
            y = x.new_empty(x.shape[0], w.numel() // x.shape[1])  # a vector is a matrix of one row
            call("linear_forward", x.shape[0], x.shape[1], y.shape[1], x, w, y)
            outputs.append(y)
        ctx.save_for_backward(x)
        ctx.weights = weights  # not saved: the worker of this step is the only one that changes them, afterwards
        return tuple(outputs)

    @staticmethod
    def backward(ctx, *d_outputs):
        x, = ctx.saved_tensors
        dx = torch.empty_like(x)
        for i, (w, dy) in enumerate(zip(ctx.weights, d_outputs)):
            call("linear_backward", x.shape[0], x.shape[1], dy.shape[1], x, w, dy.contiguous(), dx, int(i > 0),
                 gradient(w))
        return (dx, *[None] * len(ctx.weights))


def linear(x, w):
    return Linears.apply(x, w)[0]


class Experts(torch.autograd.Function):
    """x [N, in] -> each token's weighted sum of its experts' outputs, SwiGLU with gate, up [(experts,) width, in] and
    down [(experts,) in, width]. weight and slot [N, top]: slot says where among the rows sorted by expert the token's
    choices are; token [N * top] is its inverse, offsets [experts + 1] are the experts' first rows."""

    @staticmethod
    def forward(ctx, x, weight, slot, token, offsets, gate, up, down):
        x, weight = x.contiguous(), weight.contiguous()
        rows, width, top, n = len(token), gate.shape[-2], slot.shape[1], x.shape[1]
        both, act, y = x.new_empty(rows, 2 * width), x.new_empty(rows, width), x.new_empty(rows, n)
        call("experts_forward", len(offsets) - 1, n, width, offsets, token, x, gate, up, down, both, act, y)
        out = torch.empty_like(x)
        call("combine_rows", x.shape[0], top, n, slot, weight, y, out)
        ctx.save_for_backward(x, weight, slot, token, offsets, both, act, y)
        ctx.weights = gate, up, down  # as in Linears
        return out

    @staticmethod
    def backward(ctx, d_out):
        x, weight, slot, token, offsets, both, act, y = ctx.saved_tensors
        tokens, top, n, width = x.shape[0], slot.shape[1], x.shape[1], act.shape[1]
        d_out = d_out.contiguous()
        dy, d_weight = torch.empty_like(y), torch.empty_like(weight)
        call("scatter_rows", tokens, top, n, slot, weight, d_out, dy)
        call("combine_weight_grad", tokens, top, n, slot, d_out, y, d_weight)
        d_both, d_act, d_rows = torch.empty_like(both), torch.empty_like(act), torch.empty_like(y)
        call("experts_backward", len(offsets) - 1, n, width, offsets, token, x, *ctx.weights, both, act, dy, d_both,
             d_act, d_rows, *(gradient(w) for w in ctx.weights))
        dx = torch.empty_like(x)
        call("combine_rows", tokens, top, n, slot, None, d_rows, dx)
        return dx, d_weight, None, None, None, None, None, None


class Attention(torch.autograd.Function):
    """Queries and gates qg [R, heads, query | gate] of tokens `rows`, k and v [N, kv heads, dim] -> [R, heads, dim]:
    norms and rotary embedding of queries and keys, causal attention inside each conversation, the gate."""

    @staticmethod
    def forward(ctx, qg, k, v, w_q, w_k, tables, seg, rows):
        qg, k, v, (cos, sin) = qg.contiguous(), k.contiguous(), v.contiguous(), tables
        (n, heads, dim), half = (k.shape[0], qg.shape[1], k.shape[2]), cos.shape[-1]
        cos_q, sin_q = cos[rows], sin[rows]
        q, unit_k, out = k.new_empty(len(rows), heads, dim), torch.empty_like(k), k.new_empty(len(rows), heads, dim)
        call("norm_rope_forward", len(rows), heads, dim, half, 2 * dim, qg, w_q, cos_q, sin_q, q)
        call("norm_rope_forward", n, k.shape[1], dim, half, dim, k, w_k, cos, sin, unit_k)
        lse, gated = q.new_empty(len(rows), heads), torch.empty_like(out)
        call("attention_forward", heads, k.shape[1], dim, seg, len(seg) - 1, rows, len(rows), q, unit_k, v, out, lse)
        call("gate_forward", len(rows) * heads, dim, qg, out, gated)
        ctx.save_for_backward(qg, k, v, cos, sin, cos_q, sin_q, seg, rows, q, unit_k, out, lse)
        ctx.weights = w_q, w_k  # as in Linears
        return gated

    @staticmethod
    def backward(ctx, d_gated):
        qg, k, v, cos, sin, cos_q, sin_q, seg, rows, q, unit_k, out, lse = ctx.saved_tensors
        (w_q, w_k), heads, dim, half = ctx.weights, q.shape[1], q.shape[2], cos.shape[-1]
        d_out, d_qg, dot = torch.empty_like(out), torch.empty_like(qg), torch.empty_like(lse)
        call("gate_backward", len(rows) * heads, dim, qg, out, d_gated.contiguous(), d_out, d_qg, dot)
        dq, d_unit_k, dk, dv = torch.empty_like(q), torch.zeros_like(k), torch.empty_like(k), torch.zeros_like(v)
        call("attention_backward", heads, k.shape[1], dim, seg, len(seg) - 1, rows, len(rows), q, unit_k, v, lse, dot,
             d_out, dq, d_unit_k, dv)
        call("norm_rope_backward", len(rows), heads, dim, half, 2 * dim, qg, w_q, cos_q, sin_q, dq, d_qg, gradient(w_q))
        call("norm_rope_backward", len(k), k.shape[1], dim, half, dim, k, w_k, cos, sin, d_unit_k, dk, gradient(w_k))
        return d_qg, dk, dv, None, None, None, None, None


def rms_norm(x, w, z=None):
    return RmsNorm.apply(x, w, z)
