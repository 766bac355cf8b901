// Causal attention of the trainer, forward and backward, block by block: the scores of a block of
// queries stay in the L2 cache and are computed again by the backward.
//
// Queries are given for the tokens `rows` (ascending) only: q [n_rows, heads, dim]; k and v
// [tokens, kv_heads, dim]. seg holds n_seg + 1 token offsets. Each kv head serves heads / kv_heads
// query heads in a row.
#include <algorithm>

#include "gemm.h"
#include "small.h"

namespace {

constexpr int kQueries = 48;  // a block

struct Shape {
  int heads, kv_heads, dim;
  float scale() const { return 1.0f / std::sqrt(float(dim)); }
};

// One conversation and kv head: its keys and values in panels.
struct Packed {
  std::vector<float> keys_t, values, keys, values_t;
  std::vector<float> scores, d_scores, outer;
};

// Block of queries of one head: which rows, and how many keys the last of them sees.
struct Block {
  int64_t first, begin;  // first query row; first token of the conversation
  const int64_t* rows;
  int count, keys;
};

void pack_forward(const Shape& s, int n, const gemm::Rows& k, const gemm::Rows& v, Packed& p) {
  p.keys_t.resize(size_t(gemm::panels(n)) * s.dim * gemm::kCols);
  p.values.resize(size_t(gemm::panels(s.dim)) * n * gemm::kCols);
  p.scores.resize(size_t(kQueries) * n);
  gemm::pack_transposed(s.dim, n, k, p.keys_t.data());
  gemm::pack(n, s.dim, v, p.values.data());
}

void pack_backward(const Shape& s, int n, const gemm::Rows& k, const gemm::Rows& v, Packed& p) {
  p.keys_t.resize(size_t(gemm::panels(n)) * s.dim * gemm::kCols);
  p.values_t.resize(p.keys_t.size());
  p.keys.resize(size_t(gemm::panels(s.dim)) * n * gemm::kCols);
  p.scores.resize(size_t(kQueries) * n);
  p.d_scores.resize(p.scores.size());
  gemm::pack_transposed(s.dim, n, k, p.keys_t.data());
  gemm::pack_transposed(s.dim, n, v, p.values_t.data());
  gemm::pack(n, s.dim, k, p.keys.data());
}

// scores -> probabilities, zero for keys that a query does not see; lse: log of the sum, per query
void softmax(const Shape& s, const Block& b, float* scores, float* lse) {
  for (int i = 0; i < b.count; ++i) {
    float* row = scores + int64_t(i) * b.keys;
    const int seen = int(b.rows[b.first + i] - b.begin) + 1;
    float top = row[0], sum = 0;
    for (int j = 0; j < seen; ++j) top = std::max(top, row[j]);
    const float scale = s.scale(), shift = top * scale;
#pragma omp simd reduction(+ : sum)
    for (int j = 0; j < seen; ++j) {
      row[j] = std::exp(row[j] * scale - shift);
      sum += row[j];
    }
    const float r = 1.0f / sum;
    for (int j = 0; j < seen; ++j) row[j] *= r;
    std::fill(row + seen, row + b.keys, 0.0f);
    lse[(b.first + i) * s.heads] = shift + std::log(sum);
  }
}

// scores -> probabilities again; d_scores: gradient of the probabilities -> of the raw products
void softmax_backward(const Shape& s, const Block& b, float* scores, float* d_scores,
                      const float* lse, const float* dot) {
  for (int i = 0; i < b.count; ++i) {
    float *p = scores + int64_t(i) * b.keys, *d = d_scores + int64_t(i) * b.keys;
    const int seen = int(b.rows[b.first + i] - b.begin) + 1;
    const float scale = s.scale(), l = lse[(b.first + i) * s.heads],
                mean = dot[(b.first + i) * s.heads];
#pragma omp simd
    for (int j = 0; j < seen; ++j) {
      p[j] = std::exp(p[j] * scale - l);
      d[j] = p[j] * (d[j] - mean) * scale;
    }
    std::fill(p + seen, p + b.keys, 0.0f);
    std::fill(d + seen, d + b.keys, 0.0f);
  }
}

// Calls what(segment begin, length, kv head) and inner(head, block) for all blocks of queries.
template <class Begin, class Inner>
void for_blocks(const Shape& s, const int64_t* seg, int64_t n_seg, const int64_t* rows,
                int64_t n_rows, Begin what, Inner inner) {
  for (int64_t i = 0; i < n_seg; ++i) {
    const int64_t first = std::lower_bound(rows, rows + n_rows, seg[i]) - rows;
    const int64_t last = std::lower_bound(rows, rows + n_rows, seg[i + 1]) - rows;
    if (first == last) continue;
    const int group = s.heads / s.kv_heads;
    for (int kv = 0; kv < s.kv_heads; ++kv) {
      what(seg[i], int(rows[last - 1] - seg[i]) + 1, kv);
      for (int64_t q = first; q < last; q += kQueries) {
        const int count = int(std::min<int64_t>(kQueries, last - q));
        const Block b{q, seg[i], rows, count, int(rows[q + count - 1] - seg[i]) + 1};
        for (int head = kv * group; head < (kv + 1) * group; ++head) inner(head, b);
      }
    }
  }
}

}  // namespace

