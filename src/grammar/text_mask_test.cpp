// Masks inside texts, over a vocabulary that is large enough for its sets of tokens to be used:
// each token of it may come exactly when the automaton can read its bytes.
#include "grammar/text_mask.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

#include "grammar/compile.h"
#include "grammar/matcher.h"
#include "text/byte_alphabet.h"
#include "text/test_vocabulary.h"

namespace tessera::grammar {
namespace {

// Words, marks, other scripts, halves of characters, escapes and quotes, in all mixtures.
struct Words {
  Words() {
    constexpr std::string_view kParts[] = {"a",
                                           "b",
                                           "c",
                                           "x",
                                           "no",
                                           "to",
                                           "A",
                                           "B",
                                           "Z",
                                           "0",
                                           "7",
                                           "42",
                                           "-",
                                           "_",
                                           ".",
                                           "@",
                                           ",",
                                           " ",
                                           "  ",
                                           "é",
                                           "ж",
                                           "中",
                                           "文",
                                           "😀",
                                           "\xe4",
                                           "\xb8",
                                           "\xf0\x9f",
                                           "\xe2\x80",
                                           "\xe2\x80\xa8",
                                           "\"",
                                           "\":",
                                           "\",\"",
                                           "\\",
                                           "\\n",
                                           "\\\"",
                                           "\\u",
                                           "\\u00",
                                           "0061",
                                           "\\ud83d",
                                           "\\ude00",
                                           "\n",
                                           "\t",
                                           "}",
                                           "]",
                                           "</parameter>",
                                           "<",
                                           "\n</",
                                           "true"};
    std::mt19937 random(5);
    std::unordered_set<std::string> seen;
    for (int i = 0; i < 12'000; ++i) {
      std::string word;
      // Many of letters alone: patterns have to be dense in the vocabulary.
      const std::uint32_t kind = random() % 4;
      const std::uint32_t of = kind == 0 ? std::size(kParts) : kind == 1 ? 12 : 6;
      for (std::uint32_t part = random() % (kind < 2 ? 6 : 9) + 1; part > 0; --part)
        word += kParts[random() % of];
      if (word.size() > 1 && seen.insert(word).second) words.add(text::spelling_of_bytes(word));
    }
    for (const int length : {30, 31, 32, 33, 34, 35, 40, 200}) {
      words.add(std::string(length, 'a'));
      words.add(std::string(length, 'a') + '"');
    }
    end = words.add("<|im_end|>", text::TokenKind::kControl);
    call_open = words.add("<tool_call>", text::TokenKind::kUserDefined);
    words.add("</tool_call>", text::TokenKind::kUserDefined);
    tokenizer = words.make();
    vocabulary = Vocabulary::create(*tokenizer, std::vector<TokenId>{end});
  }
  text::TestVocabulary words;
  TokenId end = 0;
  TokenId call_open = 0;
  std::shared_ptr<const text::Tokenizer> tokenizer;
  VocabularyPtr vocabulary;
};

const Words& words() {
  static const Words kWords;
  return kWords;
}

// How many tokens may come.
int expect_exact(Matcher& matcher, const std::string& what) {
  const Vocabulary& vocabulary = *words().vocabulary;
  std::vector<std::uint32_t> mask(vocabulary.mask_words());
  EXPECT_TRUE(matcher.fill_mask(mask));
  int count = 0;
  int wrong = 0;
  for (TokenId token = 0; token < static_cast<TokenId>(vocabulary.size()); ++token) {
    const bool may = (mask[static_cast<std::size_t>(token) / 32] >> (token % 32) & 1) != 0;
    const bool taken = matcher.accept(token);
    if (taken) matcher.rollback(1);
    count += may;
    if (may != taken && ++wrong < 5) {
      ADD_FAILURE() << what << ": token '" << vocabulary.bytes(token) << "' " << taken;
    }
  }
  return count;
}

int count_behind(std::string_view schema, std::string_view prefix) {
  const auto value = json::parse(schema);
  EXPECT_TRUE(value) << schema;
  const auto grammar = compile_schema(*value);
  EXPECT_TRUE(grammar) << schema << ": " << grammar.error().message;
  if (!grammar) return 0;
  Matcher matcher(*grammar, words().vocabulary);
  const std::string what = std::string(schema) + " behind " + std::string(prefix);
  EXPECT_TRUE(matcher.accept_bytes(prefix)) << what;
  return expect_exact(matcher, what);
}

TEST(TextMask, StringsOfAnyLength) {
  constexpr std::string_view kString = R"({"type":"string"})";
  EXPECT_GT(count_behind(kString, "\""), 6000);
  EXPECT_GT(count_behind(kString, "\"no"), 6000);
  for (const std::string_view prefix :
       {"", "\"\\", "\"\\u", "\"\\u00", "\"\\u006", "\"\\ud83d", "\"\\ud83d\\", "\"\\ud83d\\ud",
        "\"\xe4", "\"\xf0\x9f", "\"a\xe2\x80"}) {
    count_behind(kString, prefix);
  }
}

TEST(TextMask, Lengths) {
  for (const int length : {1, 2, 5, 31, 32, 33, 34, 199, 200, 201, 400}) {
    const std::string bound = std::to_string(length);
    const std::string schema = R"({"type":"string","maxLength":)" + bound + "}";
    const int empty = count_behind(schema, "\"");
    EXPECT_LE(count_behind(schema, "\"a"), empty);
    count_behind(R"({"type":"string","minLength":)" + bound + "}", "\"a");
    if (length == 1) continue;
    count_behind(R"({"type":"string","pattern":"[0-9]{2}","maxLength":)" + bound + "}", "\"");
    count_behind(R"({"type":"string","pattern":"^([a-c]+x)*$","maxLength":)" + bound + "}", "\"");
  }
}

TEST(TextMask, Patterns) {
  constexpr std::string_view kPatterns[] = {"^[a-z]+$",
                                            "^[a-z][a-z0-9_]*$",
                                            "^[A-Z][a-z]+$",
                                            "^[A-Z]{2}[a-z]*$",
                                            "[0-9]{2}",
                                            "^([a-z]+-)*[a-z]+$",
                                            "^[^,]{3},",
                                            "^[^\\\\s]+$",
                                            "^[a-zé]+$",
                                            "^[一-鿿]+$",
                                            "^[^一-鿿]+$",
                                            "^.{2,5}$",
                                            "^(no|a)[a-c]*$",
                                            "^([a-c][xnto])*$",
                                            "^(?!no)[a-z]+$",
                                            "^[a-z]{3,}$",
                                            "^[a-z]{2,4}[A-Z]+",
                                            "^\\\\S+@\\\\S+$",
                                            "^[\\\\w .-]+$",
                                            "^[^\\\"]*$",
                                            "^[aboxABZ07]{1,7}$",
                                            "^(a[^é]|b[^ж])*$",
                                            "^[^@]+@[^@]+[.][a-z]+$",
                                            "^([a-c]{1,40}[.])*[a-c]{1,40}$",
                                            "^[a-z]{1,36}$",
                                            "a\\\\nb|\\\\u2028",
                                            "^[abcx]*(to|no)$"};
  for (const std::string_view pattern : kPatterns) {
    const std::string rest = R"("pattern":")" + std::string(pattern) + "\"";
    count_behind(R"({"type":"string",)" + rest + "}", "\"");
    count_behind(R"({"type":"string","maxLength":6,)" + rest + "}", "\"");
    count_behind(R"({"type":"array","items":{"type":"string",)" + rest + "}}", "[\"");
  }
  EXPECT_GT(count_behind(R"({"type":"string","pattern":"^[a-z]+$"})", "\"no"), 1000);
  EXPECT_GT(count_behind(R"({"type":"string","pattern":"^[a-z][a-zA-Z0-9]*$"})", "\""), 1000);
  for (const std::string_view format : {"email", "uri", "hostname", "date-time", "uuid"}) {
    count_behind(R"({"type":"string","format":")" + std::string(format) + "\"}", "\"");
  }
}

