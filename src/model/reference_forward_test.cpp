// The specification against numbers by hand, and against one layer of each kind that Transformers
// computed
// (../shared/data/tiny-layer-v1.json, where that folder exists).
#include "model/reference_forward.h"

#include <gtest/gtest.h>

#include <cmath>
#include <deque>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "base/json.h"

namespace tessera::model {
namespace {

using weights::TensorType;

// F32 tensors that live as long as the test.
class Tensors {
 public:
  const TensorView* make(std::vector<std::uint64_t> dims, std::vector<float> values) {
    values_.push_back(std::move(values));
    TensorView view;
    view.name = "test";
    view.dims = std::move(dims);
    view.data = reinterpret_cast<const std::byte*>(values_.back().data());
    view.bytes = values_.back().size() * sizeof(float);
    CHECK(view.elements() == values_.back().size());
    views_.push_back(std::move(view));
    return &views_.back();
  }
  // y[i] = x[first + i], i < count, from x of `width`.
  const TensorView* select(std::uint64_t width, std::uint64_t first, std::uint64_t count) {
    std::vector<float> values(width * count);
    for (std::uint64_t i = 0; i < count; ++i) values[i * width + first + i] = 1;
    return make({width, count}, std::move(values));
  }

 private:
  std::deque<std::vector<float>> values_;
  std::deque<TensorView> views_;
};

Rows rows_of(std::size_t columns, const std::vector<float>& values) {
  Rows rows(values.size() / columns, columns);
  rows.values = values;
  return rows;
}

float largest_difference(const std::vector<float>& a, const std::vector<float>& b) {
  CHECK(a.size() == b.size());
  float largest = 0;
  for (std::size_t i = 0; i < a.size(); ++i) largest = std::max(largest, std::fabs(a[i] - b[i]));
  return largest;
}

TEST(ReferenceForward, RmsNormPerRun) {
  Tensors tensors;
  const Rows y = rms_norm(rows_of(4, {3, 4, 0, 0}), *tensors.make({2}, {1, 2}), 0.5F);
  EXPECT_FLOAT_EQ(y.values[0], 3 / std::sqrt(13.0F));  // mean of squares 12.5, epsilon 0.5
  EXPECT_FLOAT_EQ(y.values[1], 8 / std::sqrt(13.0F));
  EXPECT_EQ(y.values[2], 0);
}

TEST(ReferenceForward, MultiplyTakesRowsOfTheMatrix) {
  Tensors tensors;
  const TensorView* w = tensors.make({2, 3}, {1, 2, 3, 4, 5, 6});
  const Rows x = rows_of(2, {1, 0, 1, -1});
  EXPECT_EQ(multiply(*w, x).values, (std::vector<float>{1, 3, 5, -1, -1, -1}));
  EXPECT_EQ(multiply(*w, x, 1, 2).values, (std::vector<float>{3, 5, -1, -1}));
}

TEST(ReferenceForward, RotationPairsHalvesAndLeavesTheRest) {
  ModelConfig config;
  config.rope_dims = 4;
  config.rope_base = 100;
  std::vector<float> head = {1, 0, 0, 1, 7};
  rotate(head, 3, config);
  // Pair 0 turns by 3, pair 1 by 3 * 100^(-2/4) = 0.3.
  EXPECT_FLOAT_EQ(head[0], std::cos(3.0F));
  EXPECT_FLOAT_EQ(head[2], std::sin(3.0F));
  EXPECT_FLOAT_EQ(head[1], -std::sin(0.3F));
  EXPECT_FLOAT_EQ(head[3], std::cos(0.3F));
  EXPECT_EQ(head[4], 7);
}

// Two experts of three, by hand: hidden 1, one-dimensional experts.
TEST(ReferenceForward, MixtureRenormalisesTheChosen) {
  Tensors tensors;
  ModelConfig config;
  config.hidden = 1;
  config.experts = 3;
  config.experts_used = 2;
  config.expert_ffn = 1;
  MoeTensors moe{};
  moe.router = tensors.make({1, 3}, {std::log(2.0F), std::log(5.0F), std::log(3.0F)});
  moe.gate = tensors.make({1, 1, 3}, {1, 1, 1});
  moe.up = tensors.make({1, 1, 3}, {1, 1, 1});
  moe.down = tensors.make({1, 1, 3}, {100, 10, 20});
  moe.shared_router = tensors.make({1}, {0});
  moe.shared_gate = tensors.make({1, 1}, {1});
  moe.shared_up = tensors.make({1, 1}, {1});
  moe.shared_down = tensors.make({1, 1}, {4});
  const float silu = 1 / (1 + std::exp(-1.0F));
  const Rows y = mixture_of_experts(config, moe, rows_of(1, {1}));
  EXPECT_NEAR(y.values[0], silu * (10 * 5.0F / 8 + 20 * 3.0F / 8 + 0.5F * 4), 1e-6F);

  // Merged: rows gate | up of each expert.
  moe.gate_up = tensors.make({1, 2, 3}, {1, 1, 1, 1, 1, 1});
  moe.gate = moe.up = nullptr;
  EXPECT_EQ(mixture_of_experts(config, moe, rows_of(1, {1})).values, y.values);
}

TEST(ReferenceForward, ANanInTheRouterChoosesSomethingAndComesOut) {
  Tensors tensors;
  ModelConfig config;
  config.hidden = 1;
  config.experts = 2;
  config.experts_used = 2;
  config.expert_ffn = 1;
  MoeTensors moe{};
  moe.router = tensors.make({1, 2}, {std::nanf(""), 1});
  moe.gate = moe.up = moe.down = tensors.make({1, 1, 2}, {1, 1});
  moe.shared_router = tensors.make({1}, {0});
  moe.shared_gate = moe.shared_up = moe.shared_down = tensors.make({1, 1}, {1});
  EXPECT_TRUE(std::isnan(mixture_of_experts(config, moe, rows_of(1, {1})).values[0]));
}

// ---- one layer of each kind, computed by Transformers

class TinyLayer : public ::testing::Test {
 protected:
  void SetUp() override {
    std::ifstream in("../shared/data/tiny-layer-v1.json", std::ios::binary);
    if (!in) GTEST_SKIP() << "../shared/data/tiny-layer-v1.json is absent";
    const std::string text((std::istreambuf_iterator<char>(in)), {});
    auto parsed = json::parse(text);
    ASSERT_TRUE(parsed);
    fixture_ = *std::move(parsed);
  }

