// Matrix products of the trainer's linear layers and experts, and their gradients. Weights are
// [out, in], as in the file. Gradients of weights are added to what is there, so that they go
// straight into the shared gradient.
//
// Experts: rows sorted by expert; offsets [experts + 1] are their bounds, token[row] is the row of
// x that each comes from. Gate and up projection lie side by side in one buffer [rows, 2 * width].
#include "gemm.h"
#include "small.h"

namespace {

thread_local std::vector<float> panel_buffer, outer_buffer;

float* panels_for(int depth, int cols) {
  const size_t size = size_t(gemm::panels(cols)) * depth * gemm::kCols;
  if (panel_buffer.size() < size) panel_buffer.resize(size);
  return panel_buffer.data();
}

// y [rows, out] = x w^T
void times_transposed(int64_t rows, int in, int out, const gemm::Rows& x, const float* w, float* y,
                      int64_t ldy) {
  float* packed = panels_for(in, out);
  gemm::pack_transposed(in, out, {w, in}, packed);
  gemm::multiply(rows, out, in, x, packed, y, ldy, false);
}

// dx [rows, in] (+)= dy w
void times(int64_t rows, int in, int out, const gemm::Rows& dy, const float* w, float* dx,
           bool add) {
  float* packed = panels_for(out, in);
  gemm::pack(out, in, {w, in}, packed);
  gemm::multiply(rows, in, out, dy, packed, dx, in, add);
}

}  // namespace

extern "C" {

void linear_forward(int64_t rows, int in, int out, const float* x, const float* w, float* y) {
  times_transposed(rows, in, out, {x, in}, w, y, out);
}

// dx (+)= dy w, dw += dy^T x; either may be null
void linear_backward(int64_t rows, int in, int out, const float* x, const float* w, const float* dy,
                     float* dx, int64_t add, float* dw) {
  if (dx) times(rows, in, out, {dy, out}, w, dx, add != 0);
  if (dw) gemm::add_outer(out, in, rows, {dy, out}, {x, in}, dw, in, outer_buffer);
}

// both [rows, 2 width] and act [rows, width] are kept for the backward; y [rows, in]
void experts_forward(int experts, int in, int width, const int64_t* offsets, const int64_t* token,
                     const float* x, const float* gate, const float* up, const float* down,
                     float* both, float* act, float* y) {
  const int64_t matrix = int64_t(width) * in;
  for (int e = 0; e < experts; ++e) {
    const int64_t first = offsets[e], rows = offsets[e + 1] - first;
    const gemm::Rows from{x, in, token + first};
    float *b = both + first * 2 * width, *a = act + first * width;
    times_transposed(rows, in, width, from, gate + e * matrix, b, 2 * width);
    times_transposed(rows, in, width, from, up + e * matrix, b + width, 2 * width);
    swiglu_forward(rows, width, b, a);
    times_transposed(rows, width, in, {a, width}, down + e * matrix, y + first * in, in);
  }
}

// dy, dx [rows, in]: in the order of the experts; d_both [rows, 2 width] and d_act [rows, width]:
// scratch
void experts_backward(int experts, int in, int width, const int64_t* offsets, const int64_t* token,
                      const float* x, const float* gate, const float* up, const float* down,
                      const float* both, const float* act, const float* dy, float* d_both,
                      float* d_act, float* dx, float* d_gate, float* d_up, float* d_down) {
  const int64_t matrix = int64_t(width) * in;
  for (int e = 0; e < experts; ++e) {
    const int64_t first = offsets[e], rows = offsets[e + 1] - first;
    const gemm::Rows from{x, in, token + first}, out{dy + first * in, in};
    const float *b = both + first * 2 * width, *a = act + first * width;
    float *db = d_both + first * 2 * width, *da = d_act + first * width;
    times(rows, width, in, out, down + e * matrix, da, false);
    gemm::add_outer(in, width, rows, out, {a, width}, d_down + e * matrix, width, outer_buffer);
    swiglu_backward(rows, width, b, da, db);
    const gemm::Rows dg{db, 2 * width}, du{db + width, 2 * width};
    times(rows, in, width, dg, gate + e * matrix, dx + first * in, false);
    times(rows, in, width, du, up + e * matrix, dx + first * in, true);
    gemm::add_outer(width, in, rows, dg, from, d_gate + e * matrix, in, outer_buffer);
    gemm::add_outer(width, in, rows, du, from, d_up + e * matrix, in, outer_buffer);
  }
}

}  // extern "C"
