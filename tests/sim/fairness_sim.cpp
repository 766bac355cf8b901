// Who is served when several accounts ask: random schedules of accounts that always have more
// waiting, that come in bursts, now and then, or with one request for long and then many, on the
// real queue, scheduler, cache and memory, with a step that fails, cancels and readers that leave.
// After each step, by the tokens computed for each account and its weight:
//
// * of two accounts that have had requests waiting all the time since, neither has had more than
//   the other and twice the largest request; or four times, if it came when the other waited: it
//   was put level with whoever was owed most then, and the other may have been two ahead of that;
// * nobody starves: until a request has its first token, no other account has had more since it
//   came than its own account and four times the largest request (the other may have been owed two
//   of them when it came); nor, until it is begun, its own account more than what was in when it
//   came and twice the largest request;
// * an answer that was begun goes on: while none waits for memory each choice has a token within so
//   many steps as its turn takes, one token in every fourth step, if half of them are prompts'.
//
// What ran when that time began comes on top: it runs on. And half of what the other has running
// now: so much of that the queue counts as if it had been had (fair_queue.h).
//
//   fairness_sim [--seeds N] [--first K], fairness_sim --seed K: see seeds.h
#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "engine/test_random.h"
#include "engine/test_simulation.h"
#include "seeds.h"

namespace tessera::engine {
namespace {

Seeds seeds;

constexpr std::int32_t kAccounts = 4;
constexpr std::int32_t kLongest = 150;                       // prompts, and answers
constexpr std::int32_t kChoices = 2;                         // at most
constexpr double kLargest = kLongest + kChoices * kLongest;  // request, for who has weight 1

// Every token says whose it is.
TokenId token_of(std::int32_t account, std::int32_t number) {
  return account + kAccounts * (number % 50);
}

// What each account has had when some time began, and what may come on top of it because it runs.
struct Mark {
  double served[kAccounts] = {};
  double running[kAccounts] = {};
  bool came[kAccounts] = {};  // began to wait then
};

class Schedule {
 public:
  explicit Schedule(std::uint64_t seed)
      : random_(seed), sim_(with_count(make_backend()), make_options()) {
    accounts_ = random_.integer(2, kAccounts);
    for (Account& each : of_) {
      each.weight = random_.integer(1, 3);
      each.longest = random_.chance(3) ? 10 : kLongest;
      each.habit = static_cast<Habit>(random_.integer(0, 3));
    }
  }

  void run() {
    for (int step = 0; step < 1000 && !testing::Test::HasFailure(); ++step) {
      for (std::int32_t account = 0; account < accounts_; ++account) ask(account);
      if (random_.chance(20)) leave();
      sim_.step();
      look();
      check_pairs();
      check_waiting();
      check_progress();
    }
  }

 private:
  enum class Habit { kAlwaysMore, kBursts, kNowAndThen, kOneThenMany };
  struct Account {
    double weight = 1;
    std::int32_t longest = 0;
    Habit habit = Habit::kAlwaysMore;
    double served = 0;
    std::vector<std::size_t> live;
  };
  struct Asked {
    std::int32_t account = 0;
    std::int64_t prompt = 0;
    std::int64_t answers = 0;
    Mark mark;
    double before_it = 0;  // of its account, waiting and running, by its weight
    // Of each choice that is being written: its tokens, and the steps since there were more.
    std::size_t tokens[kChoices] = {};
    int steps[kChoices] = {};
  };

  FakeOptions make_backend() {
    FakeOptions backend = with_script([](const FakeContext& context, std::span<float> logits) {
      write_one_hot(context.history[0] % kAccounts, logits);
    });
    // Where there are hardly more places than accounts, the places decide.
    max_sequences_ = kAccounts * random_.integer(3, 6);
    backend.limits.max_sequences = max_sequences_;
    backend.limits.max_batch_tokens =
        random_.chance(4) ? random_.integer(1, 8) : random_.integer(1, 128);
    backend.limits.kv_block_tokens = 16;
    backend.limits.state_bytes_per_sequence = random_.chance(2) ? 0 : 20;
    backend.max_reserved_tokens = random_.integer(2400, 8000);
    if (random_.chance(3)) backend.fail_at_step = random_.integer(0, 1000);
    return backend;
  }
  EngineOptions make_options() {
    EngineOptions options;
    options.prefill_chunk = random_.integer(1, 64);
    options.account_share = random_.chance(2) ? 0.75 : 1;
    options.reserve_tokens = random_.chance(2) ? 1024 : 20;
    options.prefix_cache_bytes = random_.chance(2) ? 0 : 1 << 30;
    options.constraint_threads = 0;
    options.max_queue = 1000;
    return options;
  }
  // Steps take time, so that the engine's pace is at work; one that fails serves nobody.
  FakeOptions with_count(FakeOptions backend) {
    backend.on_forward = [this, fails = backend.fail_at_step](std::int64_t step,
                                                              const model::Batch& batch) {
      std::size_t tokens = 0;
      for (const model::BatchItem& item : batch.items) {
        tokens += item.tokens.size();
        Account& account = of_[item.tokens[0] % kAccounts];
        if (step != fails)
          account.served += static_cast<double>(item.tokens.size()) / account.weight;
      }
      sim_.clock().advance(std::chrono::microseconds(500 + 100 * tokens));
    };
    return backend;
  }

