#include "chat/python_json.h"

#include <string>

#include <gtest/gtest.h>

namespace tessera::chat {
namespace {

std::string number(std::string_view text) {
  std::string out;
  append_python_number(text, out);
  return out;
}

// What Python 3.11 prints for json.dumps(json.loads(text)).
TEST(PythonJson, Numbers) {
  const std::pair<const char*, const char*> cases[] = {
      {"0", "0"},
      {"-0", "0"},
      {"-12", "-12"},
      {"123456789012345678901234567890", "123456789012345678901234567890"},
      {"1.0", "1.0"},
      {"1.50", "1.5"},
      {"-0.0", "-0.0"},
      {"0.0", "0.0"},
      {"0e5", "0.0"},
      {"1e2", "100.0"},
      {"1E+2", "100.0"},
      {"12e-1", "1.2"},
      {"0.0001", "0.0001"},
      {"0.00012", "0.00012"},
      {"0.00001", "1e-05"},
      {"1.25e-7", "1.25e-07"},
      {"1e15", "1000000000000000.0"},
      {"9999999999999998.0", "9999999999999998.0"},
      {"1e16", "1e+16"},
      {"123456789012345680.0", "1.2345678901234568e+17"},
      {"1234567890123456.7", "1234567890123456.8"},
      {"1e22", "1e+22"},
      {"1e100", "1e+100"},
      {"5e-324", "5e-324"},
      {"1.7976931348623157e308", "1.7976931348623157e+308"},
      {"0.30000000000000004", "0.30000000000000004"},
      {"1e400", "Infinity"},
      {"-1e400", "-Infinity"},
      {"1e-400", "0.0"},
      {"-1e-400", "-0.0"},
  };
  for (const auto& [text, expected] : cases) EXPECT_EQ(number(text), expected) << text;
}

TEST(PythonJson, Values) {
  const auto value = json::parse(
      R"({"z":[1,2.50,"é \"\\\/\n\u0001\u007f<&>'"],"a":{},"l":[],"t":true,"f":false,"n":null,"":{"k":{}}})");
  ASSERT_TRUE(value);
  std::string out;
  append_python_json(*value, out);
  EXPECT_EQ(
      out,
      "{\"z\": [1, 2.5, \"é \\\"\\\\/\\n\\u0001\x7f<&>'\"], \"a\": {}, \"l\": [], \"t\": true, "
      "\"f\": false, \"n\": null, \"\": {\"k\": {}}}");
}

}  // namespace
}  // namespace tessera::chat