// States that differ in what is far away share masks, all but their long tokens.
TEST(TextMask, CountsInPatterns) {
  for (const int most : {36, 64, 201}) {
    const std::string schema = R"({"type":"string","pattern":"^[a-zA-Z ]{1,)" +
                               std::to_string(most) + R"(}(-[a-c]{1,40})?$"})";
    for (const int length : {0, 1, 2, 3, 4, 5, 20, 34, 35}) {
      count_behind(schema, "\"" + std::string(static_cast<std::size_t>(length), 'x'));
      count_behind(schema, "\"x-" + std::string(static_cast<std::size_t>(length), 'a'));
    }
  }
}

// Made before they are asked for, and for states in another order than an answer's.
TEST(TextMask, Prepared) {
  const auto schema = json::parse(
      R"({"type":"array","prefixItems":[{"format":"uuid"},{"pattern":"^([a-c]{1,40}[.])+[a-z]{3}$"},
      {"pattern":"^[^a-c]{1,9}$","maxLength":5}],"items":{"type":"object",
      "patternProperties":{"^x[a-z]*":{}},"additionalProperties":false}})");
  ASSERT_TRUE(schema);
  const auto grammar = compile_schema(*schema);
  ASSERT_TRUE(grammar) << grammar.error().message;
  prepare_masks(**grammar, *words().vocabulary);
  for (const std::string_view prefix : {"[\"", "[\"0", "[0,\"a", "[0,\"abcabc.", "[0,0,\"",
                                        "[0,0,\"no", "[0,0,0,{\"", "[0,0,0,{\"x"}) {
    Matcher matcher(*grammar, words().vocabulary);
    if (!matcher.accept_bytes(prefix)) ADD_FAILURE() << prefix;
    expect_exact(matcher, std::string(prefix));
  }
}

