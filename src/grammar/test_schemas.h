// For tests: random schemas, and a vocabulary with tokens that cross what the automaton tells
// apart.
#pragma once

#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "grammar/vocabulary.h"
#include "text/test_vocabulary.h"

namespace tessera::grammar {

struct SmallVocabulary {
  text::TestVocabulary words{
      {{"\"", ":"},  {"\":", " "}, {"{", "\""}, {"\"", ","}, {"\"", "}"},      {"}", ","},
       {",", "\n"},  {"\n", " "},  {" ", " "},  {"1", "0"},  {"a", "b"},       {"ab", "\""},
       {"]", ","},   {"}", "]"},   {"\\", "n"}, {"\\", "u"}, {"\xc3", "\xa9"}, {"\xe4", "\xb8"},
       {"t", "rue"}, {"r", "u"},   {"ru", "e"}}};
  TokenId end = words.add("<|im_end|>", text::TokenKind::kControl);
  std::shared_ptr<const text::Tokenizer> tokenizer = words.make();
  VocabularyPtr vocabulary = Vocabulary::create(*tokenizer, std::vector<TokenId>{end});
};

// Schemas as JSON text.
class SchemaMaker {
 public:
  explicit SchemaMaker(std::mt19937& random) : random_(random) {}

  std::string make(int depth) {
    switch (pick(depth > 0 ? 16 : 8)) {
      case 0:
        return R"({"type":"integer","minimum":)" + number(-20) + "}";
      case 1:
        return R"({"type":"integer","minimum":3,"maximum":)" + number(3) + R"(,"multipleOf":3})";
      case 2:
        return R"({"type":"number","exclusiveMaximum":)" + number(1) + ".5}";
      case 3:
        return R"({"type":"string","minLength":1,"maxLength":)" + number(1) + "}";
      case 4:
        return R"({"type":"string","pattern":")" + std::string(pattern()) + R"(","maxLength":6})";
      case 5:
        if (pick(4) == 0) return many_texts();
        return R"({"enum":["a","ab",1,10,null,true,{"k":[1]},"é\n"]})";
      case 6:
        return R"({"type":["boolean","null"]})";
      case 7:
        return R"({"type":"array","uniqueItems":true,"items":{"enum":["a","ab",1,10,null,"é\n","b","\\n"]},"minItems":)" +
               std::to_string(pick(9)) + "}";
      case 8:
        return R"({"type":"array","items":)" + make(depth - 1) + R"(,"minItems":1,"maxItems":3})";
      case 9:
        if (pick(2) == 0) {
          return R"({"type":"array","uniqueItems":true,"items":)" + make(0) + R"(,"maxItems":4})";
        }
        return R"({"type":"array","prefixItems":[)" + make(depth - 1) + R"(],"contains":)" +
               make(depth - 1) + R"(,"maxItems":3})";
      case 10:
        return R"({"anyOf":[)" + make(depth - 1) + "," + make(depth - 1) + "]}";
      case 11:
        return R"({"allOf":[)" + make(depth - 1) + R"(,{"not":{"const":"a"}}]})";
      case 12:
        return R"({"type":"object","additionalProperties":)" + make(depth - 1) +
               (pick(2) == 0 ? R"(,"propertyNames":{"pattern":"^[a-c]{1,2}$"},"minProperties":1})"
                             : R"(,"patternProperties":{"^a.":{"type":"null"},"b$":{}}})");
      case 13:
        return R"({"type":"array","uniqueItems":true,"items":)" + make(depth - 1) + "}";
      case 14:
        return R"({"if":{"required":["a"]},"then":{"required":["b"]},"type":"object","properties":{"a":)" +
               make(depth - 1) + R"(,"b":)" + make(depth - 1) +
               R"(},"additionalProperties":false})";
      default:
        return R"({"type":"object","properties":{"a":)" + make(depth - 1) + R"(,"ab":)" +
               make(depth - 1) + R"(,"é\"":{"$ref":"#"}},"required":["ab"],"maxProperties":3})";
    }
  }

 private:
  std::uint32_t pick(std::uint32_t below) { return static_cast<std::uint32_t>(random_() % below); }
  // More than a table is made of.
  std::string many_texts() {
    constexpr std::string_view kCharacters[] = {"a", "b", "é", "1", "中", " ", "\\n", "\\\""};
    std::string out = R"({"oneOf":[{"enum":["", "ab)";
    for (int text = 0; text < 400; ++text) {
      out += R"(", ")";
      for (std::uint32_t left = 1 + pick(9); left > 0; --left) {
        if (const std::uint32_t kind = pick(60); kind < std::size(kCharacters)) {
          out += kCharacters[kind];
        } else {
          out += static_cast<char>((kind % 2 == 0 ? 'a' : 'A') + kind / 2 % 26);
        }
      }
    }
    return out + R"("]},{"const":"a1"},{"const":"ab"},{"const":7}]})";
  }
  std::string number(int from) { return std::to_string(from + static_cast<int>(pick(30))); }
  std::string_view pattern() {
    constexpr std::string_view kPatterns[] = {"^[a-z]{2,5}$", "a+b", "^[^\\\"]+$", "[éx]$",
                                              "^(a|ab)(c|bcd)$"};
    return kPatterns[pick(std::size(kPatterns))];
  }
  std::mt19937& random_;
};

}  // namespace tessera::grammar
