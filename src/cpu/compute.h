// The threads of the CPU backend and what all its parts do with them: products of weight matrices
// with rows. Owned by the backend; called by the engine's thread alone. No allocation after
// construction.
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>
#include <vector>

#include "base/thread_team.h"
#include "cpu/buffer.h"
#include "cpu/kernels.h"
#include "weights/gguf.h"

namespace tessera::cpu {

// Rows of a weight matrix.
struct Matrix {
  weights::TensorType type = weights::TensorType::kF32;
  const std::byte* data = nullptr;
  std::size_t row_bytes = 0;
  std::size_t rows = 0;
  std::size_t columns = 0;

  // All rows of a tensor, or `count` from `first` on.
  static Matrix of(const weights::TensorView& tensor);
  Matrix slice(std::size_t first, std::size_t count) const;
};

// Rows that products read, and the same as int8 (Int8Layout), for weights that have kernels for
// them; null where there are none.
struct Inputs {
  const float* const* x = nullptr;
  const std::byte* const* int8 = nullptr;
};

// y[t] = W x[t]; with `up` set, y[t] = silu(W x[t]) * (up x[t]), the half of a SwiGLU that the down
// projection reads.
struct Product {
  Matrix weights;
  Inputs x;                   // [tokens]
  float* const* y = nullptr;  // [tokens]
  std::size_t tokens = 0;
  const std::byte* up = nullptr;  // rows as those of `weights`
  float* const* y_up = nullptr;   // [tokens]: room for up x
};

class Compute {
 public:
  // `max_columns`: the longest weight row; `max_products`: in one multiply().
  static Result<std::unique_ptr<Compute>> create(const Kernels& kernels, int threads,
                                                 std::size_t max_columns, std::size_t max_products);

  const Kernels& kernels() const { return kernels_; }
  int threads() const { return team_.threads(); }
  // Of a Compute that is to be made.
  static std::size_t scratch_bytes_for(int threads, std::size_t max_columns) {
    return static_cast<std::size_t>(threads) * panel_floats(max_columns) * sizeof(float);
  }

  // All products, their rows shared among the threads. They must not depend on one another.
  void multiply(std::span<const Product> products);

  // The int8 rows of the first `count` float rows, of `columns` elements; nothing where there are
  // no int8 rows.
  void quantise(const Rows& from, std::size_t count, std::size_t columns, Int8Rows& to);

  // As ThreadTeam::for_each.
  template <class F>
  void for_each(std::size_t count, std::size_t grain, F&& function) {
    team_.for_each(count, grain, function);
  }

 private:
  // Of the scratch of either kind of product.
  static std::size_t panel_floats(std::size_t max_columns) {
    return std::max(kPanelRows * max_columns, kInt8PanelBytes / sizeof(float));
  }

  Compute(const Kernels& kernels, int threads) : kernels_(kernels), team_(threads) {}

  // Some rows of a product.
  struct Chunk {
    const Product* product = nullptr;
    std::size_t first = 0, count = 0;
  };
  // Null where the product is of floats.
  Int8MatmulFunction int8_kernel(const Product& product) const;
  std::size_t chunk_rows(const Product& product) const;
  Chunk chunk_at(std::span<const Product> products, std::size_t chunk) const;
  // `ahead`: as in Int8Matmul.
  void multiply_part(const Chunk& chunk, const std::byte* weights, float* const* y,
                     const std::byte* ahead, int member);
  void multiply_rows(const Chunk& chunk, const std::byte* ahead, int member);

  const Kernels& kernels_;
  ThreadTeam team_;
  Rows panels_;                          // one a member
  std::vector<std::size_t> chunk_ends_;  // of each product: chunks of it and of those before
};

}  // namespace tessera::cpu
