// Gated DeltaNet recurrence of the trainer, forward and backward, in chunks of tokens.
//
// One head, state S [D, D] (key x value), token i: S_i = d_i S_{i-1} + k_i delta_i^T with
// delta_i = beta_i diff_i, diff_i = v_i - d_i S_{i-1}^T k_i, and the output is S_i^T q_i. Let g be
// the sum of log d since the begin of the chunk and S the state before it. Written out,
//
//   diff_i = v_i - e^g_i S^T k_i - sum_{j<i} e^(g_i - g_j) (k_i . k_j) delta_j
//   out_i  =       e^g_i S^T q_i + sum_{j<=i} e^(g_i - g_j) (q_i . k_j) delta_j
//   S_end  = e^g_end S + sum_j e^(g_end - g_j) k_j delta_j^T
//
// so that all but the triangular system is products of small matrices. No exponent is above zero.
#include <algorithm>

#include "gemm.h"
#include "small.h"

namespace {

constexpr int kChunk = 24;   // tokens; a multiple of the rows of a tile
constexpr int kPadded = 32;  // a chunk's tokens as columns; a multiple of the columns of a tile

template <int D>
inline float dot(const float* a, const float* b) {
  float s = 0;
#pragma omp simd reduction(+ : s)
  for (int i = 0; i < D; ++i) s += a[i] * b[i];
  return s;
}

template <int D>
inline void add_scaled(float* y, float factor, const float* x) {
  for (int i = 0; i < D; ++i) y[i] += factor * x[i];
}

// y = x / sqrt(sum x^2 + eps) * scale; returns the factor without scale
template <int D>
inline float l2_normalise(const float* x, float* y, float scale) {
  const float r = 1.0f / std::sqrt(dot<D>(x, x) + kEps);
  for (int i = 0; i < D; ++i) y[i] = x[i] * r * scale;
  return r;
}

// dx = gradient of l2_normalise, from y = unit * scale and dy
template <int D>
inline void l2_backward(const float* y, const float* dy, float r, float scale, float* dx) {
  const float c = dot<D>(y, dy) / (scale * scale);
  for (int i = 0; i < D; ++i) dx[i] = r * scale * (dy[i] - y[i] * c);
}

// y += sum over n of factor[n * step] * x[n * stride ..], held in registers
template <int D>
inline void add_rows(int n, const float* factor, int step, const float* x, float* y) {
  constexpr int kVecs = D / gemm::kLanes;
  gemm::Vec sum[kVecs], *out = reinterpret_cast<gemm::Vec*>(y);
#pragma GCC unroll 8
  for (int d = 0; d < kVecs; ++d) sum[d] = out[d];
  for (int i = 0; i < n; ++i) {
    const gemm::Vec* row = reinterpret_cast<const gemm::Vec*>(x + i * D);
    const float f = factor[i * step];
#pragma GCC unroll 8
    for (int d = 0; d < kVecs; ++d) sum[d] += f * row[d];
  }
#pragma GCC unroll 8
  for (int d = 0; d < kVecs; ++d) out[d] = sum[d];
}

typedef float Vec8 __attribute__((vector_size(32), aligned(4), may_alias));
typedef int Mask8 __attribute__((vector_size(32)));

inline void transpose8(const float* x, int ldx, float* y, int ldy) {
  const Mask8 low = {0, 8, 1, 9, 4, 12, 5, 13}, high = {2, 10, 3, 11, 6, 14, 7, 15};
  const Mask8 even = {0, 1, 8, 9, 4, 5, 12, 13}, odd = {2, 3, 10, 11, 6, 7, 14, 15};
  const Mask8 left = {0, 1, 2, 3, 8, 9, 10, 11}, right = {4, 5, 6, 7, 12, 13, 14, 15};
  Vec8 r[8], t[8];
  auto out = [&](int i) -> Vec8& { return *reinterpret_cast<Vec8*>(y + i * ldy); };
#pragma GCC unroll 8
  for (int i = 0; i < 8; ++i) r[i] = *reinterpret_cast<const Vec8*>(x + i * ldx);
#pragma GCC unroll 4
  for (int i = 0; i < 8; i += 2) {
    t[i] = __builtin_shuffle(r[i], r[i + 1], low);
    t[i + 1] = __builtin_shuffle(r[i], r[i + 1], high);
  }
#pragma GCC unroll 2
  for (int i = 0; i < 8; i += 4) {
    r[i] = __builtin_shuffle(t[i], t[i + 2], even);
    r[i + 1] = __builtin_shuffle(t[i], t[i + 2], odd);
    r[i + 2] = __builtin_shuffle(t[i + 1], t[i + 3], even);
    r[i + 3] = __builtin_shuffle(t[i + 1], t[i + 3], odd);
  }
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    out(i) = __builtin_shuffle(r[i], r[i + 4], left);
    out(i + 4) = __builtin_shuffle(r[i], r[i + 4], right);
  }
}

