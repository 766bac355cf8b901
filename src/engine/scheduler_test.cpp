// Who gets how much of a step.
#include "engine/scheduler.h"

#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <cmath>
#include <numeric>

#include "engine/fair_queue.h"
#include "engine/fake_backend.h"
#include "engine/step_pace.h"
#include "engine/test_simulation.h"

namespace tessera::engine {
namespace {

// Requests whose sequences live in a fake backend; nothing is computed.
class SchedulerTest : public testing::Test {
 protected:
  SchedulerTest() : backend_(many_sequences()), pool_(backend_, live_) {}
  ~SchedulerTest() override { running_.clear(); }

  LiveRequest& add(std::int32_t prompt_tokens, std::int32_t choices = 1) {
    EngineRequest request =
        make_test_request(std::vector<TokenId>(static_cast<std::size_t>(prompt_tokens), 1), 100);
    request.choices = choices;
    running_.push_back(std::make_unique<LiveRequest>(RequestId{running_.size() + 1}, request,
                                                     std::make_shared<EventChannel>(16, nullptr)));
    LiveRequest& live = *running_.back();
    for (std::int32_t number = 0; number < choices; ++number)
      live.choices.emplace_back(live.request, number).sequence = *pool_.create(100);
    return live;
  }
  // One that decodes.
  LiveRequest& add_decoding(std::int32_t choices = 1) {
    LiveRequest& request = add(1, choices);
    request.prefilled = 1;
    for (Choice& choice : request.choices) {
      choice.generated = 1;
      choice.unread = {1};
    }
    return request;
  }

  // What the step has of each request; prompts advance, and take no more part once they are done.
  std::vector<std::int32_t> plan(const StepLimits& limits) {
    scheduler_.plan(running_, limits, plan_);
    std::vector<std::int32_t> tokens(running_.size());
    std::int32_t decodes = 0;
    std::int32_t prompt_tokens = 0;
    for (const StepPart& part : plan_.parts) {
      tokens[part.request->id.value - 1] += part.tokens;
      (part.choice == nullptr ? prompt_tokens : decodes) += part.tokens;
      if (part.choice == nullptr) part.request->prefilled += part.tokens;
      if (part.choice == nullptr && part.wants_logits) part.request->has_room = false;
    }
    EXPECT_EQ(plan_.decodes, decodes);
    EXPECT_EQ(plan_.prompt_tokens, prompt_tokens);
    EXPECT_LE(decodes + prompt_tokens, limits.batch);
    EXPECT_LE(prompt_tokens, limits.prompts);
    return tokens;
  }

  StepPlan plan_;

 private:
  static FakeOptions many_sequences() {
    FakeOptions options = with_script(script_never_ends(1));
    options.limits.max_sequences = 10'000;
    return options;
  }

  std::atomic<std::int32_t> live_{0};
  FakeBackend backend_;
  SequencePool pool_;
  std::vector<std::unique_ptr<LiveRequest>> running_;
  Scheduler scheduler_;
};

using Tokens = std::vector<std::int32_t>;

TEST_F(SchedulerTest, APromptAloneHasTheStep) {
  add(100);
  EXPECT_EQ(plan({.batch = 64, .prompts = 40, .beside_decodes = 8}), Tokens{40});
  EXPECT_FALSE(plan_.parts[0].wants_logits);
  EXPECT_EQ(plan({.batch = 32, .prompts = 40, .beside_decodes = 8}), Tokens{32});
  EXPECT_EQ(plan({.batch = 64, .prompts = 40, .beside_decodes = 8}), Tokens{28});
  EXPECT_TRUE(plan_.parts[0].wants_logits);
}

TEST_F(SchedulerTest, BesideDecodesAPromptHasLess) {
  add(100);
  add_decoding(3);
  EXPECT_EQ(plan({.batch = 64, .prompts = 40, .beside_decodes = 8}), (Tokens{8, 3}));
}

TEST_F(SchedulerTest, DecodesMayHaveAStepForThemselves) {
  LiveRequest& prompt = add(100);
  add_decoding(3);
  EXPECT_EQ(plan({.batch = 64, .prompts = 40, .beside_decodes = 0}), (Tokens{0, 3}));
  EXPECT_EQ(plan_.parts.size(), 1U * 3);
  EXPECT_EQ(prompt.passed_over, 0);  // it was not another prompt's turn
  EXPECT_EQ(plan({.batch = 64, .prompts = 40, .beside_decodes = 8}), (Tokens{8, 3}));
}

// So many prompts and choices of each account, and what prompts then have of a step whose decodes
// take as long as one token of a prompt.
class BacklogTest : public SchedulerTest {
 protected:
  void prompts(AccountBook& book, int count) {
    for (int i = 0; i < count; ++i) join(add(100), book);
  }
  void decodes(AccountBook& book, int count) {
    for (int i = 0; i < count; ++i) join(add_decoding(), book);
  }
  std::int32_t tokens_of_prompts() {
    plan({.batch = 512, .prompts = 100, .beside_decodes = 1});
    return plan_.prompt_tokens;
  }
  AccountBook a, b, c;

