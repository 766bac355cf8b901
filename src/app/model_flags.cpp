#include "app/model_flags.h"

#include "app/flag_values.h"

namespace tessera::app {

void add_model_flags(CLI::App& command, ModelOptions& model) {
  command
      .add_option("-m,--model", model.path,
                  "GGUF file (the first part, if it is split); without it: the embedded demo model")
      ->envname("TESSERA_MODEL")
      ->check(not_empty())
      ->type_name("FILE");
  command.add_option("-t,--threads", model.threads, "threads that compute; 0: one for each core")
      ->envname("TESSERA_THREADS")
      ->check(CLI::Range(0, 1024))
      ->type_name("N");
  command
      .add_option("--backend", model.backend,
                  "cpu, or reference (slow, the specification), or fake (a script, for tests)")
      ->envname("TESSERA_BACKEND")
      ->check(CLI::IsMember({"cpu", "reference", "fake"}))
      ->type_name("NAME");
  command
      .add_option("--isa", model.isa,
                  "instruction set of the cpu backend: auto, avx512, avx2, scalar")
      ->envname("TESSERA_ISA")
      ->check(CLI::IsMember({"auto", "avx512", "avx2", "scalar"}))
      ->type_name("NAME");
  command.add_option("--fake-script", model.fake_script, "what the fake backend says (JSON)")
      ->type_name("FILE");
}

void add_context_flag(CLI::App& command, ModelOptions& model) {
  command
      .add_option(
          "-c,--ctx", model.context,
          "tokens of one request, prompt and answer; 0: what the model was made for, at most 32768")
      ->envname("TESSERA_CTX")
      ->check(CLI::Range(0, 1 << 24))
      ->type_name("N");
}

void add_kv_flag(CLI::App& command, ModelOptions& model) {
  command
      .add_option(
          "--kv-type", model.kv_type,
          "how keys and values are kept: q8 (8 bits), f16, bf16, f32; auto: q8, or f16 with "
          "float32 activations (cpu backend)")
      ->envname("TESSERA_KV_TYPE")
      ->check(CLI::IsMember({"auto", "q8", "f16", "bf16", "f32"}))
      ->capture_default_str();
}

void add_activations_flag(CLI::App& command, ModelOptions& model) {
  command
      .add_option("--activations", model.activations,
                  "where they meet quantised weights: int8, or float32 (slow; nothing is rounded)")
      ->envname("TESSERA_ACTIVATIONS")
      ->check(CLI::IsMember({"int8", "float32"}))
      ->capture_default_str();
}

void add_memory_flag(CLI::App& command, ModelOptions& model) {
  command
      .add_option("--memory", model.memory,
                  "bytes for weights, scratch, sequences and their cache together (20GiB); 0: the "
                  "weights and half of what the machine has left (cpu backend)")
      ->envname("TESSERA_MEMORY")
      ->transform(byte_count(0, std::uint64_t{1} << 50))
      ->type_name("BYTES");
}

}  // namespace tessera::app
