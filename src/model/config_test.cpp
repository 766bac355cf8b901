// Reading a configuration: what is accepted, and each refusal with the key it names.
#include "model/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <map>
#include <string>
#include <variant>
#include <vector>

#include "weights/gguf_writer.h"

namespace tessera::model {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using weights::GgufWriter;
using weights::TensorType;

using Value = std::variant<std::monostate, std::uint32_t, std::int64_t, float, std::string,
                           std::vector<std::int32_t>, std::vector<bool>>;
constexpr std::monostate kAbsent;

// A complete configuration with some keys (without "qwen35moe.") replaced or left out.
Result<ModelConfig> config_with(const std::map<std::string, Value>& changes,
                                const std::string& architecture = "qwen35moe",
                                std::uint64_t tokenizer_tokens = 40) {
  std::map<std::string, Value> values = {{"block_count", 8u},
                                         {"context_length", 4096u},
                                         {"embedding_length", 16u},
                                         {"attention.head_count", 4u},
                                         {"attention.head_count_kv", 2u},
                                         {"attention.key_length", 8u},
                                         {"attention.value_length", 8u},
                                         {"attention.layer_norm_rms_epsilon", 1e-6F},
                                         {"rope.dimension_count", 4u},
                                         {"rope.freq_base", 1e7F},
                                         {"rope.dimension_sections", std::vector{1, 1, 0, 0}},
                                         {"expert_count", 6u},
                                         {"expert_used_count", 2u},
                                         {"expert_feed_forward_length", 12u},
                                         {"expert_shared_feed_forward_length", 10u},
                                         {"ssm.conv_kernel", 4u},
                                         {"ssm.state_size", 8u},
                                         {"ssm.group_count", 2u},
                                         {"ssm.time_step_rank", 4u},
                                         {"ssm.inner_size", 32u}};
  for (const auto& [name, value] : changes) values[name] = value;
  GgufWriter writer;
  writer.add("general.architecture", architecture);
  for (const auto& [name, value] : values) {
    const std::string key = "qwen35moe." + name;
    std::visit(
        [&](const auto& item) {
          using T = std::decay_t<decltype(item)>;
          if constexpr (std::is_same_v<T, std::vector<std::int32_t>> ||
                        std::is_same_v<T, std::vector<bool>>) {
            writer.add_array(key, item);
          } else if constexpr (!std::is_same_v<T, std::monostate>) {
            writer.add(key, item);
          }
        },
        value);
  }
  writer.add_array("tokenizer.ggml.tokens", std::vector<std::string>(tokenizer_tokens, "t"));
  writer.add_tensor("token_embd.weight", TensorType::kF32, {16, 40}, std::vector<float>(640));
  const std::vector<std::byte> bytes = writer.to_bytes();
  const auto file = weights::GgufFile::from_memory(bytes, "test.gguf");
  CHECK(file.has_value());
  return read_config(**file);
}

std::string error_with(const std::string& key, const Value& value) {
  const auto config = config_with({{key, value}});
  return config ? "(no error)" : config.error().message;
}

TEST(Config, ReadsTheNumbers) {
  const auto config = config_with({});
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->layers, 8);
  EXPECT_EQ(config->mtp_layers, 0);
  EXPECT_EQ(config->hidden, 16);
  EXPECT_EQ(config->vocabulary, 40);
  EXPECT_EQ(config->max_context, 4096);
  EXPECT_EQ(config->rms_epsilon, 1e-6F);
  EXPECT_EQ(config->heads, 4);
  EXPECT_EQ(config->kv_heads, 2);
  EXPECT_EQ(config->head_dim, 8);
  EXPECT_EQ(config->rope_dims, 4);
  EXPECT_EQ(config->rope_base, 1e7);
  EXPECT_EQ(config->attention_interval, 4);  // the default
  EXPECT_EQ(config->kind(0), LayerKind::kGatedDeltaNet);
  EXPECT_EQ(config->kind(3), LayerKind::kAttention);
  EXPECT_EQ(config->kind(7), LayerKind::kAttention);
  EXPECT_EQ(config->conv_kernel, 4);
  EXPECT_EQ(config->conv_channels(), 2 * 16 + 32);
  EXPECT_EQ(config->experts, 6);
  EXPECT_EQ(config->experts_used, 2);
  EXPECT_EQ(config->expert_ffn, 12);
  EXPECT_EQ(config->shared_ffn, 10);
}

