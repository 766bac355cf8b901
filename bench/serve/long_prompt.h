// A long prompt beside short ones, on the real binary with a real model: what the long one does to
// the others' first tokens and to the gaps between their tokens, and what they cost it.
//
// Small requests come one after the other, at random moments, and alone take `share` of the time.
// That much the long prompt loses in any case; it has its bar for all that it loses.
#pragma once

#include <cstdint>
#include <string>

namespace tessera::bench {

struct LongPromptOptions {
  std::string key;
  int long_tokens = 8192;
  int small_tokens = 32;
  int answer_tokens = 8;
  double share = 0.1;  // of the time, in which a small request is in when nothing else is
  int rounds = 3;      // alone and together by turns
  bool json = false;
};

// False, after a message: a request was not answered.
bool measure_long_prompt(std::uint16_t port, const LongPromptOptions& options);

// Prompts of tokens by their ids, which all vocabularies have that are large enough; the answer is
// one token again and again. `seed`: another prompt, so that no cache knows it.
std::string completion_request(const std::string& key, int tokens, int answer, unsigned seed);

}  // namespace tessera::bench
