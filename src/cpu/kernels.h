// The arithmetic of the CPU backend: one table of plain functions per instruction set, all compiled
// from one body (kernels_body.inc) and all giving the same bits.
//
// The rule that makes it so: a sum over a row is 16 float lanes; lane l takes the elements k with k
// % 16 == l in increasing k by fused multiply-add; then the lanes are added in a fixed tree (l with
// l + 8, l + 4, l + 2, l + 1). Neither the instruction set nor the tile shape (rows, tokens at a
// time) nor the thread is part of that definition. What is not a sum is elementwise, with IEEE
// operations in a fixed order; exp and softplus are our own polynomials.
//
// Sums over quantised weights and int8 inputs are another rule, at Int8Matmul: exact in integers
// within a block, and block after block in floats.
//
// Row lengths are multiples of 16 (and of the weight type's block). Pointers need no alignment; 64
// bytes is faster. Functions are pure: any thread, no state, no allocation.
#pragma once

#include <cstddef>
#include <cstdint>
#include <iterator>

#include "cpu/isa.h"
#include "cpu/kv_type.h"
#include "weights/tensor_type.h"

namespace tessera::cpu {

constexpr std::size_t kLanes = 16;
// Rows that a matmul dequantises at once into Matmul::panel when there are many tokens.
constexpr std::size_t kPanelRows = 16;
// Keys in a block of the KV cache, and blocks whose online softmax runs in one go; both at absolute
// positions.
constexpr std::size_t kKeysPerBlock = 64;
constexpr std::size_t kBlocksPerSpan = 8;
constexpr std::size_t kKeysPerSpan = kKeysPerBlock * kBlocksPerSpan;
// Query heads that may share one key/value head.
constexpr std::size_t kMaxHeadGroup = 64;
constexpr std::size_t kMaxConvKernel = 8;

// y[t][r] = sum over k of W[r][k] * x[t][k], for `rows` rows of W and `tokens` tokens.
struct Matmul {
  const std::byte* weights = nullptr;  // the first row, in blocks of the type
  std::size_t row_bytes = 0;
  std::size_t rows = 0;
  std::size_t columns = 0;
  std::size_t tokens = 0;
  const float* const* x = nullptr;  // [tokens] rows of `columns`
  float* const* y = nullptr;        // [tokens]; row 0 of `weights` goes to y[t][first_row]
  std::size_t first_row = 0;
  float* panel = nullptr;  // scratch: kPanelRows * columns floats
};

// Inputs that share a scale.
constexpr std::size_t kInt8Block = 32;

// A row of int8 inputs, as quantise_row writes it and Int8Matmul reads it: the quants, then per
// block of 32 elements the scale and scale * sum of the quants (f32), then per 16 elements minus
// the sum of the quants (int32).
struct Int8Layout {
  explicit constexpr Int8Layout(std::size_t columns)
      : scales(columns),
        sums(columns + columns / 8),
        minus_sums16(columns + columns / 4),
        bytes(columns + columns / 2) {}
  std::size_t scales, sums, minus_sums16, bytes;
};

// y[t][r] by int8 inputs. In blocks of 32 elements, inputs are scale * q. A block of weights is
// scale' * w - minimum, the w being integers. From 0 on, for one block after the other:
// y = fma(sum of w * q, scale' * scale, y), the integer sum being exact, and where the type has
// minima y = fma(-minimum, scale * sum of q, y). Q2_K's minima are integers times a float: y =
// fma(-sum of minimum * q, dmin * scale, y). Each row and token by itself: neither the
// instruction set nor the shape of the call is part of that.
struct Int8Matmul {
  const std::byte* weights = nullptr;
  std::size_t row_bytes = 0;
  std::size_t rows = 0;
  std::size_t columns = 0;
  std::size_t tokens = 0;
  const std::byte* const* x = nullptr;  // [tokens] rows of Int8Layout
  float* const* y = nullptr;            // as in Matmul
  std::size_t first_row = 0;
  std::byte* panel = nullptr;  // scratch: kInt8PanelBytes
  // What will be read after these rows, asked from memory while the last of them are worked on.
  const std::byte* ahead = nullptr;
};
// How far ahead a kernel asks, in whole groups of sixteen rows. A call of as many rows or more
// needs nothing but `ahead` to do so.
constexpr std::size_t kInt8AheadBytes = 32 << 10;
// Rows and columns that are packed at once for many tokens, and the room that they take.
constexpr std::size_t kInt8PanelRows = 64, kInt8PanelColumns = 512;
constexpr std::size_t kInt8PanelBytes = kInt8PanelRows / 16 * kInt8PanelColumns * 24;

// What the query heads of one key/value head have seen so far: per head kLanes + head_dim floats,
// namely the largest score, the sum of exp(score - largest), padding, and the values weighted by
// the same. Merged span by span in order.
constexpr std::size_t attention_partial_floats(std::size_t head_dim) {
  return kLanes + head_dim;
}

// Of one head's keys or values in a block.
std::size_t kv_area_bytes(KvType type, std::size_t head_dim);

// Some tokens of a sequence and the query heads of one key/value head, over a span.
struct AttentionSpan {
  std::size_t tokens = 0;
  const float* const* q = nullptr;  // [tokens] of [group, head_dim]: prepared (KvKernels)
  std::size_t group = 0;            // query heads that share the key/value head
  std::size_t head_dim = 0;
  float scale = 0;
  // The areas of the span's blocks.
  const std::byte* const* k_blocks = nullptr;
  const std::byte* const* v_blocks = nullptr;
  // [tokens]: the keys of the span that the token may see, 1 .. kKeysPerSpan
  const std::size_t* keys = nullptr;
  float* const* partial = nullptr;  // out: [tokens] of [group, attention_partial_floats]
};

// The gated delta rule of one value head over consecutive tokens of a sequence (model card, 2.3
// step 6): S *= decay; u = k S; S += k (x) beta (v - u); o = q S.
struct GdnScan {
  std::size_t tokens = 0;
  std::size_t head_dim = 0;
  const float* q = nullptr;  // [tokens] rows at `qkv_stride`, l2-normalised, q scaled
  const float* k = nullptr;
  const float* v = nullptr;
  std::size_t qkv_stride = 0;
  const float* beta = nullptr;   // [tokens] at `gate_stride`
  const float* decay = nullptr;  // exp(g)
  std::size_t gate_stride = 0;
  float* state = nullptr;  // [head_dim k, head_dim v]
  float* out = nullptr;    // [tokens] rows at `out_stride`
  std::size_t out_stride = 0;
};

// A causal depthwise convolution in time with SiLU, in place, for some channels of consecutive
// tokens.
struct ConvScan {
  std::size_t tokens = 0;
  std::size_t channels = 0;
  std::size_t kernel = 0;
  float* x = nullptr;  // [tokens] rows at `stride`
  std::size_t stride = 0;
  const float* weights = nullptr;  // [kernel] rows at `weight_stride`: transposed against the file
  std::size_t weight_stride = 0;
  float* window = nullptr;  // [kernel - 1] rows at `window_stride`: the inputs before, updated
  std::size_t window_stride = 0;
};

using MatmulFunction = void (*)(const Matmul&);
using Int8MatmulFunction = void (*)(const Int8Matmul&);
using DequantiseFunction = void (*)(const std::byte* row, std::size_t n, float* out);

using AttendFunction = void (*)(const AttentionSpan&);
// Puts a row of `n` floats into a slot of an area; `x` may be overwritten. Numbers which are finite
// stay so, and what is not finite is not hidden.
using StoreFunction = void (*)(float* x, std::size_t n, std::size_t slot, std::byte* area);

// Of one KvType.
struct KvKernels {
  StoreFunction store_key;
  StoreFunction store_value;
  AttendFunction attend_span;
  // A normalised and rotated query becomes what attend_span reads, in place, and a sum of values
  // what it is in the values' own coordinates. Null: nothing to do.
  void (*prepare_query)(float* q, std::size_t n);
  void (*finish_values)(float* values, std::size_t n);
};

struct Kernels {
  Isa isa = Isa::kAuto;

