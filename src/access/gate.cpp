#include "access/gate.h"

#include <condition_variable>
#include <cstdlib>
#include <mutex>
#include <thread>
#include <utility>

#include "access/admissions.h"
#include "access/bad_keys.h"
#include "access/directory.h"
#include "access/gate_parts.h"
#include "access/limiter.h"
#include "access/usage_writer.h"
#include "base/log.h"

namespace tessera::access {
namespace {

using std::chrono::seconds;

constexpr std::int64_t kHour_s = 3'600;
constexpr std::int64_t kDay_s = 24 * kHour_s;
constexpr std::int64_t kUsageKept_s = 90 * kDay_s;
constexpr std::int64_t kStoreRetryMs = 5'000;

// One text for every key that does not open: it must not tell which of them exist.
constexpr const char* kBadKeyText =
    "Incorrect or missing API key. Send it as 'Authorization: Bearer sk-tessera-…'; a lost key "
    "cannot be read back, only replaced.";

class TheGate final : public Gate {
 public:
  TheGate(const GateOptions& options, GateParts parts, const Clock& clock)
      : clock_(clock),
        poll_(parts.poll),
        usage_(std::move(parts.usage)),
        watch_(options.tiers_file, options.operator_keys),
        limiter_(clock),
        bad_keys_(clock, parts.bad_keys),
        admissions_(limiter_, *usage_, clock) {}

  ~TheGate() override {
    {
      const std::scoped_lock lock(mutex_);
      stopping_ = true;
    }
    wake_.notify_all();
    refreshed_.notify_all();
    if (keeper_.joinable()) keeper_.join();
  }

  Result<void> start(std::unique_ptr<Store> store) {
    TRY(watch_.start(*store));
    TRY(store->close_interrupted(clock_.unix_seconds() + 1));
    TRY(store->forget_usage(clock_.unix_seconds() - kUsageKept_s));
    TRY(remember_usage(*store));
    keeper_ = std::thread([this, first = std::move(store), now = clock_.unix_seconds()]() mutable {
      keep(std::move(first), now);
    });
    return {};
  }

  Result<Caller, Denial> identify(std::string_view presented,
                                  std::string_view client_address) override {
    const auto picture = watch_.picture();
    const KeyEntry* key = picture->find(sha256(presented));
    if (key == nullptr || clock_.unix_seconds() >= key->ends) {
      // Who sends none is not guessing.
      if (presented.empty())
        return Unexpected{
            Denial{DenialCode::kInvalidKey, 0, kBadKeyText, bad_keys_.rate(client_address)}};
      return Unexpected{bad_keys_.refuse(client_address, kBadKeyText)};
    }
    const AccountEntry& account = *key->account;
    if (account.tier == nullptr)
      return Unexpected{disabled("The tier of this API key's account is not set up here.")};
    if (account.disabled) {
      Denial denial = disabled("The account of this API key is disabled.");
      denial.rate = limiter_.rate(account.id, *account.tier);
      return Unexpected{std::move(denial)};
    }
    return Caller{key->id,    account.id, account.name, account.tier, account.context_tokens,
                  key->models};
  }

  std::optional<RateState> rate(const Caller& caller) const override {
    return limiter_.rate(caller.account, *caller.tier);
  }

  std::optional<Denial> peek_request(const Caller& caller) const override {
    return limiter_.peek_request(caller.account, *caller.tier);
  }

  Result<std::optional<CountedRequest>, Denial> take_request(const Caller& caller) override {
    return limiter_.take_request(caller.account, *caller.tier);
  }

  Result<std::unique_ptr<Admission>, Denial> admit(const Caller& caller,
                                                   RequestFacts facts) override {
    if (caller.tier->thinking_tokens_per_day && usage_->overdue()) {
      return Unexpected{Denial{DenialCode::kUsageStore, kStoreRetryMs,
                               "Usage cannot be recorded now, and this tier is metered. Please "
                               "retry.",
                               rate(caller)}};
    }
    if (auto denial =
            limiter_.enter(caller.account, *caller.tier, facts.reasoning_tokens, caller.counted)) {
      denial->rate = rate(caller);
      return Unexpected{std::move(*denial)};
    }
    auto admission = admissions_.admit(caller, std::move(facts));
    // After it is in the table: a revocation is seen here or by the keeper, whichever is later.
    if (!watch_.picture()->valid(caller.key_id, clock_.unix_seconds()))
      return Unexpected{Denial{DenialCode::kInvalidKey, 0, kBadKeyText, std::nullopt}};
    return admission;
  }

  bool healthy() const override { return usage_->healthy() && watch_.healthy(); }

  void refresh() override {
    std::unique_lock lock(mutex_);
    const std::uint64_t ticket = ++asked_;
    wake_.notify_all();
    refreshed_.wait(lock, [&] { return stopping_ || answered_ >= ticket; });
  }

 private:
  static Denial disabled(std::string text) {
    return {DenialCode::kAccountDisabled, 0, std::move(text), std::nullopt};
  }

