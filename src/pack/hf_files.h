// What stands beside the weights in a checkpoint's directory, as GGUF metadata: config.json,
// generation_config.json, tokenizer.json with tokenizer_config.json, chat_template.jinja.
//
// Every value is checked before it is used; an error names the file and the field. Pure functions
// of the files. Source of the fields: Transformers' configuration of qwen3_5_moe.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "model/config.h"
#include "weights/gguf_writer.h"

namespace tessera::pack {

// A JSON object's file. `must`: its absence is an error; otherwise an empty object stands for it.
Result<json::Value> read_json_file(const std::string& path, bool must);

struct CheckpointConfig {
  model::ModelConfig model;  // name: the directory's
  std::array<std::int32_t, 3> rope_sections{};
  std::int64_t eos = -1;  // -1: not said
  std::int64_t pad = -1;
  bool tied = false;
  // Elements that share a scale, where weights are in FP8; 0: none are.
  std::uint64_t scale_rows = 0;
  std::uint64_t scale_columns = 0;
};

Result<CheckpointConfig> read_checkpoint_config(const std::string& directory);
void write_config(const CheckpointConfig& config, weights::GgufWriter& writer);

struct CheckpointTokenizer {
  std::vector<std::string> tokens;  // by id, padded to the vocabulary's size
  std::vector<std::int32_t> kinds;  // as GGUF numbers them
  std::vector<std::string> merges;
  std::string chat_template;  // empty: there is none
};

Result<CheckpointTokenizer> read_checkpoint_tokenizer(const std::string& directory,
                                                      std::int32_t vocabulary);

// The sampling that generation_config.json advises, where it is there.
struct CheckpointSampling {
  double temperature = -1, top_p = -1;
  std::int64_t top_k = -1;
  std::int64_t eos = -1;
};
Result<CheckpointSampling> read_checkpoint_sampling(const std::string& directory);

}  // namespace tessera::pack
