// What `tessera logits` does: token ids from text, and a file of the logits after each of them.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "model/backend.h"

namespace tessera::model {

// Ids separated by commas or white space, each 0 <= id < vocabulary. An error says which one is
// wrong, and why.
Result<std::vector<TokenId>> parse_token_ids(std::string_view text, std::int32_t vocabulary);

// Writes float32 logits to `path`, one row of the vocabulary's size per token, row i after token i.
// `chunk` tokens go through the backend at a time; 0: as many as it takes. Rows are written as they
// come: memory is a chunk's.
Result<void> write_logits(Backend& backend, std::span<const TokenId> tokens, std::int32_t chunk,
                          const std::string& path);

}  // namespace tessera::model