TEST(Config, AnMtpBlockIsNotALayer) {
  const auto config = config_with({{"block_count", 9u}, {"nextn_predict_layers", 1u}});
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->layers, 8);
  EXPECT_EQ(config->mtp_layers, 1);
  EXPECT_THAT(error_with("nextn_predict_layers", 8u), HasSubstr("nextn_predict_layers is 8"));
}

TEST(Config, VariantsOfFilesInTheWild) {
  EXPECT_TRUE(config_with({{"rope.dimension_sections", std::vector{11, 11, 10}}}));
  EXPECT_TRUE(config_with({{"rope.dimension_sections", kAbsent}}));
  EXPECT_TRUE(config_with({{"rope.scaling.type", "none"}}));
  EXPECT_TRUE(config_with({{"attention.head_count_kv", std::vector{0, 0, 0, 2, 0, 0, 0, 2}}}));
  const auto shared = config_with({{"expert_shared_feed_forward_length", kAbsent}});
  ASSERT_TRUE(shared);
  EXPECT_EQ(shared->shared_ffn, 12);
  const auto interval = config_with({{"full_attention_interval", 2u}});
  ASSERT_TRUE(interval);
  EXPECT_EQ(interval->kind(1), LayerKind::kAttention);
  for (const Value& flags :
       {Value(std::vector<bool>{true, false, true, true, true, true, true, false}),
        Value(std::vector{1, 0, 1, 1, 1, 1, 1, 0})}) {
    const auto listed = config_with({{"attention.recurrent_layers", flags}});
    ASSERT_TRUE(listed) << listed.error().message;
    EXPECT_EQ(listed->kind(1), LayerKind::kAttention);
    EXPECT_EQ(listed->kind(3), LayerKind::kGatedDeltaNet);
    EXPECT_EQ(listed->kind(7), LayerKind::kAttention);
  }
}

TEST(ConfigRefuses, OtherArchitectures) {
  const auto config = config_with({}, "llama");
  ASSERT_FALSE(config);
  EXPECT_EQ(config.error().code, ErrorCode::kUnsupported);
  EXPECT_THAT(config.error().message, AllOf(HasSubstr("llama"), HasSubstr("qwen35moe")));
}

TEST(ConfigRefuses, MissingKeysByName) {
  for (const char* key :
       {"block_count", "context_length", "embedding_length", "attention.head_count",
        "attention.head_count_kv", "attention.key_length", "attention.value_length",
        "attention.layer_norm_rms_epsilon", "rope.dimension_count", "rope.freq_base",
        "expert_count", "expert_used_count", "expert_feed_forward_length", "ssm.conv_kernel",
        "ssm.state_size", "ssm.group_count", "ssm.time_step_rank", "ssm.inner_size"}) {
    EXPECT_THAT(error_with(key, kAbsent),
                AllOf(HasSubstr("test.gguf"), HasSubstr(std::string("qwen35moe.") + key)));
    EXPECT_THAT(error_with(key, "text"), HasSubstr(key));
  }
}

