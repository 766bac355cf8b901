// Unicode normalisation form C (UAX #15), as the tokenizer's first step does it. Character data and
// composition come from utf8proc; finding what needs work, and the ordering of marks, are ours:
// utf8proc orders marks by insertion, which takes quadratic time on a long run of them. Here it is
// O(n log n). Any thread.
#pragma once

#include <string>
#include <string_view>

namespace tessera::text {

// `text` (valid UTF-8) in NFC: `text` itself where that is so already, else a view of `buffer`,
// which is overwritten.
std::string_view to_nfc(std::string_view text, std::string& buffer);

}  // namespace tessera::text