// x [rows, D] -> y [D, rows]
template <int D>
inline void transpose(int rows, const float* x, float* y, int ldy) {
  const int whole = rows / 8 * 8;
  for (int i = 0; i < whole; i += 8)
    for (int j = 0; j < D; j += 8) transpose8(x + i * D + j, D, y + j * ldy + i, ldy);
  for (int n = 0; n < rows % 8; ++n)
    for (int j = 0; j < D; ++j) y[j * ldy + whole + n] = x[(whole + n) * D + j];
}

struct GdnShape {
  int n_k, n_v, channels;  // key heads, value heads, channels of c = [q | k | v]
};

// Arrays of a pass. c, log_decay, beta, out, diff [tokens, ..]; states: before each chunk and value
// head, [D, D].
struct GdnArrays {
  const float *c, *log_decay, *beta;
  float *out, *diff, *states;
  const float* d_out;
  float *dc, *d_log_decay, *d_beta;
};

// What the value heads of one key head share in a chunk.
template <int D>
struct Keys {
  alignas(64) float q[kChunk * D], k[kChunk * D];                // normalised, q scaled
  alignas(64) float kk[kChunk * kPadded], qk[kChunk * kPadded];  // [i, j]: k_i . k_j and q_i . k_j
  float rq[kChunk], rk[kChunk];

  void load(const GdnShape& s, int kh, int64_t begin, int count, const float* c) {
    alignas(64) float transposed[D * kPadded];
    for (int i = 0; i < count; ++i) {
      const float* row = c + (begin + i) * s.channels;
      rq[i] = l2_normalise<D>(row + kh * D, q + i * D, 1.0f / std::sqrt(float(D)));
      rk[i] = l2_normalise<D>(row + (s.n_k + kh) * D, k + i * D, 1.0f);
    }
    if (count < kPadded) std::fill(transposed, transposed + D * kPadded, 0.0f);
    transpose<D>(count, k, transposed, kPadded);
    gemm::product(count, kPadded, D, {k, D}, transposed, kPadded, kk, kPadded, false);
    gemm::product(count, kPadded, D, {q, D}, transposed, kPadded, qk, kPadded, false);
  }
};

// Decay inside a chunk for one value head.
struct Decay {
  float g[kChunk], from_begin[kChunk], to_end[kChunk];
  alignas(64) float between[kChunk * kPadded];  // e^(g_i - g_j) for j <= i, else 0

  void load(const GdnShape& s, int head, int64_t begin, int count, const float* log_decay) {
    float sum = 0;
    for (int i = 0; i < count; ++i) g[i] = sum += log_decay[(begin + i) * s.n_v + head];
    for (int i = 0; i < count; ++i) {
      from_begin[i] = std::exp(g[i]);
      to_end[i] = std::exp(sum - g[i]);
    }
    for (int i = 0; i < count; ++i) {
      float* row = between + i * kPadded;
      for (int j = 0; j <= i; ++j) row[j] = std::exp(g[i] - g[j]);
      for (int j = i + 1; j < kPadded; ++j) row[j] = 0;
    }
  }
};

