// Load on one server from one epoll loop: requests at a fixed rate or back to back, answers whole
// or streamed. One thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"

namespace tessera::bench {

struct LoadOptions {
  std::string host = "127.0.0.1";
  std::uint16_t port = 8080;
  std::string request;  // head and body, as sent
  int connections = 16;
  double rate = 0;  // requests a second over all connections; 0: back to back
  std::chrono::milliseconds warm_up{1000};
  std::chrono::milliseconds duration{5000};
  bool once = false;  // one request a connection, all at once; ends with the last answer
};

// Times in milliseconds; what happened after the warm-up.
struct LoadResult {
  double seconds = 0;
  std::int64_t requests = 0;       // answered with 200, whole
  std::int64_t refused = 0;        // answered with another status
  std::int64_t broken = 0;         // cut, reset, or not HTTP; a stream without [DONE]
  std::int64_t late = 0;           // the rate asked for more than the connections could carry
  std::int64_t events = 0;         // with text
  int last_status = 0;             // of those refused
  std::vector<float> latency;      // from when the request was due to its last byte
  std::vector<float> refusal;      // the same, of those refused
  std::vector<float> first_event;  // to the first event with text
  std::vector<float> gaps;         // between events of one stream
  std::vector<float> rates;        // events a second of each stream, from its first to its last
};

// kIo when the server cannot be reached.
Result<LoadResult> run_load(const LoadOptions& options);

// The value below which `share` of the values lie; 0 of none. Reorders.
float percentile(std::vector<float>& values, double share);

}  // namespace tessera::bench
