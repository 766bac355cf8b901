#include "api/parse_completion.h"

#include <fmt/format.h>

#include "api/completion_fields.h"
#include "api/request_context.h"

namespace tessera::api {
namespace {

constexpr std::int32_t kStandardMaxTokens = 16;  // as OpenAI has it

// What concerns more than one field.
Parsed<void> finish(const json::Object& body, Context& context) {
  CompletionRequest& request = *context.completion;
  TRY(check_stream_options(body, context));
  const std::int32_t n = request.text.choices;
  if (context.best_of && *context.best_of != n) {
    return refuse(ErrorId::kUnsupportedValue,
                  fmt::format("Unsupported value for 'best_of': only the value of 'n' ({}) is "
                              "supported by this server.",
                              n),
                  "best_of");
  }
  const std::size_t completions = request.prompts.size() * static_cast<std::size_t>(n);
  if (completions > kRequestLimits.completions) {
    return refuse(ErrorId::kArrayAboveMaxLength,
                  fmt::format("Invalid 'prompt': expected at most {} completions, but {} prompts × "
                              "n of {} are {}.",
                              kRequestLimits.completions, request.prompts.size(), n, completions),
                  "prompt");
  }
  if (!request.text.max_tokens) request.text.max_tokens = kStandardMaxTokens;
  return {};
}

}  // namespace

Parsed<CompletionRequest> parse_completion(std::string_view body, const ParseOptions& options) {
  TRY_ASSIGN(const json::Value parsed, parse_body(body));
  CompletionRequest request;
  chat::TextRequest& text = request.text;
  Context context{.options = options,
                  .table = completion_fields(),
                  .common = request,
                  .sampling = text.sampling,
                  .stop = text.stop,
                  .max_tokens = text.max_tokens,
                  .choices = text.choices,
                  .completion = &request};
  TRY(read_fields(*parsed.if_object(), context));
  TRY(finish(*parsed.if_object(), context));
  return request;
}

}  // namespace tessera::api
