#include "api/error.h"

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

namespace tessera::api {
namespace {

// docs/http-api.md has a line for each row of the table, and no other.
TEST(ErrorDocs, ListEveryCode) {
  std::ifstream file("docs/http-api.md");
  std::stringstream text;
  text << file.rdbuf();
  const std::string document = text.str();
  ASSERT_FALSE(document.empty());
  for (int i = 0; i < static_cast<int>(ErrorId::kCount); ++i) {
    const ErrorRow& entry = row(static_cast<ErrorId>(i));
    std::string line = "\n| " + std::to_string(entry.status) + " | `";
    line.append(entry.type).append("` | `").append(entry.code).append("` | ");
    EXPECT_NE(document.find(line), std::string::npos) << line;
  }
  std::size_t lines = 0;
  for (const std::string_view status : {"\n| 4", "\n| 5"})
    for (std::size_t at = 0; (at = document.find(status, at)) != std::string::npos; ++at) ++lines;
  EXPECT_EQ(lines, static_cast<std::size_t>(ErrorId::kCount));
}

TEST(ErrorResponse, RetryHeadersRoundUp) {
  const auto value = [](const http::Response& response, std::string_view name) {
    for (const auto& [key, text] : response.headers)
      if (key == name) return text;
    return std::string();
  };
  const auto soon = error_response({ErrorId::kRateLimitExceeded, "m", "", 1});
  EXPECT_EQ(value(soon, "Retry-After"), "1");
  EXPECT_EQ(value(soon, "retry-after-ms"), "1");
  EXPECT_EQ(value(error_response({ErrorId::kRateLimitExceeded, "m", "", 1001}), "Retry-After"),
            "2");
  EXPECT_EQ(value(error_response({ErrorId::kInvalidJson, "m"}), "Retry-After"), "");
  EXPECT_EQ(value(error_response({ErrorId::kNumericalError, "m"}), "x-should-retry"), "false");
  EXPECT_EQ(error_response({ErrorId::kContextLengthExceeded, "m", "messages", 0, 413}).status,
            413u);
}

}  // namespace
}  // namespace tessera::api
