// make_test_model SHAPE FILE [SEED]: a random model (random_model.h) as a GGUF file, for looking at
// one by hand, for other implementations to compute the logits of, and for the fuzzer's corpus.
// SHAPE is a name of test_shapes(), or Tiny.
#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>

#include "random_model.h"

int main(int argc, char** argv) {
  using namespace tessera::test_models;
  std::vector<NamedShape> shapes = test_shapes();
  shapes.push_back({"Tiny",
                    {.layers = 2,
                     .hidden = 8,
                     .vocabulary = 8,
                     .heads = 1,
                     .head_dim = 4,
                     .rope_dims = 2,
                     .attention_interval = 2,
                     .gdn_head_dim = 4,
                     .gdn_k_heads = 1,
                     .gdn_v_heads = 2,
                     .experts = 2,
                     .experts_used = 1,
                     .expert_ffn = 4,
                     .shared_ffn = 4}});
  for (NamedShape& named : shapes) {
    if (argc < 3 || named.name != argv[1]) continue;
    if (argc > 3) named.shape.seed = static_cast<std::uint32_t>(std::atoi(argv[3]));
    const auto bytes = make_random_gguf(named.shape);
    std::FILE* file = std::fopen(argv[2], "wb");
    const bool written =
        file != nullptr && std::fwrite(bytes.data(), 1, bytes.size(), file) == bytes.size();
    if (file == nullptr || std::fclose(file) != 0 || !written) {
      std::perror(argv[2]);
      return 1;
    }
    return 0;
  }
  fmt::print(stderr, "usage: make_test_model SHAPE FILE [SEED]\nshapes:");
  for (const NamedShape& named : shapes) fmt::print(stderr, " {}", named.name);
  fmt::print(stderr, "\n");
  return 2;
}
