#include <fmt/format.h>

#include <charconv>
#include <fstream>
#include <iterator>
#include <optional>

#include "base/utf8.h"
#include "pack/hf_files.h"
#include "weights/printable.h"

namespace tessera::pack {
namespace {

// GGUF's tokenizer.ggml.token_type.
constexpr std::int32_t kNormal = 1, kControl = 3, kUserDefined = 4, kUnused = 5;

class TokenizerReader {
 public:
  TokenizerReader(std::string path, std::int32_t vocabulary)
      : path_(std::move(path)), size_(static_cast<std::size_t>(vocabulary)) {}

  Result<CheckpointTokenizer> read(const json::Value& file, const json::Value& config) {
    const json::Value* model = file.find("model");
    const json::Value* vocabulary = model == nullptr ? nullptr : model->find("vocab");
    const json::Value* merges = model == nullptr ? nullptr : model->find("merges");
    const json::Value* type = model == nullptr ? nullptr : model->find("type");
    if (type == nullptr || type->if_string() == nullptr || *type->if_string() != "BPE" ||
        vocabulary == nullptr || vocabulary->if_object() == nullptr || merges == nullptr ||
        merges->if_array() == nullptr) {
      return error("is no BPE tokenizer with a vocabulary and merges");
    }
    out_.tokens.resize(size_);
    out_.kinds.assign(size_, kUnused);
    for (const auto& [text, id] : *vocabulary->if_object()) TRY(put(id.as_int64(), text, kNormal));
    if (const json::Value* added = file.find("added_tokens");
        added != nullptr && added->if_array() != nullptr) {
      for (const json::Value& token : *added->if_array()) {
        const json::Value* id = token.find("id");
        TRY(put_added(id == nullptr ? std::nullopt : id->as_int64(), token));
      }
    }
    TRY(read_more_added(config));
    for (const json::Value& merge : *merges->if_array()) TRY(put_merge(merge));
    for (std::size_t id = 0; id < size_; ++id) {
      if (out_.kinds[id] == kUnused) out_.tokens[id] = fmt::format("[PAD{}]", id);
    }
    return std::move(out_);
  }

 private:
  Unexpected<Error> error(const std::string& what) const {
    return fail(ErrorCode::kCorrupt, fmt::format("{}: {}", path_, what));
  }

  Result<void> put(std::optional<std::int64_t> id, const std::string& text, std::int32_t kind) {
    if (!id || *id < 0 || static_cast<std::size_t>(*id) >= size_) {
      return error(fmt::format("token {} has an id that is none of 0 to {}",
                               weights::printable(text), size_ - 1));
    }
    const auto at = static_cast<std::size_t>(*id);
    if (out_.kinds[at] != kUnused && out_.tokens[at] != text) {
      return error(fmt::format("id {} is both {} and {}", at, weights::printable(out_.tokens[at]),
                               weights::printable(text)));
    }
    out_.tokens[at] = text;
    out_.kinds[at] = kind;
    return {};
  }

  Result<void> put_added(std::optional<std::int64_t> id, const json::Value& token) {
    const json::Value* content = token.find("content");
    const json::Value* special = token.find("special");
    if (content == nullptr || content->if_string() == nullptr)
      return error("an added token has no content");
    const bool control = special != nullptr && special->if_bool() != nullptr && *special->if_bool();
    return put(id, *content->if_string(), control ? kControl : kUserDefined);
  }

  // tokenizer_config.json knows some that tokenizer.json does not, by their ids as keys.
  Result<void> read_more_added(const json::Value& config) {
    const json::Value* more = config.find("added_tokens_decoder");
    if (more == nullptr || more->if_object() == nullptr) return {};
    for (const auto& [key, token] : *more->if_object()) {
      std::int64_t id = -1;
      const auto [end, failed] = std::from_chars(key.data(), key.data() + key.size(), id);
      if (failed != std::errc() || end != key.data() + key.size()) id = -1;
      TRY(put_added(id, token));
    }
    return {};
  }

  // "left right", or a pair.
  Result<void> put_merge(const json::Value& merge) {
    if (const std::string* text = merge.if_string(); text != nullptr) {
      out_.merges.push_back(*text);
      return {};
    }
    const json::Array* pair = merge.if_array();
    if (pair == nullptr || pair->size() != 2 || (*pair)[0].if_string() == nullptr ||
        (*pair)[1].if_string() == nullptr) {
      return error(fmt::format("merge {} is no pair", out_.merges.size()));
    }
    out_.merges.push_back(*(*pair)[0].if_string() + " " + *(*pair)[1].if_string());
    return {};
  }

  std::string path_;
  std::size_t size_;
  CheckpointTokenizer out_;
};

}  // namespace

Result<CheckpointTokenizer> read_checkpoint_tokenizer(const std::string& directory,
                                                      std::int32_t vocabulary) {
  const std::string path = directory + "/tokenizer.json";
  TRY_ASSIGN(const json::Value file, read_json_file(path, true));
  TRY_ASSIGN(const json::Value config, read_json_file(directory + "/tokenizer_config.json", false));
  TRY_ASSIGN(CheckpointTokenizer tokenizer, TokenizerReader(path, vocabulary).read(file, config));
  std::ifstream of_its_own(directory + "/chat_template.jinja", std::ios::binary);
  const json::Value* in_config = config.find("chat_template");
  if (of_its_own) {
    tokenizer.chat_template.assign(std::istreambuf_iterator<char>(of_its_own), {});
  } else if (in_config != nullptr && in_config->if_string() != nullptr) {
    tokenizer.chat_template = *in_config->if_string();
  }
  if (!is_valid_utf8(tokenizer.chat_template)) {
    return fail(ErrorCode::kCorrupt, fmt::format("{}/chat_template.jinja: is no UTF-8", directory));
  }
  return tokenizer;
}

}  // namespace tessera::pack
