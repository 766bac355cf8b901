#include "engine/fake_backend.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>

namespace tessera::engine {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

FakeOptions with_script(FakeScript script) {
  FakeOptions options;
  options.script = std::move(script);
  return options;
}

TokenId argmax(std::span<const float> row) {
  return static_cast<TokenId>(std::max_element(row.begin(), row.end()) - row.begin());
}

Result<model::LogitsView> feed(FakeBackend& backend, SequenceId id, std::int32_t position,
                               const std::vector<TokenId>& tokens,
                               model::LogitsWanted wanted = model::LogitsWanted::kLast) {
  const model::BatchItem item{id, position, tokens, wanted};
  return backend.forward({{&item, 1}});
}

// `count` tokens after the prompt, always the most probable.
std::vector<TokenId> generate(FakeBackend& backend, const std::vector<TokenId>& prompt, int count) {
  const SequenceId id = *backend.create_sequence(64);
  std::vector<TokenId> output;
  auto logits = feed(backend, id, 0, prompt);
  for (int i = 0; i < count; ++i) {
    output.push_back(argmax(logits->row(0)));
    logits = feed(backend, id, static_cast<std::int32_t>(prompt.size()) + i, {output.back()});
  }
  backend.free_sequence(id);
  return output;
}

TEST(FakeBackend, ScriptsWriteWhatTheySay) {
  FakeBackend responses(with_script(script_responses({{5, 6}, {9}}, 1)));
  EXPECT_THAT(generate(responses, {40, 41}, 3), ElementsAre(5, 6, 1));
  EXPECT_THAT(generate(responses, {40}, 3), ElementsAre(9, 1, 1));
  EXPECT_THAT(generate(responses, {40}, 1), ElementsAre(5));
  FakeBackend echo(with_script(script_echo(1)));
  EXPECT_THAT(generate(echo, {40, 41, 42}, 4), ElementsAre(40, 41, 42, 1));
  FakeBackend count(with_script(script_count(10, 3, 1)));
  EXPECT_THAT(generate(count, {40}, 5), ElementsAre(10, 11, 12, 1, 1));
  FakeBackend never(with_script(script_never_ends(7)));
  EXPECT_THAT(generate(never, {40}, 3), ElementsAre(7, 7, 7));
}

TEST(FakeBackend, HashDependsOnTheWholePastAndOnNothingElse) {
  FakeBackend one(with_script(script_hash(1)));
  FakeBackend two(with_script(script_hash(1)));
  EXPECT_EQ(generate(one, {3, 4, 5}, 20), generate(two, {3, 4, 5}, 20));
  EXPECT_EQ(generate(one, {3, 4, 5}, 20), generate(two, {3, 4, 5}, 20));
  EXPECT_NE(generate(one, {3, 4, 5}, 20), generate(two, {4, 3, 5}, 20));
  FakeBackend other(with_script(script_hash(2)));
  EXPECT_NE(generate(one, {3, 4, 5}, 20), generate(other, {3, 4, 5}, 20));
}

TEST(FakeBackend, RowsAreThoseWantedInOrder) {
  FakeBackend backend(with_script(script_echo(1)));
  const SequenceId a = *backend.create_sequence(8);
  const SequenceId b = *backend.create_sequence(8);
  const SequenceId c = *backend.create_sequence(8);
  const std::vector<TokenId> tokens = {20, 21};
  const std::vector<model::BatchItem> items = {{a, 0, tokens, model::LogitsWanted::kNone},
                                               {b, 0, tokens, model::LogitsWanted::kAll},
                                               {c, 0, tokens, model::LogitsWanted::kLast}};
  const model::LogitsView logits = *backend.forward({items});
  ASSERT_EQ(logits.rows, 3);
  EXPECT_EQ(argmax(logits.row(2)), 20);
  for (const SequenceId id : {a, b, c}) backend.free_sequence(id);
}

TEST(FakeBackend, ACopyHasTheSamePastAndThenItsOwn) {
  FakeBackend backend(with_script(script_hash(3)));
  const SequenceId a = *backend.create_sequence(8);
  ASSERT_TRUE(feed(backend, a, 0, {1, 2}));
  const SequenceId b = *backend.copy_sequence(a);
  const std::vector<float> left = [&] {
    const auto row = feed(backend, a, 2, {3})->row(0);
    return std::vector<float>(row.begin(), row.end());
  }();
  const auto right = feed(backend, b, 2, {3})->row(0);
  EXPECT_TRUE(std::equal(left.begin(), left.end(), right.begin()));
  EXPECT_EQ(backend.live_sequences(), 2);
  backend.free_sequence(a);
  ASSERT_TRUE(feed(backend, b, 3, {4}));
  backend.free_sequence(b);
  EXPECT_EQ(backend.live_sequences(), 0);
}

TEST(FakeBackend, LimitsOfSequencesAndTokens) {
  FakeOptions options = with_script(script_echo(1));
  options.limits.max_sequences = 2;
  options.max_reserved_tokens = 100;
  FakeBackend backend(std::move(options));
  const SequenceId a = *backend.create_sequence(60);
  EXPECT_EQ(backend.create_sequence(41).error().code, ErrorCode::kResourceExhausted);
  EXPECT_EQ(backend.copy_sequence(a).error().code, ErrorCode::kResourceExhausted);
  const SequenceId b = *backend.create_sequence(40);
  EXPECT_EQ(backend.memory().kv_blocks_promised, 100);
  backend.free_sequence(b);
  const SequenceId c = *backend.create_sequence(1);
  EXPECT_EQ(backend.create_sequence(1).error().code, ErrorCode::kResourceExhausted);  // slots
  backend.free_sequence(a);
  backend.free_sequence(c);
  EXPECT_EQ(backend.memory().state_bytes, 0U);
}

TEST(FakeBackend, ACheckpointOutlivesItsSequenceAndIsPaidFor) {
  FakeOptions options = with_script(script_hash(3));
  options.max_reserved_tokens = 100;
  options.limits.kv_block_tokens = 4;
  options.limits.state_bytes_per_sequence = 10;
  FakeBackend backend(std::move(options));
  EXPECT_EQ(backend.limits().kv_blocks, 22);  // (100 - 10) / 4
  const std::vector<TokenId> tokens = {1, 2, 3, 4, 5, 6};
  const std::vector<float> cold = [&] {
    const SequenceId a = *backend.create_sequence(8);
    const auto row = feed(backend, a, 0, {1, 2, 3, 4, 5, 6, 7})->row(0);
    std::vector<float> copy(row.begin(), row.end());
    backend.free_sequence(a);
    return copy;
  }();
  const SequenceId a = *backend.create_sequence(8);
  ASSERT_TRUE(feed(backend, a, 0, tokens));
  const CheckpointId saved = *backend.save_checkpoint(a);
  ASSERT_TRUE(feed(backend, a, 6, {9}));
  backend.free_sequence(a);
  const SequenceId b = *backend.create_sequence_from(saved, 8);
  const auto warm = feed(backend, b, 6, {7})->row(0);
  EXPECT_TRUE(std::equal(cold.begin(), cold.end(), warm.begin()));
  const model::MemoryUse use = backend.memory();
  EXPECT_EQ(use.kv_blocks_running, 2);  // one shared, one its own
  EXPECT_EQ(use.kv_blocks_cached, 1);
  EXPECT_EQ(use.kv_blocks_free, (100 - 2 * 10) / 4 - 3);
  EXPECT_EQ(use.states_running + use.states_cached, 2);
  EXPECT_EQ(backend.create_sequence(4 * 14 + 1).error().code, ErrorCode::kResourceExhausted);
  backend.check_integrity();
  backend.free_sequence(b);
  backend.free_checkpoint(saved);
  EXPECT_EQ(backend.memory().kv_blocks_free, 25);
}

TEST(FakeBackend, NanAndFailureComeAtTheirStep) {
  FakeOptions options = with_script(script_echo(1));
  options.nan_at_step = 1;
  options.fail_at_step = 2;
  options.failure = ErrorCode::kNumerical;
  FakeBackend backend(std::move(options));
  const SequenceId a = *backend.create_sequence(8);
  EXPECT_FALSE(std::isnan(feed(backend, a, 0, {5})->row(0)[0]));
  EXPECT_TRUE(std::isnan(feed(backend, a, 1, {5})->row(0)[255]));
  EXPECT_EQ(feed(backend, a, 2, {5}).error().code, ErrorCode::kNumerical);
  const SequenceId b = *backend.create_sequence(8);
  EXPECT_FALSE(std::isnan(feed(backend, b, 0, {5})->row(0)[0]));
  backend.free_sequence(a);
  backend.free_sequence(b);
}

TEST(FakeBackendDeathTest, HoldsItsCallerToTheContract) {
  FakeOptions options = with_script(script_echo(1));
  options.limits.max_batch_tokens = 4;
  options.fail_at_step = 0;
  FakeBackend backend(std::move(options));
  const SequenceId a = *backend.create_sequence(6);
  ASSERT_FALSE(feed(backend, a, 0, {5}));
  EXPECT_DEATH((void)feed(backend, a, 0, {5}), "usable");
  backend.free_sequence(a);
  const SequenceId b = *backend.create_sequence(6);
  EXPECT_DEATH((void)feed(backend, SequenceId{99}, 0, {5}), "CHECK|end\\(\\)");
  EXPECT_DEATH((void)feed(backend, b, 1, {5}), "position");
  EXPECT_DEATH((void)feed(backend, b, 0, {256}), "vocabulary");
  EXPECT_DEATH((void)feed(backend, b, 0, {-1}), "token >= 0");
  EXPECT_DEATH((void)feed(backend, b, 0, {}), "empty");
  EXPECT_DEATH((void)feed(backend, b, 0, {1, 2, 3, 4, 5}), "max_batch_tokens");
  EXPECT_DEATH((void)feed(backend, b, 0, {1, 2, 3, 4, 5, 6, 7}), "max_tokens");
  const std::vector<TokenId> tokens = {1};
  const std::vector<model::BatchItem> twice = {{b, 0, tokens, model::LogitsWanted::kLast},
                                               {b, 1, tokens, model::LogitsWanted::kLast}};
  EXPECT_DEATH((void)backend.forward({twice}), "last_step");
  EXPECT_DEATH((void)backend.create_sequence(5000), "max_context");
  EXPECT_DEATH(backend.free_sequence(SequenceId{99}), "end\\(\\)");
  backend.free_sequence(b);
}

TEST(FakeBackendDeathTest, ASequenceLeftBehindIsABug) {
  EXPECT_DEATH(
      {
        FakeBackend backend(with_script(script_echo(1)));
        (void)backend.create_sequence(6);
      },
      "sequences_.empty");
}

TEST(FakeScript, TextFormsGiveTheScripts) {
  const auto run = [](std::string_view text, int count) {
    Result<FakeOptions> options = parse_fake_script(text);
    EXPECT_TRUE(options) << (options ? "" : options.error().message);
    FakeBackend backend(*std::move(options));
    return generate(backend, {40, 41}, count);
  };
  EXPECT_THAT(run(R"({"responses": [[5, 6], [7]], "end_token": 1})", 3), ElementsAre(5, 6, 1));
  EXPECT_THAT(run(R"({"echo": true, "end_token": 1})", 3), ElementsAre(40, 41, 1));
  EXPECT_THAT(run(R"({"count": {"first": 10, "tokens": 2}, "end_token": 1})", 3),
              ElementsAre(10, 11, 1));
  EXPECT_THAT(run(R"({"never_ends": 42})", 2), ElementsAre(42, 42));
  EXPECT_EQ(run(R"({"hash": 1})", 5).size(), 5U);
}

TEST(FakeScript, TextFormSetsEveryOption) {
  const Result<FakeOptions> options = parse_fake_script(
      R"({"never_ends": 299, "vocabulary": 300, "max_context": 10, "max_sequences": 11,)"
      R"( "max_batch_tokens": 12, "max_reserved_tokens": 13, "kv_block_tokens": 5,)"
      R"( "state_tokens": 6, "delay_us": 14,)"
      R"( "nan_at_step": 15, "fail_at_step": 16})");
  ASSERT_TRUE(options) << options.error().message;
  EXPECT_EQ(options->limits.vocabulary, 300);
  EXPECT_EQ(options->limits.max_context, 10);
  EXPECT_EQ(options->limits.max_sequences, 11);
  EXPECT_EQ(options->limits.max_batch_tokens, 12);
  EXPECT_EQ(options->max_reserved_tokens, 13);
  EXPECT_EQ(options->limits.kv_block_tokens, 5);
  EXPECT_EQ(options->limits.state_bytes_per_sequence, 6U);
  EXPECT_EQ(options->step_delay, std::chrono::microseconds(14));
  EXPECT_EQ(options->nan_at_step, 15);
  EXPECT_EQ(options->fail_at_step, 16);
}

TEST(FakeScript, TextFormRefusesWhatItDoesNotKnow) {
  const std::pair<std::string, std::string> cases[] = {
      {"{", "not JSON"},
      {"[]", "object"},
      {"{}", "needs one of"},
      {R"({"never_ends": 256})", "0 to 255"},
      {R"({"never_ends": -1})", "0 to 255"},
      {R"({"never_ends": "x"})", "integer"},
      {R"({"never_ends": 1, "hash": 2})", "more than one"},
      {R"({"never_ends": 1, "typo": 2})", "unknown member \"typo\""},
      {R"({"never_ends": 1, "vocabulary": 0})", "\"vocabulary\""},
      {R"({"never_ends": 1, "delay_us": 1.5})", "\"delay_us\""},
      {R"({"never_ends": 1, "fail_at_step": -1})", "\"fail_at_step\""},
      {R"({"responses": [[1]]})", "end_token"},
      {R"({"responses": [], "end_token": 0})", "at least one"},
      {R"({"responses": [1], "end_token": 0})", "list of tokens"},
      {R"({"responses": [[999]], "end_token": 0})", "\"responses\""},
      {R"({"echo": false, "end_token": 0})", "true"},
      {R"({"count": {"first": 1}, "end_token": 0})", "\"count\""},
      {R"({"count": 3, "end_token": 0})", "\"count\""},
      {R"({"count": {"first": 250, "tokens": 7}, "end_token": 0})", "\"tokens\""},
  };
  for (const auto& [text, expected] : cases) {
    const Result<FakeOptions> options = parse_fake_script(text);
    ASSERT_FALSE(options) << text;
    EXPECT_THAT(options.error().message, HasSubstr(expected)) << text;
  }
}

}  // namespace
}  // namespace tessera::engine
