// A tokenizer for tests: one token a byte, the chat's added tokens, and any further piece that a
// test asks for.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "text/tokenizer.h"

namespace tessera::chat {

class FakeTokenizer : public text::Tokenizer {
 public:
  FakeTokenizer() {
    for (int byte = 0; byte < 256; ++byte) add(std::string(1, static_cast<char>(byte)));
    add("<|im_start|>", text::TokenKind::kControl);
    add("<|im_end|>", text::TokenKind::kControl);
    for (const char* literal : {"<think>", "</think>", "<tool_call>", "</tool_call>",
                                "<tool_response>", "</tool_response>"}) {
      add(literal, text::TokenKind::kUserDefined);
    }
  }

  TokenId add(std::string bytes, text::TokenKind kind = text::TokenKind::kNormal) {
    tokens_.push_back({std::move(bytes), kind});
    return static_cast<TokenId>(tokens_.size()) - 1;
  }
  TokenId control(std::string_view literal) const { return find_added(literal).value(); }

  std::int32_t vocabulary_size() const override {
    return static_cast<std::int32_t>(tokens_.size());
  }
  void encode_text(std::string_view text, std::vector<TokenId>& out) const override {
    for (const char c : text) out.push_back(static_cast<unsigned char>(c));
  }
  void encode_with_added_tokens(std::string_view text, std::vector<TokenId>& out) const override {
    while (!text.empty()) {
      TokenId token = static_cast<unsigned char>(text.front());
      for (TokenId id = 256; id < vocabulary_size(); ++id) {
        if (kind(id) != text::TokenKind::kNormal && text.starts_with(bytes(id))) token = id;
      }
      out.push_back(token);
      text.remove_prefix(bytes(token).size());
    }
  }
  std::string_view bytes(TokenId token) const override { return at(token).bytes; }
  text::TokenKind kind(TokenId token) const override { return at(token).kind; }
  std::optional<TokenId> find_added(std::string_view literal) const override {
    for (TokenId id = 256; id < vocabulary_size(); ++id) {
      if (kind(id) != text::TokenKind::kNormal && bytes(id) == literal) return id;
    }
    return std::nullopt;
  }

 private:
  struct Token {
    std::string bytes;
    text::TokenKind kind;
  };
  const Token& at(TokenId token) const { return tokens_.at(static_cast<std::size_t>(token)); }

  std::vector<Token> tokens_;
};

}  // namespace tessera::chat
