// Gated DeltaNet recurrence of the trainer, forward and backward.
#include "small.h"

#include <algorithm>
#include <cstring>
#include <vector>

namespace {

template <int D>
inline float dot(const float* a, const float* b) {
  float s = 0;
#pragma omp simd reduction(+ : s)
  for (int i = 0; i < D; ++i) s += a[i] * b[i];
  return s;
}

// y = x / sqrt(sum x^2 + eps) * scale; returns the factor without scale
template <int D>
inline float l2_normalise(const float* x, float* y, float scale) {
  const float r = 1.0f / std::sqrt(dot<D>(x, x) + kEps);
  for (int i = 0; i < D; ++i) y[i] = x[i] * r * scale;
  return r;
}

// dx += gradient of l2_normalise, from unit = x * r and dy
template <int D>
inline void l2_backward(const float* unit, const float* dy, float r, float scale, float* dx) {
  const float c = dot<D>(unit, dy);
  for (int i = 0; i < D; ++i) dx[i] += r * scale * (dy[i] - unit[i] * c);
}

// One token of the delta rule on one head: decay, read, correct, read out. delta is kept for the
// backward.
template <int D>
inline void delta_step(float* S, const float* q, const float* k, const float* v, float decay,
                       float beta, float* delta, float* out) {
  float u[D] = {}, o[D] = {};
  for (int i = 0; i < D; ++i) {
    float* row = S + i * D;
    for (int j = 0; j < D; ++j) {
      row[j] *= decay;
      u[j] += k[i] * row[j];
    }
  }
  for (int j = 0; j < D; ++j) delta[j] = beta * (v[j] - u[j]);
  for (int i = 0; i < D; ++i) {
    float* row = S + i * D;
    for (int j = 0; j < D; ++j) {
      row[j] += k[i] * delta[j];
      o[j] += q[i] * row[j];
    }
  }
  std::memcpy(out, o, sizeof o);
}

struct GdnShape {
  int n_k, n_v, channels;  // key heads, value heads, channels of c = [q | k | v]
};

template <int D>
void gdn_forward_head(const GdnShape& s, int head, int64_t t0, int64_t t1, const float* c,
                      const float* decay, const float* beta, float* out) {
  alignas(64) float S[D * D] = {}, q[D], k[D], delta[D];
  const int kh = head % s.n_k;  // tiled pairing, as GGUF files have it
  const float scale = 1.0f / std::sqrt(float(D));
  for (int64_t t = t0; t < t1; ++t) {
    const float* row = c + t * s.channels;
    l2_normalise<D>(row + kh * D, q, scale);
    l2_normalise<D>(row + (s.n_k + kh) * D, k, 1.0f);
    delta_step<D>(S, q, k, row + (2 * s.n_k + head) * D, decay[t * s.n_v + head],
                  beta[t * s.n_v + head], delta, out + (t * s.n_v + head) * D);
  }
}

constexpr int kChunk = 16;  // tokens whose states the backward keeps at a time (fits the L2 cache)

template <int D>
struct GdnScratch {
  std::vector<float> checkpoints;  // state before each chunk
  std::vector<float> states;       // state after each token of the chunk
  alignas(64) float q[kChunk][D], k[kChunk][D], delta[kChunk][D], diff[kChunk][D];
  float rq[kChunk], rk[kChunk];
  GdnScratch() : states(size_t(kChunk) * D * D) {}
};

// Backward of one token; dS is the gradient of the state after it, and becomes that of the state
// before it.
template <int D>
inline void delta_step_backward(const float* S, const float* q, const float* k, const float* delta,
                                const float* v_minus_u, float decay, float beta, const float* d_out,
                                float* dS, float* dq, float* dk, float* dv, float* d_log_decay,
                                float* d_beta) {
  alignas(64) float d_delta[D] = {}, du[D];
  for (int i = 0; i < D; ++i) {
    float* ds = dS + i * D;
    const float* s = S + i * D;
    float acc = 0;
#pragma omp simd reduction(+ : acc)
    for (int j = 0; j < D; ++j) {
      acc += s[j] * d_out[j];
      ds[j] += q[i] * d_out[j];
      d_delta[j] += k[i] * ds[j];
    }
    dq[i] = acc;
  }
  *d_beta = dot<D>(d_delta, v_minus_u);
  for (int j = 0; j < D; ++j) {
    dv[j] = beta * d_delta[j];
    du[j] = -dv[j];
  }
  float d_decay = 0;
  for (int i = 0; i < D; ++i) {
    float* ds = dS + i * D;
    const float* s = S + i * D;
    float acc = 0, dd = 0;
    const float ki = k[i];
#pragma omp simd reduction(+ : acc, dd)
    for (int j = 0; j < D; ++j) {
      const float decayed = s[j] - ki * delta[j];  // the state between decay and update
      acc += ds[j] * delta[j] + decayed * du[j];
      const float g = ds[j] + ki * du[j];
      dd += g * decayed;
      ds[j] = decay * g;
    }
    dk[i] = acc;
    d_decay += dd;
  }
  *d_log_decay = d_decay;  // sum(dS' * S') = d(decay) * decay = d(log decay)
}

template <int D>
void gdn_backward_head(const GdnShape& s, int head, int64_t t0, int64_t t1, const float* c,
                       const float* decay, const float* beta, const float* d_out, float* dc,
                       float* d_log_decay, float* d_beta, GdnScratch<D>& w) {
  const int kh = head % s.n_k;
  const float scale = 1.0f / std::sqrt(float(D));
  const int64_t n_chunks = (t1 - t0 + kChunk - 1) / kChunk;
  alignas(64) float S[D * D] = {}, dS[D * D] = {}, dq[D], dk[D], dv[D], out[D];
  w.checkpoints.resize(size_t(n_chunks) * D * D);
  auto forward = [&](int64_t chunk, bool keep) {
    const int64_t begin = t0 + chunk * kChunk, end = std::min<int64_t>(begin + kChunk, t1);
    for (int64_t t = begin; t < end; ++t) {
      const int i = int(t - begin);
      const float* row = c + t * s.channels;
      const float* v = row + (2 * s.n_k + head) * D;
      const float b = beta[t * s.n_v + head];
      w.rq[i] = l2_normalise<D>(row + kh * D, w.q[i], scale);
      w.rk[i] = l2_normalise<D>(row + (s.n_k + kh) * D, w.k[i], 1.0f);
      delta_step<D>(S, w.q[i], w.k[i], v, decay[t * s.n_v + head], b, w.delta[i], out);
      if (!keep) continue;
      std::memcpy(&w.states[size_t(i) * D * D], S, sizeof S);
      for (int j = 0; j < D; ++j) w.diff[i][j] = w.delta[i][j] / std::max(b, 1e-20f);
    }
    return end - begin;
  };
  for (int64_t chunk = 0; chunk < n_chunks; ++chunk) {
    std::memcpy(&w.checkpoints[size_t(chunk) * D * D], S, sizeof S);
    if (chunk + 1 < n_chunks) forward(chunk, false);
  }
  for (int64_t chunk = n_chunks - 1; chunk >= 0; --chunk) {
    std::memcpy(S, &w.checkpoints[size_t(chunk) * D * D], sizeof S);
    for (int i = int(forward(chunk, true)) - 1; i >= 0; --i) {
      const int64_t t = t0 + chunk * kChunk + i, at = t * s.n_v + head;
      delta_step_backward<D>(&w.states[size_t(i) * D * D], w.q[i], w.k[i], w.delta[i], w.diff[i],
                             decay[at], beta[at], d_out + at * D, dS, dq, dk, dv, d_log_decay + at,
                             d_beta + at);
      float* d_row = dc + t * s.channels;
      for (int j = 0; j < D; ++j) w.q[i][j] /= scale;  // back to the unit vector
      l2_backward<D>(w.q[i], dq, w.rq[i], scale, d_row + kh * D);
      l2_backward<D>(w.k[i], dk, w.rk[i], 1.0f, d_row + (s.n_k + kh) * D);
      std::memcpy(d_row + (2 * s.n_k + head) * D, dv, sizeof dv);
    }
  }
}

template <int D>
void gdn_run(const GdnShape& s, const int64_t* seg, int64_t n_seg, const float* c,
             const float* decay, const float* beta, float* out, const float* d_out, float* dc,
             float* dg, float* d_beta) {
  // one work item per conversation and key head: the value heads that share q and k stay on one
  // thread, which adds up their gradients without a race
#pragma omp parallel
  {
    GdnScratch<D> scratch;
#pragma omp for schedule(dynamic, 1)
    for (int64_t item = 0; item < n_seg * s.n_k; ++item) {
      const int64_t i = item / s.n_k;
      for (int head = int(item % s.n_k); head < s.n_v; head += s.n_k) {
        if (out)
          gdn_forward_head<D>(s, head, seg[i], seg[i + 1], c, decay, beta, out);
        else
          gdn_backward_head<D>(s, head, seg[i], seg[i + 1], c, decay, beta, d_out, dc, dg, d_beta,
                               scratch);
      }
    }
  }
}

void gdn_dispatch(int dim, const GdnShape& s, const int64_t* seg, int64_t n_seg, const float* c,
                  const float* decay, const float* beta, float* out, const float* d_out, float* dc,
                  float* dg, float* d_beta) {
  if (dim == 64)
    gdn_run<64>(s, seg, n_seg, c, decay, beta, out, d_out, dc, dg, d_beta);
  else
    gdn_run<32>(s, seg, n_seg, c, decay, beta, out, d_out, dc, dg, d_beta);
}

}  // namespace

extern "C" {

void gdn_forward(int dim, int n_k, int n_v, const int64_t* seg, int64_t n_seg, const float* c,
                 const float* decay, const float* beta, float* out) {
  gdn_dispatch(dim, {n_k, n_v, (2 * n_k + n_v) * dim}, seg, n_seg, c, decay, beta, out, nullptr,
               nullptr, nullptr, nullptr);
}

// dc must come in zeroed
void gdn_backward(int dim, int n_k, int n_v, const int64_t* seg, int64_t n_seg, const float* c,
                  const float* decay, const float* beta, const float* d_out, float* dc,
                  float* d_log_decay, float* d_beta) {
  gdn_dispatch(dim, {n_k, n_v, (2 * n_k + n_v) * dim}, seg, n_seg, c, decay, beta, nullptr, d_out,
               dc, d_log_decay, d_beta);
}

}  // extern "C"