// One chunk of one value head; S becomes the state after it.
template <int D>
void chunk_forward(const GdnShape& s, int head, int64_t begin, int count, const Keys<D>& keys,
                   const GdnArrays& x, float* S) {
  alignas(64) float read[kChunk * D], delta[kChunk * D], m[kChunk * kPadded], out_k[kChunk * D];
  Decay decay;
  decay.load(s, head, begin, count, x.log_decay);
  const int64_t stride = int64_t(s.n_v) * D;
  float* out = x.out + begin * stride + head * D;
  gemm::product(count, D, D, {keys.k, D}, S, D, read, D, false);
  gemm::product(count, D, D, {keys.q, D}, S, D, out, stride, false);
  for (int i = 0; i < count; ++i) {
    const float* v = x.c + (begin + i) * s.channels + (2 * s.n_k + head) * D;
    alignas(64) float diff[D];
    for (int d = 0; d < D; ++d) diff[d] = v[d] - decay.from_begin[i] * read[i * D + d];
    for (int j = 0; j < i; ++j) m[j] = -decay.between[i * kPadded + j] * keys.kk[i * kPadded + j];
    add_rows<D>(i, m, 1, delta, diff);
    const float beta = x.beta[(begin + i) * s.n_v + head];
    float* kept = x.diff + (begin + i) * stride + head * D;
    for (int d = 0; d < D; ++d) {
      kept[d] = diff[d];
      delta[i * D + d] = beta * diff[d];
      out[i * stride + d] *= decay.from_begin[i];
      out_k[i * D + d] = decay.to_end[i] * keys.k[i * D + d];
    }
  }
  for (int i = 0; i < count * kPadded; ++i) m[i] = decay.between[i] * keys.qk[i];
  gemm::product(count, D, count, {m, kPadded}, delta, D, out, stride, true);
  const float all = decay.from_begin[count - 1];
  for (int i = 0; i < D * D; ++i) S[i] *= all;
  gemm::product(D, D, count, {out_k, 1, D}, delta, D, S, D, true);
}

// Gradients that the value heads of one key head add up in a chunk.
template <int D>
struct KeyGradients {
  alignas(64) float dq[kChunk * D], dk[kChunk * D], dkk[kChunk * kPadded], dqk[kChunk * kPadded];
};

// Gradients of the triangular system: d_delta [count, D] without what comes through it -> d_diff,
// the gradient of diff times -1; dv and d_beta on the way.
template <int D>
void solve_backward(const GdnShape& s, int head, int64_t begin, int count, const float* a,
                    const float* delta_gradient, const GdnArrays& x, float* d_diff) {
  const int64_t stride = int64_t(s.n_v) * D;
  for (int j = count - 1; j >= 0; --j) {
    const int64_t at = (begin + j) * s.n_v + head;
    alignas(64) float d[D];
    std::memcpy(d, delta_gradient + j * D, sizeof d);
    add_rows<D>(count - j - 1, a + (j + 1) * kPadded + j, kPadded, d_diff + (j + 1) * D, d);
    x.d_beta[at] = dot<D>(d, x.diff + (begin + j) * stride + head * D);
    float* dv = x.dc + (begin + j) * s.channels + (2 * s.n_k + head) * D;
    for (int e = 0; e < D; ++e) {
      dv[e] = x.beta[at] * d[e];
      d_diff[j * D + e] = -dv[e];
    }
  }
}

