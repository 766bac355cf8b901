// What each keyword lets through and what not, byte by byte; and what is refused.
#include "grammar/compile.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

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

bool takes(const GrammarPtr& grammar, std::string_view text) {
  Matcher matcher(grammar, vocabulary());
  return matcher.accept_bytes(text) && matcher.is_done();
}

struct Row {
  std::string_view schema;
  std::vector<std::string_view> good;
  std::vector<std::string_view> bad;
};

const Row kRows[] = {
    {"{}",
     {"1", "[]", "{\"a\": null}", "\"x\""},
     {"", " 1", "1 ", "{\"a\":1,\"a\":2}", "tru", "01"}},
    {R"({"type":"object"})",
     {"{}", "{ }", "{\n  \"a\": 1\n}"},
     {"[]", "{,}", "{  }", "{\"a\":1,}"}},
    {R"({"type":["integer","null"]})", {"-12", "0", "null"}, {"1.5", "1e3", "-", "\"1\"", "00"}},
    {R"({"type":"number"})", {"1.50", "-0.5", "1e10", "2E-3"}, {"1.", ".5", "+1", "1e", "0x1"}},
    {R"({"enum":["a",1,12,null,{"k":[1,"é"]}]})",
     {"\"a\"", "1", "12", "null", "{\"k\": [1, \"é\"]}", "\"\\u0061\""},
     {"2", "\"b\"", "{\"k\":[1]}", "11"}},
    {R"({"type":"string","enum":["a",1]})", {"\"a\""}, {"1"}},
    {R"({"const":"\"\n"})", {R"("\"\n")", R"("\"\u000A")"}, {R"("\n")", "\"\\\"\n\""}},
    {R"({"type":"object","properties":{"a":{"type":"integer"},"b":{},"c":{}},"required":["b"]})",
     {"{\"b\":1}", "{\"a\":1,\"b\":2,\"c\":3,\"zz\":4}", "{\"a\":1, \"b\":2}"},
     {"{}", "{\"a\":1}", "{\"b\":1,\"a\":1}", "{\"a\":\"x\",\"b\":1}", "{\"c\":1,\"b\":1}"}},
    {R"({"properties":{"ab":{},"a":{}},"additionalProperties":false,"type":"object"})",
     {"{\"ab\":1,\"a\":2}", "{\"a\":1}"},
     {"{\"abc\":1}", "{\"b\":1}", "{\"\":1}", "{\"\\u0061\":1}"}},
    {R"({"type":"object","additionalProperties":{"type":"boolean"}})",
     {"{\"x\":true,\"y\":false}"},
     {"{\"x\":1}", "{\"x\":true,\"x\":true}", "{\"x\":true,\"\\u0078\":true}"}},
    {R"({"type":"object","patternProperties":{"^x":{"type":"integer"},"^[ab]$":{"type":"null"}},
        "additionalProperties":false})",
     {"{\"x1\":1}", "{\"a\":null,\"b\":null}"},
     {"{\"y\":1}", "{\"x\":null}", "{\"ab\":null}"}},
    {R"({"type":"object","patternProperties":{"^a":{"type":"string"},"^b":{"type":"integer"},"^c":{},
        "^d":{},"^e":{},"^f":{},"^g":{},"^h":{"type":"null"},"b$":{"minimum":3}},"additionalProperties":false})",
     {"{\"a\":\"x\",\"b\":3,\"h\":null}", "{\"ab\":\"x\"}"},
     {"{\"b\":2}", "{\"i\":1}", "{\"h\":1}"}},
    {R"({"type":"object","propertyNames":{"maxLength":2},"minProperties":1,"maxProperties":2})",
     {"{\"ab\":1}", "{\"a\":1,\"b\":1}"},
     {"{}", "{\"abc\":1}", "{\"a\":1,\"b\":1,\"c\":1}"}},
    {R"({"type":"array","items":{"type":"integer"},"minItems":1,"maxItems":2})",
     {"[1]", "[1,2]", "[\n  1,\n  2\n]"},
     {"[]", "[1,2,3]", "[1,]", "[\"a\"]"}},
    {R"({"type":"array","prefixItems":[{"type":"null"},{"type":"string"}],"items":false})",
     {"[]", "[null]", "[null,\"a\"]"},
     {"[1]", "[null,\"a\",1]"}},
    {R"({"$schema":"http://json-schema.org/draft-04/schema#","type":"array",
        "items":[{"type":"null"}],"additionalItems":{"type":"integer"}})",
     {"[null,1,2]"},
     {"[null,null]", "[1]"}},
    {R"({"type":"array","contains":{"const":5},"maxItems":2})",
     {"[5]", "[1,5]", "[5,1]"},
     {"[]", "[1,2]"}},
    {R"({"type":"array","items":{"type":"string"},"uniqueItems":true})",
     {"[]", "[\"a\"]", "[\"a\",\"ab\",\"\"]", "[\n  \"a\", \"b\"]"},
     {"[\"a\",\"a\"]", "[\"\",\"x\",\"\"]", "[\"a\",\"\\u0061\"]", "[1]"}},
    {R"({"type":"array","items":{"enum":["a","b",1,12,null,"1"]},"uniqueItems":true})",
     {"[1,12,\"a\",null,\"1\",\"b\"]", "[12,1]", "[\"1\",1]", "[null]"},
     {"[1,1]", "[12,1,12]", "[null,\"b\",null]", "[\"b\",\"b\"]", "[2]"}},
    {R"({"type":"array","items":{"type":"integer","minimum":-1,"maximum":10},"uniqueItems":true,"minItems":2})",
     {"[1,10]", "[-1,0,1,2,3,4,5,6,7,8,9,10]"},
     {"[1]", "[1,1]", "[-1,0,1,2,3,4,5,6,7,8,9,10,1]", "[-1,-1]"}},
    {R"({"type":"array","items":{"type":"string","pattern":"^[ab]{1,2}$"},"uniqueItems":true})",
     {"[\"a\",\"b\",\"aa\",\"ab\",\"ba\",\"bb\"]"},
     {"[\"ab\",\"ab\"]", "[\"a\",\"b\",\"a"}},
    {R"({"type":"array","items":{"anyOf":[{"type":"string","pattern":"^[ab]$"},{"type":"string","maxLength":1},
        {"type":"null"}]},"uniqueItems":true})",
     {"[\"a\",\"c\",null,\"\"]"},
     {"[\"a\",\"a\"]", "[\"c\",null,\"c\"]", "[\"ab\"]"}},
    {R"({"type":"array","items":{"type":"boolean"},"uniqueItems":true})",
     {"[true,false]", "[false]"},
     {"[true,true]", "[true,false,true"}},
    {R"({"type":"array","items":{"type":"array","items":{"type":"string"}},"uniqueItems":true,"maxItems":1})",
     {"[[\"a\",\"a\"]]"},
     {"[[],[]]"}},
    {R"({"enum":[[1,1.0],[1,2],[[1],[1]]],"uniqueItems":true})",
     {"[1,2]"},
     {"[1,1.0]", "[[1],[1]]"}},
    {R"({"type":"array","items":{"type":"array","items":{"enum":["x","y"]},"uniqueItems":true},"maxItems":3})",
     {"[[\"x\"],[\"x\",\"y\"],[\"x\"]]"},
     {"[[\"x\",\"x\"]]", "[[\"x\",\"y\",\"x"}},
    {R"({"type":"array","contains":{"const":5},"minContains":1,"maxContains":2,"maxItems":2})",
     {"[5]", "[5,5]"},
     {"[]", "[1]"}},
    {R"({"type":"array","contains":{"const":5},"minContains":0})", {"[]", "[1]"}, {"{}"}},
    {R"({"type":"array","minContains":2,"maxContains":0})", {"[]", "[1]"}, {"{}"}},
    {R"({"type":"array","contains":{"const":5},"minContains":2})",
     {"[5,5]", "[1,5,2,5,5,5]"},
     {"[5]", "[1,5]", "[]"}},
    {R"({"type":"array","items":{"type":"integer"},"contains":{"minimum":5},"minContains":1,
        "maxContains":2,"minItems":3,"maxItems":4})",
     {"[5,1,1]", "[1,6,1,7]", "[5,6,1]"},
     {"[1,1,1]", "[5,5,5]", "[5,1]", "[1,1,1,1"}},
    {R"({"type":"array","allOf":[{"contains":{"const":"a"}},{"contains":{"const":"b"}}],"maxItems":2})",
     {"[\"a\",\"b\"]", "[\"b\",\"a\"]"},
     {"[\"a\"]", "[\"c\",\"a\"", "[\"a\",\"a\""}},
    {R"({"type":"array","contains":{"type":"null"},"minContains":0,"maxContains":0})",
     {"[]", "[1]"},
     {"[null]", "[1,null]"}},
    {R"({"not":{"type":"integer"}})", {"1.5", "\"a\"", "null"}, {"1", "0", "1.0"}},
    {R"({"type":"integer","not":{"multipleOf":3}})", {"1", "-2", "10"}, {"0", "3", "-9", "1.5"}},
    {R"({"type":"array","not":{"items":{"type":"string"}}})",
     {"[1]", "[\"a\",1]"},
     {"[]", "[\"a\"]"}},
    {R"({"type":"array","not":{"prefixItems":[{"const":1},{"const":2}],"items":{"const":3}}})",
     {"[2]", "[1,3]", "[1,2,4]", "[1,2,3,4]"},
     {"[]", "[1]", "[1,2]", "[1,2,3,3]"}},
    {R"({"type":"array","not":{"contains":{"const":1},"maxContains":2}})",
     {"[]", "[2]", "[1,1,1]"},
     {"[1]", "[1,2,1]"}},
    {R"({"type":"object","not":{"properties":{"a":{"const":1}},"additionalProperties":false}})",
     {"{\"a\":2}", "{\"b\":1}", "{\"a\":1,\"b\":1}"},
     {"{}", "{\"a\":1}"}},
    {R"({"type":"object","not":{"patternProperties":{"^x":{"type":"null"}}},"maxProperties":2})",
     {"{\"x\":1}", "{\"y\":1,\"xx\":2}"},
     {"{}", "{\"x\":null}", "{\"y\":1,\"z\":2", "{\"y\":1,\"x\":null"}},
    {R"({"type":"object","not":{"propertyNames":{"maxLength":1}}})",
     {"{\"ab\":1}", "{\"a\":1,\"bc\":2}"},
     {"{}", "{\"a\":1}"}},
    {R"({"type":"object","not":{"dependentRequired":{"a":["b"]}}})",
     {"{\"a\":1}", "{\"a\":1,\"c\":1}"},
     {"{}", "{\"a\":1,\"b\":1}", "{\"b\":1}"}},
    {R"({"not":{"oneOf":[{"type":"string"},{"minLength":2}]}})", {"\"ab\""}, {"1", "\"a\"", "[]"}},
    {R"({"not":{"enum":[[1,2],{"a":1}]},"type":["array","object"]})",
     {"[]", "[1]", "[2,2]", "[1,2,3]", "{}", "{\"a\":2}", "{\"a\":1,\"b\":1}"},
     {"[1,2]", "{\"a\":1}"}},
    {R"({"oneOf":[{"type":"object","properties":{"a":{"type":"string"}},"additionalProperties":false},
        {"type":"object","properties":{"b":{"type":"string"}},"additionalProperties":false}]})",
     {"{\"a\":\"x\"}", "{\"b\":\"x\"}"},
     {"{}", "{\"a\":\"x\",\"b\":\"x\"}", "{\"c\":1}"}},
    {R"({"oneOf":[{"type":"integer"},{"minimum":2}]})", {"1", "2.5", "\"a\""}, {"3", "1.5"}},
    {R"({"const":-2.0})", {"-2.0", "-2"}, {"2", "-2.5"}},
    {R"({"type":"object","properties":{"a":{"type":"integer"}},"allOf":[{"patternProperties":{"^x":{}}}],
        "unevaluatedProperties":false})",
     {"{}", "{\"a\":1,\"x1\":2}"},
     {"{\"b\":1}", "{\"a\":\"s\"}"}},
    {R"({"type":"object","anyOf":[{"properties":{"a":{"const":1}},"required":["a"]},
        {"properties":{"b":{"const":1}},"required":["b"]}],"unevaluatedProperties":{"type":"null"}})",
     {"{\"a\":1}", "{\"a\":1,\"b\":1}", "{\"a\":1,\"b\":null}", "{\"b\":1,\"c\":null}"},
     {"{}", "{\"a\":1,\"b\":2}", "{\"b\":1,\"c\":1}"}},
    {R"({"type":"object","if":{"required":["a"],"properties":{"a":{"const":1}}},"then":{"properties":{"b":{}}},
        "else":{"properties":{"c":{}}},"unevaluatedProperties":false})",
     {"{\"a\":1,\"b\":1}", "{\"c\":1}", "{}"},
     {"{\"a\":1,\"c\":1}", "{\"b\":1}", "{\"a\":2"}},
    {R"({"type":"object","not":{"not":{"required":["a"],"properties":{"a":{}}}},"unevaluatedProperties":{"const":2}})",
     {"{\"a\":2}"},
     {"{\"a\":1}", "{}"}},
    {R"({"type":"object","allOf":[{"properties":{"a":{}}},{"properties":{"b":{}},"unevaluatedProperties":false}]})",
     {"{\"b\":1}", "{}"},
     {"{\"a\":1}"}},
    {R"({"type":"array","prefixItems":[{"const":1}],"allOf":[{"prefixItems":[true,{"const":2}]}],
        "unevaluatedItems":{"const":3}})",
     {"[]", "[1,2]", "[1,2,3,3]"},
     {"[1,3]", "[1,2,4]"}},
    {R"({"type":"array","contains":{"type":"string"},"unevaluatedItems":{"type":"null"}})",
     {"[\"a\"]", "[null,\"a\",\"b\",null]"},
     {"[null]", "[\"a\",1]"}},
    {R"({"$id":"https://a.example/root/","$ref":"list#/items","$defs":{"l":{"$id":"list","items":{"$ref":"item#n"}},
        "i":{"$id":"/root/item","$defs":{"x":{"$anchor":"n","type":"integer"}}}}})",
     {"1"},
     {"\"a\""}},
    {R"({"$schema":"http://json-schema.org/draft-04/schema#","id":"http://a.example/x","type":"object",
        "properties":{"p":{"$ref":"y#/definitions/z"}},"definitions":{"y":{"id":"y","definitions":{"z":{"type":"null"}}}}})",
     {"{\"p\":null}"},
     {"{\"p\":1}"}},
    {R"({"type":"object","properties":{"n":{"$id":"/meant/as/a/comment","$ref":"#/$defs/i"}},"$defs":{"i":{"type":"integer"}}})",
     {"{\"n\":1}"},
     {"{\"n\":\"a\"}"}},
    {R"({"properties":{"n":{"$dynamicRef":"#i"}},"$defs":{"i":{"$dynamicAnchor":"i","type":"integer"}},"type":"object"})",
     {"{\"n\":1}"},
     {"{\"n\":\"a\"}"}},
    {R"({"type":"object","properties":{"k":{"enum":["a","b","c"]},"x":{},"y":{}},"required":["k"],"allOf":[
        {"if":{"properties":{"k":{"const":"a"}}},"then":{"required":["x"]}},
        {"if":{"properties":{"k":{"const":"b"}}},"then":{"required":["y"]}},
        {"if":{"properties":{"k":{"const":"c"}}},"then":{"required":["x","y"]}}]})",
     {"{\"k\":\"a\",\"x\":1}", "{\"k\":\"b\",\"y\":1}", "{\"k\":\"c\",\"x\":1,\"y\":1}"},
     {"{\"k\":\"a\",\"y\":1}", "{\"k\":\"b\"}", "{\"k\":\"c\",\"x\":1}"}},
    {R"({"$ref":"#/$defs/p","$defs":{"p":{"oneOf":[{"type":"integer"},
        {"type":"object","properties":{"c":{"$ref":"#/$defs/p"}},"required":["c"]},
        {"type":"object","properties":{"c":{"$ref":"#/$defs/p"}},"required":["c","d"]}]}}})",
     {"1", "{\"c\":1}", "{\"c\":{\"c\":2}}"},
     {"{\"c\":1,\"d\":2}", "{\"c\":{\"c\":1,\"d\":1}}"}},
    {R"({"type":"string","minLength":2,"maxLength":3})",
     {"\"ab\"", "\"é\\n漢\"", "\"\\ud83d\\ude00x\""},
     {"\"a\"", "\"abcd\"", "\"\\ud83d\"", "\"\\ude00xx\"", "\"a\nb\""}},
    {R"({"type":"string","pattern":"b"})", {"\"abc\"", "\"\\u0062\""}, {"\"a\""}},
    {R"({"type":"string","pattern":"^\\d{3}$","maxLength":3})",
     {"\"123\""},
     {"\"12\"", "\"1234\""}},
    {R"({"type":"string","pattern":"$^"})", {"\"\""}, {"\"a\"", "\"ab\""}},
    {R"({"type":"string","pattern":"(a|b?)+$^|^c"})", {"\"\"", "\"cb\""}, {"\"a\"", "\"bc\""}},
    {R"({"type":"string","pattern":"^[^a]$"})",
     {"\"\\\"\"", "\"\\n\"", "\"é\""},
     {"\"a\"", "\"\""}},
    {R"({"type":"string","pattern":"^(?!ab)[a-z]+$"})", {"\"ba\"", "\"a\""}, {"\"abc\""}},
    {R"x({"type":"string","pattern":"^foo(?!bar)"})x",
     {"\"foo\"", "\"foob\"", "\"foobaz\""},
     {"\"foobar\"", "\"foobarx\"", "\"fo\""}},
    {R"({"type":"string","pattern":"^(?=.*[0-9])(?=.*[a-z]).{3,}$"})",
     {"\"a1b\"", "\"..1a\""},
     {"\"a1\"", "\"abc\"", "\"123\""}},
    {R"({"type":"string","pattern":"^(?:(?!ab).)+$"})",
     {"\"a\"", "\"ba\"", "\"aa\""},
     {"\"ab\"", "\"xabx\"", "\"\""}},
    {R"({"type":"string","pattern":"(?<!a)b$"})", {"\"b\"", "\"abb\""}, {"\"ab\"", "\"a\""}},
    {R"({"type":"string","pattern":"(?<=^x+)y"})", {"\"xxy\"", "\"xyz\""}, {"\"y\"", "\"axy\""}},
    {R"({"type":"string","pattern":"\\bno\\b"})",
     {"\"no\"", "\"a no b\"", "\"-no-\""},
     {"\"nob\"", "\"uno\"", "\"_no\""}},
    {R"({"type":"string","pattern":"^\\p{Lu}\\p{Ll}*\\P{L}$"})",
     {"\"É1\"", "\"Ab \""},
     {"\"e1\"", "\"EA\"", "\"Éé\""}},
    {R"({"type":"string","pattern":"(?i)^[^a-k]S$"})",
     {"\"zs\"", "\"1S\""},
     {"\"As\"", "\"\u212as\"", "\"zt\""}},
    {R"({"type":"string","pattern":"(?s)^a.b\\Z"})", {"\"a\\nb\""}, {"\"ab\"", "\"a\\nbc\""}},
    {R"({"type":"string","pattern":"[a-z]{1,2000}-x{2,900}"})",
     {"\"a-xx\"", "\"ab-xxxx\""},
     {"\"a-x\"", "\"-xx\""}},
    {R"({"type":"string","format":"date"})",
     {"\"2024-02-29\""},
     {"\"2023-02-29\"", "\"2024-13-01\""}},
    {R"({"type":"string","format":"ipv6"})", {"\"::1\"", "\"1:2:3:4:5:6:7:8\""}, {"\"1::2::3\""}},
    {R"({"type":"string","format":"no such format"})", {"\"x\""}, {"1"}},
    {R"({"type":"integer","minimum":-5,"exclusiveMaximum":130})",
     {"-5", "0", "129"},
     {"-6", "130", "1000", "01"}},
    {R"({"type":"number","minimum":0.25,"maximum":1})",
     {"0.25", "1", "0.999", "1.0", "0.2500000000000000000001"},
     {"0.2", "1.01", "2", "1.0000000000000000000001", "0.2499999999999999999999"}},
    {R"({"type":"integer","maximum":18446744073709551615})",
     {"18446744073709551615", "-99999999999999999999"},
     {"18446744073709551616", "100000000000000000000"}},
    {R"({"type":"number","multipleOf":0.01})", {"19.99", "0", "-3"}, {"19.999"}},
    {R"({"type":"integer","multipleOf":7,"minimum":1000,"maximum":1010})",
     {"1001", "1008"},
     {"1000", "1002"}},
    {R"({"minimum":5,"exclusiveMinimum":true,"type":"integer"})", {"6"}, {"5"}},
    {R"({"anyOf":[{"type":"integer"},{"type":"string","maxLength":1}]})",
     {"1", "\"a\""},
     {"\"ab\"", "null"}},
    {R"({"allOf":[{"type":"object","properties":{"a":{"minimum":3}}},
                  {"properties":{"a":{"type":"integer"}},"required":["a"]}]})",
     {"{\"a\":3}"},
     {"{\"a\":2}", "{\"a\":3.5}", "{}"}},
    {R"({"oneOf":[{"required":["a"]},{"required":["b"]}],"type":"object"})",
     {"{\"a\":1}", "{\"b\":1}"},
     {"{}", "{\"a\":1,\"b\":1}"}},
    {R"({"not":{"enum":["a",1,null]}})", {"\"b\"", "2", "false"}, {"\"a\"", "1", "null"}},
    {R"({"if":{"properties":{"a":{"const":1}},"required":["a"]},"then":{"required":["b"]},"type":"object"})",
     {"{\"a\":1,\"b\":2}", "{\"a\":2}", "{}"},
     {"{\"a\":1}"}},
    {R"({"type":"object","properties":{"a":{},"b":{}},"dependentRequired":{"a":["b"]}})",
     {"{\"a\":1,\"b\":1}", "{\"b\":1}"},
     {"{\"a\":1}"}},
    {R"({"$ref":"#/$defs/a~1b%25","$defs":{"a/b%":{"type":"object","properties":{"n":{"$ref":"#"}},
        "additionalProperties":false}}})",
     {"{\"n\":{\"n\":{}}}"},
     {"{\"n\":1}"}},
};

