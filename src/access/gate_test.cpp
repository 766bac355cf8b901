#include "access/gate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <random>
#include <thread>

#include "access/fake_store.h"
#include "access/issue_key.h"

namespace tessera::access {
namespace {

using testing::HasSubstr;

// Keeps the rows, as the store would.
struct Rows {
  std::mutex mutex;
  std::map<std::string, UsageRow> under_way, settled;
  int discarded = 0;
  std::atomic<bool> healthy{true};
  std::atomic<bool> overdue{false};
};
class ListSink final : public UsageSink {
 public:
  explicit ListSink(std::shared_ptr<Rows> rows) : rows_(std::move(rows)) {}
  bool enqueue(UsageWrite write, std::function<void()>) override {
    {
      const std::scoped_lock lock(rows_->mutex);
      const std::string id = write.row.request_id;
      if (write.kind == UsageWrite::Kind::kReserve) {
        rows_->under_way[id] = std::move(write.row);
      } else {
        rows_->under_way.erase(id);
        if (write.kind == UsageWrite::Kind::kSettle) {
          EXPECT_EQ(rows_->settled.count(id), 0u) << id;
          rows_->settled[id] = std::move(write.row);
        } else {
          ++rows_->discarded;
        }
      }
    }
    return true;
  }
  bool healthy() const override { return rows_->healthy; }
  bool overdue() const override { return rows_->overdue; }

