"""Autograd wrappers around kernels.cpp, which is compiled on first use into build/train_demo."""
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
    source = HERE / "kernels.cpp"
    tag = hashlib.sha256(source.read_bytes()).hexdigest()[:12]
    target = BUILD_DIR / f"kernels-{tag}.so"
    if not target.exists():
        BUILD_DIR.mkdir(parents=True, exist_ok=True)
        partial = target.with_suffix(".tmp")
        subprocess.run(["g++", *FLAGS, str(source), "-o", str(partial)], check=True)
        partial.rename(target)
    return ctypes.CDLL(str(target))


_library = None


def call(name, *args):
    """Calls a kernel: tensors become pointers (they must be contiguous), integers 64-bit or the declared int."""
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
    getattr(_library, name)(*converted)


class GatedDelta(torch.autograd.Function):
    """c [N, q|k|v channels], log_decay and beta [N, n_v] -> output [N, n_v, dim]; normalises q and k itself."""

    @staticmethod
    def forward(ctx, c, log_decay, beta, seg, dim, n_k, n_v):
        c, beta, decay = c.contiguous(), beta.contiguous(), log_decay.exp().contiguous()
        out = c.new_empty(c.shape[0], n_v, dim)
        call("gdn_forward", dim, n_k, n_v, seg, len(seg) - 1, c, decay, beta, out)
        ctx.save_for_backward(c, decay, beta, seg)
        ctx.shape = (dim, n_k, n_v)
        return out

    @staticmethod
    def backward(ctx, d_out):
        c, decay, beta, seg = ctx.saved_tensors
        dim, n_k, n_v = ctx.shape
        dc, dg, db = torch.zeros_like(c), torch.empty_like(decay), torch.empty_like(beta)
        call("gdn_backward", dim, n_k, n_v, seg, len(seg) - 1, c, decay, beta, d_out.contiguous(), dc, dg, db)
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


class SwiGlu(torch.autograd.Function):
    """[N, 2n] -> silu(first half) * second half."""

    @staticmethod
    def forward(ctx, x):
        x = x.contiguous()
        rows, n = x.shape[0], x.shape[1] // 2
        y = x.new_empty(rows, n)
        call("swiglu_forward", rows, n, x, y)
        ctx.save_for_backward(x)
        return y

    @staticmethod
    def backward(ctx, dy):
        x, = ctx.saved_tensors
        dx = torch.empty_like(x)
        call("swiglu_backward", x.shape[0], x.shape[1] // 2, x, dy.contiguous(), dx)
        return dx


class ToExperts(torch.autograd.Function):
    """Copies each token's row to its places among the rows sorted by expert: [N, n] -> [N * top, n]."""

    @staticmethod
    def forward(ctx, x, slot):
        x = x.contiguous()
        top, n = slot.shape[1], x.shape[1]
        y = x.new_empty(x.shape[0] * top, n)
        call("scatter_rows", x.shape[0], top, n, slot, None, x, y)
        ctx.save_for_backward(slot)
        return y

    @staticmethod
    def backward(ctx, dy):
        slot, = ctx.saved_tensors
        dy = dy.contiguous()
        dx = dy.new_empty(slot.shape[0], dy.shape[1])
        call("combine_rows", slot.shape[0], slot.shape[1], dy.shape[1], slot, None, dy, dx)
        return dx, None


class FromExperts(torch.autograd.Function):
    """Weighted sum of each token's expert outputs: [N * top, n], weights [N, top] -> [N, n]."""

    @staticmethod
    def forward(ctx, y, weight, slot):
        y, weight = y.contiguous(), weight.contiguous()
        x = y.new_empty(slot.shape[0], y.shape[1])
        call("combine_rows", slot.shape[0], slot.shape[1], y.shape[1], slot, weight, y, x)
        ctx.save_for_backward(y, weight, slot)
        return x

    @staticmethod
    def backward(ctx, dx):
        y, weight, slot = ctx.saved_tensors
        dx = dx.contiguous()
        dy, dw = torch.empty_like(y), torch.empty_like(weight)
        call("scatter_rows", slot.shape[0], slot.shape[1], y.shape[1], slot, weight, dx, dy)
        call("combine_weight_grad", slot.shape[0], slot.shape[1], y.shape[1], slot, dx, y, dw)
        return dy, dw, None


def rms_norm(x, w, z=None):
    return RmsNorm.apply(x, w, z)
