#include "text/tokenizer.h"

#include <fmt/format.h>

#include <utility>

#include "base/check.h"
#include "base/utf8.h"
#include "text/nfc.h"
#include "text/pre_tokenizer.h"
#include "text/vocabulary.h"
#include "text/word_cache.h"

namespace tessera::text {
namespace {

class BpeTokenizer final : public Tokenizer {
 public:
  BpeTokenizer(Vocabulary vocabulary, std::shared_ptr<const PreTokenSplitter> splitter, bool nfc)
      : vocabulary_(std::move(vocabulary)), splitter_(std::move(splitter)), nfc_(nfc) {}

  std::int32_t vocabulary_size() const override {
    return static_cast<std::int32_t>(vocabulary_.size());
  }
  std::string_view bytes(TokenId token) const override { return vocabulary_.bytes(token); }
  TokenKind kind(TokenId token) const override { return vocabulary_.kind(token); }
  std::optional<TokenId> find_added(std::string_view literal) const override {
    return vocabulary_.added().find_whole(literal);
  }

  void encode_text(std::string_view text, std::vector<TokenId>& out) const override {
    if (find_invalid_utf8(text) != text.size()) return encode_broken(text, out);
    if (!nfc_) return encode_pre_tokens(text, out);
    std::string buffer;
    encode_pre_tokens(to_nfc(text, buffer), out);
  }

  void encode_with_added_tokens(std::string_view text, std::vector<TokenId>& out) const override {
    std::size_t done = 0;
    for (const AddedTokens::Match& match : vocabulary_.added().find(text)) {
      encode_text(text.substr(done, match.begin - done), out);
      out.push_back(match.id);
      done = match.end;
    }
    encode_text(text.substr(done), out);
  }

 private:
  // Bytes that are no UTF-8, which no other tokenizer defines: what is valid between them is text
  // as it stands, each stray byte is a pre-token.
  void encode_broken(std::string_view text, std::vector<TokenId>& out) const {
    while (!text.empty()) {
      const std::size_t valid = find_invalid_utf8(text);
      encode_pre_tokens(text.substr(0, valid), out);
      if (valid == text.size()) return;
      out.push_back(vocabulary_.byte_token(text[valid]));
      text.remove_prefix(valid + 1);
    }
  }

  // `text` is valid and normalised.
  void encode_pre_tokens(std::string_view text, std::vector<TokenId>& out) const {
    WordCache& cache = WordCache::of_this_thread();
    std::vector<TokenId> scratch;
    for (std::size_t begin = 0; begin < text.size();) {
      const std::size_t end = splitter_->find_end(text, begin);
      encode_pre_token(text.substr(begin, end - begin), cache, scratch, out);
      begin = end;
    }
  }

  void encode_pre_token(std::string_view word, WordCache& cache, std::vector<TokenId>& scratch,
                        std::vector<TokenId>& out) const {
    if (word.size() == 1) return out.push_back(vocabulary_.byte_token(word[0]));
    if (!WordCache::takes(word)) return merge(word, scratch, out);
    WordCache::Entry& entry = cache.entry_for(owner_, word);
    if (entry.holds(owner_, word)) {
      if (entry.token_count == 1) return out.push_back(entry.tokens[0]);  // most words
      out.insert(out.end(), entry.tokens.begin(), entry.tokens.begin() + entry.token_count);
      return;
    }
    const std::size_t before = out.size();
    merge(word, scratch, out);
    entry.set(owner_, word, std::span(out).subspan(before));
  }

  void merge(std::string_view word, std::vector<TokenId>& scratch,
             std::vector<TokenId>& out) const {
    scratch.clear();
    for (const char byte : word) scratch.push_back(vocabulary_.byte_token(byte));
    merge_pairs(vocabulary_.merges(), scratch, out);
  }

  const Vocabulary vocabulary_;
  const std::shared_ptr<const PreTokenSplitter> splitter_;
  const bool nfc_;
  const std::uint64_t owner_ = WordCache::new_owner();
};

}  // namespace

Result<PreTokenizer> find_pre_tokenizer(std::string_view name) {
  if (name == "qwen2") return PreTokenizer::kQwen2;
  if (name == "qwen35") return PreTokenizer::kQwen35;
  std::string shown(name.substr(0, 40));
  for (char& c : shown) {
    if (c < 0x20 || c > 0x7E) c = '?';
  }
  return fail(ErrorCode::kUnsupported,
              fmt::format("tokenizer: unknown pre-tokenizer \"{}\" (tokenizer.ggml.pre); known are "
                          "qwen2 and qwen35",
                          shown));
}

Result<std::shared_ptr<const Tokenizer>> Tokenizer::create(const TokenizerData& data) {
  TRY_ASSIGN(Vocabulary vocabulary, Vocabulary::build(data));
  TRY_ASSIGN(std::shared_ptr<const PreTokenSplitter> splitter, PreTokenSplitter::create(data.pre));
  return std::shared_ptr<const Tokenizer>(
      std::make_shared<BpeTokenizer>(std::move(vocabulary), std::move(splitter), data.nfc));
}

std::string Tokenizer::decode(std::span<const TokenId> tokens) const {
  std::string text;
  for (const TokenId token : tokens) text += bytes(token);
  return text;
}

}  // namespace tessera::text
