// What of a call goes out when, where values are known to fit their schemas. What calls mean at
// all: output_parser_test.cpp.
#include "chat/tool_call_parser.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "base/json.h"

namespace tessera::chat {
namespace {

constexpr std::string_view kTools =
    R"([{"type":"function","function":{"name":"f","parameters":{"type":"object","properties":{
      "items":{"type":"array"},"filter":{"type":["null","object"]},"free":{"type":["string","object"]},
      "text":{"type":"string"}}}}}])";

constexpr std::string_view kItems =
    "[\n  \"a \\\" b\",\n  {\"long key\": [1, 2.50, \"\\\\\"]}, \"white  space \\u0041 stays\",\n  "
    "null\n]";

std::string call(std::string_view key, std::string_view value) {
  std::string text = "\n<function=f>\n<parameter=";
  text.append(key).append(">\n").append(value).append("\n</parameter>\n</function>\n");
  return text;
}

struct Read {
  std::string arguments;
  std::size_t pieces = 0;
  std::size_t before_end = 0;  // bytes of arguments that were out before the value was whole
};

Read read(std::string_view text, std::size_t (*length)(std::mt19937&), bool held = true) {
  const ToolSet tools(*json::parse(kTools)->if_array());
  ToolCallParser parser(tools, held);
  std::mt19937 random(7);
  Read out;
  const std::size_t whole = text.find("\n</parameter>");
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t size = std::min(length(random), text.size() - at);
    EXPECT_EQ(parser.append(text.substr(at, size)), ToolCallParser::Status::kOpen);
    at += size;
    for (const CallPiece& piece : parser.take_pieces()) {
      if (piece.kind != CallPiece::Kind::kArguments) continue;
      EXPECT_NE(piece.text, "");
      out.arguments += piece.text;
      ++out.pieces;
    }
    if (at <= whole) out.before_end = out.arguments.size();
  }
  EXPECT_EQ(parser.on_close_tag("</tool_call>"), ToolCallParser::Status::kClosed);
  for (const CallPiece& piece : parser.take_pieces()) {
    EXPECT_EQ(piece.text.empty(), piece.kind != CallPiece::Kind::kArguments);
    out.arguments += piece.text;
  }
  return out;
}

std::size_t one(std::mt19937&) {
  return 1;
}
std::size_t all(std::mt19937&) {
  return 10'000;
}
std::size_t some(std::mt19937& random) {
  return 1 + random() % 9;
}

TEST(ToolCallParser, StructuresGoOutAsTheyAreWritten) {
  const std::string expected =
      R"({"items":["a \" b",{"long key":[1,2.50,"\\"]},"white  space \u0041 stays",null]})";
  const std::string text = call("items", kItems);
  for (const auto length : {one, some, all}) EXPECT_EQ(read(text, length).arguments, expected);
  const Read stream = read(text, one);
  EXPECT_GE(stream.pieces, 3u);
  EXPECT_GE(stream.before_end, expected.size() / 2);
  EXPECT_EQ(read(text, one, false).before_end, 0u) << "what may be wrong waits for its end";
  EXPECT_EQ(*json::parse(expected)->find("items")->if_array()->at(0).if_string(), "a \" b");
}

// Nothing may be left of a value where it ends.
TEST(ToolCallParser, NoPieceIsEmpty) {
  for (std::size_t size = 20; size < 70; ++size) {
    const std::string value = "[\"" + std::string(size, 'a') + "\"]";
    for (const auto length : {one, some, all})
      EXPECT_EQ(read(call("items", value), length).arguments, "{\"items\":" + value + "}");
  }
}

TEST(ToolCallParser, ShortOnesAndOtherTypesComeWhole) {
  EXPECT_EQ(read(call("items", "[ ]"), one).arguments, R"({"items":[]})");
  EXPECT_EQ(read(call("filter", "null"), one).arguments, R"({"filter":null})");
  EXPECT_EQ(read(call("filter", "{\"a\": {}}"), one).arguments, R"({"filter":{"a":{}}})");
  // What begins like an object is one where there can be one.
  EXPECT_EQ(read(call("free", "{ \"a\": 1}"), one).arguments, R"({"free":{"a":1}})");
  EXPECT_EQ(read(call("text", "[ 1"), one).arguments, R"({"text":"[ 1"})");
  // Where the bracket opens none, it is text, and goes out on the way.
  const std::string brackets = "{{name}} " + std::string(60, 'x');
  for (const auto length : {one, some, all})
    EXPECT_EQ(read(call("free", brackets), length).arguments, "{\"free\":\"" + brackets + "\"}");
  EXPECT_GT(read(call("free", brackets), one).before_end, 40u);
}

TEST(ToolCallParser, ACutStructureKeepsWhatIsOut) {
  const ToolSet tools(*json::parse(kTools)->if_array());
  ToolCallParser parser(tools, true);
  parser.append("\n<function=f>\n<parameter=items>\n[1, 2,\n  3");
  parser.truncate();
  std::string arguments;
  for (const CallPiece& piece : parser.take_pieces())
    if (piece.kind == CallPiece::Kind::kArguments) arguments += piece.text;
  EXPECT_EQ(arguments, R"({"items":[1,2,3)");
}

}  // namespace
}  // namespace tessera::chat
