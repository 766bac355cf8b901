// What calls of functions can be written, byte by byte; and what is refused.
#include "grammar/call_builder.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "grammar/compile.h"
#include "grammar/matcher.h"
#include "text/test_vocabulary.h"

namespace tessera::grammar {
namespace {

json::Value parse(std::string_view text) {
  auto value = json::parse(text, {.max_depth = 1000});
  EXPECT_TRUE(value) << text;
  return value ? *std::move(value) : json::Value();
}

VocabularyPtr vocabulary() {
  static const VocabularyPtr made = [] {
    text::TestVocabulary words;
    const TokenId end = words.add("<|im_end|>", text::TokenKind::kControl);
    words.add("</think>", text::TokenKind::kUserDefined);
    words.add("<tool_call>", text::TokenKind::kUserDefined);
    words.add("</tool_call>", text::TokenKind::kUserDefined);
    return Vocabulary::create(*words.make(), std::vector<TokenId>{end});
  }();
  return made;
}

std::string call(std::string_view name,
                 std::initializer_list<std::pair<std::string_view, std::string_view>> values) {
  std::string out = "\n<function=" + std::string(name) + ">\n";
  for (const auto& [key, value] : values) {
    out += "<parameter=" + std::string(key) + ">\n" + std::string(value) + "\n</parameter>\n";
  }
  return out + "</function>\n";
}

bool takes_calls(const GrammarPtr& grammar, const std::vector<std::string>& calls) {
  Matcher matcher(grammar, vocabulary());
  for (std::size_t i = 0; i < calls.size(); ++i) {
    if (i > 0 && !matcher.accept_bytes("\n")) return false;
    if (!matcher.accept_symbol(kCallOpen) || !matcher.accept_bytes(calls[i]) ||
        !matcher.accept_symbol(kCallClose)) {
      return false;
    }
  }
  return matcher.is_done();
}

TEST(CallBuilder, CallsAreWrittenInTheModelsForm) {
  const json::Value f = parse(R"({"name":"f","parameters":{"type":"object","properties":{
      "city":{"type":"string"},"n":{"type":"integer","maximum":10},"u":{"type":["string","null"]},
      "x":{"type":["integer","string"],"maximum":20},"o":{"type":"object","properties":{"a":{"type":"boolean"}},
      "required":["a"],"additionalProperties":false}},"required":["city"]}})");
  const json::Value none = parse(R"({"name":"fun"})");
  ToolRules rules{{&f, &none}, true, true};
  const auto grammar = compile_tools(rules);
  ASSERT_TRUE(grammar) << grammar.error().message;
  const auto one = [&](const std::string& text) { return takes_calls(*grammar, {text}); };
  EXPECT_TRUE(one(call("fun", {})));
  EXPECT_TRUE(one(call("f", {{"city", "Paris"}})));
  EXPECT_TRUE(one(call("f", {{"city", ""}})));
  EXPECT_TRUE(
      one(call("f", {{"city", "a \"b\" \\ </param>\nc\n"}, {"n", "-10"}, {"o", "{\"a\": true}"}})));
  EXPECT_TRUE(one(call("f", {{"city", "x"}, {"u", "null"}})));
  EXPECT_TRUE(one(call("f", {{"city", "x"}, {"x", "20"}})));
  EXPECT_TRUE(one(call("f", {{"city", "x"}, {"x", "21st"}})));
  EXPECT_FALSE(one(call("f", {{"city", "x"}, {"x", "21"}}))) << "it would be read as an integer";
  EXPECT_FALSE(one(call("f", {})));
  EXPECT_FALSE(one(call("fu", {})));
  EXPECT_FALSE(one(call("f", {{"city", "x"}, {"n", "11"}})));
  EXPECT_FALSE(one(call("f", {{"n", "1"}, {"city", "x"}})));
  EXPECT_FALSE(one(call("f", {{"city", "x"}, {"city", "x"}})));
  EXPECT_FALSE(one(call("f", {{"city", "x"}, {"zz", "x"}})));
  EXPECT_FALSE(one(call("f", {{"city", "x\n</parameter>\ny"}})));
  EXPECT_TRUE(takes_calls(*grammar, {call("fun", {}), call("fun", {})}));
  rules.parallel = false;
  EXPECT_FALSE(takes_calls(*compile_tools(rules), {call("fun", {}), call("fun", {})}));
}

