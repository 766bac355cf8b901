// Who may, how much, and what it cost: keys, tiers, limits and the usage rows behind one door. The
// API asks it four times in a request's life: identify() before the body is read, take_request()
// once the body is whole, admit() once the request is known to be valid, settle() at its end,
// whatever the end was.
//
// Any thread. Only settle()'s callback waits for the disk; everything else is answered from memory,
// or from the page cache.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "access/tier.h"
#include "base/clock.h"
#include "base/ids.h"
#include "base/result.h"
#include "base/sha256.h"

namespace tessera::access {

// A request that was counted: what it takes to count it no more.
struct CountedRequest {
  Clock::Instant time;                  // as which it is kept
  std::optional<Clock::Instant> burst;  // begin of the burst minute that it needed
};

// Who is behind a key, as it was when the key was presented.
struct Caller {
  std::string key_id;
  AccountId account;
  std::string account_name;
  std::shared_ptr<const Tier> tier;
  std::int32_t context_tokens = 0;             // of one request; the account's or its tier's
  std::vector<std::string> models;             // that the key may use; empty: all
  std::optional<CountedRequest> counted = {};  // this request, by take_request()
};

// For the X-RateLimit-* headers.
struct RateState {
  std::int32_t limit = 0;      // requests a minute, sustained
  std::int32_t remaining = 0;  // that would pass now
  std::int32_t reset_s = 0;    // until `remaining` is `limit` again, rounded up
};

enum class DenialCode : std::uint8_t {
  kInvalidKey,       // missing, malformed, unknown, expired, revoked: one text for all
  kTooManyBadKeys,   // of this client address
  kAccountDisabled,  //
  kRateLimited,      // requests a minute
  kConcurrency,      // requests under way
  kThinkingQuota,    // the account's reasoning tokens of the day are used up
  kUsageStore,       // rows could not be written for long, and the tier is metered
};
struct Denial {
  DenialCode code = DenialCode::kInvalidKey;
  std::int64_t retry_after_ms = 0;  // > 0: when it is worth trying again
  std::string message;              // which limit, how much; for the client
  std::optional<RateState> rate;    // where one is known
};

// What a usage row says beyond tokens. Never content.
struct RequestFacts {
  std::string request_id;  // of the answer: "chatcmpl-…"
  std::string endpoint;    // "chat.completions"
  std::string client_address;
  std::string user_agent;
  std::int64_t reasoning_tokens = 0;  // at most, over all choices; 0: direct mode
};
struct Tokens {
  std::int64_t prompt = 0;
  std::int64_t cached = 0;
  std::int64_t completion = 0;
  std::int64_t reasoning = 0;
};
enum class Outcome : std::uint8_t { kOk, kCancelled, kFailed, kRevoked };

// A request that was let in: it holds its account's place until it is settled. Dropped unsettled,
// it is settled as failed.
class Admission {
 public:
  virtual ~Admission() = default;
  // `callback` is called once, from any thread, when the key or account ceases to be valid; at
  // once, if that has happened already. Dropped unused at settle().
  virtual void on_revoked(std::function<void()> callback) = 0;
  // Once. `status`: what the client saw (499: it was gone). The place and unused quota are given
  // back at once. No tokens at all: no row. True: the row is durable, or it is known that it cannot
  // be written now (then it is kept and tried again). False: `done` will be called when that is so,
  // from any thread.
  virtual bool settle(Outcome outcome, int status, const Tokens& tokens,
                      std::function<void()> done) = 0;
};

struct GateOptions {
  // SQLite file of accounts, keys and usage; ":memory:" for tests. Created when it is missing.
  std::string database;
  std::string tiers_file;  // TOML; empty: the product's table
  // Keys that are not in the file, each an account of its own ("operator-1"), in the tier
  // "enterprise" with all of its context: --api-key.
  std::vector<Sha256> operator_keys;
};

class Gate {
 public:
  // kCorrupt, kUnsupported (written by a newer version), kIo, kInvalidArgument (the tiers file).
  static Result<std::unique_ptr<Gate>> open(const GateOptions& options,
                                            const Clock& clock = Clock::real());
  virtual ~Gate() = default;

  // `presented` is what stands behind "Bearer "; empty: no key. Constant time in what is stored.
  virtual Result<Caller, Denial> identify(std::string_view presented,
                                          std::string_view client_address) = 0;
  // As of now; nothing: the tier has no limit.
  virtual std::optional<RateState> rate(const Caller& caller) const = 0;
  // Whether take_request() would refuse now: to refuse before a body is read. Takes nothing.
  virtual std::optional<Denial> peek_request(const Caller& caller) const = 0;
  // Counts one request, which the caller is to keep in Caller::counted. A refused one does not
  // count.
  virtual Result<std::optional<CountedRequest>, Denial> take_request(const Caller& caller) = 0;
  // A place among the running requests, reasoning tokens of the day's quota, and a usage row. Where
  // there is no place or no quota left, the request does not count any more.
  virtual Result<std::unique_ptr<Admission>, Denial> admit(const Caller& caller,
                                                           RequestFacts facts) = 0;
  // False while keys cannot be read or usage rows cannot be written; both go on from memory.
  virtual bool healthy() const = 0;
  // Returns once changes of keys, accounts and tiers that came before the call are in effect, as
  // far as they can be read. Without it they are within a second.
  virtual void refresh() {}
};

}  // namespace tessera::access
