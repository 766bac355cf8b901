// Time as something that a test can set. Durations are measured on the monotonic clock; the wall
// clock is for showing.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

namespace tessera {

class Clock {
 public:
  using Duration = std::chrono::nanoseconds;
  using Instant = std::chrono::time_point<Clock, Duration>;

  virtual ~Clock() = default;
  // Monotonic. Any thread.
  virtual Instant now() const = 0;
  // Seconds since 1970, for `created` fields and logs. Any thread.
  virtual std::int64_t unix_seconds() const = 0;

  // The machine's clock.
  static const Clock& real();
};

// Stands still until it is told to go on.
class FakeClock final : public Clock {
 public:
  Instant now() const override { return Instant(Duration(now_.load())); }
  std::int64_t unix_seconds() const override { return 1'700'000'000 + now_.load() / 1'000'000'000; }
  void advance(Duration by) { now_ += by.count(); }

 private:
  std::atomic<std::int64_t> now_{0};
};

}  // namespace tessera