// Whether a call of a function with these parameters can be written with `value` as its "e".
bool takes_value(std::string_view parameters, const std::string& value) {
  const json::Value f = parse(R"({"name":"f","parameters":)" + std::string(parameters) + "}");
  const auto grammar = compile_tools(ToolRules{{&f}, true, false});
  EXPECT_TRUE(grammar) << parameters << ": " << grammar.error().message;
  return grammar && takes_calls(*grammar, {call("f", {{"e", value}})});
}

TEST(CallBuilder, TextsThatWouldBeReadAsOtherTypesAreNotWritten) {
  // Text is what the reader takes for no other type that the schema has.
  const auto takes = [](std::string_view schema, const std::string& value) {
    return takes_value(R"({"properties":{"e":)" + std::string(schema) + "}}", value);
  };
  constexpr std::string_view kMixed = R"({"enum":["a","1","None",2,null,true]})";
  for (const char* right : {"a", "2", "null", "None", "true", "True"})
    EXPECT_TRUE(takes(kMixed, right)) << right;
  for (const char* wrong : {"1", "false", "TRUE", "\"a\"", ""})
    EXPECT_FALSE(takes(kMixed, wrong)) << wrong;
  constexpr std::string_view kUnion =
      R"({"anyOf":[{"type":"string","maxLength":9},{"type":"integer","minimum":5},{"type":"null"}]})";
  for (const char* right : {"x", "", "5", "null", "None", "\n", "1a", "\"5\"", "{}", "[1]", "true"})
    EXPECT_TRUE(takes(kUnion, right)) << right;
  for (const char* wrong : {"4", " 4", "-7", " null", "0123456789"})
    EXPECT_FALSE(takes(kUnion, wrong)) << wrong;
  EXPECT_TRUE(takes(R"({"type":["string","object"]})", R"({"a": 1})"));
  EXPECT_FALSE(takes(R"({"type":["string","object"]})", R"({"a": 1)"));
  // Brackets that open no JSON, nor what Python writes for it, are text.
  constexpr std::string_view kOpen = R"({"type":["string","array","object"]})";
  for (const char* right : {"{{name}}", "{ x: 1}", "[link](there)", "[ x ] done", "[+1]"})
    EXPECT_TRUE(takes(kOpen, right)) << right;
  for (const char* wrong : {"[", " {", "{'a", "[\n True, x", "[1", "[\"a", "{ }x"})
    EXPECT_FALSE(takes(kOpen, wrong)) << wrong;
  EXPECT_TRUE(takes(R"({"type":["boolean","null"]})", "False"));
  EXPECT_FALSE(takes(R"({"const":true})", "False"));
}

TEST(CallBuilder, TextsKeepToTheirSchema) {
  const auto takes = [](std::string_view schema, const std::string& value) {
    return takes_value(R"({"properties":{"e":)" + std::string(schema) + "}}", value);
  };
  EXPECT_TRUE(takes(R"({"type":"string","pattern":"^a\\nb$"})", "a\nb"));
  EXPECT_FALSE(takes(R"({"type":"string","pattern":"^a\\nb$"})", "a b"));
  EXPECT_TRUE(takes(R"({"type":"string","minLength":2,"maxLength":3})", "\n\n"));
  EXPECT_FALSE(takes(R"({"type":"string","minLength":2,"maxLength":3})", "\n"));
  EXPECT_TRUE(takes(R"({"type":"string","format":"date"})", "2024-02-29"));
  EXPECT_FALSE(takes(R"({"type":"string","format":"date"})", "2024-2-29"));
  EXPECT_TRUE(takes(R"({"type":"string"})", "x </parameter> </tool_call>"));
  EXPECT_FALSE(takes(R"({"type":"string"})", "x\n<parameter=e>"));
  EXPECT_FALSE(takes(R"({"type":"string"})", "</function>"));
}

