// Matcher: masks of strings, keys and raw texts, where nearly all of the vocabulary may come. What
// a text's language says of the tokens is the vocabulary's to keep (text_mask.h); what comes behind
// the text is looked at once for all tokens that end it.
#include <algorithm>
#include <array>
#include <bit>
#include <utility>

#include "base/utf8.h"
#include "grammar/matcher.h"
#include "grammar/text_reader.h"

namespace tessera::grammar {
namespace {

using Taken = std::vector<std::u32string>;  // ascending

// A place inside a text takes an eighth of what one takes that the automaton reads.
constexpr std::int64_t kPlacesPerFuel = 8;
// Where fewer bytes can come, few places of the vocabulary are looked at anyway.
constexpr int kManyBytes = 32;

// A finite language's state may have no text left but those that are taken: what must not come,
// although the language lets it through. Of these beginnings none begins with another.
Taken dead_ends(const Language& language, Language::State from, const Taken& taken) {
  Taken out;
  if (language.is_endless()) return out;
  for (const std::u32string& rest : taken) {
    if (!out.empty() && rest.starts_with(out.back())) continue;
    Language::State state = from;
    for (std::size_t length = 1; length <= rest.size(); ++length) {
      state = language.next(state, rest[length - 1]);
      if (state == Language::kDead) break;
      const auto shorter = [&](const std::u32string& a, const std::u32string& b) {
        return a.compare(0, length, b, 0, length) < 0;
      };
      const auto [first, last] = std::equal_range(taken.begin(), taken.end(), rest, shorter);
      if (language.completions(state) > static_cast<std::uint64_t>(last - first)) continue;
      out.push_back(rest.substr(0, length));
      break;
    }
  }
  return out;
}

bool begins_with_any(std::u32string_view text, const Taken& beginnings) {
  return std::any_of(beginnings.begin(), beginnings.end(),
                     [&](const std::u32string& beginning) { return text.starts_with(beginning); });
}

void clear_bit(std::vector<std::uint32_t>& words, std::uint32_t bit) {
  words[bit / 32] &= ~(1u << (bit % 32));
}

}  // namespace

std::optional<TextPlace> Matcher::place_of(const Thread& thread) const {
  TextPlace place;
  if (thread.part != 0) return std::nullopt;
  place.state = thread.state;
  if (thread.phase == Phase::kFreeKey) {
    place.language = machine_.region_language(thread);
    if (!place.language->is_endless()) return std::nullopt;
  } else if (thread.phase == Phase::kString || thread.phase == Phase::kRaw ||
             thread.phase == Phase::kFreeName) {
    const StringAlt& string = machine_.grammar().strings[thread.alt];
    place.language = string.language;
    if (string.max != kUnbounded) place.left = string.max - thread.count;
    place.need = string.min - std::min(string.min, thread.count);
    place.raw = thread.phase != Phase::kString;
  } else if (thread.phase == Phase::kRuleText) {
    place.language = machine_.grammar().strings[thread.alt].language;
    place.raw = true;
  } else {
    return std::nullopt;
  }
  return place;
}

bool Matcher::fill_text(const Thread& thread, std::span<std::uint32_t> words) {
  if (thread.phase == Phase::kRuleText || thread.phase == Phase::kFreeName)
    return fill_rule_text(thread, words);
  std::optional<TextPlace> place = place_of(thread);
  Taken taken;
  Taken dead;
  if (thread.phase == Phase::kFreeKey && thread.part == 0) {
    place = TextPlace{machine_.region_language(thread), thread.state, kUnbounded, 0, false};
    taken = machine_.used_below(thread);
    if (!place->language->is_endless()) {
      for (std::u32string& name : machine_.names_below(thread)) taken.push_back(std::move(name));
    }
    std::sort(taken.begin(), taken.end());
    dead = dead_ends(*place->language, thread.state, taken);
  }
  if (!place) return false;
  TextMaskPtr mask = vocabulary_->text_mask(*place, fuel_);
  if (!dead.empty()) mask = without(thread, *mask, dead);
  mask->add_to(words);
  fill_ends(thread, *mask, taken, words);
  return true;
}

bool Matcher::fill_rule_text(const Thread& thread, std::span<std::uint32_t> words) {
  const std::optional<TextPlace> place = place_of(thread);
  if (!place || machine_.next_bytes({thread}).count() < kManyBytes) return false;
  const std::size_t mark = machine_.mark();
  machine_.leave_text(thread, levels_[0]);
  const Machine::Threads behind = levels_[0];
  // Tokens that stay inside the text, but for those with newlines, which the mask takes for ends.
  vocabulary_->text_mask(*place, fuel_)->add_to(words);
  ByteSet exits = machine_.next_bytes(behind);
  exits.add('\n');
  const TextReader reader(*place);
  // Where a rule's text is whole already, threads of their own are behind it.
  if (thread.phase == Phase::kFreeName && reader.may_end(reader.start()))
    walk_fan<false>(vocabulary_->trie(), 0, 0, words);
  std::int64_t looked_at = 0;
  const auto may_come = [&](std::string_view text) {
    TextReader::At at = reader.start();
    for (std::size_t i = 0; i < text.size(); ++i, ++looked_at) {
      const auto byte = static_cast<std::uint8_t>(text[i]);
      if (i > 0 && exits.has(byte) && reader.may_end(at)) {
        const std::size_t before = machine_.mark();
        const bool read_on = !read(behind, text.substr(i)).empty();
        machine_.release(before);
        if (read_on) return true;
      }
      if (!reader.step(at, byte)) return false;
    }
    return true;
  };
  for (std::uint32_t byte = 0; byte < 256 && fuel_ >= 0; ++byte) {
    if (!exits.has(static_cast<std::uint8_t>(byte))) continue;
    for (const TokenId token : vocabulary_->tokens_with(static_cast<std::uint8_t>(byte))) {
      std::uint32_t& word = words[static_cast<std::size_t>(token) / 32];
      const std::uint32_t bit = 1u << (token % 32);
      if ((word & bit) == 0 && may_come(vocabulary_->bytes(token))) word |= bit;
    }
  }
  machine_.release(mark);
  fuel_ -= looked_at / kPlacesPerFuel;
  return true;
}

TextMaskPtr Matcher::without(const Thread& thread, const TextMask& mask, const Taken& dead) {
  auto out = std::make_shared<TextMask>(mask);
  out->words = mask.bits(vocabulary_->mask_words());
  out->few = {};
  const std::vector<TrieNode>& nodes = vocabulary_->trie().nodes();
  for (const std::u32string& beginning : dead) {
    // As it is, a backslash is no character, but the beginning of an escape.
    if (beginning.find_first_of(U"\\\"") != std::u32string::npos) continue;
    std::string bytes;
    for (const char32_t c : beginning) append_utf8(c, bytes);
    const std::uint32_t node = vocabulary_->trie().find(bytes);
    if (node == TokenTrie::kNowhere) continue;
    fuel_ -= (nodes[node].end - node) / kPlacesPerFuel;
    for (std::uint32_t i = node; i < nodes[node].end; ++i) {
      if (nodes[i].token < 0) continue;
      vocabulary_->for_tokens(nodes[i], [&](TokenId token) {
        clear_bit(out->words, static_cast<std::uint32_t>(token));
      });
    }
  }
  const Separators& separators = vocabulary_->separators(false);
  for (const Separators::Entry& entry : separators.entries()) {
    std::vector<std::uint32_t>& bits = entry.head ? out->ends : out->words;
    if ((bits[entry.number / 32] >> (entry.number % 32) & 1) == 0) continue;
    const std::u32string_view text = separators.text(entry);
    bool ends = begins_with_any(text, dead);
    if (!ends && entry.part != 0) {  // it may be on the way to one
      const auto on_the_way = [&](const std::u32string& end) { return end.starts_with(text); };
      ends = std::any_of(dead.begin(), dead.end(), on_the_way) &&
             read({thread}, vocabulary_->bytes(static_cast<TokenId>(entry.number))).empty();
    }
    if (ends) clear_bit(bits, entry.number);
  }
  return out;
}

void Matcher::fill_ends(const Thread& thread, const TextMask& mask, const Taken& taken,
                        std::span<std::uint32_t> words) {
  const Separators& separators = vocabulary_->separators(thread.phase == Phase::kRaw);
  const std::size_t arena = machine_.mark();
  machine_.leave_text(thread, levels_[0]);
  if (levels_[0].empty()) return machine_.release(arena);
  const Machine::Threads behind = levels_[0];
  tails_.assign((separators.tails().size() + 31) / 32, 0);
  tails_[0] = 1;  // the empty one
  walk_fan<true>(separators.tail_trie(), 0, 0, tails_);
  const bool key = thread.phase == Phase::kFreeKey;
  const bool in_item = machine_.in_item(thread);
  const auto is_taken = [&](const Separators::Pair& pair) {
    const std::u32string_view text = separators.text(separators.entries()[pair.entry]);
    return key && (std::binary_search(taken.begin(), taken.end(), text) ||
                   machine_.is_rest_of_name(thread, text));
  };
  const auto set_tail = [&](std::uint32_t number, const auto& may) {
    const std::uint32_t end = separators.tails()[number + 1].first_pair;
    for (std::uint32_t i = separators.tails()[number].first_pair; i < end; ++i) {
      const std::uint32_t bits = mask.ends[i / 32] >> (i % 32);
      i += bits == 0 ? 31 - i % 32 : static_cast<std::uint32_t>(std::countr_zero(bits));
      if (bits == 0 || i >= end) continue;
      const Separators::Pair pair = separators.pairs()[i];
      if (!may(pair)) continue;
      words[static_cast<std::size_t>(pair.token) / 32] |= 1u << (pair.token % 32);
    }
  };
  // Behind a key a further one may come in the same token, and that one may be the same.
  if (key) {
    for (const std::uint32_t number : separators.reopening()) {
      const Separators::Tail& tail = separators.tails()[number];
      tails_[number / 32] &= ~(1u << (number % 32));
      if (read(behind, std::string_view(tail.text).substr(0, tail.second)).empty()) continue;
      set_tail(number, [&](const Separators::Pair& pair) {
        return !read({thread}, vocabulary_->bytes(pair.token)).empty();
      });
    }
  }
  for (std::uint32_t word = 0; word < tails_.size(); ++word) {
    for (std::uint32_t bits = tails_[word]; bits != 0; bits &= bits - 1) {
      set_tail(word * 32 + static_cast<std::uint32_t>(std::countr_zero(bits)),
               [&](const Separators::Pair& pair) {
                 if (is_taken(pair)) return false;
                 // What the text is decides on what may come behind it.
                 return !in_item || (word == 0 && (bits & -bits) == 1) ||
                        !read({thread}, vocabulary_->bytes(pair.token)).empty();
               });
    }
  }
  machine_.release(arena);
}

Machine::Threads Matcher::read(Machine::Threads threads, std::string_view bytes) {
  for (const char byte : bytes) {
    if (!advance(static_cast<std::uint8_t>(byte), threads)) break;
  }
  fuel_ -= machine_.take_work();
  return threads;
}

template <bool kTails>
void Matcher::walk_text(const TokenTrie& trie, std::uint32_t begin, std::uint32_t end,
                        const Thread& thread, std::span<std::uint32_t> words) {
  const TextPlace place = *place_of(thread);
  const TextReader reader(place);
  const std::vector<TrieNode>& nodes = trie.nodes();
  const std::size_t base = nodes[begin].depth;
  std::array<TextReader::At, kLongestToken + 1> levels;
  std::array<char, kLongestToken + 1> path;  // the bytes read, by depth
  levels[base] = reader.start();
  levels_[base] = {thread};
  std::size_t known = base;  // up to this depth levels_ is what the automaton makes of the path
  std::int64_t looked_at = 0;
  // A rule's text may end behind any of its characters.
  const bool rule = thread.phase == Phase::kRuleText;
  const std::size_t mark_behind = machine_.mark();
  Machine::Threads behind;
  if (rule) machine_.leave_text(thread, behind);
  const ByteSet exits = machine_.next_bytes(behind);
  const bool name = thread.phase == Phase::kFreeName;
  const char exit = name ? '>' : place.raw ? '\n' : '"';
  for (std::uint32_t i = begin; i < end && fuel_ >= 0;) {
    ++looked_at;
    const TrieNode& node = nodes[i];
    known = std::min(known, std::size_t{node.depth});
    const TextReader::At& at = levels[node.depth];
    if (!rule && node.byte == exit && at.part == TextReader::Part::kWhole) {
      // It may end: the automaton reads what is new of the token, and goes on.
      if (exit == '\n' || reader.may_end(at)) {
        for (; known < node.depth; ++known) {
          const auto byte = static_cast<std::uint8_t>(path[known]);
          machine_.step(levels_[known], byte, levels_[known + 1]);
        }
        walk<kTails>(trie, i, node.end, words);
      }
      i = node.end;
      continue;
    }
    TextReader::At& next = levels[node.depth + 1u];
    next = at;
    if (!reader.step(next, node.byte)) {
      i = node.end;
      continue;
    }
    path[node.depth] = static_cast<char>(node.byte);
    if (node.token >= 0) set_number<kTails>(node, words);
    ++i;
    if (!rule || !reader.may_end(next)) continue;
    levels_[node.depth + 1u] = behind;
    for (std::uint32_t child = i; child < node.end; child = nodes[child].end) {
      ++looked_at;
      if (exits.has(nodes[child].byte)) walk<kTails>(trie, child, nodes[child].end, words);
    }
  }
  machine_.release(mark_behind);
  fuel_ -= looked_at / kPlacesPerFuel + machine_.take_work();
}

template void Matcher::walk_text<true>(const TokenTrie&, std::uint32_t, std::uint32_t,
                                       const Thread&, std::span<std::uint32_t>);
template void Matcher::walk_text<false>(const TokenTrie&, std::uint32_t, std::uint32_t,
                                        const Thread&, std::span<std::uint32_t>);

}  // namespace tessera::grammar
