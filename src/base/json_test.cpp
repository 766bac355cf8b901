#include "base/json.h"

#include <gtest/gtest.h>

#include <string>

namespace tessera::json {
namespace {

ParseErrorCode code_of(std::string_view text, ParseLimits limits = {}) {
  const auto parsed = parse(text, limits);
  EXPECT_FALSE(parsed) << text;
  return parsed ? ParseErrorCode{} : parsed.error().code;
}

TEST(Json, KeepsOrderAndNumbersAsWritten) {
  const std::string text =
      R"({"b":1.50,"a":[null,true,false,-0,1e400,12345678901234567890],"":{"x":"y"}})";
  const auto value = parse(text);
  ASSERT_TRUE(value);
  EXPECT_EQ(to_text(*value), text);
}

TEST(Json, Numbers) {
  const auto number = [](std::string_view text) { return *parse(text); };
  EXPECT_EQ(number("1.0").as_int64(), 1);
  EXPECT_EQ(number("1e2").as_int64(), 100);
  EXPECT_EQ(number("-9223372036854775808").as_int64(), INT64_MIN);
  EXPECT_EQ(number("9223372036854775808").as_int64(), std::nullopt);
  EXPECT_EQ(number("1.5").as_int64(), std::nullopt);
  EXPECT_EQ(number("1e400").as_double(), std::nullopt);
  EXPECT_EQ(number("1e-400").as_double(), 0.0);
  EXPECT_EQ(number("0.7").as_double(), 0.7);
  EXPECT_EQ(number("\"1\"").as_double(), std::nullopt);
  EXPECT_EQ(to_text(Value(0.7)), "0.7");
  EXPECT_EQ(to_text(Value(1e16)), "1e+16");
}

TEST(Json, RefusesWhatIsNotJson) {
  for (const std::string_view text :
       {"", " ", "{", "[1,]", "{\"a\":1,}", "01", ".5", "NaN", "Infinity", "'a'", "// c\n1", "1 2",
        "{} x", "[1 2]", "{\"a\" 1}", "\"\n\"", "\"\\x\"", "tru", "-"}) {
    EXPECT_EQ(code_of(text), ParseErrorCode::kInvalidJson) << text;
  }
}

TEST(Json, RefusesTheTextCutAnywhere) {
  const std::string text = R"({"a":[1,{"b":"\u00e9x"}],"c":true})";
  for (std::size_t length = 0; length < text.size(); ++length) {
    EXPECT_FALSE(parse(std::string_view(text).substr(0, length))) << length;
  }
}

TEST(Json, RefusesDuplicateKeysHoweverSpelt) {
  EXPECT_EQ(code_of(R"({"a":1,"a":2})"), ParseErrorCode::kDuplicateKey);
  EXPECT_EQ(code_of(R"({"a":1,"\u0061":2})"), ParseErrorCode::kDuplicateKey);
  EXPECT_EQ(code_of(R"([{"x":{"k":0,"k":0}}])"), ParseErrorCode::kDuplicateKey);
  std::string wide = "{";
  for (int i = 0; i < 100; ++i) wide += "\"k" + std::to_string(i) + "\":0,";
  EXPECT_EQ(code_of(wide + "\"k57\":1}"), ParseErrorCode::kDuplicateKey);
  EXPECT_TRUE(parse(wide + "\"k100\":1}"));
}

TEST(Json, RefusesBytesThatAreNotUtf8AndLoneSurrogates) {
  EXPECT_EQ(code_of("\"\xff\""), ParseErrorCode::kInvalidJson);
  EXPECT_EQ(code_of("\"\xed\xa0\x80\""), ParseErrorCode::kInvalidJson);
  EXPECT_EQ(code_of("\"\xc0\x80\""), ParseErrorCode::kInvalidJson);
  EXPECT_EQ(code_of(R"("\ud800")"), ParseErrorCode::kInvalidUnicode);
  EXPECT_EQ(code_of(R"("\udc00")"), ParseErrorCode::kInvalidUnicode);
  EXPECT_EQ(code_of(R"("\ud800\u0041")"), ParseErrorCode::kInvalidUnicode);
  EXPECT_EQ(*parse(R"("\ud83d\ude00")")->if_string(), "\xF0\x9F\x98\x80");
}

TEST(Json, DepthLimitIsExact) {
  const auto nested = [](std::size_t depth) {
    return std::string(depth, '[') + std::string(depth, ']');
  };
  EXPECT_TRUE(parse(nested(64)));
  EXPECT_EQ(code_of(nested(65)), ParseErrorCode::kTooDeep);
  EXPECT_EQ(code_of(std::string(1'000'000, '[')), ParseErrorCode::kTooDeep);
}

TEST(Json, KeyLimitIsExactAndOfEachObject) {
  const ParseLimits limits{.max_keys = 2};
  EXPECT_TRUE(parse(R"({"a":1,"b":{"a":1,"b":2}})", limits));
  const auto refused = parse(R"({"a":{"a":1,"b":2,"c":3}})", limits);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ParseErrorCode::kTooManyKeys);
}

TEST(Json, ValueLimitIsExactAndOfTheWholeText) {
  const ParseLimits limits{.max_values = 4};
  EXPECT_TRUE(parse(R"({"a":[1,"b"]})", limits));
  for (const char* text :
       {R"({"a":[1,"b",[]]})", R"([[],{},"",0])", "[1,2,3,true]", "[[[[[]]]]]"}) {
    const auto refused = parse(text, limits);
    ASSERT_FALSE(refused) << text;
    EXPECT_EQ(refused.error().code, ParseErrorCode::kTooManyValues);
  }
}

TEST(Json, EscapesOnWriting) {
  EXPECT_EQ(to_text(Value("a\"\\\n\x01\x7f\xE2\x80\xA8")),
            "\"a\\\"\\\\\\n\\u0001\x7f\xE2\x80\xA8\"");
  const std::string nul("a\0b", 3);
  EXPECT_EQ(to_text(Value(nul)), "\"a\\u0000b\"");
  EXPECT_EQ(*parse(to_text(Value(nul)))->if_string(), nul);
}

TEST(Json, ObjectFindsBelowAndAboveTheHashThreshold) {
  Object object;
  for (int i = 0; i < 40; ++i) {
    object.set("key" + std::to_string(i), i);
    for (int j = 0; j <= i; ++j) {
      const Value* found = object.find("key" + std::to_string(j));
      ASSERT_NE(found, nullptr);
      EXPECT_EQ(found->as_int64(), j);
    }
    EXPECT_EQ(object.find("key" + std::to_string(i + 1)), nullptr);
  }
  object.set("key7", "seven");
  EXPECT_EQ(object.size(), 40u);
  EXPECT_EQ(*object.find("key7")->if_string(), "seven");
}

}  // namespace
}  // namespace tessera::json
