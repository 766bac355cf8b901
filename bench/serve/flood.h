// One account's flood and the time to first token of another, on the real binary: requests of the
// one that is measured come one after the other at random moments, by turns with nobody else there
// and while the other account always has many requests in, of all lengths.
#pragma once

#include <cstdint>
#include <string>

namespace tessera::bench {

struct FloodOptions {
  std::string key;           // of who is measured
  std::string flooding_key;  // of another account
  int small_tokens = 32;     // of the measured requests' prompts
  int answer_tokens = 8;     // and of their answers
  int pause_ms = 50;         // between two of them, on average
  int clients = 96;          // of the flood, each with one request in at all times
  int longest = 1024;        // tokens of the flood's prompts, at most
  int longest_answer = 256;  // and of its answers
  int seconds = 5;           // of a phase
  int rounds = 3;            // alone and beside the flood by turns
  bool json = false;
};

// False, after a message: a measured request was not answered.
bool measure_flood(std::uint16_t port, const FloodOptions& options);

}  // namespace tessera::bench
