// For tests: what a reader got from one request, held to the order that the engine promises:
// PrefillDone first, each choice's tokens before its end, one terminal event and nothing after it.
#pragma once

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <variant>
#include <vector>

#include "engine/event_channel.h"
#include "engine/request.h"

namespace tessera::engine {

class TestTranscript {
 public:
  explicit TestTranscript(std::int32_t choices)
      : tokens_(static_cast<std::size_t>(choices)), ends_(static_cast<std::size_t>(choices)) {}

  void add(const EngineEvent& event) {
    EXPECT_FALSE(is_over()) << "an event after the terminal one";
    if (const auto* prefill = std::get_if<PrefillDone>(&event)) {
      EXPECT_EQ(std::exchange(prefills_, prefills_ + 1), 0);
      cached_tokens_ = prefill->cached_tokens;
    } else if (const auto* token = std::get_if<TokenEvent>(&event)) {
      EXPECT_EQ(prefills_, 1);
      EXPECT_FALSE(ends_.at(static_cast<std::size_t>(token->choice)));
      tokens_.at(static_cast<std::size_t>(token->choice)).push_back(token->token);
    } else if (const auto* end = std::get_if<ChoiceEnd>(&event)) {
      EXPECT_EQ(prefills_, 1);
      EXPECT_FALSE(std::exchange(ends_.at(static_cast<std::size_t>(end->choice)), end->reason));
    } else if (const auto* failed = std::get_if<RequestFailed>(&event)) {
      error_ = failed->error;
    } else {
      for (const auto& reason : ends_) EXPECT_TRUE(reason) << "done before all choices ended";
      done_ = true;
    }
  }
  void read(EventChannel& channel) {
    while (const std::optional<EngineEvent> event = channel.pop()) add(*event);
  }

  bool is_over() const { return done_ || error_; }
  bool is_done() const { return done_; }
  bool saw_prefill() const { return prefills_ > 0; }
  std::int32_t cached_tokens() const { return cached_tokens_; }
  const std::optional<Error>& error() const { return error_; }
  const std::vector<TokenId>& tokens(std::size_t choice = 0) const { return tokens_.at(choice); }
  std::optional<EndReason> end(std::size_t choice = 0) const { return ends_.at(choice); }
  const std::vector<std::vector<TokenId>>& all_tokens() const { return tokens_; }

 private:
  std::vector<std::vector<TokenId>> tokens_;
  std::vector<std::optional<EndReason>> ends_;
  int prefills_ = 0;
  std::int32_t cached_tokens_ = 0;
  bool done_ = false;
  std::optional<Error> error_;
};

// Greedy; ends with token 0.
inline EngineRequest make_test_request(std::vector<TokenId> prompt, std::int32_t max_tokens) {
  EngineRequest request;
  request.prompt = std::move(prompt);
  request.max_tokens = max_tokens;
  request.end_tokens = {0};
  request.sampling.temperature = 0;
  return request;
}

}  // namespace tessera::engine
