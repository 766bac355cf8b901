#include "cpu/compute.h"

#include <algorithm>
#include <memory>

#include "base/check.h"

namespace tessera::cpu {
namespace {

constexpr std::size_t kManyTokens = 16;
// Elements that one thread makes int8 of sooner than others could help: about a microsecond.
constexpr std::size_t kQuantisedTogether = 4096;

// Rows that kernels take together: of int8 products, and of those of floats with few tokens.
constexpr std::size_t kInt8Rows = 16, kFloatRows = 4;

}  // namespace

Matrix Matrix::of(const weights::TensorView& tensor) {
  const std::size_t columns = tensor.row_elements();
  return {tensor.type, tensor.data, weights::row_bytes(tensor.type, columns), tensor.rows(),
          columns};
}

Matrix Matrix::slice(std::size_t first, std::size_t count) const {
  DCHECK(first + count <= rows);
  return {type, data + first * row_bytes, row_bytes, count, columns};
}

Result<std::unique_ptr<Compute>> Compute::create(const Kernels& kernels, int threads,
                                                 std::size_t max_columns,
                                                 std::size_t max_products) {
  std::unique_ptr<Compute> compute(new Compute(kernels, threads));
  TRY_ASSIGN(compute->panels_, Rows::allocate(static_cast<std::size_t>(threads),
                                              panel_floats(max_columns), "matmul panels"));
  compute->chunk_ends_.reserve(max_products);
  return compute;
}

Int8MatmulFunction Compute::int8_kernel(const Product& product) const {
  return product.x.int8 != nullptr ? kernels_.int8_matmul(product.weights.type) : nullptr;
}

// What a member takes at a time: enough for a stream from memory to get going, few enough that all
// end together. Many tokens: as many rows as a kernel packs at once.
std::size_t Compute::chunk_rows(const Product& product) const {
  if (product.tokens > kManyTokens) return kInt8PanelRows;
  const std::size_t rows = int8_kernel(product) != nullptr ? kInt8Rows : kFloatRows;
  const std::size_t bytes = rows * product.weights.row_bytes;
  return (kInt8AheadBytes + bytes - 1) / bytes * rows;
}

void Compute::multiply(std::span<const Product> products) {
  DCHECK(products.size() <= chunk_ends_.capacity());
  chunk_ends_.clear();
  std::size_t chunks = 0;
  for (const Product& product : products) {
    const std::size_t rows = chunk_rows(product);
    chunks += (product.weights.rows + rows - 1) / rows;
    chunk_ends_.push_back(chunks);
  }
  team_.for_stretches(chunks, [&](std::size_t chunk, std::size_t next, int member) {
    const std::byte* ahead = nullptr;
    if (next != ThreadTeam::kNone) {
      const Chunk then = chunk_at(products, next);
      ahead = then.product->weights.data + then.first * then.product->weights.row_bytes;
    }
    multiply_rows(chunk_at(products, chunk), ahead, member);
  });
}

Compute::Chunk Compute::chunk_at(std::span<const Product> products, std::size_t chunk) const {
  const auto end = std::upper_bound(chunk_ends_.begin(), chunk_ends_.end(), chunk);
  const std::size_t index = static_cast<std::size_t>(end - chunk_ends_.begin());
  const Matrix& weights = products[index].weights;
  const std::size_t rows = chunk_rows(products[index]);
  const std::size_t first = (chunk - (index == 0 ? 0 : chunk_ends_[index - 1])) * rows;
  return {&products[index], first, std::min(rows, weights.rows - first)};
}

void Compute::quantise(const Rows& from, std::size_t count, std::size_t columns, Int8Rows& to) {
  if (to.empty() || columns % kInt8Block != 0) return;
  const std::size_t grain = std::max<std::size_t>(1, kQuantisedTogether / columns);
  team_.for_each(count, grain, [&](std::size_t begin, std::size_t end, int) {
    for (std::size_t row = begin; row < end; ++row)
      kernels_.quantise_row(from[row], 0, columns, columns, to[row]);
  });
}

void Compute::multiply_part(const Chunk& chunk, const std::byte* weights, float* const* y,
                            const std::byte* ahead, int member) {
  const Product& product = *chunk.product;
  const Matrix& w = product.weights;
  const std::byte* rows = weights + chunk.first * w.row_bytes;
  float* panel = panels_[static_cast<std::size_t>(member)];
  if (const Int8MatmulFunction int8 = int8_kernel(product); int8 != nullptr) {
    int8({rows, w.row_bytes, chunk.count, w.columns, product.tokens, product.x.int8, y, chunk.first,
          reinterpret_cast<std::byte*>(panel), ahead});
  } else {
    kernels_.matmul(w.type)({rows, w.row_bytes, chunk.count, w.columns, product.tokens, product.x.x,
                             y, chunk.first, panel});
  }
}

void Compute::multiply_rows(const Chunk& chunk, const std::byte* ahead, int member) {
  const Product& product = *chunk.product;
  if (product.up == nullptr) {
    multiply_part(chunk, product.weights.data, product.y, ahead, member);
    return;
  }
  const std::byte* up = product.up + chunk.first * product.weights.row_bytes;
  multiply_part(chunk, product.weights.data, product.y, up, member);
  multiply_part(chunk, product.up, product.y_up, ahead, member);
  for (std::size_t t = 0; t < product.tokens; ++t) {
    float* gate = product.y[t] + chunk.first;
    kernels_.swiglu(gate, product.y_up[t] + chunk.first, chunk.count, gate);
  }
}

}  // namespace tessera::cpu
