#include "text/vocabulary.h"

#include <fmt/format.h>

#include <limits>
#include <optional>
#include <unordered_map>
#include <utility>

#include "text/byte_alphabet.h"

namespace tessera::text {
namespace {

// A vocabulary's text in a message: printable, and not 48 MiB of it.
std::string quoted(std::string_view text) {
  constexpr std::size_t kMaxShown = 48;
  std::string out = "\"";
  for (const char c : text.substr(0, kMaxShown)) {
    if (c >= 0x20 && c < 0x7F) {
      out += c;
    } else {
      out += fmt::format("\\x{:02X}", static_cast<unsigned char>(c));
    }
  }
  out += text.size() > kMaxShown ? fmt::format("\"… ({} bytes)", text.size()) : "\"";
  return out;
}

bool is_known(TokenKind kind) {
  return kind >= TokenKind::kNormal && kind <= TokenKind::kByte;
}

Unexpected<Error> corrupt(std::string message) {
  return fail(ErrorCode::kCorrupt, "tokenizer: " + std::move(message));
}

}  // namespace

class Vocabulary::Builder {
 public:
  explicit Builder(const TokenizerData& data) : data_(data) {}

  Result<Vocabulary> build() {
    TRY(check_counts());
    TRY(add_tokens());
    TRY(find_byte_tokens());
    TRY(add_merges());
    return std::move(built_);
  }

 private:
  Result<void> check_counts() const {
    constexpr std::size_t kMaxCount = std::numeric_limits<TokenId>::max();
    if (data_.tokens.empty()) return corrupt("the vocabulary has no tokens");
    if (data_.tokens.size() != data_.kinds.size()) {
      return corrupt(
          fmt::format("{} tokens, but {} token types", data_.tokens.size(), data_.kinds.size()));
    }
    if (data_.tokens.size() > kMaxCount || data_.merges.size() > kMaxCount) {
      return corrupt(fmt::format("{} tokens and {} merges; the limit is {} of each",
                                 data_.tokens.size(), data_.merges.size(), kMaxCount));
    }
    return {};
  }

  Result<void> add_tokens() {
    std::vector<AddedTokens::Literal> literals;
    std::unordered_map<std::string_view, TokenId> literal_ids;
    built_.kinds_ = data_.kinds;
    built_.ends_.reserve(data_.tokens.size() + 1);
    built_.ends_.push_back(0);
    normal_.reserve(data_.tokens.size());
    for (std::size_t i = 0; i < data_.tokens.size(); ++i) {
      const auto id = static_cast<TokenId>(i);
      const TokenKind kind = data_.kinds[i];
      if (!is_known(kind)) {
        return corrupt(
            fmt::format("token {} has type {}; known are 1 to 6", i, static_cast<int>(kind)));
      }
      if (kind == TokenKind::kByte) {
        return fail(ErrorCode::kUnsupported,
                    fmt::format("tokenizer: token {} is a byte token (type 6), as SentencePiece "
                                "vocabularies have them; only byte-level BPE is supported",
                                i));
      }
      if (is_added(kind)) {
        TRY(note_distinct(literal_ids, id, "added"));
        literals.push_back({data_.tokens[i], id});
        built_.bytes_ += data_.tokens[i];
      } else if (kind == TokenKind::kNormal) {
        TRY(note_distinct(normal_, id, "normal"));
        TRY(add_normal(id));
      }
      built_.ends_.push_back(built_.bytes_.size());
    }
    built_.added_ = AddedTokens(literals);
    return {};
  }

  // Puts token `id` into `ids` by its text, which must be there and be its own.
  Result<void> note_distinct(std::unordered_map<std::string_view, TokenId>& ids, TokenId id,
                             std::string_view what) const {
    const std::string_view text = data_.tokens[static_cast<std::size_t>(id)];
    if (text.empty()) return corrupt(fmt::format("{} token {} is empty", what, id));
    const auto [it, is_new] = ids.try_emplace(text, id);
    if (is_new) return {};
    return corrupt(
        fmt::format("{} tokens {} and {} are the same: {}", what, it->second, id, quoted(text)));
  }

  Result<void> add_normal(TokenId id) {
    const std::string_view spelling = data_.tokens[static_cast<std::size_t>(id)];
    const std::optional<std::string> bytes = bytes_of_spelling(spelling);
    if (!bytes) {
      return corrupt(
          fmt::format("token {} ({}) is a normal one, but not spelt in the byte "
                      "alphabet of byte-level BPE",
                      id, quoted(spelling)));
    }
    built_.bytes_ += *bytes;
    return {};
  }

  Result<void> find_byte_tokens() {
    for (std::size_t byte = 0; byte < 256; ++byte) {
      const auto it = normal_.find(spelling_of_bytes(std::string(1, static_cast<char>(byte))));
      if (it == normal_.end()) {
        return corrupt(
            fmt::format("no normal token for the byte 0x{:02X}; byte-level BPE needs "
                        "one for each of the 256",
                        byte));
      }
      built_.byte_tokens_[byte] = it->second;
    }
    return {};
  }

  Result<void> add_merges() {
    std::vector<Merge> merges;
    merges.reserve(data_.merges.size());
    for (std::size_t rank = 0; rank < data_.merges.size(); ++rank) {
      TRY_ASSIGN(const Merge merge, read_merge(rank));
      merges.push_back(merge);
    }
    built_.merges_ = MergeTable(merges);
    const std::size_t duplicate = built_.merges_.first_duplicate();
    if (duplicate < merges.size()) {
      return corrupt(
          fmt::format("merge {} ({}) is there twice", duplicate, quoted(data_.merges[duplicate])));
    }
    return {};
  }

  Result<Merge> read_merge(std::size_t rank) const {
    const std::string_view text = data_.merges[rank];
    const std::size_t space = text.find(' ');
    if (space == std::string_view::npos || space == 0 || space + 1 == text.size() ||
        text.find(' ', space + 1) != std::string_view::npos) {
      return corrupt(fmt::format("merge {} ({}) is not two tokens with one space between them",
                                 rank, quoted(text)));
    }
    const std::string_view left = text.substr(0, space);
    const std::string_view right = text.substr(space + 1);
    TRY_ASSIGN(const TokenId left_id, normal_token(rank, left));
    TRY_ASSIGN(const TokenId right_id, normal_token(rank, right));
    std::string joined(left);
    joined += right;
    TRY_ASSIGN(const TokenId merged, normal_token(rank, joined));
    return Merge{left_id, right_id, merged};
  }

  Result<TokenId> normal_token(std::size_t rank, std::string_view spelling) const {
    const auto it = normal_.find(spelling);
    if (it != normal_.end()) return it->second;
    return corrupt(fmt::format("merge {} ({}) needs {}, which is no normal token of the vocabulary",
                               rank, quoted(data_.merges[rank]), quoted(spelling)));
  }

  const TokenizerData& data_;
  Vocabulary built_;
  std::unordered_map<std::string_view, TokenId> normal_;  // by spelling
};

Result<Vocabulary> Vocabulary::build(const TokenizerData& data) {
  return Builder(data).build();
}

}  // namespace tessera::text
