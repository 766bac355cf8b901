// Grammars whose rules come back to themselves, as the automaton reads them.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "grammar/compile.h"
#include "grammar/machine.h"

namespace tessera::grammar {
namespace {

const json::Value& tool() {
  static const json::Value value = *json::parse(R"({"name":"f"})");
  return value;
}

Result<GrammarPtr, GrammarError> compiled(std::string_view definition) {
  ToolRules rules;
  rules.functions.push_back(&tool());
  rules.required = true;
  rules.parallel = false;
  rules.inputs[0] = {"input", {TextForm::Syntax::kLark, definition}};
  return compile_tools(rules);
}

// One call's input, byte by byte.
class Reader {
 public:
  explicit Reader(GrammarPtr grammar) : machine_(std::move(grammar)), threads_(machine_.start()) {
    symbol(kCallOpen);
    read("\n<function=f>\n<parameter=input>\n");
  }
  bool symbol(std::uint32_t symbol) {
    Machine::Threads next;
    machine_.step(threads_, symbol, next);
    if (next.empty()) return false;
    threads_ = std::move(next);
    return true;
  }
  bool read(std::string_view text) {
    return std::all_of(text.begin(), text.end(),
                       [&](char c) { return symbol(static_cast<std::uint8_t>(c)); });
  }
  bool end() { return read("\n</parameter>\n</function>\n") && symbol(kCallClose); }
  std::size_t readings() const { return threads_.size(); }

 private:
  Machine machine_;
  Machine::Threads threads_;
};

void expect(std::string_view definition, const std::vector<std::string>& right,
            const std::vector<std::string>& wrong) {
  const auto grammar = compiled(definition);
  ASSERT_TRUE(grammar) << definition << ": " << grammar.error().message;
  for (const std::string& text : right) {
    Reader reader(*grammar);
    EXPECT_TRUE(reader.read(text) && reader.end()) << definition << " and '" << text << "'";
  }
  for (const std::string& text : wrong) {
    Reader reader(*grammar);
    EXPECT_FALSE(reader.read(text) && reader.end()) << definition << " and '" << text << "'";
  }
}

constexpr std::string_view kSums = R"lark(
start: sum
?sum: product | sum "+" product | sum "-" product
?product: atom | product "*" atom
?atom: NUMBER | "-" atom | "(" sum ")"
NUMBER: /[0-9]+/
%ignore " "
)lark";

TEST(LarkNet, Arithmetic) {
  expect(kSums, {"1", "1+2", "1 + 2 * (3-4)*5 ", "((((7))))", "--1", " ( 1 )", "12-3-4"},
         {"", "1+", "(1", "1)", "1 2", "()", "1**2", "+1"});
}

TEST(LarkNet, NestedStructures) {
  expect(R"(start: value
value: object | array | STRING | NUMBER | "true" | "null"
array: "[" [value ("," value)*] "]"
object: "{" [pair ("," pair)*] "}"
pair: STRING ":" value
STRING: /"[^"\n]*"/
NUMBER: /-?[0-9]+/
%import common.WS
%ignore WS)",
         {"1", "[]", "{}", R"({"a": [1, {"b": null}, [[]]], "c": "é"})", "[true,-5]"},
         {"", "[1,]", "{\"a\"}", "[1 2]", "nul", "]"});
}

TEST(LarkNet, LeftRecursionOfAllKinds) {
  expect("start: start \"a\" | \"b\"", {"b", "baaa"}, {"", "a", "bb"});
  // Through others, and behind what may be empty.
  expect("start: a\na: b \"x\" | \"y\"\nb: a \"z\" | \"w\"", {"y", "wx", "yzx", "wxzxzx"},
         {"x", "yz", "yx", "w"});
  expect("start: o start \"a\" | \"b\"\no: \"o\"?", {"b", "ba", "oba", "oobaa", "obaa"},
         {"", "ob", "oo"});
  // Units in a circle, and a rule of nothing but itself.
  expect("start: a\na: b | \"x\" a\nb: a | \"y\"\n", {"y", "xxy"}, {"x", ""});
  expect("start: start | start start | \"x\"", {"x", "xxx"}, {"", "y"});
  expect("start: p\np: a | p \".\" N | call\ncall: p \"(\" [p (\",\" p)*] \")\"\na: N\nN: /[a-z]/",
         {"a", "a.b", "a()", "a.b(c,d.e()).f"}, {"", ".a", "a(", "a(,b)", "a.()"});
}