TEST(TextMask, KeysAndUniqueItems) {
  constexpr std::pair<std::string_view, std::string_view> kCases[] = {
      {R"({"type":"object"})", "{\""},
      {R"({"type":"object"})", "{\"a\":1,\"b\\n\":2,\""},
      {R"({"type":"object"})", "{\"no\":1,\"a\":2, \""},
      {R"({"type":"object"})", "{\"no\":1,\"a\":2, \"n"},
      {R"({"type":"object","properties":{"no":{},"to":{}},"additionalProperties":{"type":"string"}})",
       "{\"t"},
      {R"({"type":"object","properties":{"a\"b":{},"é":{}}})", "{\""},
      {R"({"type":"object","propertyNames":{"pattern":"^[a-c]{1,2}$"}})", "{\"ab\":0,\"a"},
      {R"({"type":"object","propertyNames":{"maxLength":2}})", "{\"ab\":0,\"a"},
      {R"({"type":"array","items":{"type":"string"},"uniqueItems":true})", "[\"a\",\"no\",\""},
      {R"({"type":"array","items":{"type":"string","maxLength":3},"uniqueItems":true})",
       "[\"noa\",\"x\",\""},
      {R"({"type":"array","items":{"type":"string","maxLength":3},"uniqueItems":true})",
       "[\"noa\",\"no"},
      {R"({"type":"array","items":{"type":"string","pattern":"^[a-c]{1,2}$"},"uniqueItems":true})",
       "[\"ab\",\""},
      {R"({"type":"array","items":{"type":"string","pattern":"^[a-z]{2,5}$"},"uniqueItems":true})",
       "[\"abc\",\""},
      {R"({"type":"array","items":{"type":"string","maxLength":2},"uniqueItems":true})",
       "[\"ab\",\"a\\\"\",\"é\\n\",\"中\",\""},
      {R"({"type":"array","items":{"type":"string","pattern":"^.[中丮]?$"},"uniqueItems":true})",
       "[\"a中\",\"a\",\"b中\",\""},
      {R"({"type":"array","items":{"type":"string","pattern":"^.[中丮]$"},"uniqueItems":true})",
       "[\"a中\",\"a丮\",\"中丮\",\"中中\",\""},
      {R"({"anyOf":[{"type":"string","maxLength":3},{"type":"string","pattern":"^a"}]})", "\""},
      {R"({"anyOf":[{"type":"string","maxLength":3},{"type":"string","pattern":"^a"}]})", "\"a"},
      {R"({})", ""},
      {R"({"type":"array"})", "["},
      {R"({"type":"object"})", "{\"a\":"},
      {R"({"type":"object"})", "{\"a\":\"b\""},
      {R"({"enum":["no","noto","ab\n","é中"]})", "\"no"}};
  for (const auto& [schema, prefix] : kCases) count_behind(schema, prefix);
}