TEST(CallBuilder, CountsOfParameters) {
  const auto takes = [](std::string_view counts, const std::vector<std::string>& names) {
    const json::Value f = parse(
        R"({"name":"f","parameters":{"required":["b"],"properties":{"a":{"const":1},"b":{"const":1},"c":{"const":1},"d":{"const":1}},)" +
        std::string(counts) + "}}");
    const auto grammar = compile_tools(ToolRules{{&f}, true, false});
    EXPECT_TRUE(grammar) << counts << ": " << grammar.error().message;
    std::string text = "\n<function=f>\n";
    for (const std::string& name : names) text += "<parameter=" + name + ">\n1\n</parameter>\n";
    return grammar && takes_calls(*grammar, {text + "</function>\n"});
  };
  EXPECT_FALSE(takes(R"("minProperties":2)", {"b"}));
  for (const char* other : {"c", "d"}) EXPECT_TRUE(takes(R"("minProperties":2)", {"b", other}));
  EXPECT_TRUE(takes(R"("minProperties":2)", {"a", "b"}));
  EXPECT_TRUE(takes(R"("minProperties":2)", {"a", "b", "c", "d"}));
  EXPECT_TRUE(takes(R"("minProperties":4)", {"a", "b", "c", "d"}));
  EXPECT_FALSE(takes(R"("minProperties":4)", {"a", "b", "d"}));
  EXPECT_TRUE(takes(R"("maxProperties":1)", {"b"}));
  EXPECT_FALSE(takes(R"("maxProperties":1)", {"a", "b"}));
  EXPECT_TRUE(takes(R"("minProperties":2,"maxProperties":3)", {"a", "b", "d"}));
  EXPECT_FALSE(takes(R"("minProperties":2,"maxProperties":3)", {"a", "b", "c", "d"}));
  // Many combinations are no trouble.
  std::string many;
  for (int i = 0; i < 20; ++i) many += "\"p" + std::to_string(i) + "\":{\"const\":1},";
  many.pop_back();
  const json::Value f =
      parse(R"({"name":"f","parameters":{"minProperties":9,"maxProperties":10,"properties":{)" +
            many + "}}}");
  const auto grammar = compile_tools(ToolRules{{&f}, true, false});
  ASSERT_TRUE(grammar) << grammar.error().message;
  const auto takes_many = [&](int first, int count) {
    std::string text = "\n<function=f>\n";
    for (int i = first; i < first + count; ++i)
      text += "<parameter=p" + std::to_string(i) + ">\n1\n</parameter>\n";
    return takes_calls(*grammar, {text + "</function>\n"});
  };
  EXPECT_TRUE(takes_many(0, 9));
  EXPECT_TRUE(takes_many(11, 9));
  EXPECT_TRUE(takes_many(5, 10));
  EXPECT_FALSE(takes_many(12, 8));
  EXPECT_FALSE(takes_many(5, 11));
}