extern "C" {

// out [n_rows, heads, dim], lse [n_rows, heads]
void attention_forward(int heads, int kv_heads, int dim, const int64_t* seg, int64_t n_seg,
                       const int64_t* rows, int64_t n_rows, const float* q, const float* k,
                       const float* v, float* out, float* lse) {
  const Shape s{heads, kv_heads, dim};
  Packed p;
  int n = 0;
  auto begin = [&](int64_t t0, int length, int kv) {
    n = length;
    const int64_t at = (t0 * kv_heads + kv) * dim, stride = int64_t(kv_heads) * dim;
    pack_forward(s, n, {k + at, stride}, {v + at, stride}, p);
  };
  for_blocks(s, seg, n_seg, rows, n_rows, begin, [&](int head, const Block& b) {
    const int64_t at = (b.first * heads + head) * dim, stride = int64_t(heads) * dim;
    float* scores = p.scores.data();
    gemm::multiply(b.count, b.keys, dim, {q + at, stride}, p.keys_t.data(), scores, b.keys, false);
    softmax(s, b, scores, lse + head);
    gemm::multiply(b.count, dim, b.keys, {scores, b.keys}, p.values.data(), out + at, stride, false,
                   n);
  });
}

// dot [n_rows, heads]: d_out . out; dk and dv must come in zeroed
void attention_backward(int heads, int kv_heads, int dim, const int64_t* seg, int64_t n_seg,
                        const int64_t* rows, int64_t n_rows, const float* q, const float* k,
                        const float* v, const float* lse, const float* dot, const float* d_out,
                        float* dq, float* dk, float* dv) {
  const Shape s{heads, kv_heads, dim};
  const int64_t kv_stride = int64_t(kv_heads) * dim, stride = int64_t(heads) * dim;
  Packed p;
  int n = 0;
  int64_t kv_at = 0;
  auto begin = [&](int64_t t0, int length, int kv) {
    n = length;
    kv_at = (t0 * kv_heads + kv) * dim;
    pack_backward(s, n, {k + kv_at, kv_stride}, {v + kv_at, kv_stride}, p);
  };
  for_blocks(s, seg, n_seg, rows, n_rows, begin, [&](int head, const Block& b) {
    const int64_t at = (b.first * heads + head) * dim;
    const gemm::Rows queries{q + at, stride}, d{d_out + at, stride};
    float *scores = p.scores.data(), *d_scores = p.d_scores.data();
    gemm::multiply(b.count, b.keys, dim, queries, p.keys_t.data(), scores, b.keys, false);
    gemm::multiply(b.count, b.keys, dim, d, p.values_t.data(), d_scores, b.keys, false);
    softmax_backward(s, b, scores, d_scores, lse + head, dot + head);
    gemm::multiply(b.count, dim, b.keys, {d_scores, b.keys}, p.keys.data(), dq + at, stride, false,
                   n);
    gemm::add_outer(b.keys, dim, b.count, {d_scores, b.keys}, queries, dk + kv_at, kv_stride,
                    p.outer);
    gemm::add_outer(b.keys, dim, b.count, {scores, b.keys}, d, dv + kv_at, kv_stride, p.outer);
  });
}

// out *= sigmoid(gate), where gate is the second half of each head of qg [n, heads, 2 dim]
void gate_forward(int64_t rows, int dim, const float* qg, const float* x, float* out) {
  for (int64_t r = 0; r < rows; ++r)
    for (int i = 0; i < dim; ++i)
      out[r * dim + i] = x[r * dim + i] * sigmoid(qg[(2 * r + 1) * dim + i]);
}

// dx [rows, dim], the gate's half of d_qg, and dot [rows] = dx . x
void gate_backward(int64_t rows, int dim, const float* qg, const float* x, const float* d_out,
                   float* dx, float* d_qg, float* dot) {
  for (int64_t r = 0; r < rows; ++r) {
    float s = 0;
#pragma omp simd reduction(+ : s)
    for (int i = 0; i < dim; ++i) {
      const float g = sigmoid(qg[(2 * r + 1) * dim + i]), d = d_out[r * dim + i] * g;
      dx[r * dim + i] = d;
      s += d * x[r * dim + i];
      d_qg[(2 * r + 1) * dim + i] = d * x[r * dim + i] * (1.0f - g);
    }
    dot[r] = s;
  }
}

// y [rows, heads, dim] = rope(x / rms(x) * w); heads of x lie `stride` apart. cos and sin [rows,
// half].
void norm_rope_forward(int64_t rows, int heads, int dim, int half, int64_t stride, const float* x,
                       const float* w, const float* cos, const float* sin, float* y) {
  for (int64_t r = 0; r < rows * heads; ++r) {
    const float *a = x + r * stride, *c = cos + r / heads * half, *s = sin + r / heads * half;
    float* o = y + r * dim;
    float sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int i = 0; i < dim; ++i) sum += a[i] * a[i];
    const float n = 1.0f / std::sqrt(sum / dim + kEps);
    for (int i = 0; i < dim; ++i) o[i] = a[i] * n * w[i];
    for (int i = 0; i < half; ++i) {
      const float p = o[i], q = o[half + i];
      o[i] = p * c[i] - q * s[i];
      o[half + i] = q * c[i] + p * s[i];
    }
  }
}

// dy is overwritten; dx has x's stride; dw is added to
void norm_rope_backward(int64_t rows, int heads, int dim, int half, int64_t stride, const float* x,
                        const float* w, const float* cos, const float* sin, float* dy, float* dx,
                        float* dw) {
  for (int64_t r = 0; r < rows * heads; ++r) {
    const float *a = x + r * stride, *c = cos + r / heads * half, *s = sin + r / heads * half;
    float *g = dy + r * dim, *o = dx + r * stride;
    for (int i = 0; i < half; ++i) {
      const float p = g[i], q = g[half + i];
      g[i] = p * c[i] + q * s[i];
      g[half + i] = q * c[i] - p * s[i];
    }
    float sum = 0, mean = 0;
#pragma omp simd reduction(+ : sum, mean)
    for (int i = 0; i < dim; ++i) {
      sum += a[i] * a[i];
      mean += g[i] * w[i] * a[i];
    }
    const float n = 1.0f / std::sqrt(sum / dim + kEps);
    mean *= n * n / dim;
    for (int i = 0; i < dim; ++i) {
      dw[i] += g[i] * a[i] * n;
      o[i] = n * (g[i] * w[i] - a[i] * mean);
    }
  }
}

}  // extern "C"
