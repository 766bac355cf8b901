#include "grammar/shortest_end.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <utility>

#include "grammar/compile.h"

namespace tessera::grammar {
namespace {

constexpr std::size_t kLimit = 1 << 16;

json::Value parse(std::string_view text) {
  auto value = json::parse(text);
  EXPECT_TRUE(value) << text;
  return value ? *std::move(value) : json::Value();
}

std::string text_of(const Symbols& symbols) {
  std::string out;
  for (const std::uint16_t symbol : symbols) {
    if (symbol < 256) out += static_cast<char>(symbol);
    if (symbol == kThinkClose) out += "</think>";
    if (symbol == kCallOpen) out += "<tool_call>";
    if (symbol == kCallClose) out += "</tool_call>";
  }
  return out;
}

std::string ending(Machine& machine, const Machine::Threads& threads) {
  const std::size_t mark = machine.mark();
  const auto symbols = shortest_end(machine, threads, kLimit).way;
  EXPECT_EQ(machine.mark(), mark);
  if (!symbols) return "none";
  Machine::Threads now = threads;
  Machine::Threads next;
  for (const std::uint16_t symbol : *symbols) {
    machine.step(now, symbol, next);
    EXPECT_FALSE(next.empty()) << text_of(*symbols);
    std::swap(now, next);
  }
  EXPECT_TRUE(machine.may_end(now)) << text_of(*symbols);
  machine.release(mark);
  return text_of(*symbols);
}

// The threads behind `text`, in which a tag of a call may be spelt out.
Machine::Threads read_all(Machine& machine, std::string_view text) {
  constexpr std::string_view kOpen = "<tool_call>";
  Machine::Threads threads = machine.start();
  Machine::Threads next;
  if (text.starts_with(kOpen)) {
    machine.step(threads, kCallOpen, next);
    std::swap(threads, next);
    text.remove_prefix(kOpen.size());
  }
  for (const char c : text) {
    machine.step(threads, static_cast<std::uint8_t>(c), next);
    EXPECT_FALSE(next.empty()) << text;
    std::swap(threads, next);
  }
  return threads;
}

// The ending behind `text`.
std::string behind(const GrammarPtr& grammar, std::string_view text) {
  Machine machine(grammar);
  return ending(machine, read_all(machine, text));
}

std::string behind(std::string_view schema, std::string_view text) {
  const auto grammar = compile_schema(parse(schema));
  EXPECT_TRUE(grammar) << schema;
  return grammar ? behind(*grammar, text) : "";
}

TEST(ShortestEnd, OfValues) {
  const std::pair<std::string_view, std::string_view> cases[] = {
      {R"({})", "0"},
      {R"({"type":"object"})", "{}"},
      {R"({"enum":["abc","x",null,12]})", "12"},
      {R"({"type":"integer","minimum":17,"multipleOf":5})", "20"},
      {R"({"type":"integer","maximum":-17})", "-17"},
      {R"({"type":"integer","minimum":9999999999999999999})", "9999999999999999999"},
      {R"({"type":"number","minimum":0.00000000000000003,"maximum":0.00000000000000003})",
       "0.00000000000000003"},
      {R"({"type":"number","exclusiveMinimum":0.25,"maximum":0.255})", "0.251"},
      {R"({"type":"number","minimum":0.3,"maximum":9,"multipleOf":0.5})", "1"},
      {R"({"type":"string","minLength":3})", R"("aaa")"},
      {R"({"type":"string","pattern":"^[A-Z]{2}-\\d+$"})", R"("AA-0")"},
      {R"({"type":"string","pattern":"^\"é$"})", R"("\"é")"},
      {R"({"type":"array","minItems":3,"items":{"type":["boolean","null"]}})", "[null,null,null]"},
      {R"({"type":"array","items":{"type":"null"},"contains":{"const":null}})", "[null]"},
      {R"({"type":"array","contains":{"const":[]},"allOf":[{"contains":{"type":"null"}}]})",
       "[[],null]"},
      {R"({"type":"array","contains":true,"minContains":1,"maxContains":1,"items":{"type":"boolean"}})",
       "[true]"},
      {R"({"type":"array","contains":{"const":7},"minItems":2,"items":{"type":"integer"}})",
       "[7,0]"},
      {R"({"type":"array","uniqueItems":true,"minItems":3,"items":{"enum":["a",1,2,"bc"]}})",
       R"([1,2,"a"])"},
      {R"({"type":"array","uniqueItems":true,"minItems":3,"items":{"type":"string"}})",
       R"(["","a","b"])"},
      {R"({"properties":{"a":{"type":"null"},"bc":{"type":"null"},"d":{"type":"integer"}},
           "required":["bc"],"type":"object"})",
       R"({"bc":null})"},
      {R"({"type":"object","minProperties":2,"additionalProperties":{"type":"integer"}})",
       R"({"":0,"a":0})"},
      {R"({"type":"object","properties":{"a":{"type":"integer"},"b":{"type":"integer"},"c":{"type":"null"}},
           "additionalProperties":false,"minProperties":2})",
       R"({"a":0,"b":0})"},
      {R"({"anyOf":[{"type":"object","properties":{"a":{"type":"integer"},"b":{"type":"integer"}},"required":["a","b"]},
                    {"type":"object","properties":{"long_name":{"type":"null"}},"required":["long_name"]}]})",
       R"({"a":0,"b":0})"},
      {R"({"$defs":{"n":{"type":"object","properties":{"x":{"anyOf":[{"$ref":"#/$defs/n"},{"const":"leaf, rather long"}]}},
           "required":["x"]}},"$ref":"#/$defs/n"})",
       R"({"x":"leaf, rather long"})"},
  };
  for (const auto& [schema, expected] : cases) EXPECT_EQ(behind(schema, ""), expected) << schema;
}