  // A restart is no fresh quota: the last minute's requests count as of now, and the last day's
  // reasoning tokens by the hour in which they were spent. Burst minutes are forgotten.
  Result<void> remember_usage(Store& store) {
    const auto ids = watch_.account_ids();
    const std::int64_t now = clock_.unix_seconds();
    TRY_ASSIGN(const auto minute, store.usage_by_day("", "", now - 60, now + 1));
    for (const UsageSum& sum : minute) {
      if (const auto id = ids.find(sum.account); id != ids.end())
        limiter_.seed_requests(id->second, static_cast<std::int32_t>(std::min<std::int64_t>(
                                               sum.requests, RequestWindow::kExactLimit)));
    }
    TRY_ASSIGN(const auto day, store.reasoning_since(now - kDay_s));
    std::unordered_map<std::string, std::int64_t> total(day.begin(), day.end());
    for (std::int64_t hours = 23; hours >= 0; --hours) {
      std::unordered_map<std::string, std::int64_t> since;  // none later than the last hour's
      if (hours > 0) {
        TRY_ASSIGN(const auto later, store.reasoning_since(now - hours * kHour_s));
        since.insert(later.begin(), later.end());
      }
      for (auto& [account, tokens] : total) {
        const auto newer = since.find(account);
        const std::int64_t left = newer == since.end() ? 0 : newer->second;
        if (const auto id = ids.find(account); id != ids.end())
          limiter_.seed_thinking(id->second, seconds(hours * kHour_s), tokens - left);
        tokens = left;
      }
    }
    return {};
  }

  // Changes when the clock is set.
  std::int64_t clock_offset(std::int64_t unix_s) const {
    return unix_s - std::chrono::floor<seconds>(clock_.now().time_since_epoch()).count();
  }

  // The one background thread: sees changes of keys and tiers, and tidies up. A store that fails is
  // asked again, never opened again: where its file is gone that would make an empty one.
  void keep(std::unique_ptr<Store> store, std::int64_t started) {
    std::int64_t next_end = watch_.picture()->next_end(started);
    Clock::Instant next_sweep = clock_.now() + seconds(60);
    Clock::Instant next_forget = clock_.now() + std::chrono::hours(1);
    std::int64_t offset = clock_offset(started);
    std::unique_lock lock(mutex_);
    for (;;) {
      wake_.wait_for(lock, poll_, [this] { return stopping_ || asked_ > answered_; });
      if (stopping_) return;
      const std::uint64_t asked = asked_;
      lock.unlock();
      const std::int64_t now = clock_.unix_seconds();
      const std::int64_t last_offset = std::exchange(offset, clock_offset(now));
      const bool clock_was_set = std::abs(offset - last_offset) > kHour_s;
      if (watch_.refresh(*store) || now >= next_end || clock_was_set) {
        const auto picture = watch_.picture();
        admissions_.revoke_invalid(*picture, now);
        next_end = picture->next_end(now);
      }
      if (clock_.now() >= next_sweep) {
        limiter_.forget_idle();
        next_sweep = clock_.now() + seconds(60);
      }
      if (clock_was_set) {  // perhaps wrongly: what is too old by it waits for a day
        log_warning("the clock was set: usage rows are forgotten again from tomorrow on");
        next_forget = clock_.now() + std::chrono::hours(24);
      }
      if (clock_.now() >= next_forget) {
        if (const auto forgotten = store->forget_usage(now - kUsageKept_s); !forgotten)
          log_warning("old usage rows stay for now: {}", forgotten.error().message);
        next_forget = clock_.now() + std::chrono::hours(1);
      }
      lock.lock();
      answered_ = asked;
      refreshed_.notify_all();
    }
  }

  const Clock& clock_;
  const std::chrono::milliseconds poll_;
  const std::unique_ptr<UsageSink> usage_;
  DirectoryWatch watch_;
  mutable Limiter limiter_;  // looking forgets what is too old
  BadKeys bad_keys_;
  Admissions admissions_;

  std::mutex mutex_;
  std::condition_variable wake_;
  std::condition_variable refreshed_;
  bool stopping_ = false;
  std::uint64_t asked_ = 0;  // calls of refresh()
  std::uint64_t answered_ = 0;
  std::thread keeper_;
};

class WriterSink final : public UsageSink {
 public:
  WriterSink(std::unique_ptr<Store> store, std::unique_ptr<Store> folder)
      : writer_(std::move(store), {}, std::move(folder)) {}
  bool enqueue(UsageWrite write, std::function<void()> done) override {
    return writer_.enqueue(std::move(write), std::move(done));
  }
  bool healthy() const override { return writer_.healthy(); }
  bool overdue() const override { return writer_.overdue(); }

 private:
  UsageWriter writer_;
};

}  // namespace

Result<std::unique_ptr<Gate>> make_gate(const GateOptions& options, GateParts parts,
                                        const Clock& clock) {
  std::unique_ptr<Store> store = std::move(parts.store);
  auto gate = std::make_unique<TheGate>(options, std::move(parts), clock);
  TRY(gate->start(std::move(store)));
  return std::unique_ptr<Gate>(std::move(gate));
}

Result<std::unique_ptr<Gate>> Gate::open(const GateOptions& options, const Clock& clock) {
  GateParts parts;
  TRY_ASSIGN(parts.store, Store::open(options.database));
  TRY_ASSIGN(auto rows, Store::open(options.database));
  TRY_ASSIGN(auto folder, Store::open(options.database));
  parts.usage = std::make_unique<WriterSink>(std::move(rows), std::move(folder));
  return make_gate(options, std::move(parts), clock);
}

}  // namespace tessera::access
