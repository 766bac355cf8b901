#include "grammar/separators.h"

#include <algorithm>
#include <map>

#include "base/utf8.h"
#include "grammar/text_reader.h"

namespace tessera::grammar {
namespace {

std::uint8_t find_second(std::string_view tail, char separator) {
  std::size_t at = tail.find(separator);
  if (at != std::string_view::npos) at = tail.find(separator, at + 1);
  return at == std::string_view::npos ? Separators::kNowhere : static_cast<std::uint8_t>(at);
}

}  // namespace

Separators::Separators(bool raw, const std::vector<std::string>& tokens) : parts_(1) {
  add_tails(raw, tokens);
  std::vector<std::pair<std::u32string, Entry>> decoded;
  const auto add = [&](std::string_view text, bool head, std::uint32_t number) {
    Entry entry;
    std::u32string characters;
    entry.head = head;
    if (!decode(raw, text, entry, characters)) return;
    entry.number = number;
    decoded.emplace_back(std::move(characters), entry);
  };
  for (std::uint32_t i = 0; i < pairs_.size(); ++i) {
    const std::string_view text = tokens[static_cast<std::size_t>(pairs_[i].token)];
    add(text.substr(0, pairs_[i].head), true, i);
  }
  for (std::uint32_t i = 0; i < tokens.size(); ++i) {
    const std::string& text = tokens[i];
    const bool special = text.find(raw ? '\n' : '\\') != std::string::npos;
    if (!text.empty() && (special || !is_valid_utf8(text))) add(text, false, i);
  }
  std::sort(decoded.begin(), decoded.end(), [](const auto& a, const auto& b) {
    if (a.second.head != b.second.head) return b.second.head;
    return a.first != b.first ? a.first < b.first : a.second.number < b.second.number;
  });
  std::u32string_view before;
  for (auto& [text, entry] : decoded) {
    if (entry.head && entries_.size() == first_head_) before = {};  // heads begin anew
    first_head_ += !entry.head;
    const auto differ = std::mismatch(before.begin(), before.end(), text.begin(), text.end());
    entry.common = static_cast<std::uint8_t>(differ.first - before.begin());
    entry.length = static_cast<std::uint8_t>(text.size());
    entry.characters = static_cast<std::uint32_t>(characters_.size());
    characters_ += text;
    if (entry.head) pairs_[entry.number].entry = static_cast<std::uint32_t>(entries_.size());
    entries_.push_back(entry);
    before = text;
  }
  arrange_entries(tokens.size());
}

void Separators::arrange_entries(std::size_t tokens) {
  whole_tokens_.assign((tokens + 31) / 32, 0);
  for (std::size_t i = 0; i < first_head_; ++i) {
    whole_tokens_[entries_[i].number / 32] |= 1u << (entries_[i].number % 32);
  }
  for (std::uint32_t common = 0; common < 2; ++common) {
    std::vector<std::uint32_t>& skips = skips_[common];
    skips.resize(entries_.size());
    auto next = static_cast<std::uint32_t>(entries_.size());
    for (std::size_t i = entries_.size(); i-- > 0;) {
      if (i + 1 == first_head_) next = static_cast<std::uint32_t>(first_head_);
      skips[i] = next;
      if (entries_[i].common <= common) next = static_cast<std::uint32_t>(i);
    }
  }
  for (std::uint32_t i = 0; i < entries_.size(); ++i) longest_first_.push_back(i);
  std::sort(longest_first_.begin(), longest_first_.end(), [this](std::uint32_t a, std::uint32_t b) {
    const std::uint32_t first = characters_of(entries_[a]);
    const std::uint32_t second = characters_of(entries_[b]);
    return first != second ? first > second : a < b;
  });
}

bool Separators::decode(bool raw, std::string_view text, Entry& entry, std::u32string& characters) {
  TextPlace place;
  place.language = Language::any();
  place.state = place.language->start();
  place.raw = raw;
  const TextReader reader(place);
  TextReader::At at = reader.start();
  for (const char byte : text) {
    const bool whole = at.part == TextReader::Part::kWhole;
    const std::uint32_t read = at.read;
    if (!raw && whole && byte == '"') return false;
    if (!reader.step(at, static_cast<std::uint8_t>(byte))) return false;
    if (at.read != read) characters += static_cast<char32_t>(at.value);
  }
  if (at.part == TextReader::Part::kWhole) return true;
  if (entry.head) return false;
  const Part part{TextReader::range(at), TextReader::pair_range(at)};
  auto found = std::find(parts_.begin() + 1, parts_.end(), part);
  if (found == parts_.end()) found = parts_.insert(found, part);
  entry.part = static_cast<std::uint16_t>(found - parts_.begin());
  return parts_.size() < 65'000;
}

void Separators::add_tails(bool raw, const std::vector<std::string>& tokens) {
  const char separator = raw ? '\n' : '"';
  std::map<std::string_view, std::vector<Pair>> by_tail;
  by_tail[""] = {};
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    const std::string_view text = tokens[i];
    for (std::size_t at = text.find(separator); at != std::string_view::npos;
         at = text.find(separator, at + 1)) {
      const Pair pair{static_cast<TokenId>(i), static_cast<std::uint8_t>(at), 0};
      by_tail[text.substr(at + 1)].push_back(pair);
    }
  }
  std::vector<TrieEntry> entries;
  for (const auto& [text, list] : by_tail) {
    entries.emplace_back(text, static_cast<std::int32_t>(tails_.size()));
    const std::uint8_t second = find_second(text, separator);
    if (second != kNowhere) reopening_.push_back(static_cast<std::uint32_t>(tails_.size()));
    tails_.push_back({std::string(text), static_cast<std::uint32_t>(pairs_.size()), second});
    pairs_.insert(pairs_.end(), list.begin(), list.end());
  }
  tails_.push_back({"", static_cast<std::uint32_t>(pairs_.size()), kNowhere});
  tail_trie_ = TokenTrie(entries);
}

std::size_t Separators::bytes() const {
  std::size_t total = tail_trie_.bytes() + entries_.size() * sizeof(Entry);
  total += (skips_[0].size() + skips_[1].size() + longest_first_.size()) * 4;
  total += whole_tokens_.size() * 4;
  total += characters_.size() * 4 + parts_.size() * sizeof(Part) + pairs_.size() * sizeof(Pair);
  for (const Tail& tail : tails_) total += sizeof(Tail) + tail.text.size();
  return total;
}

}  // namespace tessera::grammar
