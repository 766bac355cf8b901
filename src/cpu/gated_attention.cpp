#include <algorithm>
#include <cmath>

#include "cpu/forward.h"

namespace tessera::cpu {
namespace {

// The sizes that the functions below share, and the kernels for the cache's type.
struct Shape {
  explicit Shape(const Context& c) : Shape(c.config) {
    kv = &c.compute.kernels().of(c.layout.kv_type);
  }
  std::size_t heads, kv_heads, group, head_dim, half;
  const KvKernels* kv = nullptr;

 private:
  explicit Shape(const model::ModelConfig& config)
      : heads(static_cast<std::size_t>(config.heads)),
        kv_heads(static_cast<std::size_t>(config.kv_heads)),
        group(heads / kv_heads),
        head_dim(static_cast<std::size_t>(config.head_dim)),
        half(static_cast<std::size_t>(config.rope_dims / 2)) {}
};

std::size_t spans_of(std::size_t keys) {
  return (keys + kKeysPerSpan - 1) / kKeysPerSpan;
}

// That a token of the step sees.
std::size_t keys_of(const Context& c, std::size_t token) {
  return static_cast<std::size_t>(c.step.tokens[token].position) + 1;
}

void project(Context& c, const model::AttentionTensors& tensors) {
  Scratch& s = c.scratch;
  const std::size_t tokens = c.step.tokens.size();
  const Inputs normed{s.normed.pointers(), s.normed8.pointers()};
  const Product products[] = {
      {Matrix::of(*tensors.q), normed, s.projected.pointers(), tokens},
      {Matrix::of(*tensors.k), normed, s.keys.pointers(), tokens},
      {Matrix::of(*tensors.v), normed, s.values.pointers(), tokens},
  };
  c.compute.multiply(products);
}

// Normalises and rotates the queries and keys of one key/value head and one token; key and value go
// into the cache.
void rotate_and_store(Context& c, const model::AttentionTensors& tensors, const Shape& shape,
                      std::size_t layer, std::size_t token, std::size_t kv_head) {
  const Kernels& k = c.compute.kernels();
  Scratch& s = c.scratch;
  const StepToken& at = c.step.tokens[token];
  const std::size_t n = shape.head_dim;
  const float* cosines = s.cosines[token];
  const float* sines = s.sines[token];
  for (std::size_t head = kv_head * shape.group; head < (kv_head + 1) * shape.group; ++head) {
    float* query = s.side[token] + head * n;
    k.rms_norm(s.projected[token] + head * 2 * n, floats(*tensors.q_norm), n, c.config.rms_epsilon,
               query);
    k.rope(query, cosines, sines, shape.half);
    if (shape.kv->prepare_query != nullptr) shape.kv->prepare_query(query, n);
  }
  const std::size_t position = static_cast<std::size_t>(at.position);
  const Sequence& sequence = *c.step.items[at.item].sequence;
  std::byte* block = c.blocks[sequence.holding.blocks[position / kKeysPerBlock]];
  const std::size_t slot = position % kKeysPerBlock;
  float* key = s.keys[token] + kv_head * n;
  k.rms_norm(key, floats(*tensors.k_norm), n, c.config.rms_epsilon, key);
  k.rope(key, cosines, sines, shape.half);
  shape.kv->store_key(key, n, slot, block + c.layout.keys_at(layer, kv_head));
  shape.kv->store_value(s.values[token] + kv_head * n, n, slot,
                        block + c.layout.values_at(layer, kv_head));
}

// Tokens begin .. end of one sequence, all of which see something of the span.
void attend_span(Context& c, const Shape& shape, std::size_t layer, std::size_t begin,
                 std::size_t end, std::size_t kv_head, std::size_t span, float* const* partials) {
  const Sequence& sequence = *c.step.items[c.step.tokens[begin].item].sequence;
  const std::byte* k_blocks[kBlocksPerSpan];
  const std::byte* v_blocks[kBlocksPerSpan];
  const float* q[kTokensTogether];
  std::size_t keys[kTokensTogether];
  AttentionSpan task;
  task.tokens = end - begin;
  task.q = q;
  task.group = shape.group;
  task.head_dim = shape.head_dim;
  task.scale = static_cast<float>(1.0 / std::sqrt(static_cast<double>(shape.head_dim)));
  task.k_blocks = k_blocks;
  task.v_blocks = v_blocks;
  task.keys = keys;
  task.partial = partials;
  std::size_t most = 0;
  for (std::size_t token = begin; token < end; ++token) {
    const std::size_t i = token - begin;
    q[i] = c.scratch.side[token] + kv_head * shape.group * shape.head_dim;
    keys[i] = std::min(kKeysPerSpan, keys_of(c, token) - span * kKeysPerSpan);
    most = std::max(most, keys[i]);
  }
  for (std::size_t b = 0; b * kKeysPerBlock < most; ++b) {
    const std::byte* block = c.blocks[sequence.holding.blocks[span * kBlocksPerSpan + b]];
    k_blocks[b] = block + c.layout.keys_at(layer, kv_head);
    v_blocks[b] = block + c.layout.values_at(layer, kv_head);
  }
  shape.kv->attend_span(task);
}

// `total` is used up.
void finish(Context& c, const Shape& shape, std::size_t token, std::size_t kv_head, float* total) {
  if (shape.kv->finish_values != nullptr) {
    for (std::size_t h = 0; h < shape.group; ++h) {
      shape.kv->finish_values(total + h * attention_partial_floats(shape.head_dim) + kLanes,
                              shape.head_dim);
    }
  }
  const std::size_t first = kv_head * shape.group * shape.head_dim;
  const float* gate = c.scratch.projected[token] + 2 * first + shape.head_dim;
  c.compute.kernels().attend_finish(total, shape.group, shape.head_dim, gate, 2 * shape.head_dim,
                                    c.scratch.mixed[token] + first, shape.head_dim);
}

// Tokens begin .. end of one sequence, span after span. Rows `room` and behind it of
// member_partials are the thread's.
void attend_neighbours(Context& c, const Shape& shape, std::size_t layer, std::size_t begin,
                       std::size_t end, std::size_t kv_head, std::size_t room) {
  float* totals[kTokensTogether];
  float* partials[kTokensTogether];
  for (std::size_t i = 0; i < end - begin; ++i) {
    totals[i] = c.scratch.member_partials[room + i];
    partials[i] = c.scratch.member_partials[room + kTokensTogether + i];
  }
  attend_span(c, shape, layer, begin, end, kv_head, 0, totals);
  const std::size_t spans = spans_of(keys_of(c, end - 1));
  for (std::size_t span = 1; span < spans; ++span) {
    std::size_t first = begin;  // that sees any of the span: positions ascend
    while (spans_of(keys_of(c, first)) <= span) ++first;
    attend_span(c, shape, layer, first, end, kv_head, span, partials);
    for (std::size_t token = first; token < end; ++token) {
      c.compute.kernels().attend_merge(totals[token - begin], partials[token - first], shape.group,
                                       shape.head_dim);
    }
  }
  for (std::size_t token = begin; token < end; ++token)
    finish(c, shape, token, kv_head, totals[token - begin]);
}

// Many tokens: some neighbours of them and one kv head are one thread's. They go span after span
// together, so that keys and values are read once for neighbours of one sequence.
void attend_by_token(Context& c, const Shape& shape, std::size_t layer) {
  const std::size_t tokens = c.step.tokens.size();
  // Parts enough for all threads, four each where there are tokens for that.
  const std::size_t parts = 4 * static_cast<std::size_t>(c.compute.threads());
  const std::size_t together =
      std::clamp<std::size_t>(tokens * shape.kv_heads / parts, 1, kTokensTogether);
  const std::size_t groups = (tokens + together - 1) / together;
  c.compute.for_each(groups * shape.kv_heads, 1, [&](std::size_t unit, std::size_t, int member) {
    // From the last tokens on: they have the most keys, and the threads should end together.
    const std::size_t end = tokens - unit / shape.kv_heads * together;
    const std::size_t room = static_cast<std::size_t>(member) * 2 * kTokensTogether;
    for (std::size_t begin = end - std::min(end, together), next = begin; begin < end;
         begin = next) {
      while (next < end && c.step.tokens[next].item == c.step.tokens[begin].item) ++next;
      attend_neighbours(c, shape, layer, begin, next, unit % shape.kv_heads, room);
    }
  });
}

// Few tokens: the spans of one token are shared among the threads, then merged in the same order as
// above.
void attend_by_span(Context& c, const Shape& shape, std::size_t layer, std::size_t units) {
  Scratch& s = c.scratch;
  const auto ends = s.span_ends.begin();
  const auto last = ends + static_cast<std::ptrdiff_t>(c.step.tokens.size());
  c.compute.for_each(units, 1, [&](std::size_t unit, std::size_t, int) {
    const std::size_t span = unit / shape.kv_heads;
    const std::size_t token = static_cast<std::size_t>(std::upper_bound(ends, last, span) - ends);
    const std::size_t first = token == 0 ? 0 : s.span_ends[token - 1];
    float* partial = s.partials[unit];
    attend_span(c, shape, layer, token, token + 1, unit % shape.kv_heads, span - first, &partial);
  });
  const std::size_t heads = c.step.tokens.size() * shape.kv_heads;
  c.compute.for_each(heads, 1, [&](std::size_t begin, std::size_t end, int) {
    for (std::size_t i = begin; i < end; ++i) {
      const std::size_t token = i / shape.kv_heads, kv_head = i % shape.kv_heads;
      const std::size_t first = token == 0 ? 0 : s.span_ends[token - 1];
      float* total = s.partials[first * shape.kv_heads + kv_head];
      for (std::size_t span = first + 1; span < s.span_ends[token]; ++span) {
        c.compute.kernels().attend_merge(total, s.partials[span * shape.kv_heads + kv_head],
                                         shape.group, shape.head_dim);
      }
      finish(c, shape, token, kv_head, total);
    }
  });
}

}  // namespace

void gated_attention(Context& c, const model::AttentionTensors& tensors, std::size_t layer) {
  const Shape shape(c);
  Scratch& s = c.scratch;
  const std::size_t tokens = c.step.tokens.size();
  project(c, tensors);
  // Neighbours of one sequence share lines of the cache, so a thread takes some of them together
  // where there are many.
  const std::size_t units = tokens * shape.kv_heads;
  const std::size_t grain =
      std::clamp<std::size_t>(units / static_cast<std::size_t>(c.compute.threads()), 1, 8);
  c.compute.for_each(units, grain, [&](std::size_t begin, std::size_t end, int) {
    for (std::size_t i = begin; i < end; ++i) {
      rotate_and_store(c, tensors, shape, layer, i / shape.kv_heads, i % shape.kv_heads);
    }
  });
  std::size_t spans = 0;
  for (std::size_t t = 0; t < tokens; ++t) {
    spans += spans_of(keys_of(c, t));
    s.span_ends[t] = spans;
  }
  if (spans * shape.kv_heads <= s.partials.count()) {
    attend_by_span(c, shape, layer, spans * shape.kv_heads);
  } else {
    attend_by_token(c, shape, layer);
  }
  const Matrix out_weights = Matrix::of(*tensors.out);
  c.compute.quantise(s.mixed, tokens, out_weights.columns, s.mixed8);
  const Product out{
      out_weights, {s.mixed.pointers(), s.mixed8.pointers()}, s.update.pointers(), tokens};
  c.compute.multiply({&out, 1});
}

}  // namespace tessera::cpu