// Parameters that the schema does not name, but says that there may be.
TEST(CallBuilder, FreeParameters) {
  using Values = std::initializer_list<std::pair<std::string_view, std::string_view>>;
  const auto takes = [](std::string_view parameters, Values values) {
    const json::Value f = parse(R"({"name":"f","parameters":)" + std::string(parameters) + "}");
    const auto grammar = compile_tools(ToolRules{{&f}, true, false});
    EXPECT_TRUE(grammar) << parameters << ": " << grammar.error().message;
    return grammar && takes_calls(*grammar, {call("f", values)});
  };
  for (const char* closed :
       {R"({})", R"({"type":"object","properties":{"a":{"type":"string"}}})",
        R"({"additionalProperties":false})", R"({"patternProperties":{"^b":false}})"}) {
    EXPECT_FALSE(takes(closed, {{"b", "x"}})) << closed;
    EXPECT_TRUE(takes(closed, {})) << closed;
  }
  for (
      const char* open :
      {R"({"additionalProperties":true})", R"({"additionalProperties":{"type":"string"}})",
       R"({"patternProperties":{"^b":{"type":"string"}},"additionalProperties":false})",
       R"({"properties":{"a":{}},"unevaluatedProperties":{}})", R"({"minProperties":1})",
       R"({"propertyNames":{"maxLength":1}})",
       R"({"$ref":"#/$defs/o","$defs":{"o":{"additionalProperties":{"type":["string","null"]}}}})"}) {
    EXPECT_TRUE(takes(open, {{"b", "x"}})) << open;
  }
  constexpr std::string_view kBoth =
      R"({"properties":{"a":{"type":"integer"},"ab":{"type":"null"},"c":{"const":1}},"required":["ab"],
         "additionalProperties":{"type":"boolean"}})";
  EXPECT_TRUE(takes(kBoth, {{"ab", "null"}, {"abc", "true"}, {"é \"'=", "False"}}));
  EXPECT_TRUE(takes(kBoth, {{"a", "5"}, {"ab", "null"}, {"c", "1"}, {"d", "true"}}));
  EXPECT_FALSE(takes(kBoth, {{"ab", "null"}, {"d", "5"}}));
  EXPECT_FALSE(takes(kBoth, {{"d", "true"}, {"ab", "null"}})) << "they come behind the others";
  EXPECT_FALSE(takes(kBoth, {{"ab", "null"}, {"a", "true"}})) << "it has a schema of its own";
  EXPECT_FALSE(takes(kBoth, {{"ab", "null"}, {"d", "true"}, {"c", "1"}}));
  EXPECT_FALSE(takes(kBoth, {{"d", "true"}}));
  for (const char* name : {"", "a>", "a\n", "<b", "\t"})
    EXPECT_FALSE(takes(kBoth, {{"ab", "null"}, {name, "true"}})) << name;
  const std::string longest(64, 'x');
  EXPECT_TRUE(takes(kBoth, {{"ab", "null"}, {longest, "true"}}));
  EXPECT_FALSE(takes(kBoth, {{"ab", "null"}, {longest + "x", "true"}}));
  constexpr std::string_view kPatterns =
      R"({"patternProperties":{"^s_":{"type":"string"},"^n_":{"type":"integer"}},"additionalProperties":false})";
  EXPECT_TRUE(takes(kPatterns, {{"n_x", "12"}, {"s_x", "word"}, {"n_y", "3"}}));
  EXPECT_FALSE(takes(kPatterns, {{"n_x", "word"}}));
  EXPECT_FALSE(takes(kPatterns, {{"s_x", "12"}})) << "it would be read as an integer";
  EXPECT_FALSE(takes(kPatterns, {{"x", "12"}}));
  // In one branch it has a name that it has not in the other: there it does not come.
  constexpr std::string_view kBranches =
      R"({"anyOf":[{"required":["k"],"properties":{"k":{"const":"a"}},"additionalProperties":{"type":"integer"}},
                   {"required":["x"],"properties":{"x":{"type":"string"}}}]})";
  EXPECT_TRUE(takes(kBranches, {{"k", "a"}, {"y", "5"}}));
  EXPECT_FALSE(takes(kBranches, {{"k", "a"}, {"x", "5"}}));
  EXPECT_TRUE(takes(kBranches, {{"x", "5"}}));
}

