// One request and its answer on a connection of its own, with the times at which text came. Blocks;
// any thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <stop_token>
#include <string>
#include <vector>

namespace tessera::bench {

struct Talk {
  using Clock = std::chrono::steady_clock;

  int status = 0;      // 0: the connection failed, or ended too early
  bool whole = false;  // answered with 200, to the end
  Clock::time_point sent;
  std::vector<Clock::time_point> events;  // with text, one time an event

  double first_event_ms() const;  // from when it was sent; 0: none came
  std::vector<double> gaps_ms() const;
};

// `stop`: the connection is closed, whatever has come.
Talk talk(std::uint16_t port, const std::string& request, const std::stop_token& stop = {});

}  // namespace tessera::bench