  void ask(std::int32_t account) {
    Account& who = of_[account];
    const auto live = std::ssize(who.live);
    std::int64_t more = 0;
    if (who.habit == Habit::kAlwaysMore) more = 20 - live;
    if (who.habit == Habit::kBursts && live < 30 && random_.chance(60))
      more = random_.integer(1, 15);
    if (who.habit == Habit::kNowAndThen && live < 2 && random_.chance(30)) more = 1;
    if (who.habit == Habit::kOneThenMany) more = (random_.chance(500) ? 20 : 1) - live;
    for (; more > 0; --more) submit(account);
  }
  void submit(std::int32_t account) {
    Account& who = of_[account];
    std::vector<TokenId> prompt(static_cast<std::size_t>(random_.integer(1, who.longest)));
    const std::int32_t salt = random_.integer(0, 3);  // some begin alike
    for (std::size_t i = 0; i < prompt.size(); ++i)
      prompt[i] = token_of(account, salt + static_cast<std::int32_t>(i));
    EngineRequest request = make_test_request(std::move(prompt), random_.integer(1, who.longest));
    request.account = AccountId{static_cast<std::uint64_t>(account) + 1};
    request.weight = who.weight;
    request.end_tokens.clear();
    request.choices = random_.chance(4) ? kChoices : 1;
    Asked asked{account, std::ssize(request.prompt),
                std::int64_t{request.max_tokens} * request.choices, mark(), in(who)};
    who.live.push_back(sim_.submit(request));
    asked_.push_back(asked);
  }
  void leave() {
    Account& who = of_[random_.integer(0, accounts_ - 1)];
    if (who.live.empty()) return;
    const std::size_t index = who.live[static_cast<std::size_t>(
        random_.integer(0, static_cast<std::int32_t>(std::ssize(who.live)) - 1))];
    if (random_.chance(2)) return sim_.cancel(index);
    sim_.entry(index).events.reset();
    std::erase(who.live, index);
  }
  void look() {
    for (Account& who : of_) {
      std::erase_if(who.live, [this](std::size_t index) {
        sim_.read(index);
        return sim_[index].is_over();
      });
    }
  }

  bool runs(std::size_t index) { return sim_.entry(index).events->started(); }
  bool waits(const Account& who) {
    return std::any_of(who.live.begin(), who.live.end(),
                       [this](std::size_t index) { return !runs(index); });
  }
  // What it has running, by its weight.
  double running(const Account& who) {
    return left_of(who, [this](std::size_t index) { return runs(index); });
  }
  double in(const Account& who) {
    return left_of(who, [](std::size_t) { return true; });
  }
  template <class Which>
  double left_of(const Account& who, Which which) {
    std::int64_t left = 0;
    for (const std::size_t index : who.live) {
      if (!which(index)) continue;
      const Asked& asked = asked_[index];
      left += asked.answers + (sim_[index].saw_prefill() ? 0 : asked.prompt);
      for (const auto& tokens : sim_[index].all_tokens()) left -= std::ssize(tokens);
    }
    return static_cast<double>(left) / who.weight;
  }
  Mark mark() {
    Mark mark;
    for (std::int32_t account = 0; account < accounts_; ++account) {
      mark.served[account] = of_[account].served;
      mark.running[account] = running(of_[account]);
    }
    return mark;
  }
  // What `one` has had more since then.
  double ahead(const Mark& mark, std::int32_t one, std::int32_t other) const {
    return of_[one].served - mark.served[one] - (of_[other].served - mark.served[other]);
  }

  double running_on(const Mark& mark, std::int32_t more, std::int32_t less) {
    return mark.running[more] + mark.running[less] + running(of_[less]) / 2;
  }

  void check_pairs() {
    bool wait[kAccounts];
    for (std::int32_t a = 0; a < accounts_; ++a) wait[a] = waits(of_[a]);
    for (std::int32_t a = 0; a < accounts_; ++a) {
      for (std::int32_t b = 0; b < a; ++b) {
        std::optional<Mark>& both = both_wait_[a][b];
        if (!wait[a] || !wait[b]) {
          both.reset();
          continue;
        }
        if (!both) {
          both = mark();
          for (const std::int32_t one : {a, b}) both->came[one] = !waited_[one];
        }
        for (const auto& [more, less] : {std::pair(a, b), std::pair(b, a)}) {
          const double bound = (both->came[more] ? 4 : 2) * kLargest;
          ASSERT_LE(ahead(*both, more, less), bound + running_on(*both, more, less))
              << "account " << more << " has had more than account " << less;
        }
      }
    }
    std::copy(wait, wait + accounts_, waited_);
  }
  void check_waiting() {
    for (std::int32_t a = 0; a < accounts_; ++a) {
      for (const std::size_t index : of_[a].live) {
        if (sim_[index].saw_prefill()) continue;
        const Mark& came = asked_[index].mark;
        if (!runs(index)) {
          ASSERT_LE(of_[a].served - came.served[a], asked_[index].before_it + 2 * kLargest)
              << "request " << index << " of account " << a << " waits for those behind it";
        }
        for (std::int32_t b = 0; b < accounts_; ++b) {
          if (b == a) continue;
          ASSERT_LE(ahead(came, b, a), 4 * kLargest + running_on(came, b, a))
              << "request " << index << " of account " << a << " waits while account " << b
              << " is served";
        }
      }
    }
  }