  // By weight type; null for types that the kernels lack.
  MatmulFunction matmul(weights::TensorType type) const;
  // Null for types of floats, too.
  Int8MatmulFunction int8_matmul(weights::TensorType type) const;
  DequantiseFunction dequantise(weights::TensorType type) const;
  const KvKernels& of(KvType type) const { return kv[static_cast<std::size_t>(type)]; }

  // Elements begin .. end (multiples of 32) of a row of `columns` become int8: scale = the block's
  // largest magnitude / 127, q = x / scale to the nearest integer. A number that is not finite
  // makes its block's scale NaN.
  void (*quantise_row)(const float* x, std::size_t begin, std::size_t end, std::size_t columns,
                       std::byte* out);

  // total and partial: [group] as above; the first span's total is a copy of its partial.
  void (*attend_merge)(float* total, const float* partial, std::size_t group, std::size_t head_dim);
  // out[h] = total[h] / its sum, times sigmoid(gate[h]): [group] rows at the strides.
  void (*attend_finish)(const float* total, std::size_t group, std::size_t head_dim,
                        const float* gate, std::size_t gate_stride, float* out,
                        std::size_t out_stride);

  void (*conv_scan)(const ConvScan&);
  void (*gdn_scan)(const GdnScan&);
  // beta = sigmoid(beta), decay = exp(a * softplus(alpha + dt_bias)); any n, in place over beta and
  // alpha.
  void (*gdn_gates)(float* beta, float* alpha, const float* a, const float* dt_bias, std::size_t n);

  // out = x / sqrt(mean(x^2) + epsilon) * w; out may be x.
  void (*rms_norm)(const float* x, const float* w, std::size_t n, float epsilon, float* out);
  // x *= scale / sqrt(sum(x^2) + epsilon)
  void (*l2_norm)(float* x, std::size_t n, float epsilon, float scale);
  // x = rms_norm(x, w) * silu(z)
  void (*gated_rms_norm)(float* x, const float* w, const float* z, std::size_t n, float epsilon);
  // NeoX pairs (i, i + half): any half.
  void (*rope)(float* x, const float* cosines, const float* sines, std::size_t half);

  void (*add)(float* y, const float* x, std::size_t n);                    // y += x
  void (*multiply_add)(float* y, float a, const float* x, std::size_t n);  // y = a * x + y
  void (*swiglu)(const float* gate, const float* up, std::size_t n,
                 float* out);                // any n; out may be gate
  void (*softmax)(float* x, std::size_t n);  // any n >= 1
  float (*sigmoid)(float x);
  // For tests: what all of the above is made of. exp and softplus take any n.
  float (*dot)(const float* a, const float* b, std::size_t n);
  void (*exp)(const float* x, std::size_t n, float* out);
  void (*softplus)(const float* x, std::size_t n, float* out);

  // The weight types.
  struct TypeKernels {
    weights::TensorType type;
    MatmulFunction matmul;
    DequantiseFunction dequantise;
    Int8MatmulFunction int8_matmul;
  };
  TypeKernels types[16];
  KvKernels kv[std::size(kKvTypes)];
};

// The table of a set that supported_isas() lists. Static storage.
const Kernels& kernels(Isa isa);

// Whether matmul and dequantise exist for the type; all others are refused when a backend is made.
bool kernels_support(weights::TensorType type);

}  // namespace tessera::cpu
