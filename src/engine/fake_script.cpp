// parse_fake_script(): the text form of a FakeBackend.
#include <fmt/format.h>

#include <array>
#include <string>
#include <utility>

#include "base/json.h"
#include "engine/fake_backend.h"

namespace tessera::engine {
namespace {

constexpr std::array<std::string_view, 5> kScripts = {"responses", "echo", "count", "never_ends",
                                                      "hash"};
constexpr std::int64_t kMaxInt32 = std::numeric_limits<std::int32_t>::max();

Result<std::int64_t> read_integer(const json::Value& value, std::string_view name,
                                  std::int64_t least, std::int64_t most) {
  const std::optional<std::int64_t> number = value.as_int64();
  if (number && *number >= least && *number <= most) return *number;
  return fail(ErrorCode::kInvalidArgument,
              fmt::format("\"{}\" must be an integer from {} to {}", name, least, most));
}

Result<TokenId> read_token(const json::Value& value, std::string_view name,
                           std::int32_t vocabulary) {
  TRY_ASSIGN(const std::int64_t token, read_integer(value, name, 0, vocabulary - 1));
  return static_cast<TokenId>(token);
}

// Absent: `target` stays.
template <class T>
Result<void> read_member(const json::Value& root, std::string_view name, std::int64_t least,
                         std::int64_t most, T& target) {
  const json::Value* value = root.find(name);
  if (value == nullptr) return {};
  TRY_ASSIGN(const std::int64_t number, read_integer(*value, name, least, most));
  target = static_cast<T>(number);
  return {};
}

Result<void> read_options(const json::Value& root, FakeOptions& options) {
  constexpr std::int64_t kMaxInt64 = std::numeric_limits<std::int64_t>::max();
  TRY(read_member(root, "vocabulary", 1, kMaxInt32, options.limits.vocabulary));
  TRY(read_member(root, "max_context", 1, kMaxInt32, options.limits.max_context));
  TRY(read_member(root, "max_sequences", 1, kMaxInt32, options.limits.max_sequences));
  TRY(read_member(root, "max_batch_tokens", 1, kMaxInt32, options.limits.max_batch_tokens));
  TRY(read_member(root, "max_reserved_tokens", 1, kMaxInt64, options.max_reserved_tokens));
  TRY(read_member(root, "kv_block_tokens", 1, kMaxInt32, options.limits.kv_block_tokens));
  std::int64_t state_tokens = 0;
  TRY(read_member(root, "state_tokens", 0, kMaxInt32, state_tokens));
  options.limits.state_bytes_per_sequence =
      static_cast<std::size_t>(state_tokens) * options.limits.kv_bytes_per_token;
  std::int64_t delay_us = 0;
  TRY(read_member(root, "delay_us", 0, 60'000'000, delay_us));
  options.step_delay = std::chrono::microseconds(delay_us);
  std::int64_t nan_at_step = -1;
  std::int64_t fail_at_step = -1;
  TRY(read_member(root, "nan_at_step", 0, kMaxInt64, nan_at_step));
  TRY(read_member(root, "fail_at_step", 0, kMaxInt64, fail_at_step));
  if (nan_at_step >= 0) options.nan_at_step = nan_at_step;
  if (fail_at_step >= 0) options.fail_at_step = fail_at_step;
  return {};
}

Result<std::vector<std::vector<TokenId>>> read_responses(const json::Value& value,
                                                         std::int32_t vocabulary) {
  const json::Array* list = value.if_array();
  if (list == nullptr || list->empty())
    return fail(ErrorCode::kInvalidArgument,
                "\"responses\" must be a list of at least one list of tokens");
  std::vector<std::vector<TokenId>> responses;
  for (const json::Value& entry : *list) {
    const json::Array* tokens = entry.if_array();
    if (tokens == nullptr)
      return fail(ErrorCode::kInvalidArgument,
                  "each entry of \"responses\" must be a list of tokens");
    std::vector<TokenId>& response = responses.emplace_back();
    for (const json::Value& token : *tokens) {
      TRY_ASSIGN(const TokenId id, read_token(token, "responses", vocabulary));
      response.push_back(id);
    }
  }
  return responses;
}

Result<FakeScript> read_count(const json::Value& value, TokenId end_token,
                              std::int32_t vocabulary) {
  const json::Value* first = value.find("first");
  const json::Value* tokens = value.find("tokens");
  if (first == nullptr || tokens == nullptr || value.if_object()->size() != 2)
    return fail(ErrorCode::kInvalidArgument, "\"count\" must be {\"first\": …, \"tokens\": …}");
  TRY_ASSIGN(const TokenId first_id, read_token(*first, "first", vocabulary));
  TRY_ASSIGN(const std::int64_t count, read_integer(*tokens, "tokens", 0, vocabulary - first_id));
  return script_count(first_id, static_cast<std::int32_t>(count), end_token);
}

Result<FakeScript> read_script(const json::Value& root, std::string_view name,
                               std::int32_t vocabulary) {
  const json::Value& value = *root.find(name);
  if (name == "never_ends") {
    TRY_ASSIGN(const TokenId token, read_token(value, name, vocabulary));
    return script_never_ends(token);
  }
  if (name == "hash") {
    TRY_ASSIGN(const std::int64_t seed,
               read_integer(value, name, 0, std::numeric_limits<std::int64_t>::max()));
    return script_hash(static_cast<std::uint64_t>(seed));
  }
  const json::Value* end = root.find("end_token");
  if (end == nullptr)
    return fail(ErrorCode::kInvalidArgument, fmt::format("\"{}\" needs an \"end_token\"", name));
  TRY_ASSIGN(const TokenId end_token, read_token(*end, "end_token", vocabulary));
  if (name == "count") return read_count(value, end_token, vocabulary);
  if (name == "responses") {
    TRY_ASSIGN(auto responses, read_responses(value, vocabulary));
    return script_responses(std::move(responses), end_token);
  }
  if (const bool* on = value.if_bool(); on == nullptr || !*on)
    return fail(ErrorCode::kInvalidArgument, "\"echo\" must be true");
  return script_echo(end_token);
}

Result<void> check_members(const json::Object& root) {
  constexpr std::array<std::string_view, 11> kOptions = {
      "end_token",        "vocabulary",          "max_context",     "max_sequences",
      "max_batch_tokens", "max_reserved_tokens", "kv_block_tokens", "state_tokens",
      "delay_us",         "nan_at_step",         "fail_at_step"};
  const auto has = [](const auto& names, std::string_view name) {
    return std::find(names.begin(), names.end(), name) != names.end();
  };
  for (const auto& [key, value] : root) {
    if (!has(kOptions, key) && !has(kScripts, key))
      return fail(ErrorCode::kInvalidArgument,
                  fmt::format("unknown member \"{}\" in the script", key));
  }
  return {};
}

}  // namespace

Result<FakeOptions> parse_fake_script(std::string_view text) {
  const Result<json::Value, json::ParseError> parsed = json::parse(text);
  if (!parsed) {
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("the script is not JSON: {}", parsed.error().message));
  }
  const json::Object* root = parsed->if_object();
  if (root == nullptr) return fail(ErrorCode::kInvalidArgument, "the script must be a JSON object");
  TRY(check_members(*root));
  FakeOptions options;
  TRY(read_options(*parsed, options));
  for (const std::string_view name : kScripts) {
    if (!root->contains(name)) continue;
    if (options.script)
      return fail(ErrorCode::kInvalidArgument, "the script has more than one kind of answer");
    TRY_ASSIGN(options.script, read_script(*parsed, name, options.limits.vocabulary));
  }
  if (!options.script) {
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("the script needs one of: {}", fmt::join(kScripts, ", ")));
  }
  return options;
}

}  // namespace tessera::engine