  double number(const char* group, const char* name) const {
    return fixture_.find(group)->find(name)->as_double().value();
  }
  std::int32_t integer(const char* group, const char* name) const {
    return static_cast<std::int32_t>(number(group, name));
  }
  std::vector<float> vector(const char* name) const {
    std::vector<float> values;
    for (const json::Value& value : *fixture_.find("vectors")->find(name)->if_array()) {
      values.push_back(static_cast<float>(*value.as_double()));
    }
    return values;
  }

  json::Value fixture_;
  Tensors tensors_;
};

// [rows, columns] → [columns, rows]
std::vector<float> transposed(const std::vector<float>& values, std::size_t columns) {
  const std::size_t rows = values.size() / columns;
  std::vector<float> result(values.size());
  for (std::size_t i = 0; i < values.size(); ++i)
    result[i % columns * rows + i / columns] = values[i];
  return result;
}

// The fixture gives what the projections yield, so the projections here select: x = [q | k | v |
// gate].
TEST_F(TinyLayer, GatedAttention) {
  ModelConfig config;
  config.heads = integer("fa_config", "query_heads");
  config.kv_heads = integer("fa_config", "kv_heads");
  config.head_dim = integer("fa_config", "head_dim");
  config.rope_dims = integer("fa_config", "rotary_dim");
  config.rope_base = number("fa_config", "rope_base");
  config.rms_epsilon = static_cast<float>(number("fa_config", "epsilon"));
  const auto head_dim = static_cast<std::uint64_t>(config.head_dim);
  const auto heads = static_cast<std::uint64_t>(config.heads);
  const auto kv_width = static_cast<std::uint64_t>(config.kv_heads) * head_dim;
  const std::uint64_t width = heads * head_dim;
  const std::uint64_t inputs = 2 * width + 2 * kv_width;
  std::vector<float> q(inputs * 2 * width);  // rows per head: [q | gate]
  for (std::uint64_t row = 0; row < 2 * width; ++row) {
    const std::uint64_t head = row / (2 * head_dim);
    const std::uint64_t within = row % (2 * head_dim);
    const std::uint64_t source = within < head_dim
                                     ? head * head_dim + within
                                     : width + 2 * kv_width + head * head_dim + within - head_dim;
    q[row * inputs + source] = 1;
  }
  const auto hidden = static_cast<std::uint64_t>(integer("fa_config", "hidden_size"));
  AttentionTensors attention{};
  attention.q = tensors_.make({inputs, 2 * width}, q);
  attention.k = tensors_.select(inputs, width, kv_width);
  attention.v = tensors_.select(inputs, width + kv_width, kv_width);
  attention.q_norm = tensors_.make({head_dim}, vector("fa_q_norm_mul"));
  attention.k_norm = tensors_.make({head_dim}, vector("fa_k_norm_mul"));
  attention.out = tensors_.make({width, hidden}, transposed(vector("fa_o_proj_in_out"), hidden));
  LayerState state;
  const Rows y = gated_attention(config, attention, rows_of(inputs, vector("fa_input_q_k_v_gate")),
                                 integer("fa_config", "position_offset"), state);
  EXPECT_LE(largest_difference(y.values, vector("fa_output")), 1e-6F);
}

// x = [qkv | b | a | z]
TEST_F(TinyLayer, GatedDeltaNet) {
  ModelConfig config;
  config.gdn_k_heads = integer("gdn_config", "key_heads");
  config.gdn_v_heads = integer("gdn_config", "value_heads");
  config.gdn_head_dim = integer("gdn_config", "key_dim");
  config.conv_kernel = integer("gdn_config", "conv_width");
  config.rms_epsilon = static_cast<float>(number("gdn_config", "epsilon"));
  const auto channels = static_cast<std::uint64_t>(config.conv_channels());
  const auto heads = static_cast<std::uint64_t>(config.gdn_v_heads);
  const auto values = static_cast<std::uint64_t>(config.gdn_value_width());
  const auto kernel = static_cast<std::uint64_t>(config.conv_kernel);
  const std::uint64_t inputs = channels + 2 * heads + values;
  GdnTensors gdn{};
  gdn.qkv = tensors_.select(inputs, 0, channels);
  gdn.beta = tensors_.select(inputs, channels, heads);
  gdn.alpha = tensors_.select(inputs, channels + heads, heads);
  gdn.gate = tensors_.select(inputs, channels + 2 * heads, values);
  gdn.conv = tensors_.make({kernel, channels}, vector("gdn_conv_weight"));
  gdn.a = tensors_.make({heads}, vector("gdn_ssm_a"));
  gdn.dt_bias = tensors_.make({heads}, vector("gdn_dt_bias"));
  gdn.norm =
      tensors_.make({static_cast<std::uint64_t>(config.gdn_head_dim)}, vector("gdn_norm_weight"));
  gdn.out = tensors_.select(values, 0, values);  // the fixture stops before the output projection
  LayerState state;
  state.conv =
      transposed(vector("gdn_conv_state0"), kernel - 1);  // the fixture's is [channels, kernel - 1]
  state.recurrent = vector("gdn_state0");
  const Rows y =
      gated_delta_net(config, gdn, rows_of(inputs, vector("gdn_input_qkv_b_a_z")), state);
  EXPECT_LE(largest_difference(y.values, vector("gdn_output")), 1e-6F);
  EXPECT_LE(largest_difference(state.recurrent, vector("gdn_state1")), 1e-6F);
  EXPECT_LE(largest_difference(state.conv, transposed(vector("gdn_conv_state1"), kernel - 1)),
            1e-6F);
}

}  // namespace
}  // namespace tessera::model
