#include "api/answer_format.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/json.h"
#include "base/sha256.h"
#include "base/utf8.h"

namespace tessera::api {
namespace {

constexpr double kVeryUnlikely = -9999.0;
constexpr std::size_t kPaddedTo = 128;  // sizes of padded frames are multiples of this

}  // namespace

std::string error_frame(const ApiError& error) {
  return fmt::format("data: {}\n\n", error_body(error));
}

std::string quoted(std::string_view text) {
  std::string out;
  json::append_string(text, out);
  for (std::size_t at = out.find_first_of("\xc2\xe2\x7f"); at != std::string::npos;
       at = out.find_first_of("\xc2\xe2\x7f", at + 1)) {
    if (out[at] == '\x7f') {
      out.replace(at, 1, "\\u007f");
    } else if (out.compare(at, 2, "\xc2\x85") == 0) {
      out.replace(at, 2, "\\u0085");
    } else if (out.compare(at, 3, "\xe2\x80\xa8") == 0) {
      out.replace(at, 3, "\\u2028");
    } else if (out.compare(at, 3, "\xe2\x80\xa9") == 0) {
      out.replace(at, 3, "\\u2029");
    }
  }
  return out;
}

std::string with_replacements(std::string_view bytes) {
  std::string out;
  while (!bytes.empty()) {
    const std::size_t valid = find_invalid_utf8(bytes);
    out += bytes.substr(0, valid);
    if (valid == bytes.size()) break;
    out += "\xef\xbf\xbd";
    bytes.remove_prefix(valid + 1);
  }
  return out;
}

std::string_view to_text(chat::FinishReason reason) {
  switch (reason) {
    case chat::FinishReason::kStop:
      return "stop";
    case chat::FinishReason::kLength:
      return "length";
    case chat::FinishReason::kToolCalls:
      return "tool_calls";
  }
  return "stop";
}

std::string usage_object(const chat::Usage& usage) {
  return fmt::format(
      R"({{"prompt_tokens":{},"completion_tokens":{},"total_tokens":{},"prompt_tokens_details":{{"cached_tokens":{}}},)"
      R"("completion_tokens_details":{{"reasoning_tokens":{}}}}})",
      usage.prompt_tokens, usage.completion_tokens, usage.prompt_tokens + usage.completion_tokens,
      usage.cached_tokens, usage.reasoning_tokens);
}

std::string logprob_number(double logprob) {
  std::string text =
      fmt::format("{}", std::isfinite(logprob) ? std::max(logprob, kVeryUnlikely) : kVeryUnlikely);
  if (text.find_first_of(".e") == std::string::npos) text += ".0";  // a float in typed clients
  return text;
}

std::string finish_frame(std::string chunk, const StreamShape& shape) {
  if (shape.include_usage) chunk += R"(,"usage":null)";
  if (shape.obfuscate) {
    constexpr std::string_view kField = R"(,"obfuscation":"")";
    const std::size_t length = chunk.size() + kField.size() + 3;
    chunk += R"(,"obfuscation":")";
    chunk += random_alphanumeric(kPaddedTo - length % kPaddedTo);
    chunk += '"';
  }
  chunk += "}\n\n";
  return chunk;
}

}  // namespace tessera::api
