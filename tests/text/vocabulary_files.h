// Vocabularies for tests and benchmarks: the small one that lies beside this file, and ones from
// rank files.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "text/tokenizer.h"

namespace tessera::text {

// What TokenizerData only looks at.
struct VocabularyFile {
  std::vector<std::string> tokens;
  std::vector<TokenKind> kinds;
  std::vector<std::string> merges;

  // Valid while this lives.
  TokenizerData data(PreTokenizer pre, bool nfc = true) const;
};

Result<std::string> read_file(const std::string& path);
Result<json::Value> read_json_file(const std::string& path);

// The members "tokens", "merges" and "added" (literals whose ids follow those of the tokens) of
// tests/text/bpe_fixture.json.
Result<VocabularyFile> read_fixture_vocabulary(const json::Value& fixture);

// A file of byte strings with ranks (u32 count; then u16 length, bytes, u32 rank; little endian),
// whose ranks are the ids. Such a file has no merges; they follow from it: a token is made of the
// two parts that the better ranks alone leave of its bytes. `added` get the ids behind.
Result<VocabularyFile> read_rank_file(const std::string& path,
                                      const std::vector<std::string>& added);

}  // namespace tessera::text