TEST(CallBuilder, CountsOfFreeParameters) {
  const auto takes = [](std::string_view counts, const std::vector<std::string>& names) {
    const json::Value f = parse(
        R"({"name":"f","parameters":{"required":["b"],"properties":{"a":{"const":1},"b":{"const":1}},
            "additionalProperties":{"const":1},)" +
        std::string(counts) + "}}");
    const auto grammar = compile_tools(ToolRules{{&f}, true, false});
    EXPECT_TRUE(grammar) << counts << ": " << grammar.error().message;
    std::string text = "\n<function=f>\n";
    for (const std::string& name : names) text += "<parameter=" + name + ">\n1\n</parameter>\n";
    return grammar && takes_calls(*grammar, {text + "</function>\n"});
  };
  EXPECT_FALSE(takes(R"("minProperties":2)", {"b"}));
  EXPECT_TRUE(takes(R"("minProperties":2)", {"a", "b"}));
  EXPECT_TRUE(takes(R"("minProperties":2)", {"b", "x"}));
  EXPECT_TRUE(takes(R"("minProperties":2)", {"b", "x", "y", "z"}));
  EXPECT_TRUE(takes(R"("minProperties":3)", {"a", "b", "x"}));
  // The reader of calls drops one of two that are alike: then one would be missing.
  EXPECT_FALSE(takes(R"("minProperties":3)", {"b", "x", "x"}));
  EXPECT_TRUE(takes(R"("maxProperties":2)", {"b", "x"}));
  EXPECT_FALSE(takes(R"("maxProperties":2)", {"a", "b", "x"}));
  EXPECT_FALSE(takes(R"("maxProperties":2)", {"b", "x", "y"}));
  EXPECT_FALSE(takes(R"("maxProperties":1)", {"b", "x"}));
  EXPECT_TRUE(takes(R"("maxProperties":1)", {"b"}));
  for (const char* parameters :
       {R"({"type":"object","minProperties":2})",
        R"({"type":"object","properties":{"a":{}},"additionalProperties":{},"minProperties":3})"}) {
    const json::Value f = parse(R"({"name":"f","parameters":)" + std::string(parameters) + "}");
    const auto none = compile_tools(ToolRules{{&f}, true, false});
    ASSERT_FALSE(none) << parameters;
    EXPECT_EQ(none.error().code, GrammarErrorCode::kUnsupportedSchema);
  }
}

TEST(CallBuilder, ParametersOfCombinedSchemas) {
  EXPECT_TRUE(takes_value(
      R"({"$ref":"#/$defs/a~1b%20c","$defs":{"a/b c":{"type":"object","required":["e"],
         "properties":{"e":{"type":"integer"}}}}})",
      "5"));
  EXPECT_TRUE(takes_value(
      R"({"allOf":[{"properties":{"e":{"type":"number"}}},{"required":["e"]}]})", "5.5"));
  constexpr std::string_view kEither =
      R"({"type":"object","anyOf":[{"properties":{"e":{"type":"string","minLength":2}},"required":["e"]},
         {"properties":{"e":{"type":"integer","maximum":7}},"required":["e"]}]})";
  for (const char* right : {"ab", "7"}) EXPECT_TRUE(takes_value(kEither, right)) << right;
  for (const char* wrong : {"a", "8", "12"}) EXPECT_FALSE(takes_value(kEither, wrong)) << wrong;
  // An object that cannot be written is no fault as long as another one can.
  EXPECT_TRUE(takes_value(
      R"({"anyOf":[{"properties":{"e":{"const":"</function>"}},"required":["e"]},
         {"properties":{"e":{"const":"x"}},"required":["e"]}]})",
      "x"));
  const json::Value f = parse(
      R"({"name":"f","parameters":{"properties":{"e":{"const":"</function>"}},"required":["e"]}})");
  const auto none = compile_tools(ToolRules{{&f}, true, false});
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().code, GrammarErrorCode::kUnsupportedSchema);
}

}  // namespace
}  // namespace tessera::grammar
