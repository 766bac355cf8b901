// CPU kernels of the demo model's trainer: the parts of the layer that PyTorch would spread over
// many passes through memory (here: causal convolution, norms, SwiGLU, expert gather and combine;
// linear.cpp: matrix products; delta.cpp: Gated DeltaNet; attention.cpp: attention). Each comes
// with its backward. Plain C interface for ctypes, compiled by kernels.py; float32.
//
// Conversations lie back to back in one [tokens, channels] array. `seg` holds n_seg + 1 token
// offsets; the recurrences start from zero at each offset, so no state leaks from one conversation
// into the next.
#include "small.h"

#include <algorithm>
#include <cstring>
#include <vector>

extern "C" {

// y = silu(causal depthwise convolution of width 4); w is [4][channels]; channels % 64 == 0
void conv_silu_forward(int channels, const int64_t* seg, int64_t n_seg, const float* x,
                       const float* w, float* y) {
#pragma omp parallel for schedule(dynamic, 4)
  for (int64_t s = 0; s < n_seg; ++s) {
    for (int64_t t = seg[s]; t < seg[s + 1]; ++t) {
      const int first = int(std::max<int64_t>(0, 3 - (t - seg[s])));
      float* out = y + t * channels;
      for (int b = 0; b < channels; b += 64) {
        float acc[64] = {};
        for (int j = first; j < 4; ++j)
          for (int i = 0; i < 64; ++i)
            acc[i] += w[j * channels + b + i] * x[(t - 3 + j) * channels + b + i];
        for (int i = 0; i < 64; ++i) out[b + i] = acc[i] * sigmoid(acc[i]);
      }
    }
  }
}

// dx and dw ([4][channels]) must come in zeroed
void conv_silu_backward(int channels, const int64_t* seg, int64_t n_seg, const float* x,
                        const float* w, const float* dy, float* dx, float* dw) {
#pragma omp parallel
  {
    std::vector<float> own(size_t(4) * channels, 0.0f);
#pragma omp for schedule(dynamic, 4)
    for (int64_t s = 0; s < n_seg; ++s) {
      for (int64_t t = seg[s]; t < seg[s + 1]; ++t) {
        const int first = int(std::max<int64_t>(0, 3 - (t - seg[s])));
        for (int b = 0; b < channels; b += 64) {
          float acc[64] = {};
          for (int j = first; j < 4; ++j)
            for (int i = 0; i < 64; ++i)
              acc[i] += w[j * channels + b + i] * x[(t - 3 + j) * channels + b + i];
          for (int i = 0; i < 64; ++i) {
            const float g = sigmoid(acc[i]);
            acc[i] = dy[t * channels + b + i] * g * (1.0f + acc[i] * (1.0f - g));
          }
          for (int j = first; j < 4; ++j)
            for (int i = 0; i < 64; ++i) {
              own[j * channels + b + i] += acc[i] * x[(t - 3 + j) * channels + b + i];
              dx[(t - 3 + j) * channels + b + i] += acc[i] * w[j * channels + b + i];
            }
        }
      }
    }
#pragma omp critical
    for (size_t i = 0; i < own.size(); ++i) dw[i] += own[i];
  }
}

// y = x / rms(x) * w over rows of n; with a gate z: y *= silu(z). z may be null.
void rms_forward(int64_t rows, int n, const float* x, const float* w, const float* z, float* y) {
#pragma omp parallel for
  for (int64_t r = 0; r < rows; ++r) {
    const float* a = x + r * n;
    float s = 0;
#pragma omp simd reduction(+ : s)
    for (int i = 0; i < n; ++i) s += a[i] * a[i];
    s = 1.0f / std::sqrt(s / n + kEps);
    float* o = y + r * n;
    if (z)
      for (int i = 0; i < n; ++i) o[i] = a[i] * s * w[i] * z[r * n + i] * sigmoid(z[r * n + i]);
    else
      for (int i = 0; i < n; ++i) o[i] = a[i] * s * w[i];
  }
}

// dw must come in zeroed; dz may be null when z is
void rms_backward(int64_t rows, int n, const float* x, const float* w, const float* z,
                  const float* dy, float* dx, float* dw, float* dz) {
#pragma omp parallel
  {
    std::vector<float> own(n, 0.0f), g(n);
#pragma omp for
    for (int64_t r = 0; r < rows; ++r) {
      const float *a = x + r * n, *d = dy + r * n;
      float s = 0;
#pragma omp simd reduction(+ : s)
      for (int i = 0; i < n; ++i) s += a[i] * a[i];
      s = 1.0f / std::sqrt(s / n + kEps);
      if (z) {
        for (int i = 0; i < n; ++i) {
          const float zi = z[r * n + i], p = sigmoid(zi);
          dz[r * n + i] = d[i] * a[i] * s * w[i] * p * (1.0f + zi * (1.0f - p));
          g[i] = d[i] * zi * p;
        }
      } else {
        std::memcpy(g.data(), d, sizeof(float) * n);
      }
      float c = 0;
#pragma omp simd reduction(+ : c)
      for (int i = 0; i < n; ++i) {
        own[i] += g[i] * a[i] * s;
        g[i] *= w[i];
        c += g[i] * a[i];
      }
      c *= s * s / n;
      for (int i = 0; i < n; ++i) dx[r * n + i] = s * (g[i] - a[i] * c);
    }
#pragma omp critical
    for (int i = 0; i < n; ++i) dw[i] += own[i];
  }
}

// y[r] = silu(x[r][0..n)) * x[r][n..2n)
void swiglu_forward(int64_t rows, int n, const float* x, float* y) {
#pragma omp parallel for
  for (int64_t r = 0; r < rows; ++r)
    for (int i = 0; i < n; ++i) {
      const float g = x[r * 2 * n + i];
      y[r * n + i] = g * sigmoid(g) * x[r * 2 * n + n + i];
    }
}

void swiglu_backward(int64_t rows, int n, const float* x, const float* dy, float* dx) {
#pragma omp parallel for
  for (int64_t r = 0; r < rows; ++r)
    for (int i = 0; i < n; ++i) {
      const float g = x[r * 2 * n + i], u = x[r * 2 * n + n + i], p = sigmoid(g), d = dy[r * n + i];
      dx[r * 2 * n + i] = d * u * p * (1.0f + g * (1.0f - p));
      dx[r * 2 * n + n + i] = d * g * p;
    }
}

// Expert dispatch. slot[t][j] says where the j-th choice of token t lies in the rows sorted by
// expert.
void scatter_rows(int64_t tokens, int top, int n, const int64_t* slot, const float* weight,
                  const float* x, float* y) {
#pragma omp parallel for
  for (int64_t t = 0; t < tokens; ++t)
    for (int j = 0; j < top; ++j) {
      float* o = y + slot[t * top + j] * n;
      const float w = weight ? weight[t * top + j] : 1.0f;
      for (int i = 0; i < n; ++i) o[i] = w * x[t * n + i];
    }
}

void combine_rows(int64_t tokens, int top, int n, const int64_t* slot, const float* weight,
                  const float* y, float* x) {
#pragma omp parallel for
  for (int64_t t = 0; t < tokens; ++t) {
    float* o = x + t * n;
    for (int j = 0; j < top; ++j) {
      const float* a = y + slot[t * top + j] * n;
      const float w = weight ? weight[t * top + j] : 1.0f;
      if (j == 0)
        for (int i = 0; i < n; ++i) o[i] = w * a[i];
      else
        for (int i = 0; i < n; ++i) o[i] += w * a[i];
    }
  }
}

// dw[t][j] = dx[t] . y[slot[t][j]]
void combine_weight_grad(int64_t tokens, int top, int n, const int64_t* slot, const float* dx,
                         const float* y, float* dw) {
#pragma omp parallel for
  for (int64_t t = 0; t < tokens; ++t)
    for (int j = 0; j < top; ++j) {
      const float *a = y + slot[t * top + j] * n, *b = dx + t * n;
      float s = 0;
#pragma omp simd reduction(+ : s)
      for (int i = 0; i < n; ++i) s += a[i] * b[i];
      dw[t * top + j] = s;
    }
}

}  // extern "C"
