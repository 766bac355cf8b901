#include "model/reference_forward.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"

namespace tessera::model {
namespace {

double sigmoid(double x) {
  return 1.0 / (1.0 + std::exp(-x));
}
double silu(double x) {
  return x * sigmoid(x);
}
// log(1 + e^x) without overflow
double softplus(double x) {
  return std::max(x, 0.0) + std::log1p(std::exp(-std::fabs(x)));
}

double dot(std::span<const float> a, std::span<const float> b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += static_cast<double>(a[i]) * b[i];
  return sum;
}

double sum_of_squares(std::span<const float> x) {
  return dot(x, x);
}

// A tensor that the table holds to be F32.
std::span<const float> floats(const TensorView& tensor) {
  DCHECK(tensor.type == weights::TensorType::kF32);
  return {reinterpret_cast<const float*>(tensor.data), tensor.elements()};
}

void add(Rows& x, const Rows& y) {
  for (std::size_t i = 0; i < x.values.size(); ++i) x.values[i] += y.values[i];
}

// y = x * rsqrt(mean(x^2) + epsilon) * weight
void rms_norm_in_place(std::span<float> x, std::span<const float> weight, float epsilon) {
  const double scale = 1.0 / std::sqrt(sum_of_squares(x) / static_cast<double>(x.size()) + epsilon);
  for (std::size_t i = 0; i < x.size(); ++i) {
    x[i] = static_cast<float>(x[i] * scale * weight[i]);
  }
}

// y = x * rsqrt(sum(x^2) + 1e-6): sum, not mean; the epsilon is the architecture's, not the norms'.
void l2_normalise(std::span<float> x, double factor) {
  constexpr double kEpsilon = 1e-6;
  const double scale = factor / std::sqrt(sum_of_squares(x) + kEpsilon);
  for (float& value : x) value = static_cast<float>(value * scale);
}

void softmax(std::span<double> x) {
  const double largest = *std::max_element(x.begin(), x.end());
  double sum = 0;
  for (double& value : x) sum += value = std::exp(value - largest);
  for (double& value : x) value /= sum;
}

// down( silu(gate x) * (up x) ), gate and up given as their products with x
Rows swiglu(const Rows& gate, const Rows& up) {
  Rows y(gate.rows, gate.columns);
  for (std::size_t i = 0; i < y.values.size(); ++i) {
    y.values[i] = static_cast<float>(silu(gate.values[i]) * up.values[i]);
  }
  return y;
}

// One query head against the keys and values of its kv head: out: [head_dim]. `seen` counts the
// query's own token.
void attend(std::span<const float> query, const LayerState& state, std::size_t seen,
            std::size_t kv_head, std::size_t kv_heads, std::span<float> out) {
  const std::size_t head_dim = query.size();
  const auto row = [&](const std::vector<float>& cache, std::size_t token) {
    return std::span<const float>(&cache[(token * kv_heads + kv_head) * head_dim], head_dim);
  };
  std::vector<double> weights(seen);
  for (std::size_t token = 0; token < seen; ++token) {
    weights[token] = dot(query, row(state.keys, token)) / std::sqrt(static_cast<double>(head_dim));
  }
  softmax(weights);
  for (std::size_t i = 0; i < head_dim; ++i) {
    double sum = 0;
    for (std::size_t token = 0; token < seen; ++token) {
      sum += weights[token] * row(state.values, token)[i];
    }
    out[i] = static_cast<float>(sum);
  }
}

// c[t, ch] = silu( sum over j of w[ch, j] * input[t - (kernel - 1) + j, ch] ); inputs before the
// chunk come from state.conv, which then holds the last kernel - 1 inputs.
Rows causal_convolution(const ModelConfig& config, const TensorView& weight, const Rows& input,
                        LayerState& state) {
  const auto kernel = static_cast<std::size_t>(config.conv_kernel);
  const std::size_t channels = input.columns;
  const std::span<const float> w = floats(weight);  // [channels, kernel]
  std::vector<float> window = state.conv;           // [kernel - 1 + tokens, channels]
  window.insert(window.end(), input.values.begin(), input.values.end());
  Rows output(input.rows, channels);
  for (std::size_t t = 0; t < input.rows; ++t) {
    for (std::size_t channel = 0; channel < channels; ++channel) {
      double sum = 0;
      for (std::size_t j = 0; j < kernel; ++j) {
        sum += static_cast<double>(w[channel * kernel + j]) * window[(t + j) * channels + channel];
      }
      output[t][channel] = static_cast<float>(silu(sum));
    }
  }
  state.conv.assign(window.end() - static_cast<std::ptrdiff_t>((kernel - 1) * channels),
                    window.end());
  return output;
}

// One step of the gated delta rule on one head's state, S: [key dim, value dim]:
//   S *= decay;  delta = beta (v - k S);  S += k delta;  out = q S
void delta_rule(std::span<float> state, std::span<const float> query, std::span<const float> key,
                std::span<const float> value, double decay, double beta, std::span<float> out) {
  const std::size_t key_dim = key.size();
  const std::size_t value_dim = value.size();
  for (float& element : state) element = static_cast<float>(element * decay);
  for (std::size_t j = 0; j < value_dim; ++j) {
    double read = 0;
    for (std::size_t i = 0; i < key_dim; ++i) {
      read += static_cast<double>(key[i]) * state[i * value_dim + j];
    }
    const double delta = beta * (value[j] - read);
    double result = 0;
    for (std::size_t i = 0; i < key_dim; ++i) {
      float& element = state[i * value_dim + j];
      element = static_cast<float>(element + key[i] * delta);
      result += static_cast<double>(query[i]) * element;
    }
    out[j] = static_cast<float>(result);
  }
}

struct ChosenExpert {
  std::size_t index;
  double weight;
};

// Softmax over all experts, the best `count`, their weights divided by their sum. Of equals, the
// first.
std::vector<ChosenExpert> choose_experts(std::span<const float> router_logits, std::size_t count) {
  std::vector<double> probability(router_logits.begin(), router_logits.end());
  softmax(probability);
  std::vector<ChosenExpert> chosen;
  std::vector<bool> taken(probability.size());
  double sum = 0;
  while (chosen.size() < count) {
    std::size_t best = probability.size();
    for (std::size_t expert = 0; expert < probability.size(); ++expert) {
      if (taken[expert]) continue;
      // Written so that a NaN is never better and never leaves the choice empty.
      if (best == probability.size() || probability[expert] > probability[best]) best = expert;
    }
    taken[best] = true;
    chosen.push_back({best, probability[best]});
    sum += probability[best];
  }
  for (ChosenExpert& expert : chosen) expert.weight /= sum;
  return chosen;
}

// One expert on one token, x: [1, hidden]. Its rows lie at `expert * rows per expert` of the 3-D
// tensors.
Rows run_expert(const ModelConfig& config, const MoeTensors& tensors, std::size_t expert,
                const Rows& x) {
  const auto ffn = static_cast<std::uint64_t>(config.expert_ffn);
  Rows gate;
  Rows up;
  if (tensors.gate_up != nullptr) {
    gate = multiply(*tensors.gate_up, x, expert * 2 * ffn, ffn);
    up = multiply(*tensors.gate_up, x, expert * 2 * ffn + ffn, ffn);
  } else {
    gate = multiply(*tensors.gate, x, expert * ffn, ffn);
    up = multiply(*tensors.up, x, expert * ffn, ffn);
  }
  const auto hidden = static_cast<std::uint64_t>(config.hidden);
  return multiply(*tensors.down, swiglu(gate, up), expert * hidden, hidden);
}

Rows embed(const TensorTable& table, std::span<const TokenId> tokens) {
  const TensorView& embedding = *table.token_embedding;
  Rows x(tokens.size(), embedding.row_elements());
  const std::size_t row_bytes = weights::row_bytes(embedding.type, embedding.row_elements());
  for (std::size_t t = 0; t < tokens.size(); ++t) {
    CHECK(tokens[t] >= 0 && tokens[t] < table.config.vocabulary);
    weights::dequantise_row(embedding.type,
                            embedding.data + static_cast<std::size_t>(tokens[t]) * row_bytes, x[t]);
  }
  return x;
}

}  // namespace

ReferenceState make_reference_state(const ModelConfig& config) {
  ReferenceState state;
  state.layers.resize(static_cast<std::size_t>(config.layers));
  const auto conv_rows = static_cast<std::size_t>(config.conv_kernel - 1);
  const auto head = static_cast<std::size_t>(config.gdn_head_dim);
  for (std::int32_t layer = 0; layer < config.layers; ++layer) {
    if (config.kind(layer) != LayerKind::kGatedDeltaNet) continue;
    LayerState& gdn = state.layers[static_cast<std::size_t>(layer)];
    gdn.conv.resize(conv_rows * static_cast<std::size_t>(config.conv_channels()));
    gdn.recurrent.resize(static_cast<std::size_t>(config.gdn_v_heads) * head * head);
  }
  return state;
}

Rows rms_norm(const Rows& x, const TensorView& weight, float epsilon) {
  const std::span<const float> w = floats(weight);
  Rows y = x;
  for (std::size_t i = 0; i < y.values.size(); i += w.size()) {
    rms_norm_in_place(std::span(y.values).subspan(i, w.size()), w, epsilon);
  }
  return y;
}

Rows multiply(const TensorView& w, const Rows& x, std::uint64_t first_row,
              std::uint64_t row_count) {
  DCHECK(w.row_elements() == x.columns && first_row + row_count <= w.rows());
  const std::size_t row_bytes = weights::row_bytes(w.type, x.columns);
  std::vector<float> row(x.columns);
  Rows y(x.rows, row_count);
  for (std::size_t r = 0; r < row_count; ++r) {
    weights::dequantise_row(w.type, w.data + (first_row + r) * row_bytes, row);
    for (std::size_t t = 0; t < x.rows; ++t) y[t][r] = static_cast<float>(dot(row, x[t]));
  }
  return y;
}

Rows multiply(const TensorView& w, const Rows& x) {
  return multiply(w, x, 0, w.rows());
}

void rotate(std::span<float> head, std::int32_t position, const ModelConfig& config) {
  const auto half = static_cast<std::size_t>(config.rope_dims / 2);
  for (std::size_t i = 0; i < half; ++i) {
    const double exponent = -2.0 * static_cast<double>(i) / config.rope_dims;
    const double angle = position * std::pow(config.rope_base, exponent);
    const double a = head[i];
    const double b = head[i + half];
    head[i] = static_cast<float>(a * std::cos(angle) - b * std::sin(angle));
    head[i + half] = static_cast<float>(b * std::cos(angle) + a * std::sin(angle));
  }
}

Rows gated_attention(const ModelConfig& config, const AttentionTensors& tensors, const Rows& x,
                     std::int32_t position, LayerState& state) {
  const auto heads = static_cast<std::size_t>(config.heads);
  const auto kv_heads = static_cast<std::size_t>(config.kv_heads);
  const auto head_dim = static_cast<std::size_t>(config.head_dim);
  const Rows query_and_gate = multiply(*tensors.q, x);  // [tokens, heads, q | gate, head_dim]
  Rows keys = rms_norm(multiply(*tensors.k, x), *tensors.k_norm, config.rms_epsilon);
  const Rows values = multiply(*tensors.v, x);
  Rows mixed(x.rows, heads * head_dim);
  for (std::size_t t = 0; t < x.rows; ++t) {
    const std::int32_t at = position + static_cast<std::int32_t>(t);
    for (std::size_t head = 0; head < kv_heads; ++head) {
      rotate(keys[t].subspan(head * head_dim, head_dim), at, config);
    }
    state.keys.insert(state.keys.end(), keys[t].begin(), keys[t].end());
    state.values.insert(state.values.end(), values[t].begin(), values[t].end());
    for (std::size_t head = 0; head < heads; ++head) {
      const auto both = query_and_gate[t].subspan(head * 2 * head_dim, 2 * head_dim);
      std::vector<float> query(both.begin(), both.begin() + config.head_dim);
      rms_norm_in_place(query, floats(*tensors.q_norm), config.rms_epsilon);
      rotate(query, at, config);
      const auto out = mixed[t].subspan(head * head_dim, head_dim);
      attend(query, state, static_cast<std::size_t>(at) + 1, head / (heads / kv_heads), kv_heads,
             out);
      for (std::size_t i = 0; i < head_dim; ++i) {
        out[i] = static_cast<float>(out[i] * sigmoid(both[head_dim + i]));
      }
    }
  }
  return multiply(*tensors.out, mixed);
}

Rows gated_delta_net(const ModelConfig& config, const GdnTensors& tensors, const Rows& x,
                     LayerState& state) {
  const auto v_heads = static_cast<std::size_t>(config.gdn_v_heads);
  const auto k_heads = static_cast<std::size_t>(config.gdn_k_heads);
  const auto dim = static_cast<std::size_t>(config.gdn_head_dim);
  Rows qkv = causal_convolution(config, *tensors.conv, multiply(*tensors.qkv, x), state);
  const Rows gate = multiply(*tensors.gate, x);    // [tokens, v_heads, dim]
  const Rows beta = multiply(*tensors.beta, x);    // [tokens, v_heads]
  const Rows alpha = multiply(*tensors.alpha, x);  // [tokens, v_heads]
  const std::span<const float> a = floats(*tensors.a);
  const std::span<const float> dt_bias = floats(*tensors.dt_bias);
  Rows mixed(x.rows, v_heads * dim);
  for (std::size_t t = 0; t < x.rows; ++t) {
    // A row is k_heads queries, k_heads keys, v_heads values.
    const auto head_of = [&](std::size_t index) { return qkv[t].subspan(index * dim, dim); };
    for (std::size_t head = 0; head < k_heads; ++head) {
      l2_normalise(head_of(head), 1.0 / std::sqrt(static_cast<double>(dim)));
      l2_normalise(head_of(k_heads + head), 1.0);
    }
    for (std::size_t head = 0; head < v_heads; ++head) {
      const std::size_t k_head = head % k_heads;  // GGUF tiles v heads over k heads
      const double decay = std::exp(a[head] * softplus(alpha[t][head] + dt_bias[head]));
      const auto out = mixed[t].subspan(head * dim, dim);
      delta_rule(std::span(state.recurrent).subspan(head * dim * dim, dim * dim), head_of(k_head),
                 head_of(k_heads + k_head), head_of(2 * k_heads + head), decay,
                 sigmoid(beta[t][head]), out);
      rms_norm_in_place(out, floats(*tensors.norm), config.rms_epsilon);
      for (std::size_t i = 0; i < dim; ++i) {
        out[i] = static_cast<float>(out[i] * silu(gate[t][head * dim + i]));
      }
    }
  }
  return multiply(*tensors.out, mixed);
}

Rows mixture_of_experts(const ModelConfig& config, const MoeTensors& tensors, const Rows& x) {
  const Rows router = multiply(*tensors.router, x);  // [tokens, experts]
  Rows y = multiply(*tensors.shared_down,
                    swiglu(multiply(*tensors.shared_gate, x), multiply(*tensors.shared_up, x)));
  for (std::size_t t = 0; t < x.rows; ++t) {
    Rows token(1, x.columns);
    std::copy(x[t].begin(), x[t].end(), token.values.begin());
    const double shared_gate = sigmoid(dot(floats(*tensors.shared_router), x[t]));
    std::vector<double> sum(y.columns);
    for (std::size_t i = 0; i < sum.size(); ++i) sum[i] = shared_gate * y[t][i];
    const auto chosen = choose_experts(router[t], static_cast<std::size_t>(config.experts_used));
    for (const ChosenExpert& expert : chosen) {
      const Rows result = run_expert(config, tensors, expert.index, token);
      for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += expert.weight * result.values[i];
    }
    for (std::size_t i = 0; i < sum.size(); ++i) y[t][i] = static_cast<float>(sum[i]);
  }
  return y;
}

Rows reference_hidden(const TensorTable& table, std::span<const TokenId> tokens,
                      std::int32_t position, ReferenceState& state) {
  const ModelConfig& config = table.config;
  Rows x = embed(table, tokens);
  for (std::size_t i = 0; i < table.layers.size(); ++i) {
    const LayerTensors& layer = table.layers[i];
    const Rows normed = rms_norm(x, *layer.attn_norm, config.rms_epsilon);
    add(x, layer.kind == LayerKind::kAttention
               ? gated_attention(config, layer.attention, normed, position, state.layers[i])
               : gated_delta_net(config, layer.gdn, normed, state.layers[i]));
    add(x, mixture_of_experts(config, layer.moe,
                              rms_norm(x, *layer.post_attention_norm, config.rms_epsilon)));
  }
  return x;
}

Rows reference_logits(const TensorTable& table, const Rows& hidden) {
  return multiply(*table.output, rms_norm(hidden, *table.output_norm, table.config.rms_epsilon));
}

}  // namespace tessera::model
