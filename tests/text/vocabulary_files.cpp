#include "vocabulary_files.h"

#include <fmt/format.h>

#include <cstdint>
#include <fstream>
#include <iterator>
#include <optional>
#include <unordered_map>
#include <utility>

#include "text/byte_alphabet.h"

namespace tessera::text {
namespace {

using Ranks = std::unordered_map<std::string_view, std::uint32_t>;

// What merging by the ranks better than `limit` leaves of `bytes`.
std::vector<std::string_view> merge_below(const Ranks& ranks, std::string_view bytes,
                                          std::uint32_t limit) {
  std::vector<std::string_view> parts;
  parts.reserve(bytes.size());
  for (std::size_t i = 0; i < bytes.size(); ++i) parts.push_back(bytes.substr(i, 1));
  while (true) {
    std::uint32_t best_rank = limit;
    std::size_t best = 0;
    for (std::size_t i = 0; i + 1 < parts.size(); ++i) {
      const std::string_view joined(parts[i].data(), parts[i].size() + parts[i + 1].size());
      const auto it = ranks.find(joined);
      if (it != ranks.end() && it->second < best_rank) {
        best_rank = it->second;
        best = i;
      }
    }
    if (best_rank == limit) return parts;
    parts[best] = {parts[best].data(), parts[best].size() + parts[best + 1].size()};
    parts.erase(parts.begin() + static_cast<std::ptrdiff_t>(best) + 1);
  }
}

// Reads the entries into byte strings by rank; an error when the file is cut or its ranks are not
// 0, 1, 2, ….
Result<std::vector<std::string>> parse_ranks(std::string_view file) {
  std::size_t offset = 0;
  const auto read = [&](std::size_t bytes) -> std::optional<std::uint32_t> {
    if (file.size() - offset < bytes) return std::nullopt;
    std::uint32_t value = 0;
    for (std::size_t i = 0; i < bytes; ++i) {
      value |= static_cast<std::uint32_t>(static_cast<unsigned char>(file[offset + i])) << (8 * i);
    }
    offset += bytes;
    return value;
  };
  const auto count = read(4);
  if (!count || *count > file.size()) return fail(ErrorCode::kCorrupt, "rank file: cut short");
  std::vector<std::string> tokens(*count);
  for (std::uint32_t i = 0; i < *count; ++i) {
    const auto length = read(2);
    if (!length || file.size() - offset < *length)
      return fail(ErrorCode::kCorrupt, "rank file: cut short");
    const std::string_view bytes = file.substr(offset, *length);
    offset += *length;
    const auto rank = read(4);
    if (!rank || *rank >= *count || !tokens[*rank].empty()) {
      return fail(ErrorCode::kCorrupt, fmt::format("rank file: entry {} has a wrong rank", i));
    }
    tokens[*rank] = bytes;
  }
  return tokens;
}

Result<void> append_strings(const json::Value& fixture, std::string_view key,
                            std::vector<std::string>& out) {
  const json::Value* list = fixture.find(key);
  if (list == nullptr || list->if_array() == nullptr) {
    return fail(ErrorCode::kCorrupt, fmt::format("fixture: no list \"{}\"", key));
  }
  for (const json::Value& item : *list->if_array()) {
    if (item.if_string() == nullptr) return fail(ErrorCode::kCorrupt, "fixture: not a string");
    out.push_back(*item.if_string());
  }
  return {};
}

}  // namespace

TokenizerData VocabularyFile::data(PreTokenizer pre, bool nfc) const {
  TokenizerData data;
  data.tokens.assign(tokens.begin(), tokens.end());
  data.kinds = kinds;
  data.merges.assign(merges.begin(), merges.end());
  data.pre = pre;
  data.nfc = nfc;
  return data;
}

Result<std::string> read_file(const std::string& path) {
  std::ifstream stream(path, std::ios::binary);
  if (!stream) return fail(ErrorCode::kNotFound, "cannot open " + path);
  return std::string(std::istreambuf_iterator<char>(stream), {});
}

Result<json::Value> read_json_file(const std::string& path) {
  TRY_ASSIGN(const std::string text, read_file(path));
  auto value = json::parse(text);
  if (!value) return fail(ErrorCode::kCorrupt, path + ": " + value.error().message);
  return *std::move(value);
}

Result<VocabularyFile> read_fixture_vocabulary(const json::Value& fixture) {
  VocabularyFile file;
  TRY(append_strings(fixture, "tokens", file.tokens));
  file.kinds.assign(file.tokens.size(), TokenKind::kNormal);
  TRY(append_strings(fixture, "added", file.tokens));
  file.kinds.resize(file.tokens.size(), TokenKind::kControl);
  TRY(append_strings(fixture, "merges", file.merges));
  return file;
}

Result<VocabularyFile> read_rank_file(const std::string& path,
                                      const std::vector<std::string>& added) {
  TRY_ASSIGN(const std::string content, read_file(path));
  TRY_ASSIGN(const std::vector<std::string> by_rank, parse_ranks(content));
  Ranks ranks;
  VocabularyFile file;
  for (std::uint32_t rank = 0; rank < by_rank.size(); ++rank) {
    const std::string& bytes = by_rank[rank];
    file.tokens.push_back(spelling_of_bytes(bytes));
    const std::vector<std::string_view> parts = merge_below(ranks, bytes, rank);
    if (parts.size() == 2) {
      file.merges.push_back(spelling_of_bytes(parts[0]) + ' ' + spelling_of_bytes(parts[1]));
    }
    ranks.emplace(bytes, rank);
  }
  file.kinds.assign(file.tokens.size(), TokenKind::kNormal);
  file.tokens.insert(file.tokens.end(), added.begin(), added.end());
  file.kinds.resize(file.tokens.size(), TokenKind::kControl);
  return file;
}

}  // namespace tessera::text
