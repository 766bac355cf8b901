#include <algorithm>
#include <cmath>

#include "cpu/forward.h"

namespace tessera::cpu {
namespace {

// The sizes that the functions below share, and the kernels for the cache's type.
struct Shape {
  explicit Shape(const Context& c) : Shape(c.config) {
    store = c.compute.kernels().store(c.layout.kv_type);
    attend = c.compute.kernels().attend_span(c.layout.kv_type);
  }
  std::size_t heads, kv_heads, group, head_dim, half;
  StoreFunction store = nullptr;
  AttendFunction attend = nullptr;

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
  }
  const std::size_t position = static_cast<std::size_t>(at.position);
  const Sequence& sequence = *c.step.items[at.item].sequence;
  std::byte* block = c.blocks[sequence.holding.blocks[position / kKeysPerBlock]];
  const std::size_t slot = position % kKeysPerBlock * c.layout.row_bytes;
  float* key = s.keys[token] + kv_head * n;
  k.rms_norm(key, floats(*tensors.k_norm), n, c.config.rms_epsilon, key);
  k.rope(key, cosines, sines, shape.half);
  shape.store(key, n, block + c.layout.keys_at(layer, kv_head) + slot);
  shape.store(s.values[token] + kv_head * n, n, block + c.layout.values_at(layer, kv_head) + slot);
}

void attend_span(Context& c, const Shape& shape, std::size_t layer, std::size_t token,
                 std::size_t kv_head, std::size_t span, float* partial) {
  const StepToken& at = c.step.tokens[token];
  const std::size_t keys = static_cast<std::size_t>(at.position) + 1;
  const Sequence& sequence = *c.step.items[at.item].sequence;
  const std::byte* k_blocks[kBlocksPerSpan];
  const std::byte* v_blocks[kBlocksPerSpan];
  AttentionSpan task;
  task.q = c.scratch.side[token] + kv_head * shape.group * shape.head_dim;
  task.group = shape.group;
  task.head_dim = shape.head_dim;
  task.scale = static_cast<float>(1.0 / std::sqrt(static_cast<double>(shape.head_dim)));
  task.k_blocks = k_blocks;
  task.v_blocks = v_blocks;
  task.keys = std::min(kKeysPerSpan, keys - span * kKeysPerSpan);
  task.partial = partial;
  for (std::size_t b = 0; b * kKeysPerBlock < task.keys; ++b) {
    const std::byte* block = c.blocks[sequence.holding.blocks[span * kBlocksPerSpan + b]];
    k_blocks[b] = block + c.layout.keys_at(layer, kv_head);
    v_blocks[b] = block + c.layout.values_at(layer, kv_head);
  }
  shape.attend(task);
}

void finish(Context& c, const Shape& shape, std::size_t token, std::size_t kv_head,
            const float* total) {
  const std::size_t first = kv_head * shape.group * shape.head_dim;
  const float* gate = c.scratch.projected[token] + 2 * first + shape.head_dim;
  c.compute.kernels().attend_finish(total, shape.group, shape.head_dim, gate, 2 * shape.head_dim,
                                    c.scratch.mixed[token] + first, shape.head_dim);
}

// Many tokens: some neighbours of them and one kv head are one thread's. They go span after span
// together, so that neighbours of one sequence find its keys and values in the thread's own cache.
void attend_by_token(Context& c, const Shape& shape, std::size_t layer) {
  const Kernels& k = c.compute.kernels();
  const std::size_t tokens = c.step.tokens.size();
  const std::size_t groups = (tokens + kTokensTogether - 1) / kTokensTogether;
  c.compute.for_each(groups * shape.kv_heads, 1, [&](std::size_t unit, std::size_t, int member) {
    // From the last tokens on: they have the most keys, and the threads should end together.
    const std::size_t end = tokens - unit / shape.kv_heads * kTokensTogether;
    const std::size_t begin = end - std::min(end, kTokensTogether);
    const std::size_t kv_head = unit % shape.kv_heads;
    const std::size_t room = static_cast<std::size_t>(member) * (kTokensTogether + 1);
    float* partial = c.scratch.member_partials[room + kTokensTogether];
    bool more = true;
    for (std::size_t span = 0; more; ++span) {
      more = false;
      for (std::size_t token = begin; token < end; ++token) {
        const std::size_t keys = static_cast<std::size_t>(c.step.tokens[token].position) + 1;
        if (span >= spans_of(keys)) continue;
        more = true;
        float* total = c.scratch.member_partials[room + token - begin];
        attend_span(c, shape, layer, token, kv_head, span, span == 0 ? total : partial);
        if (span > 0) k.attend_merge(total, partial, shape.group, shape.head_dim);
      }
    }
    for (std::size_t token = begin; token < end; ++token)
      finish(c, shape, token, kv_head, c.scratch.member_partials[room + token - begin]);
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
    attend_span(c, shape, layer, token, unit % shape.kv_heads, span - first, s.partials[unit]);
  });
  const std::size_t heads = c.step.tokens.size() * shape.kv_heads;
  c.compute.for_each(heads, 4, [&](std::size_t begin, std::size_t end, int) {
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
  c.compute.for_each(tokens * shape.kv_heads, 8, [&](std::size_t begin, std::size_t end, int) {
    for (std::size_t i = begin; i < end; ++i) {
      rotate_and_store(c, tensors, shape, layer, i / shape.kv_heads, i % shape.kv_heads);
    }
  });
  std::size_t spans = 0;
  for (std::size_t t = 0; t < tokens; ++t) {
    spans += spans_of(static_cast<std::size_t>(c.step.tokens[t].position) + 1);
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
