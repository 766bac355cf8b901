#include <algorithm>

#include "cpu/forward.h"

namespace tessera::cpu {
namespace {

// The logits of all experts, and the shared expert's gate.
void route(Context& c, const model::MoeTensors& tensors) {
  Scratch& s = c.scratch;
  const std::size_t tokens = c.step.tokens.size();
  const Matrix shared{weights::TensorType::kF32, tensors.shared_router->data,
                      tensors.shared_router->bytes, 1, tensors.shared_router->elements()};
  const Inputs normed{s.normed.pointers(), s.normed8.pointers()};
  const Product products[] = {
      {Matrix::of(*tensors.router), normed, s.router.pointers(), tokens},
      {shared, normed, s.shared_gate.pointers(), tokens},
  };
  c.compute.multiply(products);
}

// The `count` largest logits, of equals the first, weighted by their softmax: the same as the
// softmax over all experts divided by the sum of the chosen.
void choose_experts(const Kernels& kernels, std::span<float> logits,
                    std::span<ChosenExpert> chosen) {
  constexpr float kTaken = -__builtin_inff();
  float best_logits[kMaxChosen];
  for (std::size_t slot = 0; slot < chosen.size(); ++slot) {
    std::size_t best = logits.size();
    for (std::size_t expert = 0; expert < logits.size(); ++expert) {
      // Written so that a NaN is never better and never leaves the choice empty.
      if (best == logits.size() || logits[expert] > logits[best]) best = expert;
    }
    chosen[slot].index = best;
    best_logits[slot] = logits[best];
    logits[best] = kTaken;
  }
  kernels.softmax(best_logits, chosen.size());
  for (std::size_t slot = 0; slot < chosen.size(); ++slot) chosen[slot].weight = best_logits[slot];
}

// Sorts the (token, slot) pairs by expert, so that each expert's weights are read once.
void group_by_expert(Context& c) {
  Scratch& s = c.scratch;
  const std::size_t used = static_cast<std::size_t>(c.config.experts_used);
  const std::size_t pairs = c.step.tokens.size() * used;
  std::fill(s.expert_begin.begin(), s.expert_begin.end(), 0);
  for (std::size_t p = 0; p < pairs; ++p) ++s.expert_begin[s.chosen[p].index + 1];
  for (std::size_t e = 1; e < s.expert_begin.size(); ++e)
    s.expert_begin[e] += s.expert_begin[e - 1];
  for (std::size_t p = 0; p < pairs; ++p) {
    const std::size_t at = s.expert_begin[s.chosen[p].index]++;
    s.pair_in[at] = s.normed[p / used];
    s.pair_gate[at] = s.expert_gate[p];
    if (!s.normed8.empty()) s.pair_in8[at] = s.normed8[p / used];
    if (!s.expert8.empty()) s.pair_gate8[at] = s.expert8[p];
    s.pair_up[at] = s.expert_up[p];
    s.pair_out[at] = s.expert_out[p];
  }
  // Each begin has moved to its expert's end, which is the next one's begin.
  for (std::size_t e = s.expert_begin.size() - 1; e > 0; --e)
    s.expert_begin[e] = s.expert_begin[e - 1];
  s.expert_begin[0] = 0;
}

// silu(gate x) * (up x) of all experts with work, and of the shared one.
void run_gate_and_up(Context& c, const model::MoeTensors& tensors) {
  Scratch& s = c.scratch;
  const std::size_t ffn = static_cast<std::size_t>(c.config.expert_ffn);
  const bool merged = tensors.gate_up != nullptr;
  const Matrix gate = Matrix::of(merged ? *tensors.gate_up : *tensors.gate);
  const Matrix up = merged ? gate : Matrix::of(*tensors.up);
  const std::size_t stride = merged ? 2 * ffn : ffn;
  s.products.clear();
  const Matrix shared_up = Matrix::of(*tensors.shared_up);
  s.products.push_back({Matrix::of(*tensors.shared_gate),
                        {s.normed.pointers(), s.normed8.pointers()},
                        s.shared_ffn.pointers(),
                        c.step.tokens.size(),
                        shared_up.data,
                        s.shared_up.pointers()});
  for (std::size_t e = 0; e + 1 < s.expert_begin.size(); ++e) {
    const std::size_t begin = s.expert_begin[e], count = s.expert_begin[e + 1] - begin;
    if (count == 0) continue;
    const Matrix up_rows = up.slice(e * stride + (merged ? ffn : 0), ffn);
    const Inputs in{&s.pair_in[begin], s.normed8.empty() ? nullptr : &s.pair_in8[begin]};
    s.products.push_back({gate.slice(e * stride, ffn), in, &s.pair_gate[begin], count, up_rows.data,
                          &s.pair_up[begin]});
  }
  c.compute.multiply(s.products);
}

void run_down(Context& c, const model::MoeTensors& tensors) {
  Scratch& s = c.scratch;
  const std::size_t hidden = static_cast<std::size_t>(c.config.hidden);
  const Matrix down = Matrix::of(*tensors.down);
  const std::size_t tokens = c.step.tokens.size();
  c.compute.quantise(s.shared_ffn, tokens, s.shared_ffn.columns(), s.shared8);
  c.compute.quantise(s.expert_gate, tokens * static_cast<std::size_t>(c.config.experts_used),
                     down.columns, s.expert8);
  s.products.clear();
  s.products.push_back({Matrix::of(*tensors.shared_down),
                        {s.shared_ffn.pointers(), s.shared8.pointers()},
                        s.shared_out.pointers(),
                        tokens});
  for (std::size_t e = 0; e + 1 < s.expert_begin.size(); ++e) {
    const std::size_t begin = s.expert_begin[e], count = s.expert_begin[e + 1] - begin;
    if (count == 0) continue;
    const Inputs in{&s.pair_gate[begin], s.expert8.empty() ? nullptr : &s.pair_gate8[begin]};
    s.products.push_back({down.slice(e * hidden, hidden), in, &s.pair_out[begin], count});
  }
  c.compute.multiply(s.products);
}

}  // namespace

void mixture_of_experts(Context& c, const model::MoeTensors& tensors) {
  Scratch& s = c.scratch;
  const Kernels& k = c.compute.kernels();
  const std::size_t tokens = c.step.tokens.size();
  const std::size_t used = static_cast<std::size_t>(c.config.experts_used);
  const std::size_t hidden = static_cast<std::size_t>(c.config.hidden);
  route(c, tensors);
  c.compute.for_each(tokens, 1, [&](std::size_t begin, std::size_t end, int) {
    for (std::size_t t = begin; t < end; ++t) {
      choose_experts(k, {s.router[t], s.router.columns()}, {&s.chosen[t * used], used});
    }
  });
  group_by_expert(c);
  run_gate_and_up(c, tensors);
  run_down(c, tensors);
  // The shared expert, then the chosen ones, best first.
  c.compute.for_each(tokens, 1, [&](std::size_t begin, std::size_t end, int) {
    for (std::size_t t = begin; t < end; ++t) {
      k.multiply_add(s.x[t], k.sigmoid(*s.shared_gate[t]), s.shared_out[t], hidden);
      for (std::size_t slot = 0; slot < used; ++slot) {
        const std::size_t p = t * used + slot;
        k.multiply_add(s.x[t], s.chosen[p].weight, s.expert_out[p], hidden);
      }
    }
  });
}

}  // namespace tessera::cpu