TEST(ShortestEnd, FromTheMiddle) {
  constexpr std::string_view kSchema = R"({"type":"object","properties":{
      "name":{"type":"string","minLength":2},"tags":{"type":"array","items":{"enum":["xy","xyz"]}},
      "n":{"type":"integer","minimum":120,"maximum":129}},"required":["name","n"],
      "additionalProperties":false})";
  const std::pair<std::string_view, std::string_view> cases[] = {
      {"{", R"("name":"aa","n":120})"},
      {R"({ "na)", R"(me":"aa","n":120})"},
      {R"({"name":)", R"("aa","n":120})"},
      {R"({"name": "x)", R"(a","n":120})"},
      {R"({"name":"abc")", R"(,"n":120})"},
      {R"({"name":"abc","tags":[)", R"(],"n":120})"},
      {R"({"name":"abc","tags":["xy)", R"("],"n":120})"},
      {R"({"name":"abc","tags":["xy",)", R"("xy"],"n":120})"},
      {R"({"name":"abc","n":1)", "20}"},
      {R"({"name":"abc","n":125)", "}"},
      {R"({"name":"abc","n":125})", ""},
  };
  for (const auto& [text, expected] : cases) {
    EXPECT_EQ(behind(kSchema, text), expected) << text;
  }
  // Inside of a character whatever ends it will do.
  EXPECT_TRUE(behind(kSchema, R"({"name":"x\)").ends_with(R"(","n":120})"));
  EXPECT_TRUE(behind(kSchema, "{\"name\":\"x\xF0\x9F").ends_with(R"(","n":120})"));
  EXPECT_TRUE(behind(kSchema, R"({"name":"x\uD83D)").ends_with(R"(","n":120})"));
}

TEST(ShortestEnd, OfCallsAndThinking) {
  ToolRules rules;
  const json::Value f = parse(R"({"name":"find","parameters":{"type":"object","properties":{
      "q":{"type":"string","minLength":1},"limit":{"type":"integer"},"in":{"enum":["a","b"]}},
      "required":["q","in"]}})");
  const json::Value g = parse(R"({"name":"list_everything"})");
  rules.functions = {&f};
  rules.required = true;
  constexpr std::string_view kFind =
      "<tool_call>\n<function=find>\n<parameter=q>\na\n</parameter>\n<parameter=in>\na\n"
      "</parameter>\n</function>\n</tool_call>";
  EXPECT_EQ(behind(*compile_tools(rules), ""), kFind);
  const auto thinking = compile_tools(rules, nullptr, true);
  EXPECT_EQ(behind(*thinking, "hm"), "</think>\n\n" + std::string(kFind));
  rules.functions = {&f, &g};
  EXPECT_EQ(behind(*compile_tools(rules), ""),
            "<tool_call>\n<function=list_everything>\n</function>\n</tool_call>");
  const json::Value schema = parse(R"({"const":[1]})");
  rules.required = false;
  EXPECT_EQ(behind(*compile_tools(rules, &schema), ""), "[1]");
  EXPECT_EQ(behind(*compile_tools(rules), "free"), "");  // text may end anywhere
}