TEST(CompileSchema, KeywordsLetThroughWhatTheySay) {
  for (const Row& row : kRows) {
    const json::Value schema = parse(row.schema);
    const auto grammar = compile_schema(schema);
    ASSERT_TRUE(grammar) << row.schema << ": " << grammar.error().message;
    for (const std::string_view text : row.good) {
      EXPECT_TRUE(takes(*grammar, text)) << row.schema << " " << text;
      // Each beginning of a good text can still become one.
      for (std::size_t i = 0; i <= text.size(); ++i) {
        Matcher matcher(*grammar, vocabulary());
        EXPECT_TRUE(matcher.accept_bytes(text.substr(0, i))) << row.schema << " " << text;
      }
    }
    for (const std::string_view text : row.bad) {
      EXPECT_FALSE(takes(*grammar, text)) << row.schema << " " << text;
    }
  }
}

TEST(CompileSchema, RefusesWithPlaceAndReason) {
  using Code = GrammarErrorCode;
  const struct {
    std::string_view schema;
    Code code;
    std::string_view path;
  } rows[] = {
      {R"({"properties":{"a/b":{"extends":{}}}})", Code::kUnsupportedSchema,
       "/properties/a~1b/extends"},
      {R"({"not":{"unevaluatedProperties":false}})", Code::kUnsupportedSchema,
       "/not/unevaluatedProperties"},
      {R"({"$dynamicRef":"#a","$defs":{"x":{"$dynamicAnchor":"a"},"y":{"$dynamicAnchor":"a"}}})",
       Code::kUnsupportedSchema, "/$dynamicRef"},
      {R"({"$id":"https://a.example/b/","$ref":"c"})", Code::kUnsupportedSchema, "/$ref"},
      {R"({"contains":{},"minContains":70})", Code::kSchemaTooComplex, ""},
      {R"({"type":"array","contains":false})", Code::kInvalidSchema, ""},
      {R"({"type":"array","items":{"const":1},"contains":{"const":1},"maxContains":2,"minItems":3})",
       Code::kInvalidSchema, ""},
      {R"({"type":"array","not":{"uniqueItems":true}})", Code::kUnsupportedSchema,
       "/not/uniqueItems"},
      {R"({"contains":{},"minContains":-1})", Code::kInvalidSchema, "/minContains"},
      {R"({"items":{"propertyNames":{"maxLength":1}},"uniqueItems":true})",
       Code::kUnsupportedSchema, "/uniqueItems"},
      {R"({"items":{"enum":[1.0,1.5]},"uniqueItems":true})", Code::kUnsupportedSchema,
       "/uniqueItems"},
      {R"({"items":{"type":"string"},"uniqueItems":true,"contains":{"const":"a"}})",
       Code::kUnsupportedSchema, "/uniqueItems"},
      {R"({"type":"array","items":{"type":"boolean"},"uniqueItems":true,"minItems":3})",
       Code::kInvalidSchema, ""},
      {R"({"$ref":"https://example.com/x"})", Code::kUnsupportedSchema, "/$ref"},
      {R"({"type":"string","pattern":"(a)\\1"})", Code::kUnsupportedSchema, "/pattern"},
      {R"({"type":"string","pattern":"\\p{Script=Han}"})", Code::kUnsupportedSchema, "/pattern"},
      {R"({"type":"string","pattern":"\\pL"})", Code::kInvalidRegex, "/pattern"},
      {R"({"type":"string","pattern":"(?<=a(?=b))c"})", Code::kUnsupportedSchema, "/pattern"},
      {R"({"type":"string","pattern":"(?m)^a"})", Code::kInvalidRegex, "/pattern"},
      {R"({"type":"string","pattern":"(a"})", Code::kInvalidRegex, "/pattern"},
      {R"({"type":"string","pattern":"[z-a]"})", Code::kInvalidRegex, "/pattern"},
      {R"({"type":"string","pattern":"a{2}{3}"})", Code::kInvalidRegex, "/pattern"},
      {R"({"type":"string","pattern":"(a|b)*a(a|b){22}"})", Code::kSchemaTooComplex, "/pattern"},
      {R"({"type":"string","pattern":"a^"})", Code::kInvalidSchema, ""},
      {R"({"type":"thing"})", Code::kInvalidSchema, "/type"},
      {R"({"minLength":-1})", Code::kInvalidSchema, "/minLength"},
      {R"({"$ref":"#/$defs/none"})", Code::kInvalidSchema, "/$ref"},
      {R"({"$ref":"#"})", Code::kInvalidSchema, ""},
      {R"({"type":"object","properties":{"a":{"$ref":"#"}},"required":["a"]})",
       Code::kInvalidSchema, ""},
      {R"({"type":"integer","minimum":5,"maximum":4})", Code::kInvalidSchema, ""},
      {R"({"enum":["a"],"pattern":"^b"})", Code::kInvalidSchema, ""},
      {R"({"type":"object","required":["x"],"additionalProperties":false})", Code::kInvalidSchema,
       ""},
      {R"("text")", Code::kInvalidSchema, ""},
  };
  for (const auto& row : rows) {
    const json::Value schema = parse(row.schema);
    const auto grammar = compile_schema(schema);
    ASSERT_FALSE(grammar) << row.schema;
    EXPECT_EQ(grammar.error().code, row.code) << row.schema << ": " << grammar.error().message;
    EXPECT_EQ(grammar.error().path, row.path) << row.schema;
  }
}

TEST(CompileSchema, NestingEndsAtTheLimit) {
  for (const std::uint32_t depth : {kMaxNesting, kMaxNesting + 1}) {
    const std::string text = std::string(depth, '[') + std::string(depth, ']');
    const json::Value any = json::Value(true);
    EXPECT_EQ(takes(*compile_schema(any), text), depth == kMaxNesting);
    json::Object constant;
    constant.set("const", parse(text));
    const json::Value schema(std::move(constant));
    EXPECT_EQ(compile_schema(schema).has_value(), depth == kMaxNesting);
  }
}

TEST(CompileSchema, WhiteSpaceIsBounded) {
  const auto grammar = compile_json_object();
  EXPECT_TRUE(takes(*grammar, "{\n" + std::string(31, ' ') + "}"));
  EXPECT_FALSE(takes(*grammar, "{\n" + std::string(32, ' ') + "}"));
  EXPECT_FALSE(takes(*grammar, "{\n\n}"));
}

TEST(CompileTools, FreeTextAndJsonAroundCalls) {
  const json::Value tool = parse(R"({"name":"fun"})");
  ToolRules rules{{&tool}, false, true};
  Matcher automatic(*compile_tools(rules), vocabulary());
  EXPECT_TRUE(automatic.accept_bytes("Let me see.\n"));
  EXPECT_TRUE(automatic.is_done());
  EXPECT_TRUE(automatic.accept_symbol(kCallOpen));
  EXPECT_FALSE(automatic.is_done());
  EXPECT_FALSE(automatic.accept_bytes("words"));

  const json::Value schema = parse(R"({"type":"boolean"})");
  const auto both = compile_tools(rules, &schema, true);
  ASSERT_TRUE(both);
  for (const bool calls : {true, false}) {
    Matcher matcher(*both, vocabulary());
    EXPECT_TRUE(matcher.accept_bytes("hm") && matcher.accept_symbol(kThinkClose));
    EXPECT_FALSE(matcher.accept_symbol(kCallOpen));
    EXPECT_TRUE(matcher.accept_bytes("\n\n"));
    EXPECT_FALSE(matcher.accept_bytes("words"));
    EXPECT_EQ(calls ? matcher.accept_symbol(kCallOpen) : matcher.accept_bytes("true"), true);
    EXPECT_EQ(matcher.is_done(), !calls);
  }
  const json::Value bad = parse(R"({"name":"g","parameters":{"type":"array"}})");
  rules.functions.push_back(&bad);
  EXPECT_EQ(compile_tools(rules).error().path, "/tools/1/function/parameters");
}

}  // namespace
}  // namespace tessera::grammar
