// Which tensors get which types.
#include "pack/mix.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace tessera::pack {
namespace {

using weights::TensorType;
using Dims = std::vector<std::uint64_t>;

TensorType type_in(std::string_view mix, const std::string& tensor, const Dims& dims = {2048, 512},
                   bool has_output = true) {
  return type_of(*find_mix(mix), tensor, dims, 40, has_output);
}

TEST(Mix, Q4KMGivesMoreBitsWhereErrorsCostMost) {
  std::vector<int> better;
  for (int layer = 0; layer < 40; ++layer) {
    const std::string block = "blk." + std::to_string(layer) + ".";
    const TensorType type = type_in("Q4_K_M", block + "ffn_down_exps.weight");
    for (const char* name : {"attn_v.weight", "attn_qkv.weight", "ffn_down_shexp.weight"})
      EXPECT_EQ(type_in("Q4_K_M", block + name), type) << block << name;
    EXPECT_EQ(type_in("Q4_K_M", block + "attn_k.weight"), TensorType::kQ4_K);
    EXPECT_EQ(type_in("Q4_K_M", block + "ffn_up_exps.weight"), TensorType::kQ4_K);
    if (type == TensorType::kQ6_K) better.push_back(layer);
  }
  // As in the published files of this model.
  EXPECT_EQ(better, (std::vector<int>{0,  1,  2,  3,  4,  7,  10, 13, 16, 19,
                                      22, 25, 28, 31, 34, 35, 36, 37, 38, 39}));
  EXPECT_EQ(type_in("Q4_K_M", "output.weight"), TensorType::kQ6_K);
  EXPECT_EQ(type_in("Q4_K_M", "token_embd.weight"), TensorType::kQ4_K);
  EXPECT_EQ(type_in("Q4_K_M", "token_embd.weight", {2048, 512}, false), TensorType::kQ6_K);
}

TEST(Mix, SmallTensorsStayFloats) {
  for (const char* mix : {"Q8_0", "Q2_K", "BF16", "MXFP4_MOE"}) {
    EXPECT_EQ(type_in(mix, "blk.3.attn_norm.weight", {2048}), TensorType::kF32);
    EXPECT_EQ(type_in(mix, "blk.3.ffn_gate_inp.weight"), TensorType::kF32);
    EXPECT_EQ(type_in(mix, "blk.3.ffn_gate_inp_shexp.weight", {2048, 1}), TensorType::kF32);
    EXPECT_EQ(type_in(mix, "blk.2.ssm_conv1d.weight", {4, 8192}), TensorType::kF32);
    EXPECT_EQ(type_in(mix, "blk.2.ssm_a", {32}), TensorType::kF32);
  }
}

TEST(Mix, RowsThatDoNotFitGetAnotherType) {
  EXPECT_EQ(type_in("Q4_K", "blk.0.attn_gate.weight", {256, 8}), TensorType::kQ4_K);
  EXPECT_EQ(type_in("Q4_K", "blk.0.attn_gate.weight", {288, 8}), TensorType::kQ8_0);
  EXPECT_EQ(type_in("Q4_K", "blk.0.attn_gate.weight", {264, 8}), TensorType::kF16);
}

TEST(Mix, ExpertsAloneCanBeMxfp4) {
  EXPECT_EQ(type_in("MXFP4_MOE", "blk.9.ffn_down_exps.weight"), TensorType::kMXFP4);
  EXPECT_EQ(type_in("MXFP4_MOE", "blk.9.ffn_down_shexp.weight"), TensorType::kQ8_0);
  EXPECT_EQ(type_in("MXFP4_MOE", "output.weight"), TensorType::kQ8_0);
}

TEST(Mix, UnknownOnesAreToldWhichThereAre) {
  const auto unknown = find_mix("Q4_k_m");
  ASSERT_FALSE(unknown);
  EXPECT_THAT(unknown.error().message, testing::HasSubstr("'Q4_k_m': there are F32, F16"));
  EXPECT_EQ(find_mix("Q4_K_M")->file_type, 15U);
}

}  // namespace
}  // namespace tessera::pack
