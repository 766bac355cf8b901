// Float32 matrix products of one thread, for the trainer's kernels: C = A B or C += A B, where B's
// rows come packed in panels. The tile of C stays in registers; vectors are the compiler's own, so
// that the same code is AVX2 (6 x 16) or AVX-512 (12 x 32).
#pragma once
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <vector>

namespace gemm {

#ifdef __AVX512F__
constexpr int kLanes = 16, kRows = 12;
#else
constexpr int kLanes = 8, kRows = 6;
#endif
constexpr int kCols = 2 * kLanes;  // columns of a panel
constexpr int kDepth = 256;        // rows of a panel that stay in the L1 cache
constexpr int kBlock = 240;        // rows of A that stay in the L2 cache; a multiple of kRows

typedef float Vec __attribute__((vector_size(kLanes * 4), aligned(4), may_alias));

// A [rows, depth] where element (i, k) is at row(i)[k * step]; the rows may be picked by an index.
struct Rows {
  const float* data;
  int64_t stride;
  const int64_t* index = nullptr;  // row i is data + index[i] * stride
  const float* operator()(int64_t i) const { return data + (index ? index[i] : i) * stride; }
  Rows from(int64_t i) const {
    return index ? Rows{data, stride, index + i} : Rows{data + i * stride, stride};
  }
};

// kCols columns of B, whose rows lie `stride` apart: kCols in a packed panel.
struct Panel {
  const float* data;
  int64_t stride;
};

template <int M>
inline void tile(int depth, const float* const* a, int64_t step, Panel b, float* const* c,
                 bool add) {
  Vec acc[M][2];
  for (int i = 0; i < M; ++i) acc[i][0] = acc[i][1] = Vec{};
  for (int k = 0; k < depth; ++k) {
    const Vec b0 = *reinterpret_cast<const Vec*>(b.data + k * b.stride);
    const Vec b1 = *reinterpret_cast<const Vec*>(b.data + k * b.stride + kLanes);
#pragma GCC unroll 16
    for (int i = 0; i < M; ++i) {
      const float s = a[i][k * step];
      acc[i][0] += s * b0;
      acc[i][1] += s * b1;
    }
  }
#pragma GCC unroll 16
  for (int i = 0; i < M; ++i) {
    Vec* out = reinterpret_cast<Vec*>(c[i]);
    out[0] = add ? out[0] + acc[i][0] : acc[i][0];
    out[1] = add ? out[1] + acc[i][1] : acc[i][1];
  }
}

template <int M>
inline void tile_of(int m, int depth, const float* const* a, int64_t step, Panel b, float* const* c,
                    bool add) {
  if constexpr (M > 0) {
    if (m == M)
      tile<M>(depth, a, step, b, c, add);
    else
      tile_of<M - 1>(m, depth, a, step, b, c, add);
  }
}

// One tile of C; a last panel that is narrower goes through a buffer.
inline void tile_at(int m, int width, int depth, const float* const* a, int64_t step,
                    const float* panel, float* const* c, bool add) {
  if (width == kCols) return tile_of<kRows>(m, depth, a, step, {panel, kCols}, c, add);
  float buffer[kRows][kCols];
  float* rows[kRows];
  for (int i = 0; i < m; ++i) rows[i] = buffer[i];
  tile_of<kRows>(m, depth, a, step, {panel, kCols}, rows, false);
  for (int i = 0; i < m; ++i)
    for (int j = 0; j < width; ++j) c[i][j] = add ? c[i][j] + buffer[i][j] : buffer[i][j];
}

// A small matrix where it lies: element (i, k) at data[i * row + k * step].
struct View {
  const float* data;
  int64_t row, step = 1;
};

// C [rows, cols] (+)= A [rows, depth] B for small matrices in the L1 cache, nothing packed; cols is
// a multiple of kCols
inline void product(int rows, int cols, int depth, View a, const float* b, int64_t ldb, float* c,
                    int64_t ldc, bool add) {
  const float* pa[kRows];
  float* pc[kRows];
  for (int i = 0; i < rows; i += kRows) {
    const int m = std::min(kRows, rows - i);
    for (int j = 0; j < cols; j += kCols) {
      for (int r = 0; r < m; ++r) {
        pa[r] = a.data + (i + r) * a.row;
        pc[r] = c + (i + r) * ldc + j;
      }
      tile_of<kRows>(m, depth, pa, a.step, {b + j, ldb}, pc, add);
    }
  }
}

inline int64_t panels(int64_t cols) {
  return (cols + kCols - 1) / kCols;
}

inline void copy_padded(const float* from, int width, float* out) {
  if (width == kCols) {
    std::memcpy(out, from, sizeof(float) * kCols);
  } else {
    for (int i = 0; i < kCols; ++i) out[i] = i < width ? from[i] : 0;
  }
}

// B [depth, cols] by rows -> panels [cols / kCols][depth][kCols], zeros behind the last column
inline void pack(int depth, int cols, const Rows& b, float* out) {
  for (int j = 0; j < cols; j += kCols) {
    const int width = std::min(kCols, cols - j);
    for (int k = 0; k < depth; ++k, out += kCols) {
      copy_padded(b(k) + j, width, out);
    }
  }
}

// the same from B^T [cols, depth] by rows
inline void pack_transposed(int depth, int cols, const Rows& bt, float* out) {
  for (int j = 0; j < cols; j += kCols, out += depth * kCols) {
    for (int i = 0; i < kCols; ++i) {
      const float* row = j + i < cols ? bt(j + i) : nullptr;
      for (int k = 0; k < depth; ++k) out[k * kCols + i] = row ? row[k] : 0;
    }
  }
}

// columns [first, first + count) of A [depth, ..] -> panels [count / kRows][depth][kRows]
inline void pack_columns(int depth, int first, int count, const Rows& a, float* out) {
  const int full = count / kRows, rest = count % kRows;
  for (int k = 0; k < depth; ++k) {
    const float* row = a(k) + first;
    float* to = out + k * kRows;
    for (int i = 0; i < full; ++i, row += kRows, to += depth * kRows)
      std::memcpy(to, row, sizeof(float) * kRows);  // of a constant size: a move or two
    for (int i = 0; i < rest; ++i) to[i] = row[i];
  }
}

// C [rows, cols] (+)= A [rows, depth] B; B packed, of packed_depth rows if it has more than A needs
inline void multiply(int64_t rows, int cols, int depth, const Rows& a, const float* packed,
                     float* c, int64_t ldc, bool add, int64_t packed_depth = 0) {
  if (!packed_depth) packed_depth = depth;
  const float* pa[kRows];
  float* pc[kRows];
  for (int64_t block = 0; block < rows; block += kBlock) {
    const int64_t end = std::min(rows, block + kBlock);
    for (int k = 0; k < depth; k += kDepth) {
      const int deep = std::min(kDepth, depth - k);
      for (int j = 0; j < cols; j += kCols) {
        const float* panel = packed + (j / kCols * packed_depth + k) * kCols;
        for (int64_t i = block; i < end; i += kRows) {
          const int m = int(std::min<int64_t>(kRows, end - i));
          for (int r = 0; r < m; ++r) {
            pa[r] = a(i + r) + k;
            pc[r] = c + (i + r) * ldc + j;
          }
          tile_at(m, std::min(kCols, cols - j), deep, pa, 1, panel, pc, add || k);
        }
      }
    }
  }
}

// C [rows, cols] += A^T B with A [depth, rows] and B [depth, cols], both by rows: a weight's
// gradient
inline void add_outer(int rows, int cols, int64_t depth, const Rows& a, const Rows& b, float* c,
                      int64_t ldc, std::vector<float>& scratch) {
  const int64_t size_b = panels(cols) * kDepth * kCols, size_a = int64_t(kDepth) * kBlock;
  if (int64_t(scratch.size()) < size_b + size_a) scratch.resize(size_t(size_b + size_a));
  float *packed_b = scratch.data(), *packed_a = scratch.data() + size_b;
  const float* pa[kRows];
  float* pc[kRows];
  for (int64_t k = 0; k < depth; k += kDepth) {
    const int deep = int(std::min<int64_t>(kDepth, depth - k));
    pack(deep, cols, b.from(k), packed_b);
    for (int block = 0; block < rows; block += kBlock) {
      const int count = std::min(kBlock, rows - block);
      pack_columns(deep, block, count, a.from(k), packed_a);
      for (int j = 0; j < cols; j += kCols)
        for (int i = 0; i < count; i += kRows) {
          const int m = std::min(kRows, count - i);
          for (int r = 0; r < m; ++r) {
            pa[r] = packed_a + int64_t(i) * deep + r;
            pc[r] = c + int64_t(block + i + r) * ldc + j;
          }
          tile_at(m, std::min(kCols, cols - j), deep, pa, kRows,
                  packed_b + int64_t(j / kCols) * deep * kCols, pc, true);
        }
    }
  }
}

}  // namespace gemm
