#include "app/tool_flags.h"

namespace tessera::app {

void add_pack(CLI::App& app, PackCommandOptions& pack, std::function<int()>& run) {
  CLI::App& command = *app.add_subcommand(
      "pack", "write a checkpoint from Hugging Face, or a GGUF file, as a GGUF file to serve");
  command.add_option("IN", pack.in, "directory with config.json and *.safetensors, or GGUF file")
      ->required();
  command.add_option("OUT", pack.out, "file to write")->required();
  command.add_option("--type", pack.type, "type of the matrices: " + pack_types())
      ->type_name("NAME")
      ->capture_default_str();
  command.add_option("-t,--threads", pack.threads, "threads; 0: one for each core")
      ->envname("TESSERA_THREADS")
      ->check(CLI::Range(0, 1024))
      ->type_name("N");
  command.add_flag("--force", pack.force, "overwrite OUT");
  command.callback([&] { run = [&] { return run_pack(pack); }; });
}

void add_grammar(CLI::App& app, GrammarFlags& flags, std::function<int()>& run) {
  CLI::App& grammar = *app.add_subcommand("grammar", "what structured output does with schemas");
  grammar.require_subcommand(1);
  CLI::App& check = *grammar.add_subcommand(
      "check",
      "lines {\"schema\": …, \"instance\": \"…\"} on standard input → accept, reject or "
      "unsupported");
  check
      .add_option("-m,--model", flags.tokenizer_path,
                  "GGUF file with the vocabulary; without it: the demo model's")
      ->type_name("FILE");
  check.add_flag("--bytes", flags.bytes, "one byte a token");
  check.callback(
      [&] { run = [&] { return run_grammar_check(flags.tokenizer_path, flags.bytes); }; });

  CLI::App& sample = *grammar.add_subcommand("sample", "random answers that fit a schema");
  sample
      .add_option("-m,--model", flags.sample.model_path,
                  "GGUF file with the vocabulary; without it: the demo model's")
      ->type_name("FILE");
  sample.add_option("--schema", flags.sample.schema_path, "the schema, as JSON")
      ->required()
      ->type_name("FILE");
  sample.add_option("--seed", flags.sample.seed, "the same one gives the same answers")
      ->type_name("N")
      ->capture_default_str();
  sample.add_option("--count", flags.sample.count, "how many answers")
      ->type_name("K")
      ->capture_default_str();
  sample.callback([&] { run = [&] { return run_grammar_sample(flags.sample); }; });
}

}  // namespace tessera::app
