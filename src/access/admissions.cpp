#include "access/admissions.h"

#include <algorithm>
#include <cstring>
#include <new>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/sha256.h"

namespace tessera::access {
namespace {

constexpr int kStatusFailed = 500;

const char* name_of(Outcome outcome) {
  switch (outcome) {
    case Outcome::kOk:
      return "ok";
    case Outcome::kCancelled:
      return "cancelled";
    case Outcome::kFailed:
      return "failed";
    case Outcome::kRevoked:
      return "revoked";
  }
  return "failed";
}

bool any(const Tokens& tokens) {
  return tokens.prompt != 0 || tokens.cached != 0 || tokens.completion != 0 ||
         tokens.reasoning != 0;
}

}  // namespace

// ---------------------------------------------------------------- one admission's revocation

void Admissions::Watch::on_revoked(std::function<void()> callback) {
  {
    const std::scoped_lock lock(mutex_);
    if (settled_) return;
    if (!revoked_) {
      callback_ = std::move(callback);
      return;
    }
  }
  callback();
}

void Admissions::Watch::revoke() {
  std::function<void()> callback;
  {
    const std::scoped_lock lock(mutex_);
    revoked_ = true;
    callback = std::exchange(callback_, nullptr);
  }
  if (callback) callback();
}

void Admissions::Watch::settle() {
  std::function<void()> dropped;  // outside of the lock: it may own what calls us
  const std::scoped_lock lock(mutex_);
  settled_ = true;
  dropped = std::exchange(callback_, nullptr);
}

// ---------------------------------------------------------------- what the API holds

class Admissions::Held final : public Admission {
 public:
  Held(Admissions& table, std::uint64_t id, std::shared_ptr<Watch> watch, AccountId account,
       std::int64_t reasoning, UsageRow row)
      : table_(table),
        id_(id),
        watch_(std::move(watch)),
        account_(account),
        reasoning_(reasoning),
        row_(std::move(row)) {}
  ~Held() override {
    try {
      if (!settled_) settle(Outcome::kFailed, kStatusFailed, {}, nullptr);
    } catch (const std::bad_alloc&) {  // NOLINT(bugprone-empty-catch): the place is given back
    }
  }

  void on_revoked(std::function<void()> callback) override {
    watch_->on_revoked(std::move(callback));
  }

  bool settle(Outcome outcome, int status, const Tokens& tokens,
              std::function<void()> done) override {
    CHECK(!settled_);
    settled_ = true;
    watch_->settle();
    table_.limiter_.leave(account_, reasoning_, tokens.reasoning);
    UsageSink& usage = table_.usage_;
    row_.ended = table_.clock_.unix_seconds();
    row_.serial = table_.next_serial_++;
    row_.status = status;
    row_.outcome = name_of(outcome);
    row_.prompt_tokens = tokens.prompt;
    row_.cached_tokens = tokens.cached;
    row_.completion_tokens = tokens.completion;
    row_.reasoning_tokens = tokens.reasoning;
    table_.remove(id_);
    if (any(tokens))
      return usage.enqueue({UsageWrite::Kind::kSettle, std::move(row_)}, std::move(done));
    // Nothing was spent: nobody has to wait for that.
    usage.enqueue({UsageWrite::Kind::kDiscard, std::move(row_)}, nullptr);
    return true;
  }

 private:
  Admissions& table_;
  const std::uint64_t id_;
  const std::shared_ptr<Watch> watch_;
  const AccountId account_;
  const std::int64_t reasoning_;
  UsageRow row_;
  bool settled_ = false;
};

// ---------------------------------------------------------------- the table

Admissions::Admissions(Limiter& limiter, UsageSink& usage, const Clock& clock)
    : limiter_(limiter), usage_(usage), clock_(clock) {
  std::uint8_t bytes[4];
  fill_random(bytes);
  std::uint32_t begin = 0;
  std::memcpy(&begin, bytes, sizeof begin);
  next_serial_ = begin;
}

Admissions::~Admissions() {
  CHECK(watches_.empty());
}

std::unique_ptr<Admission> Admissions::admit(const Caller& caller, RequestFacts facts) {
  UsageRow row;
  row.request_id = std::move(facts.request_id);
  row.account = caller.account_name;
  row.key_id = caller.key_id;
  row.endpoint = std::move(facts.endpoint);
  row.client_address = std::move(facts.client_address);
  row.user_agent = std::move(facts.user_agent);
  row.started = clock_.unix_seconds();
  usage_.enqueue({UsageWrite::Kind::kReserve, row}, nullptr);

  auto watch = std::make_shared<Watch>(caller.key_id);
  std::uint64_t id = 0;
  {
    const std::scoped_lock lock(mutex_);
    id = next_id_++;
    watches_.emplace(id, watch);
  }
  return std::make_unique<Held>(*this, id, std::move(watch), caller.account, facts.reasoning_tokens,
                                std::move(row));
}

void Admissions::revoke_invalid(const Picture& picture, std::int64_t now) {
  std::vector<std::shared_ptr<Watch>> invalid;
  {
    const std::scoped_lock lock(mutex_);
    for (const auto& [id, watch] : watches_)
      if (!picture.valid(watch->key_id(), now)) invalid.push_back(watch);
  }
  for (const auto& watch : invalid) watch->revoke();
}

void Admissions::remove(std::uint64_t id) {
  const std::scoped_lock lock(mutex_);
  watches_.erase(id);
}

std::size_t Admissions::size() const {
  const std::scoped_lock lock(mutex_);
  return watches_.size();
}

}  // namespace tessera::access
