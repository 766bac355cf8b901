// The commands of the binary, and what each is told. Only app/ reads flags and the environment;
// everything below gets structs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "base/result.h"

namespace tessera::app {

// Where weights come from and what computes with them.
struct ModelOptions {
  std::string path;             // GGUF file; empty: the embedded demo model
  std::string backend = "cpu";  // cpu, reference, fake
  std::string isa = "auto";     // auto, avx512, avx2, scalar
  std::string fake_script;      // JSON file, with backend fake
  int threads = 0;              // 0: all cores
  std::int32_t context =
      0;  // tokens of one request; 0: what the model was made for, at most 32,768
  std::string kv_type = "auto";      // of keys and values: auto, q8, f16, bf16, f32
  std::string activations = "int8";  // where they meet quantised weights: int8, float32
  std::uint64_t memory = 0;          // bytes; 0: the weights and half of what the machine has left
};

// How the API answers, and to whom in browsers.
struct ApiOptions {
  std::vector<std::string> cors_origins;
  std::vector<std::string> allowed_hosts;
  bool strict_params = false;
  std::string reasoning_field = "reasoning_content";  // or "both"
  unsigned context_overflow_status = 400;
};

// What serve's listeners are told. Durations are in seconds.
struct NetworkOptions {
  std::string host = "127.0.0.1";
  std::uint16_t port = 8080;
  std::string tls_cert;  // PEM files, both or neither
  std::string tls_key;
  std::int32_t admin_port = -1;  // < 0: no admin listener; 0: any free port
  int io_threads = 2;
  std::size_t max_connections = 12'000;
  std::size_t max_connections_per_address = 1'000;
  std::size_t body_memory = std::size_t{512} << 20;  // bytes
  double handshake_timeout = 5;
  double header_timeout = 10;
  double body_timeout = 60;
  double idle_timeout = 60;
  double write_timeout = 30;
  double request_timeout = 0;  // none
  double ping_interval = 5;
};

struct ServeOptions {
  ModelOptions model;
  ApiOptions api;
  NetworkOptions network;
  std::vector<std::string> api_keys;
  std::string database;    // accounts, keys and usage; empty: default_database()
  std::string tiers_file;  // TOML; empty: the product's tiers
  bool new_key = false;
  std::vector<std::string> served_names;
  std::int32_t max_queue = 256;
  double queue_timeout = 300;  // 0: none
  double step_timeout = 300;   // 0: none
  double account_share = 0.75;
  std::int32_t max_running = 0;       // 0: as many as the backend has sequences
  std::int32_t max_batch_tokens = 0;  // 0: what the backend takes
  std::int32_t prefill_chunk = 256;
  std::size_t prefix_cache = std::numeric_limits<std::int64_t>::max();  // bytes; 0: none
  std::string shared_prompts;  // file of SHA-256 digests; empty: none
  int drain_timeout_s = 30;
  bool log_json = false;
};

struct ChatOptions {
  ModelOptions model;
  std::string system;
  bool thinking = false;
  double temperature = -1;  // < 0: the model's default
  std::int64_t seed = -1;   // < 0: random
  std::int32_t max_tokens = 1024;
};

struct BenchOptions {
  ModelOptions model;
  std::vector<int> streams = {1, 2, 4, 8, 16};  // sequences that decode together; 0: none
  std::vector<int> depths = {0};                // tokens that lie behind
  std::vector<int> prompts = {512};             // tokens of a prompt; 0: none
  std::vector<int> by_threads;                  // all of it for each; empty: ModelOptions'
  std::vector<std::string> by_isa;              // the same
  int turn = 0;                                 // tokens of a conversation; 0: none
  int repeats = 8;
  bool json = false;
};

struct LogitsOptions {
  ModelOptions model;
  std::string tokens_path;
  std::string out_path;
  std::int32_t chunk = 0;  // tokens per forward(); 0: as many as the backend takes
};

struct PackCommandOptions {
  std::string in;   // GGUF file, or directory of a checkpoint
  std::string out;  // GGUF file
  std::string type = "Q4_K_M";
  int threads = 0;  // 0: one for each core
  bool force = false;
};

struct KeysOptions {
  std::string database;    // empty: default_database()
  std::string tiers_file;  // empty: the product's table
  std::string account;
  std::string tier;  // empty: lite, for a new account
  std::string label = "default";
  std::string expires;  // a date, or a duration from now on; empty: never
  std::string overlap;  // that a rotated key still works; empty: none
  std::string key_id;
  std::vector<std::string> models;  // empty: all
  std::int32_t context = 0;         // 0: the tier's
  bool json = false;
};
enum class KeysVerb { kCreate, kList, kRotate, kRevoke, kTier, kDisable, kEnable };

struct UsageOptions {
  std::string database;
  std::string account;
  std::string key_id;
  std::string from;        // dates; both days are in
  std::string to;          // empty: today
  std::int64_t days = 30;  // without `from`
  bool json = false;
};

// Each returns the process's exit status: 0, or 1 after a message on standard error.
int run_serve(const ServeOptions& options);
int run_chat(const ChatOptions& options);
int run_bench(const BenchOptions& options);
int run_logits(const LogitsOptions& options);
int run_keys(KeysVerb verb, const KeysOptions& options);
int run_usage(const UsageOptions& options);
int run_pack(const PackCommandOptions& options);
std::string pack_types();  // that run_pack knows, for --help
int run_inspect(const std::string& path, std::int32_t context);
// A chat request's body on standard input → the prompt's text on standard output.
int run_render();
// The API's field tables: rows as JSON, or the tables of docs/api.md.
int run_fields(bool markdown);
// Standard input → token ids, and back. `added`: control tokens that are spelt out count as such.
int run_tokenize(const std::string& model_path, bool added);
int run_detokenize(const std::string& model_path);
// Schemas and instances, one JSON object a line → whether the constrained decoder can write them.
// `bytes`: token by token of a byte each.
int run_grammar_check(const std::string& model_path, bool bytes);

struct GrammarSampleOptions {
  std::string model_path;
  std::string schema_path;
  std::uint32_t seed = 1;
  std::uint32_t count = 1;
};
// Random answers that a schema's grammar lets through, one a line.
int run_grammar_sample(const GrammarSampleOptions& options);

// Prints "tessera: message" and returns 1.
int report(const Error& error);

}  // namespace tessera::app
