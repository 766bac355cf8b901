// The matrix products that a step is made of, as one table: the parity test holds each to the
// scalar set, bench/ops does the same and then says how fast it is.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "cpu/kernels.h"
#include "cpu/test_kernels.h"
#include "weights/tensor_type.h"

namespace tessera::cpu {

// Columns of the true shape's matrices: what comes out of an expert, and everything else.
constexpr std::size_t kOpColumns[] = {512, 2048};
// One stream, those that decode together, an expert's share of a prompt, a prompt.
constexpr std::size_t kOpTokens[] = {1, 2, 3, 4, 8, 16, 64, 128};
constexpr std::size_t kOpMostTokens = 128;

struct OpCase {
  weights::TensorType type;
  Isa isa;
  std::size_t columns;
  std::size_t tokens;
  bool int8;
};

inline std::string name_of(const OpCase& c) {
  return std::string(weights::info(c.type).name) + " " + std::string(isa_name(c.isa)) +
         (c.int8 ? " int8" : " float32") + " columns " + std::to_string(c.columns) + " tokens " +
         std::to_string(c.tokens);
}

// Every weight type, instruction set of this machine, shape and kind of activations.
inline std::vector<OpCase> op_cases() {
  std::vector<OpCase> cases;
  for (const weights::TensorType type : weights::tensor_types()) {
    for (const std::size_t columns : kOpColumns) {
      for (const bool int8 : {false, true}) {
        if (int8 && kernels(Isa::kScalar).int8_matmul(type) == nullptr) continue;
        for (const Isa isa : supported_isas())
          for (const std::size_t tokens : kOpTokens)
            cases.push_back({type, isa, columns, tokens, int8});
      }
    }
  }
  return cases;
}

// Inputs of a case and room for what comes out: tokens are rows of one array, whose first ones are
// those of cases with fewer.
class OpRun {
 public:
  OpRun(const OpCase& c, std::size_t rows)
      : case_(c),
        x_(random_floats(c.tokens * c.columns, 4)),
        y_(c.tokens * rows),
        x8_(c.tokens * Int8Layout(c.columns).bytes) {
    for (std::size_t t = 0; t < c.tokens; ++t) {
      xs_.push_back(x_.data() + t * c.columns);
      ys_.push_back(y_.data() + t * rows);
      x8s_.push_back(x8_.data() + t * Int8Layout(c.columns).bytes);
      kernels(c.isa).quantise_row(xs_.back(), 0, c.columns, c.columns,
                                  x8_.data() + t * Int8Layout(c.columns).bytes);
    }
  }

  // `count` rows of the case's matrix, whose first one is `first`, by one thread with scratch of
  // its own; `ahead`: the rows that it reads next, or null.
  struct Scratch {
    explicit Scratch(std::size_t columns)
        : floats(std::make_unique_for_overwrite<float[]>(kPanelRows * columns)),
          bytes(std::make_unique_for_overwrite<std::byte[]>(kInt8PanelBytes)) {}
    std::unique_ptr<float[]> floats;
    std::unique_ptr<std::byte[]> bytes;
  };
  void run(const std::byte* weights, std::size_t first, std::size_t count, Scratch& scratch,
           const std::byte* ahead = nullptr) {
    const std::size_t row_bytes = weights::row_bytes(case_.type, case_.columns);
    const Kernels& k = kernels(case_.isa);
    if (case_.int8) {
      k.int8_matmul(case_.type)({weights + first * row_bytes, row_bytes, count, case_.columns,
                                 case_.tokens, x8s_.data(), ys_.data(), first, scratch.bytes.get(),
                                 ahead});
    } else {
      k.matmul(case_.type)({weights + first * row_bytes, row_bytes, count, case_.columns,
                            case_.tokens, xs_.data(), ys_.data(), first, scratch.floats.get()});
    }
  }
  const Floats& y() const { return y_; }  // [tokens, rows]

 private:
  const OpCase case_;
  Floats x_, y_;
  std::vector<std::byte> x8_;
  std::vector<const float*> xs_;
  std::vector<float*> ys_;
  std::vector<const std::byte*> x8s_;
};

constexpr std::size_t kParityRows = 19;  // no multiple of any tile

// What the scalar set makes of the type's first kParityRows rows, for the most tokens.
inline Floats op_reference(weights::TensorType type, std::size_t columns, bool int8) {
  const auto weights = random_rows(type, kParityRows, columns, 3);
  OpRun run({type, Isa::kScalar, columns, kOpMostTokens, int8}, kParityRows);
  OpRun::Scratch scratch(columns);
  run.run(weights.data(), 0, kParityRows, scratch);
  return run.y();
}

// Whether the case has the bits of its reference.
inline bool has_parity(const OpCase& c, const Floats& reference) {
  const auto weights = random_rows(c.type, kParityRows, c.columns, 3);
  OpRun run(c, kParityRows);
  OpRun::Scratch scratch(c.columns);
  run.run(weights.data(), 0, kParityRows, scratch);
  const Floats expected(reference.begin(),
                        reference.begin() + static_cast<std::ptrdiff_t>(run.y().size()));
  return bits(run.y()) == bits(expected);
}

}  // namespace tessera::cpu
