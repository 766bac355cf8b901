// The table that bench/ops times: every entry has the scalar set's bits.
#include "cpu/op_cases.h"

#include <gtest/gtest.h>

#include <map>
#include <tuple>
#include <utility>

namespace tessera::cpu {
namespace {

TEST(OpCases, HaveTheScalarSetsBits) {
  std::map<std::tuple<TensorType, std::size_t, bool>, Floats> references;
  for (const OpCase& c : op_cases()) {
    if (c.isa == Isa::kScalar && c.tokens != 3) continue;  // it is slow
    const auto key = std::tuple(c.type, c.columns, c.int8);
    if (!references.contains(key)) references.emplace(key, op_reference(c.type, c.columns, c.int8));
    EXPECT_TRUE(has_parity(c, references.at(key))) << name_of(c);
  }
}

TEST(OpCases, ParityNoticesABit) {
  const OpCase c{TensorType::kQ8_0, supported_isas().front(), 512, 4, true};
  Floats reference = op_reference(c.type, c.columns, c.int8);
  EXPECT_TRUE(has_parity(c, reference));
  float& one = reference[3 * kParityRows + 7];
  one = std::nextafter(one, 1e30F);
  EXPECT_FALSE(has_parity(c, reference));
}

TEST(OpCases, CoverEveryTypeAndSet) {
  std::map<std::pair<TensorType, Isa>, int> seen;
  for (const OpCase& c : op_cases()) ++seen[{c.type, c.isa}];
  EXPECT_EQ(seen.size(), weights::tensor_types().size() * supported_isas().size());
}

}  // namespace
}  // namespace tessera::cpu