// One chunk of one value head; S is the state before it, dS the gradient of the one after it, which
// becomes that of S. dg collects the gradient of the summed log decays.
template <int D>
void chunk_backward(const GdnShape& s, int head, int64_t begin, int count, const Keys<D>& keys,
                    const GdnArrays& x, const float* S, float* dS, KeyGradients<D>& grad) {
  alignas(64) float delta[kChunk * D], d_delta[kChunk * D], d_diff[kChunk * D], scaled[kChunk * D];
  alignas(64) float m[kChunk * kPadded], a[kChunk * kPadded], delta_t[D * kPadded] = {};
  alignas(64) float transposed[D * D], part[kChunk * D], dg[kChunk + 1] = {};
  Decay decay;
  decay.load(s, head, begin, count, x.log_decay);
  const int64_t stride = int64_t(s.n_v) * D;
  const float *d_out = x.d_out + begin * stride + head * D,
              *diff = x.diff + begin * stride + head * D;
  for (int i = 0; i < count * kPadded; ++i) {
    m[i] = decay.between[i] * keys.qk[i];
    a[i] = decay.between[i] * keys.kk[i];
  }
  for (int i = 0; i < count; ++i) {
    const float beta = x.beta[(begin + i) * s.n_v + head];
    for (int d = 0; d < D; ++d) {
      delta[i * D + d] = beta * diff[i * stride + d];
      scaled[i * D + d] = decay.to_end[i] * keys.k[i * D + d];
    }
  }
  gemm::product(count, D, count, {m, 1, kPadded}, d_out, stride, d_delta, D, false);
  gemm::product(count, D, D, {scaled, D}, dS, D, d_delta, D, true);
  solve_backward<D>(s, head, begin, count, a, d_delta, x, d_diff);

  // through k_i . k_j and q_i . k_j; m and a become the gradients of the weighted products
  float(&dm)[kChunk * kPadded] = m, da[kChunk * kPadded];
  alignas(64) float weight_m[kChunk * kPadded];
  std::memcpy(weight_m, m, sizeof m);
  transpose<D>(count, delta, delta_t, kPadded);
  gemm::product(count, kPadded, D, {d_out, stride}, delta_t, kPadded, dm, kPadded, false);
  gemm::product(count, kPadded, D, {d_diff, D}, delta_t, kPadded, da, kPadded, false);
  for (int i = 0; i < count; ++i)
    for (int j = 0; j <= i; ++j) {
      const int at = i * kPadded + j;
      const float through_k = j < i ? da[at] : 0.0f;
      grad.dqk[at] += decay.between[at] * dm[at];
      grad.dkk[at] += decay.between[at] * through_k;
      const float w = dm[at] * weight_m[at] + through_k * a[at];
      dg[i] += w;
      dg[j] -= w;
    }

  // through the state before the chunk
  transpose<D>(D, S, transposed, D);
  gemm::product(count, D, D, {d_out, stride}, transposed, D, part, D, false);
  for (int i = 0; i < count; ++i) {
    dg[i] += decay.from_begin[i] * dot<D>(part + i * D, keys.q + i * D);
    add_scaled<D>(grad.dq + i * D, decay.from_begin[i], part + i * D);
  }
  gemm::product(count, D, D, {d_diff, D}, transposed, D, part, D, false);
  for (int i = 0; i < count; ++i) {
    dg[i] += decay.from_begin[i] * dot<D>(part + i * D, keys.k + i * D);
    add_scaled<D>(grad.dk + i * D, decay.from_begin[i], part + i * D);
  }

  // through the state after it
  const float all = decay.from_begin[count - 1];
  transpose<D>(D, dS, transposed, D);
  gemm::product(count, D, D, {delta, D}, transposed, D, part, D, false);
  for (int i = 0; i < count; ++i) {
    const float written = decay.to_end[i] * dot<D>(part + i * D, keys.k + i * D);
    dg[i] -= written;
    dg[count - 1] += written;
    add_scaled<D>(grad.dk + i * D, decay.to_end[i], part + i * D);
  }
  dg[count - 1] += all * dot<D * D>(S, dS);
  for (int i = 0; i < D * D; ++i) dS[i] *= all;
  for (int i = 0; i < count; ++i)
    for (int d = 0; d < D; ++d) {
      scaled[i * D + d] = decay.from_begin[i] * keys.q[i * D + d];
      part[i * D + d] = decay.from_begin[i] * keys.k[i * D + d];
    }
  gemm::product(D, D, count, {scaled, 1, D}, d_out, stride, dS, D, true);
  gemm::product(D, D, count, {part, 1, D}, d_diff, D, dS, D, true);
  for (int i = count - 1; i >= 0; --i)
    x.d_log_decay[(begin + i) * s.n_v + head] = dg[i] += i + 1 < count ? dg[i + 1] : 0.0f;
}

// The products of keys and queries, and the normalisation.
template <int D>
void keys_backward(const GdnShape& s, int kh, int64_t begin, int count, const Keys<D>& keys,
                   KeyGradients<D>& g, float* dc) {
  gemm::product(count, D, count, {g.dqk, kPadded}, keys.k, D, g.dq, D, true);
  gemm::product(count, D, count, {g.dqk, 1, kPadded}, keys.q, D, g.dk, D, true);
  gemm::product(count, D, count, {g.dkk, kPadded}, keys.k, D, g.dk, D, true);
  gemm::product(count, D, count, {g.dkk, 1, kPadded}, keys.k, D, g.dk, D, true);
  for (int i = 0; i < count; ++i) {
    float* row = dc + (begin + i) * s.channels;
    l2_backward<D>(keys.q + i * D, g.dq + i * D, keys.rq[i], 1.0f / std::sqrt(float(D)),
                   row + kh * D);
    l2_backward<D>(keys.k + i * D, g.dk + i * D, keys.rk[i], 1.0f, row + (s.n_k + kh) * D);
  }
}

