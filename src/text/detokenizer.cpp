#include "text/detokenizer.h"

#include <utility>

#include "base/check.h"

namespace tessera::text {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";  // U+FFFD

struct Piece {
  enum class Form {
    kValid,
    kInvalid,
    kCut
  };  // kCut: the bytes end inside what may become a code point
  Form form;
  std::size_t bytes;
};

// What a first byte asks for. The second byte's range keeps out overlong forms, surrogates and what
// lies above U+10FFFF.
struct Lead {
  int continuations;  // -1: no sequence begins so
  unsigned char second_lowest = 0x80;
  unsigned char second_highest = 0xBF;
};

Lead classify_lead(unsigned char byte) {
  if (byte < 0x80) return {0};
  if (byte < 0xC2 || byte > 0xF4) return {-1};
  if (byte < 0xE0) return {1};
  if (byte < 0xF0) {
    return {2, static_cast<unsigned char>(byte == 0xE0 ? 0xA0 : 0x80),
            static_cast<unsigned char>(byte == 0xED ? 0x9F : 0xBF)};
  }
  return {3, static_cast<unsigned char>(byte == 0xF0 ? 0x90 : 0x80),
          static_cast<unsigned char>(byte == 0xF4 ? 0x8F : 0xBF)};
}

// The code point at `offset`, or the maximal subpart of one: Unicode, section 3.9, "U+FFFD
// substitution of maximal subparts", which is also what the WHATWG's decoder does.
Piece next_piece(std::string_view bytes, std::size_t offset) {
  const Lead lead = classify_lead(static_cast<unsigned char>(bytes[offset]));
  if (lead.continuations < 0) return {Piece::Form::kInvalid, 1};
  for (int i = 1; i <= lead.continuations; ++i) {
    const auto length = static_cast<std::size_t>(i);
    if (offset + length == bytes.size()) return {Piece::Form::kCut, length};
    const auto byte = static_cast<unsigned char>(bytes[offset + length]);
    const bool fits =
        i == 1 ? byte >= lead.second_lowest && byte <= lead.second_highest : (byte & 0xC0) == 0x80;
    if (!fits) return {Piece::Form::kInvalid, length};
  }
  return {Piece::Form::kValid, static_cast<std::size_t>(lead.continuations) + 1};
}

}  // namespace

Detokenizer::Detokenizer(std::shared_ptr<const Tokenizer> tokenizer)
    : tokenizer_(std::move(tokenizer)) {
  CHECK(tokenizer_ != nullptr);
}

std::string Detokenizer::append(TokenId token) {
  std::string bytes = std::exchange(held_, {});
  bytes += tokenizer_->bytes(token);
  std::string text;
  text.reserve(bytes.size());
  for (std::size_t offset = 0; offset < bytes.size();) {
    const Piece piece = next_piece(bytes, offset);
    if (piece.form == Piece::Form::kCut) {
      held_ = bytes.substr(offset);
      break;
    }
    if (piece.form == Piece::Form::kValid) {
      text.append(bytes, offset, piece.bytes);
    } else {
      text += kReplacement;
    }
    offset += piece.bytes;
  }
  DCHECK(held_.size() <= 3);
  return text;
}

std::string Detokenizer::finish() {
  // What is held is the beginning of one code point: one maximal subpart.
  return std::exchange(held_, {}).empty() ? std::string() : std::string(kReplacement);
}

}  // namespace tessera::text
