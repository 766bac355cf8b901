#include "chat/tool_set.h"

#include <string>

#include <gtest/gtest.h>

namespace tessera::chat {
namespace {

json::Value parsed(std::string_view text) {
  auto value = json::parse(text);
  EXPECT_TRUE(value) << text;
  return value ? *std::move(value) : json::Value();
}

// Parameter "p" of a tool whose schema is `schema`.
std::string as(std::string_view schema, std::string_view raw) {
  const ToolSet tools(
      {parsed(R"({"type":"function","function":{"name":"f","parameters":{"type":"object",
        "$defs":{"Color":{"type":"string","enum":["1","2"]},"Point":{"type":"object"},
                 "Loop":{"$ref":"#/$defs/Loop"},
                 "Bush":{"anyOf":[{"type":"integer"},{"$ref":"#/$defs/Bush"},{"$ref":"#/$defs/Bush"},
                                  {"$ref":"#/$defs/Bush"},{"$ref":"#/$defs/Bush"}]}},
        "properties":{"p":)" +
              std::string(schema) + "}}}}")});
  return tools.find("f")->argument_json("p", raw);
}

TEST(ToolSet, Names) {
  const ToolSet tools({parsed(R"({"type":"function","function":{"name":"f"}})"),
                       parsed(R"({"type":"function","function":{"name":7}})"), parsed("[]")});
  EXPECT_FALSE(tools.empty());
  EXPECT_NE(tools.find("f"), nullptr);
  EXPECT_EQ(tools.find("g"), nullptr);
  EXPECT_TRUE(ToolSet({}).empty());
  EXPECT_EQ(tools.find("f")->argument_json("any", "5"), R"("5")");
  EXPECT_FALSE(tools.find("f")->declares_parameters());
}

TEST(ToolSet, Strings) {
  EXPECT_EQ(as(R"({"type":"string"})", "02134"), R"("02134")");
  EXPECT_EQ(as(R"({"type":"string"})", " true \"\n"), R"(" true \"\n")");
  EXPECT_EQ(as(R"({"type":"string"})", "null"), R"("null")");
  EXPECT_EQ(as(R"({"description":"no type"})", "5"), R"("5")");
  EXPECT_EQ(as("true", "5"), R"("5")");
}

TEST(ToolSet, Numbers) {
  EXPECT_EQ(as(R"({"type":"integer"})", " 5 "), "5");
  EXPECT_EQ(as(R"({"type":"integer"})", "123456789012345678901"), "123456789012345678901");
  EXPECT_EQ(as(R"({"type":"integer"})", "5.0"), "5");
  EXPECT_EQ(as(R"({"type":"integer"})", "5.5"), R"("5.5")");
  EXPECT_EQ(as(R"({"type":"integer"})", "five"), R"("five")");
  EXPECT_EQ(as(R"({"type":"integer"})", ""), R"("")");
  EXPECT_EQ(as(R"({"type":"number"})", "-2.50"), "-2.50");
  EXPECT_EQ(as(R"({"type":"number"})", "1e400"), R"("1e400")");
  EXPECT_EQ(as(R"({"type":"number"})", "NaN"), R"("NaN")");
  EXPECT_EQ(as(R"({"type":"number"})", "__import__('os')"), "\"__import__('os')\"");
}

TEST(ToolSet, BooleansAndNull) {
  for (const char* yes : {"true", "True", "TRUE", "\ntrue"}) {
    EXPECT_EQ(as(R"({"type":"boolean"})", yes), "true") << yes;
  }
  EXPECT_EQ(as(R"({"type":"boolean"})", "False"), "false");
  EXPECT_EQ(as(R"({"type":"boolean"})", "1"), R"("1")");
  EXPECT_EQ(as(R"({"type":"null"})", "None"), "null");
  EXPECT_EQ(as(R"({"type":["string","null"]})", "null"), "null");
  EXPECT_EQ(as(R"({"type":["string","null"]})", "None"), "null");
  EXPECT_EQ(as(R"({"type":["string","null"]})", "nothing"), R"("nothing")");
}

TEST(ToolSet, Structures) {
  EXPECT_EQ(as(R"({"type":"array"})", "[1, 2.50, {\"b\": null}]"), R"([1,2.50,{"b":null}])");
  EXPECT_EQ(as(R"({"type":"object"})", "{\n  \"a\": true\n}"), R"({"a":true})");
  EXPECT_EQ(as(R"({"type":"object"})", "[1]"), R"("[1]")");
  EXPECT_EQ(as(R"({"type":"array"})", "1, 2"), R"("1, 2")");
  EXPECT_EQ(
      as(R"({"type":"object"})", R"({'it\'s': True, "s": "True", 'n': [None, False, 'a"b']})"),
      R"({"it's":true,"s":"True","n":[null,false,"a\"b"]})");
  EXPECT_EQ(as(R"({"type":"object"})", std::string(70'000, '{')),
            '"' + std::string(70'000, '{') + '"');
}

TEST(ToolSet, Unions) {
  const char* union_schema = R"({"anyOf":[{"type":"integer"},{"type":"array"},{"type":"null"}]})";
  EXPECT_EQ(as(union_schema, "5"), "5");
  EXPECT_EQ(as(union_schema, "[5]"), "[5]");
  EXPECT_EQ(as(union_schema, "null"), "null");
  EXPECT_EQ(as(union_schema, "x"), R"("x")");
  EXPECT_EQ(as(R"({"oneOf":[{"type":"string"},{"type":"integer"}]})", "5"), "5");
  EXPECT_EQ(as(R"({"oneOf":[{"type":"string"},{"type":"integer"}]})", "5a"), R"("5a")");
  EXPECT_EQ(as(R"({"enum":[1,2,"three"]})", "2"), "2");
  EXPECT_EQ(as(R"({"enum":[1,2,"three"]})", "three"), R"("three")");
  EXPECT_EQ(as(R"({"const":true})", "True"), "true");
  EXPECT_EQ(as(R"({"items":{}})", "[]"), "[]");
}

TEST(ToolSet, References) {
  EXPECT_EQ(as(R"({"$ref":"#/$defs/Color"})", "2"), R"("2")");
  EXPECT_EQ(as(R"({"allOf":[{"$ref":"#/$defs/Point"}]})", R"({"x":1})"), R"({"x":1})");
  EXPECT_EQ(as(R"({"$ref":"#/$defs/Loop"})", "1"), R"("1")");
  EXPECT_EQ(as(R"({"$ref":"#/$defs/None"})", "1"), R"("1")");
  EXPECT_EQ(as(R"({"$ref":"#/$defs/Bush"})", "1"), "1");
  EXPECT_EQ(as(R"({"$ref":"https://example.org/x"})", "1"), R"("1")");
}

TEST(ToolSet, AdditionalProperties) {
  const ToolSet tools({parsed(
      R"({"function":{"name":"f","parameters":{"additionalProperties":{"type":"integer"}}}})")});
  EXPECT_EQ(tools.find("f")->argument_json("any", "5"), "5");
  EXPECT_FALSE(tools.find("f")->has_parameter("any"));
}

// Which of several open schemas a name belongs to is not looked at: all their types are tried.
TEST(ToolSet, NamesThatAreLeftOpen) {
  const ToolSet tools({parsed(R"({"function":{"name":"f","parameters":{
      "properties":{"n_x":{"type":"string"}},"allOf":[{"additionalProperties":{"type":"null"}}],
      "patternProperties":{"^n_":{"type":"integer"},"^a_":{"type":"array"}}}}})")});
  EXPECT_EQ(tools.find("f")->argument_json("n_y", "5"), "5");
  EXPECT_EQ(tools.find("f")->argument_json("a_y", "[]"), "[]");
  EXPECT_EQ(tools.find("f")->argument_json("a_y", "5"), "5");
  EXPECT_EQ(tools.find("f")->argument_json("z", "null"), "null");
  EXPECT_EQ(tools.find("f")->argument_json("z", "word"), R"("word")");
  EXPECT_EQ(tools.find("f")->argument_json("n_x", "5"), R"("5")");
}

}  // namespace
}  // namespace tessera::chat
