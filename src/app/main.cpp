// Here, and in the *_flags files beside it, flags and the environment are read, and nowhere else.
// One naming rule: --some-flag is TESSERA_SOME_FLAG.
#include <CLI/CLI.hpp>

#include <cstdlib>
#include <functional>
#include <map>

#include "app/commands.h"
#include "app/flag_values.h"
#include "app/listener_flags.h"
#include "app/model_flags.h"
#include "app/tool_flags.h"
#include "app/wrong_use.h"

namespace tessera::app {
namespace {

// Everything that flags can fill in; each command reads its own part.
struct Everything {
  ServeOptions serve;
  ChatOptions chat;
  BenchOptions bench;
  LogitsOptions logits;
  PackCommandOptions pack;
  bool markdown = false;
  std::map<KeysVerb, KeysOptions> keys;
  UsageOptions usage;
  std::string inspect_path;
  std::int32_t inspect_context = 0;
  std::string tokenizer_path;
  bool added_tokens = false;
  GrammarFlags grammar;
};

void add_database_flag(CLI::App& command, std::string& database) {
  command
      .add_option("--db", database,
                  "file of accounts, keys and usage; without it: tessera/tessera.db in the user's "
                  "state folder")
      ->envname("TESSERA_DB")
      ->check(not_empty())
      ->type_name("FILE");
}

void add_engine_flags(CLI::App& command, ServeOptions& options) {
  command
      .add_option("--max-queue", options.max_queue,
                  "requests that may wait; over it clients get 503")
      ->envname("TESSERA_MAX_QUEUE")
      ->check(CLI::Range(1, 1 << 20))
      ->capture_default_str();
  command
      .add_option("--queue-timeout", options.queue_timeout,
                  "that a request may wait before it is begun, then 503; 0: any time")
      ->envname("TESSERA_QUEUE_TIMEOUT")
      ->check(between(0, 86400.0))
      ->type_name("SECONDS")
      ->capture_default_str();
  command
      .add_option(
          "--step-timeout", options.step_timeout,
          "after which a step of the engine hangs: requests end, the process exits; 0: none")
      ->envname("TESSERA_STEP_TIMEOUT")
      ->check(between(0, 86400.0))
      ->type_name("SECONDS")
      ->capture_default_str();
  command
      .add_option("--account-share", options.account_share,
                  "part of the queue and of the memory for sequences that one account alone may "
                  "hold; 1: all")
      ->envname("TESSERA_ACCOUNT_SHARE")
      ->check(between(0.01, 1))
      ->capture_default_str();
  command
      .add_option("--max-running", options.max_running,
                  "requests that are computed together; 0: as many as there is memory for")
      ->envname("TESSERA_MAX_RUNNING")
      ->check(CLI::Range(0, 1 << 16))
      ->capture_default_str();
  command
      .add_option("--max-batch-tokens", options.max_batch_tokens,
                  "tokens computed in one step, answers and prompts; 0: what the backend takes")
      ->envname("TESSERA_MAX_BATCH_TOKENS")
      ->check(CLI::Range(0, 1 << 20))
      ->capture_default_str();
  command
      .add_option("--prefill-chunk", options.prefill_chunk,
                  "tokens of prompts in one step; beside answers fewer, not longer than these take")
      ->envname("TESSERA_PREFILL_CHUNK")
      ->check(CLI::Range(1, 1 << 20))
      ->capture_default_str();
  command
      .add_option("--prefix-cache", options.prefix_cache,
                  "bytes of --memory for what is kept of prompts and answers (2GiB); 0: none; "
                  "without it: what running sequences leave")
      ->envname("TESSERA_PREFIX_CACHE")
      ->transform(byte_count(0, std::uint64_t{1} << 50))
      ->type_name("BYTES");
  command
      .add_option("--shared-prompts", options.shared_prompts,
                  "SHA-256 digests of system prompts, one a line, whose state all accounts may "
                  "share in the prefix cache")
      ->envname("TESSERA_SHARED_PROMPTS")
      ->check(not_empty())
      ->type_name("FILE");
}

void add_serve(CLI::App& app, ServeOptions& options, std::function<int()>& run) {
  CLI::App& command =
      *app.add_subcommand("serve", "serve POST /v1/chat/completions (OpenAI v1 compatible)");
  add_model_flags(command, options.model);
  add_context_flag(command, options.model);
  add_memory_flag(command, options.model);
  add_kv_flag(command, options.model);
  add_listener_flags(command, options.network, options.api);
  command
      .add_option(
          "--api-key", options.api_keys,
          "a key that clients may use beside the database's (repeatable); other users of this "
          "machine can see it in the list of processes, but not in TESSERA_API_KEY; when there is "
          "no key at all, one is made and shown once")
      ->envname("TESSERA_API_KEY")
      ->type_name("KEY");
  add_database_flag(command, options.database);
  command
      .add_option("--tiers", options.tiers_file,
                  "TOML file with values of the tier table; followed while serving")
      ->envname("TESSERA_TIERS")
      ->check(not_empty())
      ->type_name("FILE");
  command.add_flag("--new-key", options.new_key,
                   "make a new key for the account 'default', even if there is one; the one that "
                   "serve made before stops working");
  command
      .add_option("--served-model-name", options.served_names,
                  "name that clients ask for (repeatable; the first is shown)")
      ->envname("TESSERA_SERVED_MODEL_NAME")
      ->type_name("NAME")
      ->default_str("Qwen/Qwen3.6-35B-A3B");
  add_engine_flags(command, options);
  command
      .add_option("--drain-timeout", options.drain_timeout_s,
                  "seconds that running answers get after SIGTERM")
      ->envname("TESSERA_DRAIN_TIMEOUT")
      ->check(CLI::Range(0, 86400))
      ->capture_default_str();
  command.add_flag("--log-json", options.log_json, "log lines as JSON objects")
      ->envname("TESSERA_LOG_JSON");
  command.callback([&] { run = [&] { return run_serve(options); }; });
}

void add_chat(CLI::App& app, ChatOptions& options, std::function<int()>& run) {
  CLI::App& command = *app.add_subcommand("chat", "talk to the model in this terminal");
  add_model_flags(command, options.model);
  add_context_flag(command, options.model);
  add_memory_flag(command, options.model);
  add_kv_flag(command, options.model);
  command.add_option("--system", options.system, "system message");
  command.add_flag("--thinking", options.thinking, "let the model think first");
  command.add_option("--temperature", options.temperature, "0: always the likeliest token")
      ->check(between(0.0, 2.0));
  command.add_option("--seed", options.seed, "the same seed gives the same answer");
  command.add_option("--max-tokens", options.max_tokens, "most tokens of one answer")
      ->check(CLI::Range(1, 1 << 24))
      ->capture_default_str();
  command.callback([&] { run = [&] { return run_chat(options); }; });
}

void add_bench(CLI::App& app, BenchOptions& options, std::function<int()>& run) {
  CLI::App& command = *app.add_subcommand(
      "bench", "decode and prompt speed of the model here, beside the machine's limits");
  add_model_flags(command, options.model);
  add_kv_flag(command, options.model);
  add_activations_flag(command, options.model);
  command.add_option("--streams", options.streams, "sequences that decode together; 0: none")
      ->delimiter(',')
      ->check(CLI::Range(0, 1024))
      ->capture_default_str();
  command.add_option("--depths", options.depths, "tokens that lie behind, 0,4096,32768")
      ->delimiter(',')
      ->check(CLI::Range(0, 1 << 20))
      ->capture_default_str();
  command.add_option("--prompt", options.prompts, "tokens of prompts at each depth; 0: none")
      ->delimiter(',')
      ->check(CLI::Range(0, 1 << 20))
      ->capture_default_str();
  command
      .add_option(
          "--turn", options.turn,
          "tokens of a conversation, read cold, and then its next turn of 16 tokens, by the "
          "engine and its prefix cache; 0: none")
      ->check(CLI::Range(0, 1 << 20));
  command.add_option("--by-threads", options.by_threads, "all of it for each number of threads")
      ->delimiter(',')
      ->check(CLI::Range(1, 1024));
  command.add_option("--by-isa", options.by_isa, "all of it for each instruction set")
      ->delimiter(',')
      ->check(CLI::IsMember({"avx512", "avx2", "scalar"}));
  command.add_option("--repeats", options.repeats, "prompts, and slices of eight decode steps")
      ->check(CLI::Range(1, 10'000))
      ->capture_default_str();
  command.add_flag("--json", options.json, "a JSON object a line");
  command.callback([&] { run = [&] { return run_bench(options); }; });
}

void add_tier_flags(CLI::App& command, KeysOptions& options) {
  command.add_option("--tiers", options.tiers_file, "TOML file with values of the tier table")
      ->envname("TESSERA_TIERS")
      ->check(not_empty())
      ->type_name("FILE");
  command.add_option("--context", options.context, "tokens of one request; without it: the tier's")
      ->check(CLI::Range(1, 1 << 24))
      ->type_name("N");
}

void add_create_flags(CLI::App& command, KeysOptions& options) {
  command.add_option("--account", options.account, "the key's account")
      ->required()
      ->type_name("NAME");
  command.add_option("--tier", options.tier, "tier of a new account; without it: lite")
      ->type_name("NAME");
  command.add_option("--label", options.label, "what the key is for")
      ->type_name("NAME")
      ->capture_default_str();
  command
      .add_option("--expires", options.expires,
                  "when the key ends: like 30d, or 2027-01-31 (its first moment, UTC)")
      ->type_name("WHEN");
  command
      .add_option("--model", options.models,
                  "served model that the key may use (repeatable); without it: all")
      ->type_name("NAME");
  add_tier_flags(command, options);
  command.add_flag("--json", options.json, "one JSON value instead of text");
}

// Each verb has options of its own.
void add_keys(CLI::App& app, std::map<KeysVerb, KeysOptions>& all, std::function<int()>& run) {
  CLI::App& keys = *app.add_subcommand("keys", "accounts and their API keys");
  keys.require_subcommand(1);
  const auto add = [&](KeysVerb verb, const char* name, const char* what) -> CLI::App& {
    CLI::App& command = *keys.add_subcommand(name, what);
    add_database_flag(command, all[verb].database);
    command.callback([&, verb] { run = [&, verb] { return run_keys(verb, all[verb]); }; });
    return command;
  };
  const auto add_account = [&](KeysVerb verb, CLI::App& command) {
    command.add_option("ACCOUNT", all[verb].account, "its name")->required();
  };

  add_create_flags(
      add(KeysVerb::kCreate, "create", "a new key, shown once; the account is made when it is new"),
      all[KeysVerb::kCreate]);

  CLI::App& list = add(KeysVerb::kList, "list", "all keys, revoked ones too");
  list.add_option("--account", all[KeysVerb::kList].account, "of this account alone")
      ->type_name("NAME");
  list.add_flag("--json", all[KeysVerb::kList].json, "one JSON value instead of text");

  KeysOptions& rotate = all[KeysVerb::kRotate];
  CLI::App& rotate_command =
      add(KeysVerb::kRotate, "rotate", "a new key, shown once, in the place of an old one");
  rotate_command
      .add_option("KEY_ID", rotate.key_id, "the old one's id, as `tessera keys list` has it")
      ->required();
  rotate_command
      .add_option("--overlap", rotate.overlap, "how long the old one still works, like 10m")
      ->type_name("TIME");
  rotate_command.add_flag("--json", rotate.json, "one JSON value instead of text");

  add(KeysVerb::kRevoke, "revoke", "a key stops working now")
      .add_option("KEY_ID", all[KeysVerb::kRevoke].key_id, "its id, as `tessera keys list` has it")
      ->required();

  CLI::App& tier = add(KeysVerb::kTier, "tier", "put an account on a tier");
  add_account(KeysVerb::kTier, tier);
  tier.add_option("TIER", all[KeysVerb::kTier].tier, "its new tier")->required();
  add_tier_flags(tier, all[KeysVerb::kTier]);

  add_account(KeysVerb::kDisable,
              add(KeysVerb::kDisable, "disable", "all keys of an account stop working"));
  add_account(KeysVerb::kEnable, add(KeysVerb::kEnable, "enable", "an account's keys work again"));
}

void add_usage(CLI::App& app, UsageOptions& options, std::function<int()>& run) {
  CLI::App& command =
      *app.add_subcommand("usage", "requests and tokens by day (UTC), account and key");
  add_database_flag(command, options.database);
  command.add_option("--account", options.account, "of this account alone")->type_name("NAME");
  command.add_option("--key", options.key_id, "of this key alone")->type_name("KEY_ID");
  CLI::Option* days =
      command.add_option("--days", options.days, "how many days, the last one included")
          ->check(CLI::Range(1, 36500))
          ->type_name("N")
          ->capture_default_str();
  command.add_option("--from", options.from, "first day, like 2026-11-22")
      ->type_name("DATE")
      ->excludes(days);
  command.add_option("--to", options.to, "last day, like 2026-11-22; without it: today")
      ->type_name("DATE");
  command.add_flag("--json", options.json, "one JSON value instead of text");
  command.callback([&] { run = [&] { return run_usage(options); }; });
}

void add_tools(CLI::App& app, Everything& all, std::function<int()>& run) {
  CLI::App& inspect =
      *app.add_subcommand("inspect", "show what is in a GGUF file, and what serving it needs");
  inspect.add_option("FILE", all.inspect_path, "GGUF file; without it: the embedded demo model");
  inspect.add_option("-c,--ctx", all.inspect_context, "tokens to compute the memory for")
      ->check(CLI::Range(0, 1 << 24));
  inspect.callback(
      [&] { run = [&] { return run_inspect(all.inspect_path, all.inspect_context); }; });

  add_bench(app, all.bench, run);
  CLI::App& logits =
      *app.add_subcommand("logits", "write the logits after each of some tokens, as float32 rows");
  add_model_flags(logits, all.logits.model);
  all.logits.model.kv_type = "f32";  // for comparing with oracles
  all.logits.model.activations = "float32";
  add_kv_flag(logits, all.logits.model);
  add_activations_flag(logits, all.logits.model);
  logits.add_option("--tokens", all.logits.tokens_path, "file of token ids, comma separated")
      ->required()
      ->type_name("FILE");
  logits.add_option("--out", all.logits.out_path, "file to write")->required()->type_name("FILE");
  logits.add_option("--chunk", all.logits.chunk, "tokens in one step; 0: as many as it takes")
      ->check(CLI::Range(0, 1 << 24));
  logits.callback([&] { run = [&] { return run_logits(all.logits); }; });

  app.add_subcommand(
         "render", "a chat request's body on standard input → the prompt's text on standard output")
      ->callback([&] { run = [] { return run_render(); }; });

  CLI::App& fields = *app.add_subcommand("fields", "the API's field tables, as JSON");
  fields.group("");  // for tests and documents: not listed
  fields.add_flag("--markdown", all.markdown, "as the tables of docs/api.md");
  fields.callback([&] { run = [&] { return run_fields(all.markdown); }; });

  CLI::App& tokenize = *app.add_subcommand("tokenize", "text on standard input → token ids");
  tokenize
      .add_option("-m,--model", all.tokenizer_path,
                  "GGUF file with the vocabulary; without it: the demo model's")
      ->type_name("FILE");
  tokenize.add_flag("--added", all.added_tokens, "control tokens that are spelt out count as such");
  tokenize.callback(
      [&] { run = [&] { return run_tokenize(all.tokenizer_path, all.added_tokens); }; });

  CLI::App& detokenize = *app.add_subcommand("detokenize", "token ids on standard input → text");
  detokenize
      .add_option("-m,--model", all.tokenizer_path,
                  "GGUF file with the vocabulary; without it: the demo model's")
      ->type_name("FILE");
  detokenize.callback([&] { run = [&] { return run_detokenize(all.tokenizer_path); }; });
}

int run_main(int argc, char** argv) {
  CLI::App app(
      "Tessera serves Qwen3.6-35B-A3B behind OpenAI's chat completions API, with an inference "
      "engine of its own.");
  app.set_version_flag("--version", std::string("tessera ") + TESSERA_VERSION);
  app.require_subcommand(1);
  app.immediate_callback();  // of all commands: the environment is read for the one that is asked
                             // for
  app.get_formatter()->column_width(34);
  app.footer("A flag marked (Env:NAME) can be set by that variable instead.");  // of each command
  Everything all;
  std::function<int()> run;
  add_serve(app, all.serve, run);
  add_chat(app, all.chat, run);
  add_keys(app, all.keys, run);
  add_usage(app, all.usage, run);
  add_pack(app, all.pack, run);
  add_tools(app, all, run);
  add_grammar(app, all.grammar, run);
  app.footer("`tessera COMMAND --help` tells more.");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    const bool asked_for_help = error.get_exit_code() == 0;
    return asked_for_help ? app.exit(error) : report_wrong_use(app, error);
  }
  return run();
}

}  // namespace
}  // namespace tessera::app

int main(int argc, char** argv) {
  try {
    return tessera::app::run_main(argc, argv);
  } catch (const std::bad_alloc&) {
    std::fputs("tessera: out of memory\n", stderr);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "tessera: internal error: %s\n", error.what());
  }
  return 1;
}
