// What the trainer's kernel files share.
#pragma once
#include <cmath>
#include <cstdint>

constexpr float kEps = 1e-6f;

inline float sigmoid(float x) {
  return 1.0f / (1.0f + std::exp(-x));
}

extern "C" {
void swiglu_forward(int64_t rows, int n, const float* x, float* y);
void swiglu_backward(int64_t rows, int n, const float* x, const float* dy, float* dx);
}
