#include "model/logits.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <system_error>

namespace tessera::model {
namespace {

constexpr std::string_view kSeparators = ", \t\r\n";

Unexpected<Error> io_error(const std::string& path, std::string_view what) {
  return fail(ErrorCode::kIo,
              fmt::format("{}: {}: {}", path, what, std::generic_category().message(errno)));
}

// Ends the sequence on every way out.
struct SequenceGuard {
  Backend& backend;
  SequenceId sequence;
  ~SequenceGuard() { backend.free_sequence(sequence); }
};

Result<void> write_chunks(Backend& backend, std::span<const TokenId> tokens, std::int32_t chunk,
                          SequenceId sequence, std::FILE* file, const std::string& path) {
  for (std::size_t position = 0; position < tokens.size();) {
    const std::size_t count =
        std::min<std::size_t>(static_cast<std::size_t>(chunk), tokens.size() - position);
    const BatchItem item{sequence, static_cast<std::int32_t>(position),
                         tokens.subspan(position, count), LogitsWanted::kAll};
    TRY_ASSIGN(const LogitsView logits, backend.forward({{&item, 1}}));
    backend.synchronise();
    const auto values = static_cast<std::size_t>(logits.rows * logits.vocabulary);
    if (std::fwrite(logits.data, sizeof(float), values, file) != values) {
      return io_error(path, "cannot write");
    }
    position += count;
  }
  return {};
}

}  // namespace

Result<std::vector<TokenId>> parse_token_ids(std::string_view text, std::int32_t vocabulary) {
  std::vector<TokenId> tokens;
  std::size_t at = text.find_first_not_of(kSeparators);
  while (at != std::string_view::npos) {
    const std::size_t end = std::min(text.find_first_of(kSeparators, at), text.size());
    const std::string_view word = text.substr(at, end - at);
    std::int64_t id = -1;
    const auto [rest, error] = std::from_chars(word.data(), word.data() + word.size(), id);
    if (error != std::errc() || rest != word.data() + word.size()) {
      return fail(ErrorCode::kInvalidArgument,
                  fmt::format("token {} at byte {} is not a whole number", tokens.size(), at));
    }
    if (id < 0 || id >= vocabulary) {
      return fail(ErrorCode::kOutOfRange, fmt::format("token {} is {}; ids go from 0 to {}",
                                                      tokens.size(), id, vocabulary - 1));
    }
    tokens.push_back(static_cast<TokenId>(id));
    at = text.find_first_not_of(kSeparators, end);
  }
  if (tokens.empty()) return fail(ErrorCode::kInvalidArgument, "no token ids");
  return tokens;
}

Result<void> write_logits(Backend& backend, std::span<const TokenId> tokens, std::int32_t chunk,
                          const std::string& path) {
  const BackendLimits limits = backend.limits();
  if (chunk < 0 || chunk > limits.max_batch_tokens) {
    return fail(ErrorCode::kOutOfRange,
                fmt::format("a chunk of {} tokens; the backend {} takes 1 to {}, 0 for as many as "
                            "it can",
                            chunk, backend.name(), limits.max_batch_tokens));
  }
  if (std::ssize(tokens) > limits.max_context) {
    return fail(ErrorCode::kOutOfRange,
                fmt::format("{} tokens; the context is {}", tokens.size(), limits.max_context));
  }
  TRY_ASSIGN(const SequenceId sequence,
             backend.create_sequence(static_cast<std::int32_t>(tokens.size())));
  const SequenceGuard guard{backend, sequence};
  std::FILE* file = std::fopen(path.c_str(), "wbe");
  if (file == nullptr) return io_error(path, "cannot create");
  Result<void> written = write_chunks(backend, tokens, chunk == 0 ? limits.max_batch_tokens : chunk,
                                      sequence, file, path);
  if (std::fclose(file) != 0 && written) return io_error(path, "cannot write");
  return written;
}

}  // namespace tessera::model