TEST(ConfigRefuses, SizesOutOfRangeByName) {
  for (const char* key :
       {"block_count", "context_length", "embedding_length", "attention.head_count",
        "attention.head_count_kv", "attention.key_length", "rope.dimension_count", "expert_count",
        "expert_used_count", "expert_feed_forward_length", "expert_shared_feed_forward_length",
        "ssm.conv_kernel", "ssm.state_size", "ssm.group_count", "ssm.time_step_rank",
        "full_attention_interval"}) {
    for (const Value& value : {Value(0u), Value(std::int64_t{-1}), Value(std::uint32_t{0x80000000}),
                               Value(std::numeric_limits<std::int64_t>::max())}) {
      EXPECT_THAT(error_with(key, value), HasSubstr(key));
    }
  }
  EXPECT_EQ(error_with("block_count", 1024u), "(no error)");
  EXPECT_THAT(error_with("block_count", 1025u), HasSubstr("1025, not 1 to 1024"));
  EXPECT_EQ(error_with("context_length", 1u << 24), "(no error)");
  EXPECT_THAT(error_with("context_length", (1u << 24) + 1), HasSubstr("context_length"));
}

TEST(ConfigRefuses, NumbersThatAreNone) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const float infinity = std::numeric_limits<float>::infinity();
  for (const float value : {nan, infinity, -infinity, 0.0F, -1.0F}) {
    EXPECT_THAT(error_with("rope.freq_base", value), HasSubstr("rope.freq_base"));
    EXPECT_THAT(error_with("attention.layer_norm_rms_epsilon", value), HasSubstr("rms_epsilon"));
  }
  EXPECT_THAT(error_with("attention.layer_norm_rms_epsilon", 1.0F), HasSubstr("rms_epsilon"));
}

TEST(ConfigRefuses, SizesThatContradictEachOther) {
  EXPECT_THAT(error_with("attention.head_count", 5u), HasSubstr("no multiple"));
  EXPECT_THAT(error_with("attention.key_length", 7u), HasSubstr("even and equal"));
  EXPECT_THAT(error_with("attention.value_length", 16u), HasSubstr("even and equal"));
  EXPECT_THAT(error_with("rope.dimension_count", 3u), HasSubstr("odd"));
  EXPECT_THAT(error_with("rope.dimension_count", 10u), HasSubstr("not 2 to 8"));
  EXPECT_THAT(error_with("expert_used_count", 7u), HasSubstr("not 1 to 6"));
  EXPECT_THAT(error_with("ssm.time_step_rank", 5u), HasSubstr("no multiple"));
  EXPECT_THAT(error_with("ssm.inner_size", 33u), HasSubstr("33, not 4 heads x 8 = 32"));
  EXPECT_THAT(error_with("attention.head_count_kv", std::vector{0, 0, 0, 2, 0, 0, 0, 1}),
              HasSubstr("differs between attention layers: 2 and 1"));
  EXPECT_THAT(error_with("attention.head_count_kv", std::vector{2, 2}), HasSubstr("2 elements"));
  EXPECT_THAT(error_with("attention.head_count_kv", std::vector(8, 0)), HasSubstr("is 0"));
  EXPECT_THAT(error_with("rope.dimension_sections", std::vector{1, 1}), HasSubstr("three or four"));
  EXPECT_THAT(error_with("rope.dimension_sections", std::vector{1, -1, 0}), HasSubstr("sections"));
  EXPECT_THAT(error_with("attention.recurrent_layers", std::vector<bool>(5)), HasSubstr("8 flags"));
  const auto wide = config_with({{"attention.head_count", 4096u},
                                 {"attention.key_length", 8192u},
                                 {"attention.value_length", 8192u}});
  ASSERT_FALSE(wide);
  EXPECT_THAT(wide.error().message, HasSubstr("wider than"));
}

TEST(ConfigRefuses, WhatWouldComputeSomethingElse) {
  EXPECT_THAT(error_with("rope.scaling.type", "yarn"), AllOf(HasSubstr("yarn"), HasSubstr("none")));
}

TEST(ConfigRefuses, MoreTokensThanRows) {
  EXPECT_TRUE(config_with({}, "qwen35moe", 40));
  const auto config = config_with({}, "qwen35moe", 41);
  ASSERT_FALSE(config);
  EXPECT_THAT(config.error().message, AllOf(HasSubstr("41 tokens"), HasSubstr("40")));
}

}  // namespace
}  // namespace tessera::model