 private:
  static void join(LiveRequest& request, AccountBook& book) {
    request.book = &book;
    book.holds.requests += 1;
  }
};

TEST_F(BacklogTest, WhereMorePromptsThanChoicesWaitTheyHaveMoreOfAStep) {
  prompts(a, 1);
  decodes(a, 2);
  EXPECT_EQ(tokens_of_prompts(), 1);
  prompts(a, 2);
  EXPECT_EQ(tokens_of_prompts(), 1);  // two for two, and one that may always be there
  prompts(a, 4);
  EXPECT_EQ(tokens_of_prompts(), 3);
  a.waiting.resize(10);
  EXPECT_EQ(tokens_of_prompts(), 8);
  a.waiting.resize(1000);
  EXPECT_EQ(tokens_of_prompts(), 100);
}

TEST_F(BacklogTest, AnAccountsManyPromptsAreOneToAnother) {
  prompts(a, 60);
  decodes(a, 2);
  decodes(b, 1);
  EXPECT_EQ(tokens_of_prompts(), 1);
}

TEST_F(BacklogTest, OtherAccountsCountOnceEach) {
  decodes(a, 1);
  decodes(b, 1);
  prompts(a, 2);
  prompts(c, 9);
  EXPECT_EQ(tokens_of_prompts(), 1);
  std::array<AccountBook, 4> more;
  for (AccountBook& book : more) prompts(book, 2);
  EXPECT_EQ(tokens_of_prompts(), 2);  // b sees six accounts with prompts and two that decode
}

TEST_F(SchedulerTest, AShortPromptOfAnAccountWithNothingElseHasTheStep) {
  AccountBook newcomer;
  AccountBook others;
  add_decoding(3).book = &others;
  LiveRequest& first = add(150);
  first.book = &newcomer;
  EXPECT_EQ(plan({.batch = 64, .prompts = 40, .beside_decodes = 8}), (Tokens{3, 40}));
  first.prefilled = 0;
  EXPECT_EQ(plan({.batch = 64, .prompts = 40, .beside_decodes = 0}), (Tokens{3, 40}));
  first.prefilled = 0;
  add_decoding().book = &newcomer;
  EXPECT_EQ(plan({.batch = 64, .prompts = 40, .beside_decodes = 8}), (Tokens{3, 8, 1}));
}

TEST_F(SchedulerTest, ALongPromptOfAnAccountWithNothingElseHasItsPart) {
  AccountBook newcomer;
  AccountBook others;
  add_decoding(3).book = &others;
  add(161).book = &newcomer;  // more than four steps
  EXPECT_EQ(plan({.batch = 64, .prompts = 40, .beside_decodes = 8}), (Tokens{3, 8}));
}

TEST_F(SchedulerTest, ANewcomerHasAStepForItselfButNotTwoInARow) {
  AccountBook books[4];
  add_decoding(10).book = &books[0];
  add(500).book = &books[0];
  for (LiveRequest* request : {&add(30), &add(20), &add(20)}) {
    request->book = &books[request->id.value - 2];
    request->rank = -static_cast<double>(10 - request->id.value);
    request->book->holds.requests = 1;
  }
  books[0].holds.requests = 2;
  const StepLimits limits{.batch = 64, .prompts = 55, .beside_decodes = 8};
  EXPECT_EQ(plan(limits), (Tokens{0, 0, 30, 20, 0}));  // the third does not fit beside them
  ASSERT_NE(plan_.newcomer, nullptr);
  EXPECT_EQ(plan_.newcomer->id.value, 3U);
  EXPECT_EQ(plan(limits), (Tokens{10, 6, 0, 0, 20}));  // and is no newcomer's step yet
  EXPECT_EQ(plan_.newcomer, nullptr);
}

TEST_F(SchedulerTest, FewDecodesStayBesideANewcomer) {
  AccountBook books[2];
  add_decoding(4).book = &books[0];
  LiveRequest& newcomer = add(32);
  newcomer.book = &books[1];
  const StepLimits limits{.batch = 64, .prompts = 40, .beside_decodes = 8};
  EXPECT_EQ(plan(limits), (Tokens{4, 32}));
  EXPECT_EQ(plan_.newcomer, &newcomer);
}

TEST_F(SchedulerTest, OfAnAccountWithTwoRequestsNoneIsANewcomer) {
  AccountBook books[2];
  add_decoding(10).book = &books[0];
  books[1].holds.requests = 2;
  add(16).book = &books[1];
  EXPECT_EQ(plan({.batch = 64, .prompts = 40, .beside_decodes = 8}), (Tokens{10, 16}));
  EXPECT_EQ(plan_.newcomer, nullptr);
}

TEST_F(SchedulerTest, ANewcomerWhosePromptHasAStopGoesOnWithIt) {
  AccountBook books[3];
  add_decoding(10).book = &books[0];
  LiveRequest& newcomer = add(30);
  newcomer.book = &books[1];
  newcomer.stops = {12};
  const StepLimits limits{.batch = 64, .prompts = 40, .beside_decodes = 8};
  EXPECT_EQ(plan(limits), (Tokens{0, 12}));
  EXPECT_EQ(plan(limits), (Tokens{0, 18}));
  EXPECT_EQ(plan(limits), (Tokens{10, 0}));
}

TEST_F(SchedulerTest, ACrowdTakesTurnsBehindTheOthers) {
  AccountBook crowd;
  AccountBook other;
  add_decoding(5).book = &crowd;
  add_decoding(2).book = &other;
  const StepLimits limits{
      .batch = 64, .prompts = 40, .beside_decodes = 8, .crowd = &crowd, .crowd_decodes = 2};
  std::vector<std::int32_t> turns(5);
  for (int step = 0; step < 5; ++step) {
    EXPECT_EQ(plan(limits), (Tokens{2, 2}));
    for (const StepPart& part : plan_.parts)
      if (part.request->book == &crowd) ++turns[static_cast<std::size_t>(part.choice->number)];
  }
  EXPECT_EQ(turns, (std::vector<std::int32_t>{2, 2, 2, 2, 2}));
}

// Others may be as many as a step has tokens.
TEST_F(SchedulerTest, ACrowdHasAQuarterOfSmallStepsToo) {
  AccountBook crowd;
  AccountBook other;
  add_decoding(9).book = &crowd;
  add_decoding(8).book = &other;
  for (const std::int32_t batch : {1, 2, 3, 4, 8}) {
    SCOPED_TRACE(batch);
    std::int32_t of_crowd = 0;
    for (int step = 0; step < 40; ++step) {
      plan({.batch = batch, .prompts = 40, .crowd = &crowd, .crowd_decodes = 8});
      EXPECT_EQ(plan_.decodes, batch);
      for (const StepPart& part : plan_.parts) of_crowd += part.request->book == &crowd ? 1 : 0;
    }
    EXPECT_EQ(of_crowd, batch < 4 ? 10 : 40 * (batch / 4));
  }
}

TEST_F(SchedulerTest, StepsOfOneTokenArePromptsAndAnswersByTurns) {
  LiveRequest& prompt = add(100);
  add_decoding(2);
  for (int step = 0; step < 40; ++step) plan({.batch = 1, .prompts = 1, .beside_decodes = 1});
  EXPECT_EQ(prompt.prefilled, 20);
}

TEST_F(SchedulerTest, WhereChoicesEndOrComeNoneLosesItsTurn) {
  LiveRequest& request = add_decoding(4);
  const StepLimits limits{.batch = 1, .prompts = 1, .beside_decodes = 1};
  const auto next = [&] {
    plan(limits);
    EXPECT_EQ(plan_.parts.size(), 1U);
    return plan_.parts[0].choice->number;
  };
  EXPECT_EQ(next(), 0);
  EXPECT_EQ(next(), 1);
  request.choices[0].ended = true;
  EXPECT_EQ(next(), 2);
  request.choices[3].waits = true;
  EXPECT_EQ(next(), 1);
  request.choices[3].waits = false;
  add_decoding();
  EXPECT_EQ(next(), 3);
  EXPECT_EQ(next(), 2);
  EXPECT_EQ(next(), 1);
  EXPECT_EQ(next(), 0);  // the new one's
  EXPECT_EQ(next(), 3);
}

TEST_F(SchedulerTest, ACrowdsPromptHasItsOwnBoundWhereItIsFirst) {
  AccountBook crowd;
  AccountBook other;
  crowd.holds.requests = 9;
  LiveRequest& first = add(500);
  first.book = &crowd;
  StepLimits limits{
      .batch = 64, .prompts = 40, .crowd = &crowd, .crowd_decodes = 1, .crowd_prompts = 12};
  EXPECT_EQ(plan(limits), Tokens{12});
  first.book = &other;
  EXPECT_EQ(plan(limits), Tokens{40});
}

// The short one is through in one step, the long one has a third as much and no more: its tokens
// would be time that the short one waits.
TEST_F(SchedulerTest, AShortPromptPassesALongOne) {
  add(1000);
  add(50);
  EXPECT_EQ(plan({.batch = 256, .prompts = 256, .beside_decodes = 16}), (Tokens{17, 50}));
  EXPECT_EQ(plan({.batch = 256, .prompts = 256, .beside_decodes = 16}), (Tokens{256, 0}));
}

TEST_F(SchedulerTest, ShortPromptsFillTheStepThatTheLongOneLeaves) {
  add(1000);
  for (int i = 0; i < 5; ++i) add(20);
  EXPECT_EQ(plan({.batch = 100, .prompts = 100, .beside_decodes = 16}),
            (Tokens{25, 20, 20, 20, 15, 0}));
}

// However many short ones come, the long one has its share of the steps, and so has each that is
// neither the shortest nor the longest.
TEST_F(SchedulerTest, NoPromptStarves) {
  for (const std::int32_t budget : {1, 2, 3, 7, 64}) {
    SCOPED_TRACE(budget);
    LiveRequest& longest = add(100'000);
    LiveRequest& middle = add(50'000);
    const std::int32_t steps = 400;
    for (int step = 0; step < steps; ++step) {
      LiveRequest& shortest = add(budget);
      const Tokens tokens = plan({.batch = 64, .prompts = budget, .beside_decodes = budget});
      EXPECT_EQ(std::accumulate(tokens.begin(), tokens.end(), 0), budget);
      shortest.has_room = false;  // or gone
    }
    const std::int32_t least = steps * std::max(budget / 4, 1) / (budget == 1 ? 4 : 1);
    for (const LiveRequest* request : {&longest, &middle}) {
      EXPECT_GE(request->prefilled, least / 2 - budget);
      EXPECT_LE(request->prefilled, steps * budget / 2);
    }
    longest.has_room = middle.has_room = false;
  }
}

TEST_F(SchedulerTest, ThePromptOfTheAccountThatIsOwedMostGoesFirst) {
  add(100).rank = 7;
  add(500).rank = 3;
  EXPECT_EQ(plan({.batch = 64, .prompts = 40, .beside_decodes = 8}), (Tokens{10, 30}));
}

TEST_F(SchedulerTest, APromptWithoutRoomIsLeftOut) {
  add(100).has_room = false;
  add(100);
  EXPECT_EQ(plan({.batch = 64, .prompts = 40, .beside_decodes = 8}), (Tokens{0, 40}));
}

TEST(StepPace, PromptsTakeThreeQuartersOfTheDecodesBesideThem) {
  using std::chrono::milliseconds;
  StepPace pace;
  EXPECT_EQ(pace.prompt_tokens_beside_decodes(256), 256);
  EXPECT_EQ(pace.tokens_per_second(), 0);
  pace.note(4, 0, milliseconds(100));  // decodes alone
  EXPECT_EQ(pace.prompt_tokens_beside_decodes(256), 256);
  EXPECT_DOUBLE_EQ(pace.tokens_per_second(), 40);
  pace.note(0, 200, milliseconds(300));  // 1.5 ms a token
  EXPECT_EQ(pace.prompt_tokens_beside_decodes(256), 50);
  EXPECT_EQ(pace.prompt_tokens_beside_decodes(20), 20);
  pace.note(4, 50, milliseconds(250));  // of which 3 ms are each of the prompt's tokens
  EXPECT_EQ(pace.prompt_tokens_beside_decodes(256), 25);
  pace.note(4, 200,
            milliseconds(300));  // many more tokens than beside decodes: not what these cost
  pace.note(0, 200, milliseconds(200));
  EXPECT_EQ(pace.prompt_tokens_beside_decodes(256), 25);
  for (int i = 0; i < 100; ++i)
    pace.note(4, pace.prompt_tokens_beside_decodes(256), milliseconds(1100));
  EXPECT_EQ(pace.prompt_tokens_beside_decodes(256), StepPace::kLeastBeside);
  EXPECT_EQ(pace.prompt_tokens_beside_decodes(3), 3);
}

// A few tokens cost more each than those of a large chunk: a step takes 20 ms, and each doubling of
// its tokens as much again.
TEST(StepPace, FindsTheTokensThatFit) {
  StepPace pace;
  const auto step = [](std::int32_t tokens) {
    return std::chrono::duration_cast<Clock::Duration>(
        std::chrono::duration<double>(0.02 + 0.02 * std::log2(tokens)));
  };
  pace.note(0, 256, step(256));
  pace.note(2, 0, step(2));
  for (int i = 0; i < 100; ++i) {
    const std::int32_t tokens = pace.prompt_tokens_beside_decodes(256);
    pace.note(2, tokens, step(2 + tokens));
  }
  const std::int32_t tokens = pace.prompt_tokens_beside_decodes(256);
  EXPECT_LE(step(2 + tokens), 2 * step(2));
  EXPECT_GE(tokens, StepPace::kLeastBeside);
}

TEST(StepPace, AsksForDecodesAloneFirstAndNowAndThen) {
  StepPace pace;
  EXPECT_TRUE(pace.wants_decodes_alone());
  pace.note(0, 100, std::chrono::seconds(1));  // no decodes at all
  EXPECT_TRUE(pace.wants_decodes_alone());
  for (int round = 0; round < 3; ++round) {
    pace.note(1, 0, Clock::Duration(0));  // a clock that stands still holds nothing up
    for (int i = 0; i < StepPace::kMixedSteps; ++i) {
      EXPECT_FALSE(pace.wants_decodes_alone());
      pace.note(1, 5, std::chrono::seconds(1));
    }
    EXPECT_TRUE(pace.wants_decodes_alone());
  }
}

TEST(StepPace, ACrowdsStepsTakeNoLongerThanANewcomers) {
  using std::chrono::milliseconds;
  StepPace pace;
  pace.note_crowd(64, milliseconds(300));
  EXPECT_GT(pace.crowd_decodes(), 1'000'000);  // nothing is known
  EXPECT_EQ(pace.crowd_prompts(256), 256);
  pace.note_newcomer(milliseconds(100));
  const auto step = [&](std::int32_t most) {
    const std::int32_t decodes = std::min(most, pace.crowd_decodes());
    pace.note_crowd(decodes, milliseconds(4 * decodes));
    return decodes;
  };
  for (int i = 0; i < 20; ++i) step(64);
  for (int i = 0; i < 50; ++i) {
    const std::int32_t decodes = step(64);
    EXPECT_GE(decodes, 20);
    EXPECT_LE(decodes, 27);
  }
  for (int i = 0; i < 20; ++i) pace.note_crowd(pace.crowd_decodes(), milliseconds(500));
  EXPECT_EQ(pace.crowd_decodes(), StepPace::kLeastOfCrowd);
  pace.forget_crowd();
  EXPECT_GT(pace.crowd_decodes(), 1'000'000);

  pace.note(0, 100, milliseconds(200));
  EXPECT_EQ(pace.crowd_prompts(256), 50);
  EXPECT_EQ(pace.crowd_prompts(20), 20);
  pace.note(0, 1, milliseconds(10'000));
  EXPECT_EQ(pace.crowd_prompts(256), StepPace::kLeastCrowdPrompt);
}

TEST(StepPace, AClockThatStandsStillTeachesNothing) {
  StepPace pace;
  pace.note(4, 0, Clock::Duration(0));
  pace.note(0, 9, Clock::Duration(0));
  EXPECT_EQ(pace.prompt_tokens_beside_decodes(256), 256);
  EXPECT_EQ(pace.tokens_per_second(), 0);
}

}  // namespace
}  // namespace tessera::engine
