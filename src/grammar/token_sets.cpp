#include "grammar/token_sets.h"

#include <algorithm>
#include <utility>

#include "base/utf8.h"

namespace tessera::grammar {
namespace {

// Words that stay in the nearest cache while one bitmap after another is taken out of them.
constexpr std::size_t kBlock = 2048;
// Selections that are kept of the last ones, and as many of those before: 31 KB each for 248,320
// tokens.
constexpr std::size_t kMaxKept = 64;

void clear_bit(std::span<std::uint32_t> words, TokenId token) {
  words[static_cast<std::size_t>(token) / 32] &= ~(1u << (static_cast<std::size_t>(token) % 32));
}

void set_bit(std::span<std::uint32_t> words, TokenId token) {
  words[static_cast<std::size_t>(token) / 32] |= 1u << (static_cast<std::size_t>(token) % 32);
}

bool has_bit(std::span<const std::uint32_t> words, TokenId token) {
  return (words[static_cast<std::size_t>(token) / 32] >> (static_cast<std::size_t>(token) % 32) &
          1) != 0;
}

}  // namespace

bool CharacterClass::has(std::uint32_t code_point) const {
  if (code_point < 128) return has_ascii(code_point);
  const auto behind = std::upper_bound(beyond.begin(), beyond.end(), std::pair(code_point, ~0u));
  return behind != beyond.begin() && std::prev(behind)->second >= code_point;
}

void CharacterClass::add(std::uint32_t low, std::uint32_t high) {
  for (; low <= high && low < 128; ++low) ascii[low / 64] |= std::uint64_t{1} << (low % 64);
  if (low > high) return;
  if (!beyond.empty() && beyond.back().second + 1 == low) {
    beyond.back().second = high;
  } else {
    beyond.emplace_back(low, high);
  }
}

TokenSets::TokenSets(const std::vector<std::string>& tokens)
    : tokens_(tokens),
      words_((tokens.size() + 31) / 32),
      whole_(words_, 0),
      at_most_(kLengths + 1, Bitmap(words_, 0)) {
  std::vector<std::vector<TokenId>> first(128);
  std::vector<std::vector<TokenId>> rest(128);
  std::vector<std::pair<std::uint32_t, TokenId>> first_beyond;
  std::vector<std::pair<std::uint32_t, TokenId>> rest_beyond;
  for (std::size_t id = 0; id < tokens.size(); ++id) {
    const std::string& text = tokens[id];
    if (text.empty() || !is_valid_utf8(text)) continue;
    const auto token = static_cast<TokenId>(id);
    set_bit(whole_, token);
    std::uint32_t length = 0;
    for (std::size_t at = 0; at < text.size(); ++length) {
      const std::uint32_t c = next_code_point(text, at);
      if (c >= 128) {
        (length == 0 ? first_beyond : rest_beyond).emplace_back(c, token);
        continue;
      }
      auto& list = length == 0 ? first[c] : rest[c];
      if (list.empty() || list.back() != token) list.push_back(token);
    }
    if (length > kLengths) {
      long_.emplace_back(length, token);
    } else {
      set_bit(at_most_[length], token);
    }
  }
  std::sort(long_.begin(), long_.end(), [&](const auto& a, const auto& b) {
    return tokens[static_cast<std::size_t>(a.second)] < tokens[static_cast<std::size_t>(b.second)];
  });
  for (std::size_t i = 1; i <= kLengths; ++i) {
    for (std::size_t word = 0; word < words_; ++word) at_most_[i][word] |= at_most_[i - 1][word];
  }
  build(first_, first, first_beyond);
  build(rest_, rest, rest_beyond);
}

TokenSets::Set TokenSets::make_set(const std::vector<TokenId>& tokens) const {
  Set set;
  if (tokens.size() <= words_ / 4) {
    set.list = tokens;
    set.list.shrink_to_fit();
    return set;
  }
  set.bitmap.assign(words_, 0);
  for (const TokenId token : tokens) set_bit(set.bitmap, token);
  return set;
}

void TokenSets::build(Index& index, std::vector<std::vector<TokenId>>& ascii,
                      std::vector<std::pair<std::uint32_t, TokenId>>& beyond) const {
  for (std::uint32_t c = 0; c < 128; ++c) index.ascii[128 + c] = make_set(ascii[c]);
  // Upwards: every half of the tree once, as lists.
  for (std::uint32_t width = 64; width >= 1; width /= 2) {
    for (std::uint32_t i = 0; i < width; ++i) {
      std::vector<TokenId> both;
      std::set_union(ascii[2 * i].begin(), ascii[2 * i].end(), ascii[2 * i + 1].begin(),
                     ascii[2 * i + 1].end(), std::back_inserter(both));
      index.ascii[width + i] = make_set(both);
      ascii[i] = std::move(both);
    }
  }
  std::sort(beyond.begin(), beyond.end());
  beyond.erase(std::unique(beyond.begin(), beyond.end()), beyond.end());
  std::vector<TokenId> all;
  for (const auto& [code_point, token] : beyond) {
    if (index.code_points.empty() || index.code_points.back() != code_point) {
      index.code_points.push_back(code_point);
      index.starts.push_back(static_cast<std::uint32_t>(index.tokens.size()));
    }
    index.tokens.push_back(token);
    all.push_back(token);
  }
  index.starts.push_back(static_cast<std::uint32_t>(index.tokens.size()));
  std::sort(all.begin(), all.end());
  all.erase(std::unique(all.begin(), all.end()), all.end());
  index.beyond = make_set(all);
}

void TokenSets::exclude_ascii(const Index& index, const CharacterClass& kept, std::uint32_t node,
                              std::uint32_t low, std::uint32_t high,
                              std::vector<const Set*>& out) const {
  std::uint32_t count = 0;
  for (std::uint32_t c = low; c <= high; ++c) count += kept.has_ascii(c);
  if (count == high - low + 1) return;
  if (count == 0) return out.push_back(&index.ascii[node]);
  const std::uint32_t middle = (low + high) / 2;
  exclude_ascii(index, kept, 2 * node, low, middle, out);
  exclude_ascii(index, kept, 2 * node + 1, middle + 1, high, out);
}

void TokenSets::exclude_beyond(const Index& index, const CharacterClass& kept, Words words) const {
  // The tokens of the code points in [low, high].
  const auto range = [&](std::uint32_t low, std::uint32_t high) {
    const auto& points = index.code_points;
    const auto a = std::lower_bound(points.begin(), points.end(), low) - points.begin();
    const auto b = std::upper_bound(points.begin(), points.end(), high) - points.begin();
    return std::span(index.tokens)
        .subspan(
            index.starts[static_cast<std::size_t>(a)],
            index.starts[static_cast<std::size_t>(b)] - index.starts[static_cast<std::size_t>(a)]);
  };
  std::size_t inside = 0;
  for (const auto& [low, high] : kept.beyond) inside += range(low, high).size();
  if (inside == index.tokens.size()) return;
  if (inside >= index.tokens.size() / 2) {
    std::uint32_t from = 128;
    for (const auto& [low, high] : kept.beyond) {
      if (low > from) {
        for (const TokenId token : range(from, low - 1)) clear_bit(words, token);
      }
      from = high + 1;
    }
    for (const TokenId token : range(from, ~0u)) clear_bit(words, token);
    return;
  }
  // Few are kept: all are taken out, and those put back that have no other character.
  std::vector<TokenId> back;
  for (const auto& [low, high] : kept.beyond) {
    for (const TokenId token : range(low, high)) {
      if (!has_bit(words, token)) continue;
      const std::string& text = tokens_[static_cast<std::size_t>(token)];
      std::size_t at = 0;
      bool fits = true;
      for (bool first = true; at < text.size() && fits; first = false) {
        const std::uint32_t c = next_code_point(text, at);
        if (c >= 128 && first == (&index == &first_)) fits = kept.has(c);
      }
      if (fits) back.push_back(token);
    }
  }
  const Set* const all = &index.beyond;
  take_out(std::span(&all, 1), words);
  for (const TokenId token : back) set_bit(words, token);
}

void TokenSets::take_out(std::span<const Set* const> sets, Words words) {
  for (std::size_t begin = 0; begin < words.size(); begin += kBlock) {
    const std::size_t count = std::min(kBlock, words.size() - begin);
    std::uint32_t* out = words.data() + begin;
    for (const Set* set : sets) {
      if (set->bitmap.empty()) continue;
      const std::uint32_t* in = set->bitmap.data() + begin;
      for (std::size_t i = 0; i < count; ++i) out[i] &= ~in[i];
    }
  }
  for (const Set* set : sets) {
    for (const TokenId token : set->list) clear_bit(words, token);
  }
}

std::size_t TokenSets::WantedHash::operator()(const Wanted& wanted) const {
  std::uint64_t hash = 0;
  const auto enter = [&](std::uint64_t word) {
    hash = (hash ^ word) * 0x9E3779B97F4A7C15u;
    hash ^= hash >> 29;
  };
  for (const CharacterClass* in : {&wanted.first, &wanted.rest}) {
    for (const std::uint64_t word : in->ascii) enter(word);
    for (const auto& [low, high] : in->beyond) enter(std::uint64_t{low} << 32 | high);
  }
  return hash;
}

TokenSets::BitmapPtr TokenSets::select(const CharacterClass& first,
                                       const CharacterClass& rest) const {
  const Wanted wanted{first, rest};
  {
    const std::scoped_lock lock(mutex_);
    const auto found = kept_.find(wanted);
    if (found != kept_.end()) return found->second;
    const auto before = kept_before_.find(wanted);
    if (before != kept_before_.end()) return kept_.emplace(wanted, before->second).first->second;
  }
  const auto made = std::make_shared<const Bitmap>(put_together(wanted));
  const std::scoped_lock lock(mutex_);
  if (kept_.size() >= kMaxKept) kept_before_ = std::exchange(kept_, {});
  kept_.emplace(wanted, made);
  return made;
}

TokenSets::Bitmap TokenSets::put_together(const Wanted& wanted) const {
  Bitmap words = whole_;
  std::vector<const Set*> sets;
  exclude_ascii(first_, wanted.first, 1, 0, 127, sets);
  exclude_ascii(rest_, wanted.rest, 1, 0, 127, sets);
  take_out(sets, words);
  exclude_beyond(first_, wanted.first, words);
  exclude_beyond(rest_, wanted.rest, words);
  return words;
}

std::size_t TokenSets::bytes() const {
  std::size_t total = (at_most_.size() + 1) * words_ * sizeof(std::uint32_t);
  for (const Index* index : {&first_, &rest_}) {
    for (const Set& set : index->ascii) total += (set.bitmap.size() + set.list.size()) * 4;
    total += (index->beyond.bitmap.size() + index->beyond.list.size()) * 4;
    total += (index->code_points.size() + index->starts.size() + index->tokens.size()) * 4;
  }
  return total;
}

}  // namespace tessera::grammar