  void check_progress() {
    const std::int64_t waits = sim_.counters().memory_waits;
    const bool waited = std::exchange(memory_waits_, waits) != waits;
    for (const Account& who : of_) {
      for (const std::size_t index : who.live) {
        const TestTranscript& heard = sim_[index];
        if (!heard.saw_prefill()) continue;
        Asked& asked = asked_[index];
        for (std::size_t choice = 0; choice < heard.all_tokens().size(); ++choice) {
          const std::size_t tokens = heard.tokens(choice).size();
          const bool goes_on = waited || heard.end(choice) || tokens > asked.tokens[choice];
          asked.steps[choice] = goes_on ? 0 : asked.steps[choice] + 1;
          asked.tokens[choice] = tokens;
          ASSERT_LE(asked.steps[choice], 8 * (max_sequences_ + 1))
              << "choice " << choice << " of request " << index << " does not go on";
        }
      }
    }
  }

  TestRandom random_;
  std::int32_t max_sequences_ = 0;
  std::int64_t memory_waits_ = 0;
  std::int32_t accounts_ = 0;
  Account of_[kAccounts];
  std::vector<Asked> asked_;  // by index in the simulation
  std::optional<Mark> both_wait_[kAccounts][kAccounts];
  bool waited_[kAccounts] = {};  // after the last step
  Simulation sim_;
};

TEST(FairnessSim, NobodyStarvesAndWhoWaitsIsServedAlike) {
  for_each_seed(seeds, "fairness_sim", [](std::uint64_t seed) { Schedule(seed).run(); });
}

// What was computed for each, by weight, differs by at most twice the largest request, after every
// step, however large each one's requests are.
TEST(FairnessSim, AccountsThatAlwaysWaitAreServedAlike) {
  static constexpr std::int32_t kBoth = 300;
  for_each_seed({seeds.first, seeds.count / 10 + 1}, "fairness_sim", [](std::uint64_t seed) {
    TestRandom random(seed);
    // Every token says whose it is.
    FakeOptions backend = with_script([](const FakeContext& context, std::span<float> logits) {
      write_one_hot(context.history[0], logits);
    });
    const auto accounts = static_cast<std::size_t>(random.integer(2, 3));
    // Where there are hardly more places than accounts, the places decide.
    backend.limits.max_sequences = static_cast<std::int32_t>(accounts) * random.integer(3, 6);
    backend.limits.max_batch_tokens = random.integer(1, 128);
    backend.limits.kv_block_tokens = 16;
    backend.max_reserved_tokens = random.integer(1200, 6000);
    double weights[3];
    double served[3] = {};
    for (double& weight : weights) weight = random.integer(1, 3);
    std::int32_t longest[3];  // prompts and answers of each
    for (std::int32_t& each : longest) each = random.chance(3) ? 10 : kBoth / 2;
    backend.on_forward = [&](std::int64_t, const model::Batch& batch) {
      for (const model::BatchItem& item : batch.items) {
        const auto account = static_cast<std::size_t>(item.tokens[0] - 1);
        served[account] += static_cast<double>(item.tokens.size()) / weights[account];
      }
    };
    EngineOptions options;
    options.account_share = random.chance(2) ? 0.75 : 1;
    options.reserve_tokens = random.chance(2) ? 1024 : 20;
    options.prefix_cache_bytes = 0;  // what is computed shall be what was asked for
    Simulation sim(std::move(backend), options);
    std::vector<std::vector<std::size_t>> live(accounts);
    for (int step = 0; step < 1500; ++step) {
      for (std::size_t account = 0; account < accounts; ++account) {
        while (live[account].size() < 20) {
          EngineRequest request = make_test_request(
              std::vector<TokenId>(static_cast<std::size_t>(random.integer(1, kBoth / 2)),
                                   static_cast<TokenId>(account + 1)),
              random.integer(1, kBoth / 2));
          request.account = AccountId{account + 1};
          request.weight = weights[account];
          live[account].push_back(sim.submit(request));
        }
      }
      sim.step();
      for (std::size_t account = 0; account < accounts; ++account) {
        std::erase_if(live[account], [&](std::size_t index) {
          sim.read(index);
          return sim[index].is_over();
        });
      }
      const auto [least, most] = std::minmax_element(served, served + accounts);
      ASSERT_LE(*most - *least, 2 * kBoth) << "step " << step;
    }
    EXPECT_GT(*std::min_element(served, served + accounts), 100);
  });
}

}  // namespace
}  // namespace tessera::engine

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  tessera::engine::seeds = tessera::engine::seeds_of(argc, argv, {.first = 0, .count = 200});
  return RUN_ALL_TESTS();
}