TEST(ShortestEnd, OfFreeParameters) {
  ToolRules rules;
  const json::Value f = parse(R"({"name":"f","parameters":{"type":"object","minProperties":2,
      "properties":{"n":{"type":"integer"},"o":{"type":"string","minLength":50}},"required":["n"],
      "patternProperties":{"^x{2}":{"type":"null"}},"additionalProperties":false}})");
  rules.functions = {&f};
  rules.required = true;
  const auto grammar = compile_tools(rules);
  ASSERT_TRUE(grammar) << grammar.error().message;
  const std::string begin = "<tool_call>\n<function=f>\n";
  const std::string n = "<parameter=n>\n0\n</parameter>\n";
  const std::string end = "</function>\n</tool_call>";
  EXPECT_EQ(behind(*grammar, begin + n), "<parameter=xx>\nnull\n</parameter>\n" + end);
  EXPECT_EQ(behind(*grammar, begin + n + "<parameter"), "=xx>\nnull\n</parameter>\n" + end);
  EXPECT_EQ(behind(*grammar, begin + n + "<parameter="), "xx>\nnull\n</parameter>\n" + end);
  EXPECT_EQ(behind(*grammar, begin + n + "<parameter=xx é"), ">\nnull\n</parameter>\n" + end);
  EXPECT_EQ(behind(*grammar, begin + n + "<parameter=xxy>"), "\nnull\n</parameter>\n" + end);
  EXPECT_EQ(behind(*grammar, begin + n + "<parameter=xxy>\nnull\n</parameter>\n"), end);
  const std::string longest = "<parameter=" + std::string(64, 'x');
  EXPECT_EQ(behind(*grammar, begin + n + longest), ">\nnull\n</parameter>\n" + end);
}

TEST(ShortestEnd, OfRulesThatComeBackToThemselves) {
  ToolRules rules;
  const json::Value f = parse(R"({"name":"f"})");
  rules.functions = {&f};
  rules.required = true;
  rules.inputs[0] = {"input", {TextForm::Syntax::kLark, R"lark(start: "(" list ")"
list: item ("," item)*
item: "[" list "]" | "ab" | /[0-9]{2}/ "!"
)lark"}};
  const auto grammar = compile_tools(rules);
  ASSERT_TRUE(grammar) << grammar.error().message;
  constexpr std::string_view kEnd = "\n</parameter>\n</function>\n</tool_call>";
  EXPECT_EQ(behind(*grammar, ""),
            "<tool_call>\n<function=f>\n<parameter=input>\n(ab)" + std::string(kEnd));
  const std::pair<std::string_view, std::string_view> cases[] = {
      {"(ab,", "ab)"}, {"([[", "ab]])"}, {"([7", "0!])"}, {"([ab]", ")"}, {"(a", "b)"}};
  for (const auto& [text, expected] : cases) {
    EXPECT_EQ(
        behind(*grammar, "<tool_call>\n<function=f>\n<parameter=input>\n" + std::string(text)),
        std::string(expected) + std::string(kEnd));
  }
}

TEST(ForcedText, IsWhatMustCome) {
  ToolRules rules;
  const json::Value f = parse(R"({"name":"find","parameters":{"type":"object","properties":{
      "q":{"type":"string"},"in":{"const":"abc"}},"required":["q","in"]}})");
  const json::Value g = parse(R"({"name":"fold"})");
  rules.functions = {&f};
  rules.required = true;
  const auto forced = [&](std::string_view text, std::size_t limit = 1000) {
    Machine machine(*compile_tools(rules));
    return text_of(machine.forced(read_all(machine, text), limit));
  };
  EXPECT_EQ(forced(""), "<tool_call>\n<function=find>\n<parameter=q>\n");
  EXPECT_EQ(forced("", 3), "<tool_call>\n<");
  const std::string in_text = "<tool_call>\n<function=find>\n<parameter=q>\n";
  EXPECT_EQ(forced(in_text), "");
  EXPECT_EQ(forced(in_text + "x\n</parameter>\n"), "<parameter=in>\n");
  rules.functions = {&f, &g};
  EXPECT_EQ(forced(""), "<tool_call>\n<function=f");
  EXPECT_EQ(forced("<tool_call>\n<function=fo"), "ld>\n</function>\n</tool_call>");
  rules.required = false;
  EXPECT_EQ(forced(""), "");
  EXPECT_EQ(forced("free"), "");
}