TEST(TextMask, RawParameters) {
  const auto tool = json::parse(
      R"({"name":"f","parameters":{"properties":{"text":{"type":"string"},"short":{"type":"string",
      "maxLength":4},"word":{"type":"string","pattern":"^[a-z\n]+$"},"list":{"type":["array","string"]}}}})");
  ASSERT_TRUE(tool);
  ToolRules rules;
  rules.functions.push_back(&*tool);
  rules.required = true;
  const auto grammar = compile_tools(rules);
  ASSERT_TRUE(grammar) << grammar.error().message;
  for (const std::string_view prefix :
       {"text>\n", "text>\nno", "text>\nno\n", "text>\na\n</par", "text>\n\xe4", "text",
        "text>\nx\n</parameter>\n<parameter=word>\n", "short>\n", "short>\na\n", "word>\n",
        "list>\n", "list>\n[\"a"}) {
    Matcher matcher(*grammar, words().vocabulary);
    ASSERT_TRUE(matcher.accept_symbol(kCallOpen));
    const std::string what = "\n<function=f>\n<parameter=" + std::string(prefix);
    ASSERT_TRUE(matcher.accept_bytes(what)) << what;
    expect_exact(matcher, what);
  }
}

TEST(TextMask, NamesOfFreeParameters) {
  for (
      const std::string_view parameters :
      {R"({"additionalProperties":true})",
       R"({"properties":{"no":{},"noto":{},"x":{}},"required":["x"],"additionalProperties":{"type":"integer"}})",
       R"({"patternProperties":{"^n":{"type":"string"},"7$":{"type":"null"}},"additionalProperties":false})",
       R"({"propertyNames":{"pattern":"^[a-c]{1,20}$"}})"}) {
    const auto tool = json::parse(R"({"name":"f","parameters":)" + std::string(parameters) + "}");
    ASSERT_TRUE(tool);
    ToolRules rules;
    rules.functions.push_back(&*tool);
    rules.required = true;
    const auto grammar = compile_tools(rules);
    ASSERT_TRUE(grammar) << grammar.error().message;
    const std::string long_name(60, 'a');
    int read = 0;
    for (const std::string_view prefix :
         {std::string_view(""), std::string_view("<par"), std::string_view("<parameter="),
          std::string_view("<parameter=x>\n1\n</parameter>\n<parameter="),
          std::string_view("<parameter=n"), std::string_view("<parameter=no"),
          std::string_view("<parameter=a"), std::string_view("<parameter=n7"),
          std::string_view("<parameter=n\xe4"), std::string_view("<parameter=no7>"),
          std::string_view("<parameter=no7>\n"), std::string_view("<parameter=no7>\n7"),
          std::string_view("<parameter=no\"a\\")}) {
      Matcher matcher(*grammar, words().vocabulary);
      ASSERT_TRUE(matcher.accept_symbol(kCallOpen));
      const std::string what = "\n<function=f>\n" + std::string(prefix);
      if (!matcher.accept_bytes(what)) continue;
      ++read;
      expect_exact(matcher, std::string(parameters) + " behind " + what);
    }
    EXPECT_GE(read, 4) << parameters;
    Matcher matcher(*grammar, words().vocabulary);
    ASSERT_TRUE(matcher.accept_symbol(kCallOpen));
    if (matcher.accept_bytes("\n<function=f>\n<parameter=" + long_name))
      expect_exact(matcher, "a long name");
  }
}

TEST(TextMask, RulesOfCustomTools) {
  const auto tool = json::parse(R"({"name":"f"})");
  ToolRules rules;
  rules.functions.push_back(&*tool);
  rules.required = true;
  rules.inputs[0] = {"input",
                     {TextForm::Syntax::kLark,
                      "start: \"(\" start \")\" | QUOTED | WORD | start \",\" start\n"
                      "QUOTED: /\"[^\"]*\"/\nWORD: /[a-zé中]{1,5}/\n%ignore \" \""}};
  const auto grammar = compile_tools(rules);
  ASSERT_TRUE(grammar) << grammar.error().message;
  for (const std::string_view prefix :
       {"", "(", "((no", "\"", "\"no", "(\"\xe4", "a,", "a, \"x\"", "(a)"}) {
    Matcher matcher(*grammar, words().vocabulary);
    ASSERT_TRUE(matcher.accept_symbol(kCallOpen));
    const std::string what = "\n<function=f>\n<parameter=input>\n" + std::string(prefix);
    ASSERT_TRUE(matcher.accept_bytes(what)) << what;
    expect_exact(matcher, what);
  }
}

}  // namespace
}  // namespace tessera::grammar
