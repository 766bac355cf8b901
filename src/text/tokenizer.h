// Byte-level BPE, exactly as the checkpoint's tokenizer does it: added tokens first (only where the
// caller wants them), NFC, the pre-tokenizer's pattern, bytes to tokens by merge rank. Source:
// model card and docs/tokenizer.md.
//
// Immutable after create(); any thread may encode and decode at once.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "base/result.h"

namespace tessera::text {

// GGUF's tokenizer.ggml.token_type.
enum class TokenKind : std::uint8_t {
  kNormal = 1,
  kUnknown = 2,
  kControl = 3,
  kUserDefined = 4,
  kUnused = 5,
  kByte = 6
};

// The pre-tokenizers that we know: tokenizer.ggml.pre.
enum class PreTokenizer : std::uint8_t { kQwen2, kQwen35 };
Result<PreTokenizer> find_pre_tokenizer(std::string_view name);

// What a checkpoint says about its tokenizer. Views must live during create() only.
struct TokenizerData {
  std::vector<std::string_view> tokens;  // by id; normal ones in GPT-2's byte-to-unicode spelling
  std::vector<TokenKind> kinds;          // by id
  std::vector<std::string_view> merges;  // "left right" in that spelling, best rank first
  PreTokenizer pre = PreTokenizer::kQwen35;
  bool nfc = true;  // as the checkpoint's own tokenizer does; llama.cpp does not
};

class Tokenizer {
 public:
  // Errors name the id or merge that is wrong.
  static Result<std::shared_ptr<const Tokenizer>> create(const TokenizerData& data);
  virtual ~Tokenizer() = default;

  virtual std::int32_t vocabulary_size() const = 0;
  // Appends the tokens of `text` (below 2 GiB) to `out`. Everything is text: no added token
  // (control or user defined) can come out of it, whatever it spells. Text that is not valid UTF-8
  // is not normalised, and its stray bytes become one token each: decode() gives all its bytes
  // back.
  virtual void encode_text(std::string_view text, std::vector<TokenId>& out) const = 0;
  // The same, but added tokens that are spelt out become their ids (leftmost, longest): for prompts
  // that the operator wrote, never for content.
  virtual void encode_with_added_tokens(std::string_view text, std::vector<TokenId>& out) const = 0;
  // The bytes of a token; empty for unused ones. Added tokens give their literal text. May end
  // inside a code point. 0 <= token < vocabulary_size() here, in kind() and in decode().
  virtual std::string_view bytes(TokenId token) const = 0;
  virtual TokenKind kind(TokenId token) const = 0;
  // The id of an added token by its literal text ("<|im_end|>").
  virtual std::optional<TokenId> find_added(std::string_view literal) const = 0;

  std::string decode(std::span<const TokenId> tokens) const;  // concatenated bytes
};

}  // namespace tessera::text