TEST(ForcedText, NamesThatAreTheOnlyOnes) {
  const auto grammar = *compile_schema(parse(R"({"type":"object","properties":{
      "first name":{"const":"Ann"},"a\"b":{"type":"null"},"ab":{"type":"null"}},
      "required":["first name","ab"],"additionalProperties":false})"));
  const auto forced = [&](std::string_view text) {
    Machine machine(grammar);
    return text_of(machine.forced(read_all(machine, text), 1000));
  };
  EXPECT_EQ(forced(""), "");
  EXPECT_EQ(forced("{"), "");
  EXPECT_EQ(forced("{\""), "first name\":");
  EXPECT_EQ(forced(R"({"first name":"A)"), "");  // strings may be escaped
  EXPECT_EQ(forced(R"({"first name":"Ann",")"), "a");
  EXPECT_EQ(forced(R"({"first name":"Ann","ab)"), "\":");
  EXPECT_EQ(forced(R"({"first name":"Ann","ab":n)"), "ull");
}

TEST(ForcedText, PlainCharactersOfNamesAreNotEscaped) {
  const auto grammar = *compile_schema(parse(R"({"type":"object","properties":{
      "a/b":{"type":"null"},"\"\\":{"type":"null"},"\n\u00e9":{"type":"null"}}})"));
  const auto reads = [&](std::string_view text) {
    Machine machine(grammar);
    Machine::Threads threads = machine.start();
    Machine::Threads next;
    for (const char c : text) {
      machine.step(threads, static_cast<std::uint8_t>(c), next);
      if (next.empty()) return false;
      std::swap(threads, next);
    }
    return machine.may_end(threads);
  };
  for (const std::string_view name :
       {R"(a/b)", R"(\"\\)", R"(\u0022\u005c)", R"(\n\u00e9)", R"(\u000Aé)"})
    EXPECT_TRUE(reads("{\"" + std::string(name) + "\":null}")) << name;
  for (const std::string_view name : {R"(a\/b)", R"(\u0061/b)", R"(a/\u0062)"})
    EXPECT_FALSE(reads("{\"" + std::string(name) + "\":null}")) << name;
}

// A name for each of many free keys is not looked for among those that are used.
TEST(ShortestEnd, ManyFreeKeysAreNotDear) {
  const auto grammar = *compile_schema(parse(R"({"type":"object","minProperties":400})"));
  Machine machine(grammar);
  const ShortestEnd end = shortest_end(machine, machine.start(), 100'000);
  ASSERT_TRUE(end.way);
  EXPECT_LT(end.way->size(), 400 * 12);
  EXPECT_LT(end.work, 400 * 12 + 400 * 400 / 4);
  const auto too_many = *compile_schema(parse(R"({"type":"object","minProperties":5000})"));
  Machine other(too_many);
  const ShortestEnd none = shortest_end(other, other.start(), 100'000);
  EXPECT_FALSE(none.way);
  EXPECT_LT(none.work, 300'000);
}

TEST(ShortestEnd, ThereIsALimit) {
  const auto grammar = *compile_schema(parse(R"({"type":"string","minLength":10})"));
  Machine machine(grammar);
  EXPECT_FALSE(shortest_end(machine, machine.start(), 11).way);
  EXPECT_EQ(shortest_end(machine, machine.start(), 12).way->size(), 12U);
  // Twice as long with each level.
  std::string schema = R"({"type":"null"})";
  for (int i = 0; i < 40; ++i) {
    schema = R"({"type":"array","minItems":2,"items":)" + schema + "}";
  }
  EXPECT_EQ(behind(schema, ""), "none");
}

}  // namespace
}  // namespace tessera::grammar
