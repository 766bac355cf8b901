// Failed authentications by client address: over the limit in 60 s, further bad keys of that
// address are refused as such until the oldest has left the window; refused ones do not count, and
// good keys are never looked up here. Bounded: the address that was quiet longest is forgotten when
// the table is full. Any thread.
#pragma once

#include <cstddef>
#include <list>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "access/gate.h"
#include "base/clock.h"

namespace tessera::access {

class BadKeys {
 public:
  struct Limits {
    std::size_t per_minute = 20;
    std::size_t addresses = 10'000;
  };
  BadKeys(const Clock& clock, Limits limits) : clock_(clock), limits_(limits) {}

  // What to answer a bad key from `address`: kInvalidKey with `text`, counted, or kTooManyBadKeys.
  Denial refuse(std::string_view address, std::string text);
  // How many bad keys `address` may try now.
  RateState rate(std::string_view address) const;
  std::size_t addresses() const;

 private:
  struct Source {
    std::string address;
    std::vector<Clock::Instant> times;  // oldest first, at most `per_minute`
  };
  Source& source(std::string address);
  RateState state(const std::vector<Clock::Instant>& times, Clock::Instant now) const;

  const Clock& clock_;
  const Limits limits_;
  mutable std::mutex mutex_;
  std::list<Source> sources_;  // newest use first
  std::unordered_map<std::string_view, std::list<Source>::iterator> by_address_;
};

// What counts as one address: of IPv6, the /64 that one customer has.
std::string address_group(std::string_view address);

}  // namespace tessera::access