// All chunks of the conversation seg[i] and the value heads of one key head.
template <int D>
void gdn_item(const GdnShape& s, const int64_t* seg, int64_t i, int kh, const GdnArrays& x) {
  const int64_t t0 = seg[i], n_chunks = (seg[i + 1] - t0 + kChunk - 1) / kChunk;
  const int group =
      s.n_v / s.n_k;  // tiled: value head n uses key head n % n_k, as GGUF files have it
  std::vector<float> running(size_t(group) * D * D);  // S, or dS
  Keys<D> keys;
  for (int64_t turn = 0; turn < n_chunks; ++turn) {
    const int64_t chunk = x.d_out ? n_chunks - 1 - turn : turn, begin = t0 + chunk * kChunk;
    const int count = int(std::min<int64_t>(kChunk, seg[i + 1] - begin));
    keys.load(s, kh, begin, count, x.c);
    KeyGradients<D> gradients;
    if (x.d_out) std::memset(&gradients, 0, sizeof gradients);
    for (int n = 0; n < group; ++n) {
      const int head = kh + n * s.n_k;
      // chunks of a conversation are kept from (tokens before it) / kChunk + (conversations before)
      float* kept = x.states + ((t0 / kChunk + i + chunk) * s.n_v + head) * D * D;
      float* state = running.data() + size_t(n) * D * D;
      if (x.d_out) {
        chunk_backward<D>(s, head, begin, count, keys, x, kept, state, gradients);
      } else {
        std::memcpy(kept, state, sizeof(float) * D * D);
        chunk_forward<D>(s, head, begin, count, keys, x, state);
      }
    }
    if (x.d_out) keys_backward<D>(s, kh, begin, count, keys, gradients, x.dc);
  }
}

void gdn_run(int dim, const GdnShape& s, const int64_t* seg, int64_t n_seg, const GdnArrays& x) {
  // one work item per conversation and key head: the value heads that share q and k stay on one
  // thread, which adds up their gradients without a race
#pragma omp parallel for schedule(dynamic, 1)
  for (int64_t item = 0; item < n_seg * s.n_k; ++item) {
    if (dim == 64)
      gdn_item<64>(s, seg, item / s.n_k, int(item % s.n_k), x);
    else
      gdn_item<32>(s, seg, item / s.n_k, int(item % s.n_k), x);
  }
}

}  // namespace

extern "C" {

// floats that the forward keeps as `states` for the backward
int64_t gdn_states(int64_t dim, int64_t n_v, int64_t tokens, int64_t n_seg) {
  return (tokens / kChunk + n_seg) * n_v * dim * dim;
}

// diff [tokens, n_v, dim] and states are kept for the backward
void gdn_forward(int dim, int n_k, int n_v, const int64_t* seg, int64_t n_seg, const float* c,
                 const float* log_decay, const float* beta, float* out, float* diff,
                 float* states) {
  GdnArrays x{};
  x.c = c, x.log_decay = log_decay, x.beta = beta, x.out = out, x.diff = diff, x.states = states;
  gdn_run(dim, {n_k, n_v, (2 * n_k + n_v) * dim}, seg, n_seg, x);
}

void gdn_backward(int dim, int n_k, int n_v, const int64_t* seg, int64_t n_seg, const float* c,
                  const float* log_decay, const float* beta, float* diff, float* states,
                  const float* d_out, float* dc, float* d_log_decay, float* d_beta) {
  GdnArrays x{c, log_decay, beta, nullptr, diff, states, d_out, dc, d_log_decay, d_beta};
  gdn_run(dim, {n_k, n_v, (2 * n_k + n_v) * dim}, seg, n_seg, x);
}

}  // extern "C"
