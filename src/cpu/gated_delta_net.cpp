#include <cmath>

#include "cpu/forward.h"

namespace tessera::cpu {
namespace {

// Under the root of the l2 norms of queries and keys: the architecture's constant, not the norms'
// epsilon.
constexpr float kL2Epsilon = 1e-6F;

void project(Context& c, const model::GdnTensors& tensors) {
  Scratch& s = c.scratch;
  const std::size_t tokens = c.step.tokens.size();
  const Inputs normed{s.normed.pointers(), s.normed8.pointers()};
  // Those of floats have the largest rows and so come first: all threads end together.
  const Product products[] = {
      {Matrix::of(*tensors.beta), normed, s.beta.pointers(), tokens},
      {Matrix::of(*tensors.alpha), normed, s.alpha.pointers(), tokens},
      {Matrix::of(*tensors.qkv), normed, s.projected.pointers(), tokens},
      {Matrix::of(*tensors.gate), normed, s.side.pointers(), tokens},
  };
  c.compute.multiply(products);
}

// One layer on one sequence's tokens of a step.
struct ItemPass {
  Context& c;
  const model::GdnTensors& tensors;
  const float* conv_weights;
  std::size_t layer;
  const StepItem& item;

  std::size_t dim() const { return static_cast<std::size_t>(c.config.gdn_head_dim); }
  std::size_t k_heads() const { return static_cast<std::size_t>(c.config.gdn_k_heads); }
  std::size_t v_heads() const { return static_cast<std::size_t>(c.config.gdn_v_heads); }
  float* row(std::size_t channel) const { return c.scratch.projected[item.first] + channel; }
  std::size_t stride() const { return c.scratch.projected.columns(); }

  void convolve(std::size_t channel) const {
    const std::size_t channels = static_cast<std::size_t>(c.config.conv_channels());
    ConvScan scan;
    scan.tokens = item.tokens;
    scan.channels = dim();
    scan.kernel = static_cast<std::size_t>(c.config.conv_kernel);
    scan.x = row(channel);
    scan.stride = stride();
    scan.weights = conv_weights + channel;
    scan.weight_stride = channels;
    scan.window = item.sequence->recurrent.floats() + c.layout.window_at(layer) + channel;
    scan.window_stride = channels;
    c.compute.kernels().conv_scan(scan);
  }

  void normalise(std::size_t channel, float scale) const {
    for (std::size_t t = 0; t < item.tokens; ++t) {
      c.compute.kernels().l2_norm(row(channel) + t * stride(), dim(), kL2Epsilon, scale);
    }
  }

  // The delta rule of one value head, whose queries and keys are ready; then the gated norm.
  void mix(std::size_t k_head, std::size_t v_head) const {
    const Kernels& k = c.compute.kernels();
    Scratch& s = c.scratch;
    const std::size_t n = dim();
    const std::size_t v_channel = (2 * k_heads() + v_head) * n;
    convolve(v_channel);
    GdnScan scan;
    scan.tokens = item.tokens;
    scan.head_dim = n;
    scan.q = row(k_head * n);
    scan.k = row((k_heads() + k_head) * n);
    scan.v = row(v_channel);
    scan.qkv_stride = stride();
    scan.beta = s.beta[item.first] + v_head;
    scan.decay = s.alpha[item.first] + v_head;
    scan.gate_stride = v_heads();
    scan.state = item.sequence->recurrent.floats() + c.layout.head_at(layer, v_head);
    scan.out = s.mixed[item.first] + v_head * n;
    scan.out_stride = s.mixed.columns();
    k.gdn_scan(scan);
    for (std::size_t t = item.first; t < item.first + item.tokens; ++t) {
      k.gated_rms_norm(s.mixed[t] + v_head * n, floats(*tensors.norm), s.side[t] + v_head * n, n,
                       c.config.rms_epsilon);
    }
  }

  // A key head and all value heads that read it (GGUF tiles value heads over key heads).
  void run(std::size_t k_head) const {
    convolve(k_head * dim());
    convolve((k_heads() + k_head) * dim());
    normalise(k_head * dim(), static_cast<float>(1.0 / std::sqrt(static_cast<double>(dim()))));
    normalise((k_heads() + k_head) * dim(), 1.0F);
    for (std::size_t v_head = k_head; v_head < v_heads(); v_head += k_heads()) mix(k_head, v_head);
  }
};

}  // namespace

void gated_delta_net(Context& c, const model::GdnTensors& tensors, const float* conv_weights,
                     std::size_t layer) {
  Scratch& s = c.scratch;
  const std::size_t tokens = c.step.tokens.size();
  const std::size_t k_heads = static_cast<std::size_t>(c.config.gdn_k_heads);
  project(c, tensors);
  c.compute.for_each(tokens, 16, [&](std::size_t begin, std::size_t end, int) {
    for (std::size_t t = begin; t < end; ++t) {
      c.compute.kernels().gdn_gates(s.beta[t], s.alpha[t], floats(*tensors.a),
                                    floats(*tensors.dt_bias), s.beta.columns());
    }
  });
  c.compute.for_each(c.step.items.size() * k_heads, 1, [&](std::size_t unit, std::size_t, int) {
    const StepItem& item = c.step.items[unit / k_heads];
    ItemPass{c, tensors, conv_weights, layer, item}.run(unit % k_heads);
  });
  const Matrix out_weights = Matrix::of(*tensors.out);
  c.compute.quantise(s.mixed, tokens, out_weights.columns, s.mixed8);
  const Product out{
      out_weights, {s.mixed.pointers(), s.mixed8.pointers()}, s.update.pointers(), tokens};
  c.compute.multiply({&out, 1});
}

}  // namespace tessera::cpu