TEST(LarkNet, WhatMayBeEmpty) {
  expect("start: (\"(\" start \")\")*", {"", "()", "()(())"}, {"(", ")("});
  expect("start: \"a\" start \"b\" |", {"", "ab", "aabb"}, {"a", "aab", "abb"});
  expect("start: x~2..3\nx: \"(\" x? \")\"", {"()()", "(())()()"}, {"()", "()()()()"});
}

TEST(LarkNet, CharactersOfSeveralBytesAndNewlines) {
  expect("start: \"<\" start \">\" | /[é日]+\\n?/", {"é", "<日é\n>", "<<é>>"}, {"<e>", "é\n\n"});
  // What looks like the tag behind the input is not written.
  expect("start: \"(\" start \")\" | /[^()]+/", {"a\nb", "(</a>)"},
         {"a\n</parameter>", "(</parameter>)", "\n<parameter=x"});
}

TEST(LarkNet, TagsOutOfSeveralTerminalsAreRefused) {
  const auto together = compiled("start: \"<\" start | \"/parameter>\\n\"");
  ASSERT_FALSE(together);
  EXPECT_EQ(together.error().code, GrammarErrorCode::kUnsupportedGrammar);
  EXPECT_EQ(together.error().path, "/tools/0/input");
  expect("start: \"x<\" start | \"/parameter>\\n\"", {"x<x</parameter>\n"}, {"</parameter>"});
}

TEST(LarkNet, DepthIsBounded) {
  const auto grammar = compiled("start: \"(\" start \")\" | \"x\"");
  ASSERT_TRUE(grammar);
  Reader reader(*grammar);
  std::size_t depth = 0;
  while (reader.read("(")) ++depth;
  EXPECT_GT(depth, kMaxRules / 2);
  EXPECT_LE(depth, kMaxRules);
  EXPECT_TRUE(reader.read("x" + std::string(depth, ')')) && reader.end());
  // Repeats are no depth.
  const auto repeats = compiled("start: (\"(\" start \")\" | \"x\")+");
  ASSERT_TRUE(repeats);
  Reader longer(*repeats);
  EXPECT_TRUE(longer.read(std::string(5000, 'x') + "(x)") && longer.end());
}

TEST(LarkNet, DepthDoesNotMultiplyReadings) {
  const auto grammar = compiled(kSums);
  ASSERT_TRUE(grammar);
  Reader reader(*grammar);
  EXPECT_TRUE(reader.read("((((((1+2*3"));
  EXPECT_LE(reader.readings(), 12u);
}

TEST(LarkNet, RandomWalksEnd) {
  // Whatever is taken of what may come, there is a way on, and what came out is of the grammar.
  const auto grammar = compiled(kSums);
  ASSERT_TRUE(grammar);
  for (std::uint32_t seed = 0; seed < 200; ++seed) {
    std::mt19937 random(seed);
    Reader reader(*grammar);
    std::string text;
    while (text.size() < 60) {
      std::string may;
      for (const char c : std::string_view("0123456789+-*() "))
        if (Reader(reader).read({&c, 1})) may += c;
      ASSERT_FALSE(may.empty()) << text;
      text += may[random() % may.size()];
      ASSERT_TRUE(reader.read({&text.back(), 1}));
    }
    // The way out: a number, and the brackets that are open.
    Reader(reader).end() || reader.read("1");
    while (!Reader(reader).end()) ASSERT_TRUE(reader.read(")")) << text;
  }
}

TEST(LarkNet, HostileGrammars) {
  std::string wide = "start: a0\n";
  for (int i = 0; i < 300; ++i)
    wide += "a" + std::to_string(i) + ": a" + std::to_string((i + 1) % 300) + " a" +
            std::to_string((i * 7 + 3) % 300) + " | a" + std::to_string((i * 13 + 5) % 300) +
            " \"x\" | \"y\"\n";
  const auto grammar = compiled(wide);
  if (!grammar) {
    EXPECT_EQ(grammar.error().code, GrammarErrorCode::kSchemaTooComplex);
  } else {
    Reader reader(*grammar);
    EXPECT_TRUE(reader.read("yyyyyyyy"));
  }
  const auto repeated = compiled("start: (\"(\" start \")\")~10000 | \"x\"~10000");
  if (!repeated) EXPECT_EQ(repeated.error().code, GrammarErrorCode::kSchemaTooComplex);
}

}  // namespace
}  // namespace tessera::grammar