 private:
  const std::shared_ptr<Rows> rows_;
};

// Waits for what another thread does; no test depends on how long that takes.
bool eventually(const std::function<bool()>& condition) {
  for (int i = 0; i < 10'000 && !condition(); ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  return condition();
}

// Its date can be set, as an operator or a time server does.
class SettableClock final : public Clock {
 public:
  Instant now() const override { return steady_.now(); }
  std::int64_t unix_seconds() const override { return steady_.unix_seconds() + set_s_; }
  void advance(Duration by) { steady_.advance(by); }
  void set(std::chrono::seconds by) { set_s_ += by.count(); }

 private:
  FakeClock steady_;
  std::atomic<std::int64_t> set_s_{0};
};

class GateTest : public testing::Test {
 protected:
  void open(GateOptions options = {}) {
    GateParts parts;
    parts.store = std::make_unique<FakeStore>(database_);
    parts.usage = std::make_unique<ListSink>(rows_);
    parts.poll = std::chrono::milliseconds(1);
    auto gate = make_gate(options, std::move(parts), clock_);
    ASSERT_TRUE(gate) << gate.error().message;
    gate_ = std::move(*gate);
  }
  Caller caller(const std::string& key) {
    auto found = gate_->identify(key, "127.0.0.1");
    EXPECT_TRUE(found) << key;
    return *std::move(found);
  }
  DenialCode refused(const std::string& key, const char* address = "127.0.0.1") {
    const auto found = gate_->identify(key, address);
    EXPECT_FALSE(found);
    return found.error().code;
  }
  Result<std::unique_ptr<Admission>, Denial> admit(const Caller& who, std::int64_t reasoning = 0) {
    RequestFacts facts;
    facts.request_id = "request-" + std::to_string(++requests_);
    facts.endpoint = "chat.completions";
    facts.client_address = "10.0.0.1";
    facts.user_agent = "test";
    facts.reasoning_tokens = reasoning;
    return gate_->admit(who, std::move(facts));
  }

  SettableClock clock_;
  std::shared_ptr<FakeDatabase> database_ = std::make_shared<FakeDatabase>();
  std::shared_ptr<Rows> rows_ = std::make_shared<Rows>();
  std::unique_ptr<Gate> gate_;
  std::atomic<int> requests_{0};
};

TEST_F(GateTest, SaysWhoIsBehindAKey) {
  const std::string key = database_->add_key("acme", "pro");
  database_->change([](Directory& d) { d.keys[0].models = {"m"}; });
  open();
  const Caller who = caller(key);
  EXPECT_EQ(who.key_id, "key_1");
  EXPECT_EQ(who.account_name, "acme");
  EXPECT_EQ(who.tier->name, "pro");
  EXPECT_EQ(who.context_tokens, 32'768);
  EXPECT_EQ(who.models, std::vector<std::string>{"m"});
  EXPECT_EQ(gate_->rate(who)->limit, 200);
}

TEST_F(GateTest, OneTextForEveryKeyThatDoesNotOpen) {
  const std::string expired = database_->add_key("a", "lite");
  const std::string revoked = database_->add_key("a", "lite");
  database_->change([&](Directory& d) {
    d.keys[0].expires = clock_.unix_seconds();
    d.keys[1].revoked = clock_.unix_seconds();
  });
  open();
  std::string text;
  for (const std::string& key :
       {expired, revoked, std::string("sk-tessera-unknown"), std::string(100'000, 'x'),
        std::string("\0\xff", 2), std::string()}) {
    const auto found = gate_->identify(key, "127.0.0.1");
    ASSERT_FALSE(found);
    EXPECT_EQ(found.error().code, DenialCode::kInvalidKey);
    EXPECT_TRUE(found.error().rate);
    if (text.empty()) text = found.error().message;
    EXPECT_EQ(found.error().message, text);
  }
}

TEST_F(GateTest, AKeyEndsWithTheClock) {
  const std::string key = database_->add_key("a", "lite");
  database_->change([&](Directory& d) { d.keys[0].expires = clock_.unix_seconds() + 10; });
  open();
  caller(key);
  clock_.advance(std::chrono::seconds(9));
  caller(key);
  clock_.advance(std::chrono::seconds(1));
  EXPECT_EQ(refused(key), DenialCode::kInvalidKey);
}

TEST_F(GateTest, ManyBadKeysOfAnAddressAreToldSoAndGoodOnesWork) {
  const std::string key = database_->add_key("a", "lite");
  open();
  const auto left = [this] { return gate_->identify("", "127.0.0.1").error().rate->remaining; };
  for (int i = 0; i < 100; ++i) EXPECT_EQ(refused(""), DenialCode::kInvalidKey);
  EXPECT_EQ(left(), 20);
  for (int i = 0; i < 20; ++i) EXPECT_EQ(refused("bad"), DenialCode::kInvalidKey);
  EXPECT_EQ(left(), 0);
  EXPECT_EQ(refused("bad"), DenialCode::kTooManyBadKeys);
  EXPECT_EQ(refused(""), DenialCode::kInvalidKey);
  caller(key);
  EXPECT_EQ(refused("bad", "127.0.0.2"), DenialCode::kInvalidKey);
  clock_.advance(std::chrono::seconds(60));
  EXPECT_EQ(left(), 20);
  EXPECT_EQ(refused("bad"), DenialCode::kInvalidKey);
}

TEST_F(GateTest, ADisabledAccountAndAMissingTierAreForbidden) {
  const std::string a = database_->add_key("a", "lite");
  const std::string b = database_->add_key("b", "no-such-tier");
  database_->change([](Directory& d) { d.accounts[0].disabled = true; });
  open();
  EXPECT_EQ(refused(a), DenialCode::kAccountDisabled);
  EXPECT_EQ(refused(b), DenialCode::kAccountDisabled);
  EXPECT_EQ(gate_->identify(a, "127.0.0.1").error().rate->limit, 50);
}

TEST_F(GateTest, LimitsBelongToTheAccount) {
  const std::string first = database_->add_key("a", "lite");
  const std::string second = database_->add_key("a", "lite");
  const std::string other = database_->add_key("b", "lite");
  open();
  for (int i = 0; i < 100; ++i)
    EXPECT_TRUE(gate_->take_request(caller(i % 2 == 0 ? first : second)));
  const auto no = gate_->take_request(caller(first));
  ASSERT_FALSE(no);
  EXPECT_EQ(no.error().code, DenialCode::kRateLimited);
  EXPECT_TRUE(gate_->peek_request(caller(second)));
  EXPECT_FALSE(gate_->peek_request(caller(other)));
  EXPECT_TRUE(gate_->take_request(caller(other)));
  EXPECT_EQ(gate_->rate(caller(other))->remaining, 49);
}

TEST_F(GateTest, ARevokedKeyEndsItsRunningRequestsAndNoOthers) {
  const std::string key = database_->add_key("a", "lite");
  const std::string other = database_->add_key("a", "lite");
  open();
  std::atomic<int> ended{0};
  std::atomic<int> other_ended{0};
  auto running = admit(caller(key));
  auto silent = admit(caller(key));  // registers later
  auto beside = admit(caller(other));
  (*running)->on_revoked([&] { ++ended; });
  (*beside)->on_revoked([&] { ++other_ended; });
  database_->change([&](Directory& d) { d.keys[0].revoked = clock_.unix_seconds(); });
  ASSERT_TRUE(eventually([&] { return ended == 1; }));
  (*silent)->on_revoked([&] { ++ended; });  // at once
  EXPECT_EQ(ended, 2);
  EXPECT_EQ(refused(key), DenialCode::kInvalidKey);
  (*running)->settle(Outcome::kRevoked, 401, {5, 0, 3, 0}, nullptr);
  EXPECT_EQ(rows_->settled.begin()->second.outcome, "revoked");
  database_->change([](Directory& d) { d.accounts[0].disabled = true; });
  ASSERT_TRUE(eventually([&] { return other_ended == 1; }));
  EXPECT_EQ(ended, 2);
}

TEST_F(GateTest, AKeyThatExpiresEndsItsRunningRequests) {
  const std::string key = database_->add_key("a", "lite");
  database_->change([&](Directory& d) { d.keys[0].expires = clock_.unix_seconds() + 10; });
  open();
  std::atomic<bool> ended{false};
  const auto running = admit(caller(key));
  (*running)->on_revoked([&] { ended = true; });
  clock_.advance(std::chrono::seconds(10));
  EXPECT_TRUE(eventually([&] { return ended.load(); }));
}

TEST_F(GateTest, AKeyRevokedBetweenHeadAndBodyIsNotAdmitted) {
  const std::string key = database_->add_key("a", "lite");
  open();
  const Caller who = caller(key);
  database_->change([&](Directory& d) { d.keys[0].revoked = clock_.unix_seconds(); });
  ASSERT_TRUE(eventually([&] { return !gate_->identify(key, ""); }));
  const auto admitted = admit(who);
  ASSERT_FALSE(admitted);
  EXPECT_EQ(admitted.error().code, DenialCode::kInvalidKey);
  EXPECT_TRUE(rows_->under_way.empty());
}

TEST_F(GateTest, ASettledRequestIsNotToldOfItsRevocation) {
  const std::string key = database_->add_key("a", "lite");
  open();
  auto admission = admit(caller(key));
  bool told = false;
  (*admission)->on_revoked([&] { told = true; });
  (*admission)->settle(Outcome::kOk, 200, {1, 0, 1, 0}, nullptr);
  database_->change([&](Directory& d) { d.keys[0].revoked = 0; });
  ASSERT_TRUE(eventually([&] { return !gate_->identify(key, ""); }));
  (*admission)->on_revoked([&] { told = true; });
  EXPECT_FALSE(told);
}

TEST_F(GateTest, RefreshWaitsForWhatWasChanged) {
  open();
  for (int i = 0; i < 50; ++i) {
    const std::string key = database_->add_key("a", "lite");
    gate_->refresh();
    EXPECT_TRUE(gate_->identify(key, ""));
  }
  database_->broken = true;
  gate_->refresh();  // returns nevertheless
  EXPECT_FALSE(gate_->healthy());
}

TEST_F(GateTest, ATierChangeTakesEffectWithoutARestart) {
  const std::string key = database_->add_key("a", "lite");
  open();
  EXPECT_EQ(caller(key).tier->name, "lite");
  database_->change([](Directory& d) { d.accounts[0].tier = "scale"; });
  ASSERT_TRUE(eventually([&] { return caller(key).tier->name == "scale"; }));
  EXPECT_EQ(gate_->rate(caller(key))->limit, 500);
}

TEST_F(GateTest, TheTiersFileTakesEffectWithoutARestart) {
  const std::string key = database_->add_key("a", "lite");
  const std::string path = testing::TempDir() + "gate_tiers.toml";
  std::ofstream(path) << "[tier.lite]\nrequests_per_minute = 1\nburst_requests_per_minute = 1\n";
  GateOptions options;
  options.tiers_file = path;
  open(options);
  EXPECT_TRUE(gate_->take_request(caller(key)));
  EXPECT_FALSE(gate_->take_request(caller(key)));
  std::ofstream(path) << "[tier.lite]\nrequests_per_minute = 20\nburst_requests_per_minute = 20\n";
  ASSERT_TRUE(eventually([&] { return gate_->rate(caller(key))->limit == 20; }));
  EXPECT_TRUE(gate_->take_request(caller(key)));
  std::filesystem::remove(path);
}

TEST_F(GateTest, TheRowSaysWhoAndHowMuch) {
  const std::string key = database_->add_key("acme", "lite");
  open();
  auto admission = admit(caller(key), 100);
  ASSERT_TRUE(admission);
  EXPECT_EQ(rows_->under_way.at("request-1").account, "acme");
  EXPECT_EQ(rows_->under_way.at("request-1").status, 0);
  clock_.advance(std::chrono::seconds(3));
  EXPECT_TRUE((*admission)->settle(Outcome::kOk, 200, {10, 4, 7, 2}, nullptr));
  EXPECT_TRUE(rows_->under_way.empty());
  const UsageRow& row = rows_->settled.at("request-1");
  EXPECT_EQ(row.key_id, "key_1");
  EXPECT_EQ(row.account, "acme");
  EXPECT_EQ(row.endpoint, "chat.completions");
  EXPECT_EQ(row.client_address, "10.0.0.1");
  EXPECT_EQ(row.user_agent, "test");
  EXPECT_EQ(row.ended - row.started, 3);
  EXPECT_EQ(row.status, 200);
  EXPECT_EQ(row.outcome, "ok");
  EXPECT_EQ(row.prompt_tokens, 10);
  EXPECT_EQ(row.cached_tokens, 4);
  EXPECT_EQ(row.completion_tokens, 7);
  EXPECT_EQ(row.reasoning_tokens, 2);
}

TEST_F(GateTest, NoTokensNoRow) {
  const std::string key = database_->add_key("a", "lite");
  open();
  EXPECT_TRUE((*admit(caller(key)))->settle(Outcome::kFailed, 503, {}, nullptr));
  admit(caller(key)).value().reset();  // dropped unsettled
  EXPECT_EQ(rows_->discarded, 2);
  EXPECT_TRUE(rows_->settled.empty() && rows_->under_way.empty());
}

TEST_F(GateTest, PlacesAndQuotaComeBackHoweverARequestEnds) {
  const std::string key = database_->add_key("a", "lite");  // 8 places, 200,000 tokens
  open();
  const Caller who = caller(key);
  std::vector<std::unique_ptr<Admission>> running;
  for (int i = 0; i < 8; ++i) running.push_back(*admit(who, 25'000));
  const auto ninth = admit(who);
  ASSERT_FALSE(ninth);
  EXPECT_EQ(ninth.error().code, DenialCode::kConcurrency);
  EXPECT_EQ(ninth.error().rate->limit, 50);
  running[0].reset();
  running[1]->settle(Outcome::kCancelled, 499, {1, 0, 1, 1}, nullptr);
  EXPECT_EQ(admit(who, 50'000).error().code, DenialCode::kThinkingQuota);  // one was spent
  EXPECT_TRUE(admit(who, 49'999));
  const auto never = admit(who, 200'001);
  EXPECT_EQ(never.error().code, DenialCode::kThinkingQuota);
  EXPECT_EQ(never.error().retry_after_ms, 0);
}

TEST_F(GateTest, MeteredTiersStopWhileRowsCannotBeWritten) {
  const std::string metered = database_->add_key("a", "lite");
  const std::string free = database_->add_key("b", "enterprise");
  open();
  rows_->healthy = false;
  EXPECT_FALSE(gate_->healthy());
  EXPECT_TRUE(admit(caller(metered)));  // its row is kept
  rows_->overdue = true;
  const auto no = admit(caller(metered));
  ASSERT_FALSE(no);
  EXPECT_EQ(no.error().code, DenialCode::kUsageStore);
  EXPECT_GT(no.error().retry_after_ms, 0);
  EXPECT_TRUE(admit(caller(free)));
  rows_->healthy = true;
  rows_->overdue = false;
  EXPECT_TRUE(admit(caller(metered)));
  EXPECT_TRUE(gate_->healthy());
}

TEST_F(GateTest, ABrokenStoreIsServedFromMemoryAndComesBack) {
  const std::string key = database_->add_key("a", "lite");
  open();
  database_->broken = true;
  ASSERT_TRUE(eventually([&] { return !gate_->healthy(); }));
  EXPECT_TRUE(admit(caller(key)));
  database_->change([](Directory& d) { d.keys[0].revoked = 0; });
  database_->broken = false;
  ASSERT_TRUE(eventually([&] { return gate_->healthy(); }));
  EXPECT_TRUE(eventually([&] { return !gate_->identify(key, ""); }));
}

TEST_F(GateTest, ARestartIsNoFreshQuota) {
  const std::string key = database_->add_key("a", "lite");
  UsageSum sum;
  sum.account = "a";
  sum.requests = 99;
  database_->sums = {sum, {"2026-11-22", "gone", "key_9", 5}};
  const std::int64_t now = clock_.unix_seconds();
  // 100 tokens each: 23 h 30 min and 90 min ago, and now; and of an account that is no more.
  database_->thought = {{"a", now - 84'600}, {"a", now - 5'400}, {"a", now}, {"gone", now}};
  open();
  const Caller who = caller(key);
  EXPECT_TRUE(gate_->take_request(who));
  EXPECT_FALSE(gate_->take_request(who));
  EXPECT_FALSE(admit(who, 200'000 - 299));
  EXPECT_TRUE(admit(who, 200'000 - 300));
  clock_.advance(std::chrono::hours(2));  // the oldest has left
  EXPECT_FALSE(admit(who, 200'000 - 199));
  EXPECT_TRUE(admit(who, 200'000 - 200));
}

TEST_F(GateTest, AClockThatIsSetForgetsNoRowsForADay) {
  open();
  gate_->refresh();  // the keeper has begun
  EXPECT_EQ(database_->forgets, 1);
  clock_.advance(std::chrono::hours(1));
  ASSERT_TRUE(eventually([&] { return database_->forgets == 2; }));
  for (const int days : {400, -400}) {
    const int before = database_->forgets;
    clock_.set(std::chrono::hours(24 * days));
    gate_->refresh();
    clock_.advance(std::chrono::hours(23));
    gate_->refresh();
    gate_->refresh();
    EXPECT_EQ(database_->forgets, before);
    clock_.advance(std::chrono::hours(1));
    EXPECT_TRUE(eventually([&] { return database_->forgets == before + 1; }));
  }
}

TEST_F(GateTest, OfManyThreadsAtOnceTheLimitPasses) {
  const std::string key = database_->add_key("a", "lite");
  open();
  std::atomic<int> passed{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 50; ++i) {
    threads.emplace_back([&] {
      const Caller who = caller(key);
      for (int k = 0; k < 20; ++k) passed += gate_->take_request(who) ? 1 : 0;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(passed, 100);
}

// 100,000 requests of several accounts that end in every way while keys come and go: in the end
// nothing is held, and the rows say what the callers saw.
TEST_F(GateTest, NothingDriftsOverManyRandomRequests) {
  constexpr int kThreads = 4;
  constexpr int kEach = 25'000;
  std::vector<std::string> keys;
  for (int i = 0; i < 8; ++i)
    keys.push_back(
        database_->add_key("account" + std::to_string(i), i % 2 == 0 ? "scale" : "lite"));
  open();
  std::atomic<std::int64_t> completion{0};
  std::atomic<int> settled{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      std::mt19937 random(static_cast<unsigned>(t));
      std::vector<std::unique_ptr<Admission>> running;
      for (int i = 0; i < kEach; ++i) {
        if (t == 0 && i % 1000 == 0) {
          database_->change([&](Directory& d) {
            auto& revoked = d.keys[random() % d.keys.size()].revoked;
            revoked = revoked ? std::nullopt : std::optional<std::int64_t>(0);
          });
        }
        if (const auto who = gate_->identify(keys[random() % keys.size()], "")) {
          if (auto admitted = admit(*who, random() % 2 == 0 ? 0 : random() % 9'000)) {
            running.push_back(*std::move(admitted));
            running.back()->on_revoked([] {});
          }
        }
        while (running.size() > random() % 8) {
          const auto at = running.begin() + static_cast<std::ptrdiff_t>(random() % running.size());
          if (random() % 4 != 0) {
            const Tokens tokens{1, 0, static_cast<std::int64_t>(random() % 100), 0};
            completion += tokens.completion;
            ++settled;
            (*at)->settle(static_cast<Outcome>(random() % 4), 200, tokens, nullptr);
          }
          running.erase(at);
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_GT(settled, kThreads * kEach / 10);
  EXPECT_TRUE(rows_->under_way.empty());
  EXPECT_EQ(rows_->settled.size(), static_cast<std::size_t>(settled));
  std::int64_t written = 0;
  for (const auto& [id, row] : rows_->settled) written += row.completion_tokens;
  EXPECT_EQ(written, completion);
  // All places and all of the quota are there again.
  database_->change([](Directory& d) {
    for (KeyRow& row : d.keys) row.revoked = std::nullopt;
  });
  for (const std::string& key : keys) {
    ASSERT_TRUE(eventually([&] { return gate_->identify(key, "").has_value(); }));
    const Caller who = caller(key);
    std::vector<std::unique_ptr<Admission>> all;
    for (std::int32_t i = 0; i < *who.tier->concurrent_requests; ++i) {
      auto admitted = admit(who, i == 0 ? *who.tier->thinking_tokens_per_day : 0);
      ASSERT_TRUE(admitted) << admitted.error().message;
      all.push_back(*std::move(admitted));
    }
    EXPECT_FALSE(admit(who));
  }
}

TEST(GateOpen, OperatorKeysNeedNoStore) {
  const auto gate = Gate::open({":memory:", "", {sha256(std::string_view("k"))}});
  ASSERT_TRUE(gate) << gate.error().message;
  const auto who = (*gate)->identify("k", "127.0.0.1");
  ASSERT_TRUE(who);
  EXPECT_EQ(who->account_name, "operator-1");
  EXPECT_EQ(who->key_id, "operator-1");
  EXPECT_EQ(who->context_tokens, 262'144);
  auto admission = (*gate)->admit(*who, {"id", "chat.completions", "127.0.0.1", "test", 0});
  ASSERT_TRUE(admission);
  std::atomic<bool> done{false};
  if (!(*admission)->settle(Outcome::kOk, 200, {1, 0, 1, 0}, [&] { done = true; }))
    EXPECT_TRUE(eventually([&] { return done.load(); }));
  EXPECT_TRUE((*gate)->healthy());
}

TEST(GateOpen, ADeletedDatabaseIsServedFromMemoryAndNotMadeAnew) {
  const std::string folder = testing::TempDir() + "gate_deleted";
  std::filesystem::remove_all(folder);
  const std::string path = folder + "/tessera.db";
  NewKey key;
  {
    const auto store = Store::open(path);
    ASSERT_TRUE(store) << store.error().message;
    key = issue_key(*(*store)->create_account("a", "lite"), "test", 1);
    ASSERT_TRUE((*store)->insert_key(key.row));
  }
  const auto gate = Gate::open({path, "", {}});
  ASSERT_TRUE(gate) << gate.error().message;
  EXPECT_TRUE((*gate)->identify(key.text, ""));
  std::filesystem::remove_all(folder);
  for (int i = 0; i < 3; ++i) (*gate)->refresh();
  EXPECT_TRUE((*gate)->identify(key.text, ""));
  EXPECT_FALSE((*gate)->healthy());
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST(GateOpen, SaysWhatIsWrongWithTheTiersFile) {
  const auto gate = Gate::open({":memory:", "/nowhere/tiers.toml", {}});
  ASSERT_FALSE(gate);
  EXPECT_THAT(gate.error().message, HasSubstr("/nowhere/tiers.toml"));
}

}  // namespace
}  // namespace tessera::access
