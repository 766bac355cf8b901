#include "grammar/text_mask.h"

#include <algorithm>
#include <array>
#include <bit>
#include <span>
#include <utility>

#include "base/utf8.h"
#include "grammar/text_mask_maker.h"

namespace tessera::grammar {
namespace {

using Words = std::span<std::uint32_t>;

// Nodes of the trie that are looked at before a text counts as dense.
constexpr std::size_t kSparse = 640;
// Tokens that are read one by one rather than by a walk through the trie.
constexpr std::size_t kFewTokens = 8192;
constexpr std::size_t kFewToShorten = 1024;
// Masks of no more tokens are kept as lists.
constexpr std::size_t kFewListed = 1024;

void set_bit(Words words, TokenId token) {
  words[static_cast<std::size_t>(token) / 32] |= 1u << (static_cast<std::size_t>(token) % 32);
}

}  // namespace

TextMaskPtr TextMaskMaker::make() {
  out_->state = place_.state;
  out_->words.assign(vocabulary_.mask_words(), 0);
  // What is made of many texts is sparse, however long the walk.
  const std::size_t most = language_.is_listed() ? ~std::size_t{0} : kSparse;
  if (language_.is_total(place_.state) || !walk_plain(most)) fill_dense();
  read_special();
  return finished();
}

TextMaskPtr TextMaskMaker::finished() {
  std::vector<TokenId> few = listed(out_->words, kFewListed);
  if (few.size() > kFewListed) return out_;
  few.shrink_to_fit();
  out_->few = std::move(few);
  out_->words = {};
  return out_;
}

void TextMaskMaker::read_others(std::span<const std::uint32_t> others) {
  const std::vector<TokenId> tokens = listed(others, kFewTokens);
  if (tokens.size() > kFewTokens) {
    walk_plain(~std::size_t{0});
    return;
  }
  read_each(tokens);
  if (approximate_) read_long(plain_long_tokens());
}

std::vector<TokenId> TextMaskMaker::plain_long_tokens() const {
  std::vector<TokenId> tokens;
  for (const auto& [length, token] : vocabulary_.sets().long_tokens()) {
    if (!is_special(token)) tokens.push_back(token);
  }
  return tokens;
}

// Sets or clears the bits of `tokens`, which ascend by their texts: most begin like the one before.
void TextMaskMaker::read_long(std::span<const TokenId> tokens) {
  std::array<TextReader::At, kLongestToken + 1> levels;
  levels[0] = reader_.start();
  std::string_view before;
  std::size_t good = 0;  // bytes of `before` that were read
  for (const TokenId token : tokens) {
    const std::string_view text = vocabulary_.bytes(token);
    const auto differ = std::mismatch(before.begin(), before.end(), text.begin(), text.end());
    const auto common = static_cast<std::size_t>(differ.first - before.begin());
    if (common <= good) {
      good = common;
      for (; good < text.size(); ++good) {
        const auto byte = static_cast<std::uint8_t>(text[good]);
        levels[good + 1] = levels[good];
        if ((byte < 0x80 && !reader_.is_plain(byte)) || !reader_.step(levels[good + 1], byte))
          break;
      }
    }
    const std::uint32_t bit = 1u << (token % 32);
    std::uint32_t& word = out_->words[static_cast<std::size_t>(token) / 32];
    word = common <= good && good == text.size() ? word | bit : word & ~bit;
    before = text;
  }
  fuel_ -= static_cast<std::int64_t>(tokens.size());
}

// Those whose bits are set; if they are more than `most`, the first ones.
std::vector<TokenId> TextMaskMaker::listed(std::span<const std::uint32_t> bits, std::size_t most) {
  std::vector<TokenId> tokens;
  constexpr std::size_t kBlock = 16;  // passed by at once where none of them is set
  for (std::size_t begin = 0; begin < bits.size() && tokens.size() <= most; begin += kBlock) {
    const std::span<const std::uint32_t> block =
        bits.subspan(begin, std::min(kBlock, bits.size() - begin));
    std::uint32_t any = 0;
    for (const std::uint32_t word : block) any |= word;
    for (std::size_t i = 0; i < block.size() && any != 0; ++i) {
      for (std::uint32_t word = block[i]; word != 0; word &= word - 1) {
        tokens.push_back(static_cast<TokenId>((begin + i) * 32 + std::countr_zero(word)));
      }
    }
  }
  return tokens;
}

// Their texts lie far apart: each is asked for well before it is read.
void TextMaskMaker::read_each(std::span<const TokenId> tokens) {
  constexpr std::size_t kAhead = 12;
  for (std::size_t i = 0; i < std::min(kAhead, tokens.size()); ++i) vocabulary_.prefetch(tokens[i]);
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    if (i + kAhead < tokens.size()) vocabulary_.prefetch(tokens[i + kAhead]);
    if (reads_plain(tokens[i])) set_bit(out_->words, tokens[i]);
  }
  fuel_ -= static_cast<std::int64_t>(tokens.size());
}

// False: it was not walked to the end.
bool TextMaskMaker::walk_plain(std::size_t most) {
  std::array<TextReader::At, kLongestToken + 1> levels;
  levels[0] = reader_.start();
  PlainWalk walk{vocabulary_.trie(), levels.data(), 0, most};
  for (const TokenTrie::Child& child : walk.trie.fan(0))
    walk_plain(walk, child.node, child.byte, 0);
  fuel_ -= static_cast<std::int64_t>(walk.read) / kPlacesPerFuel;
  return walk.read <= most;
}

void TextMaskMaker::walk_plain(PlainWalk& walk, std::uint32_t index, std::uint8_t byte,
                               std::uint32_t depth) {
  TextReader::At& at = walk.levels[depth + 1];
  at = walk.levels[depth];
  if ((byte < 0x80 && !reader_.is_plain(byte)) || !reader_.step(at, byte)) return;
  if (++walk.read > walk.most) return;
  const std::vector<TrieNode>& nodes = walk.trie.nodes();
  const TrieNode& node = nodes[index];
  if (node.token >= 0) vocabulary_.set_tokens(node, out_->words);
  if (node.fan != 0) {
    for (const TokenTrie::Child& child : walk.trie.fan(node.fan)) {
      walk_plain(walk, child.node, child.byte, depth + 1);
    }
    return;
  }
  for (std::uint32_t child = index + 1; child < node.end; child = nodes[child].end) {
    walk_plain(walk, child, nodes[child].byte, depth + 1);
  }
}

void TextMaskMaker::read_special() {
  const Separators& separators = vocabulary_.separators(place_.raw);
  out_->ends.assign((separators.pairs().size() + 31) / 32, 0);
  fuel_ -= static_cast<std::int64_t>(separators.entries().size()) / kPlacesPerFuel;
  if (language_.is_any()) {  // then only lengths count
    for (const Separators::Entry& entry : separators.entries()) {
      if (entry.length + (entry.part != 0) > place_.left) continue;
      if (!entry.head || entry.length >= place_.need) set_entry(entry);
    }
    return;
  }
  std::size_t first = 0;
  if (language_.is_total(place_.state) && reach_of_total() == kLongest) {  // all but the ends
    const std::vector<std::uint32_t>& whole = separators.whole_tokens();
    for (std::size_t i = 0; i < whole.size(); ++i) out_->words[i] |= whole[i];
    first = separators.first_head();
  }
  const char32_t* characters = separators.characters().data();
  // Of the entry before: the states behind so many characters, which were read.
  std::array<State, kLongestToken + 1> states;
  states[0] = place_.state;
  std::uint32_t good = 0;
  const std::vector<Separators::Entry>& entries = separators.entries();
  for (std::size_t i = first; i < entries.size(); ++i) {
    const Separators::Entry& entry = entries[i];
    if (entry.common > good) {  // it fails where the one before did
      if (good < 2) i = separators.skip(i, good) - 1;
      continue;
    }
    good = entry.common;
    for (; good < entry.length && good < place_.left; ++good) {
      const State to = language_.next(states[good], characters[entry.characters + good]);
      if (to == Language::kDead || language_.shortest(to) > place_.left - good - 1) break;
      states[good + 1] = to;
    }
    if (good < entry.length) {
      if (good == 0) i = behind_dead(separators, i) - 1;
      continue;
    }
    const State state = states[good];
    if (entry.head ? language_.accepts(state)
                   : entry.part == 0 || may_become(state, good, separators.parts()[entry.part])) {
      set_entry(entry);
    }
  }
}

// The first entry behind one that fails at its first character, of those whose first character may
// come.
std::size_t TextMaskMaker::behind_dead(const Separators& separators, std::size_t entry) const {
  const std::size_t next = separators.skip(entry, 0);
  const char32_t first = separators.characters()[separators.entries()[entry].characters];
  if (first < 128) return next;
  const auto& begins = language_.begins();
  auto interval = std::upper_bound(begins.begin(), begins.end(), std::uint32_t{first}) - 1;
  const auto leads_on = [&](auto at) {
    const auto number = static_cast<std::size_t>(at - begins.begin());
    return language_.next_of_class(place_.state, language_.classes()[number]) != Language::kDead;
  };
  if (leads_on(interval)) return next;
  while (interval != begins.end() && !leads_on(interval)) ++interval;
  const bool head = separators.entries()[entry].head;
  const std::size_t end = head ? separators.entries().size() : separators.first_head();
  if (interval == begins.end()) return end;
  const auto& entries = separators.entries();
  const auto found = std::partition_point(
      entries.begin() + static_cast<std::ptrdiff_t>(next),
      entries.begin() + static_cast<std::ptrdiff_t>(end), [&](const Separators::Entry& other) {
        return other.length == 0 || separators.characters()[other.characters] < *interval;
      });
  return static_cast<std::size_t>(found - entries.begin());
}

void TextMaskMaker::set_entry(const Separators::Entry& entry) {
  set_bit(entry.head ? out_->ends : out_->words, static_cast<TokenId>(entry.number));
}

// Whole characters, without anything special in it.
bool TextMaskMaker::reads_plain(TokenId token) const {
  TextReader::At at = reader_.start();
  const std::string_view text = vocabulary_.bytes(token);
  for (std::size_t i = 0; i < text.size();) {
    const auto byte = static_cast<std::uint8_t>(text[i]);
    if (byte < 0x80 && !reader_.is_plain(byte)) return false;
    if (!reader_.read(at, next_code_point(text, i))) return false;
  }
  return true;
}

// From the mask of a state that is alike: what is too long for that is read.
TextMaskPtr TextMaskMaker::adjust(const TextMask& alike) {
  out_->words = alike.bits(vocabulary_.mask_words());
  out_->ends = alike.ends;
  out_->state = place_.state;
  const auto set = [](std::vector<std::uint32_t>& bits, std::uint32_t bit, bool on) {
    const std::uint32_t mask = 1u << (bit % 32);
    bits[bit / 32] = on ? bits[bit / 32] | mask : bits[bit / 32] & ~mask;
  };
  read_long(plain_long_tokens());
  const Separators& separators = vocabulary_.separators(place_.raw);
  for (const std::uint32_t number : separators.longest_first()) {
    const Separators::Entry& entry = separators.entries()[number];
    if (Separators::characters_of(entry) < Language::kAlikeDepth) break;
    set(entry.head ? out_->ends : out_->words, entry.number, reads(entry));
  }
  fuel_ -= static_cast<std::int64_t>(out_->words.size()) / kPlacesPerFuel;
  return finished();
}

bool TextMaskMaker::is_special(TokenId token) const {
  const std::vector<std::uint32_t>& special = vocabulary_.separators(place_.raw).whole_tokens();
  return (special[static_cast<std::size_t>(token) / 32] >> (token % 32) & 1) != 0;
}

bool TextMaskMaker::reads(const Separators::Entry& entry) {
  const Separators& separators = vocabulary_.separators(place_.raw);
  State state = place_.state;
  if (entry.length > place_.left) return false;
  for (std::uint32_t read = 0; read < entry.length; ++read) {
    state = language_.next(state, separators.characters()[entry.characters + read]);
    if (language_.shortest(state) > place_.left - read - 1) return false;
  }
  if (entry.head) return entry.length >= place_.need && language_.accepts(state);
  return entry.part == 0 || may_become(state, entry.length, separators.parts()[entry.part]);
}

// From the mask of the same place with any number of characters to come. Only tokens of about as
// many as there are left have to be read. Null: those are too many.
TextMaskPtr TextMaskMaker::shorten(const TextMask& free) {
  const TokenSets& sets = vocabulary_.sets();
  const Separators& separators = vocabulary_.separators(place_.raw);
  const std::vector<std::uint32_t>& special = separators.whole_tokens();
  const std::uint32_t way = language_.longest_way();
  const std::uint32_t most = std::min(place_.left, kLongest);
  // So many may come wherever they lead.
  const std::uint32_t sure = place_.left > way ? std::min(place_.left - way, most) : 0;
  const TokenSets::Bitmap& near = sets.at_most(sure);
  const TokenSets::Bitmap& far = sets.at_most(most);
  const std::vector<std::uint32_t> listed_bits =
      free.words.empty() ? free.bits(special.size()) : std::vector<std::uint32_t>();
  const std::uint32_t* before = free.words.empty() ? listed_bits.data() : free.words.data();
  std::vector<std::uint32_t>& words = out_->words;
  words.resize(special.size());
  std::vector<TokenId> unsure;
  // A block of words is looked at twice, but taken from memory once.
  constexpr std::size_t kBlock = 256;
  for (std::size_t begin = 0; begin < words.size(); begin += kBlock) {
    const std::size_t end = std::min(begin + kBlock, words.size());
    std::uint32_t open = 0;
    for (std::size_t i = begin; i < end; ++i) {
      words[i] = before[i] & (near[i] | special[i]);
      open |= before[i] & far[i] & ~words[i];
    }
    for (std::size_t i = begin; i < end && open != 0; ++i) {
      for (std::uint32_t bits = before[i] & far[i] & ~words[i]; bits != 0; bits &= bits - 1)
        unsure.push_back(static_cast<TokenId>(i * 32 + std::countr_zero(bits)));
    }
    if (unsure.size() > kFewToShorten) return nullptr;
  }
  read_each(unsure);
  if (sure < kLongest && most > TokenSets::kLengths) {
    std::vector<TokenId> unsure_long;
    for (const auto& [length, token] : sets.long_tokens()) {
      const std::uint32_t word = before[static_cast<std::size_t>(token) / 32];
      if (length > most || (word >> (token % 32) & 1) == 0 || is_special(token)) continue;
      length <= sure ? set_bit(words, token) : unsure_long.push_back(token);
    }
    read_long(unsure_long);
  }
  shorten_special(free, sure);
  fuel_ -= static_cast<std::int64_t>(words.size()) / kPlacesPerFuel;
  return finished();
}

// Those with escapes are shorter than they are written.
void TextMaskMaker::shorten_special(const TextMask& free, std::uint32_t sure) {
  const Separators& separators = vocabulary_.separators(place_.raw);
  out_->ends = free.ends;
  for (const std::uint32_t number : separators.longest_first()) {
    const Separators::Entry& entry = separators.entries()[number];
    if (Separators::characters_of(entry) <= sure) break;
    std::vector<std::uint32_t>& bits = entry.head ? out_->ends : out_->words;
    std::uint32_t& word = bits[entry.number / 32];
    const std::uint32_t bit = 1u << (entry.number % 32);
    if ((word & bit) != 0 && !reads(entry)) word &= ~bit;
  }
  for (std::size_t i = separators.entries().size(); i-- > 0;) {
    const Separators::Entry& entry = separators.entries()[separators.longest_first()[i]];
    if (entry.length >= place_.need) break;
    if (entry.head) out_->ends[entry.number / 32] &= ~(1u << (entry.number % 32));
  }
}

bool TextMaskMaker::may_become(State state, std::uint32_t read, const Separators::Part& part) {
  if (read >= place_.left) return false;
  const auto may = [&](const Separators::Range& range) {
    return range.first <= range.second &&
           language_.can_step_within(state, range.first, range.second, place_.left - read - 1);
  };
  if (part.first.first >= 128 && place_.left == kUnbounded) {
    if (beyond_.state != state) beyond_ = beyond_ascii(state);
    if (beyond_.all || !beyond_.some) return beyond_.all;
  }
  return may(part.first) || may(part.second);
}

TextMaskMaker::Beyond TextMaskMaker::beyond_ascii(State state) const {
  const auto& begins = language_.begins();
  const auto behind = std::upper_bound(begins.begin(), begins.end(), 128u);
  Beyond out{state, true, false};
  for (auto i = static_cast<std::size_t>(behind - begins.begin()) - 1; i < begins.size(); ++i) {
    const bool leads = language_.next_of_class(state, language_.classes()[i]) != Language::kDead;
    out.all = out.all && leads;
    out.some = out.some || leads;
  }
  return out;
}

std::uint64_t TextPlace::hash() const {
  const std::uint32_t far = language->longest_way() + kLongestToken;
  const std::vector<std::uint64_t>& alike = language->alike().accepting;
  const bool shared = left == kUnbounded && !alike.empty();
  const std::uint64_t words[] = {language->hash(), shared ? alike[state] : state,
                                 std::min(left, far) * 2ull + raw,
                                 std::min<std::uint32_t>(need, kLongestToken + 1)};
  std::uint64_t hash = 0;
  for (const std::uint64_t word : words) {
    hash = (hash ^ word) * 0xD1B54A32D192ED03u;
    hash ^= hash >> 29;
  }
  return hash;
}

void TextMask::add_to(std::span<std::uint32_t> mask) const {
  for (std::size_t i = 0; i < words.size(); ++i) mask[i] |= words[i];
  for (const TokenId token : few) set_bit(mask, token);
}

std::vector<std::uint32_t> TextMask::bits(std::size_t mask_words) const {
  if (!words.empty()) return words;
  std::vector<std::uint32_t> out(mask_words, 0);
  add_to(out);
  return out;
}

TextMaskPtr shorten_text_mask(const Vocabulary& vocabulary, const TextPlace& place,
                              const TextMask& free, std::int64_t& fuel) {
  return TextMaskMaker(vocabulary, place, fuel).shorten(free);
}

TextMaskPtr adjust_text_mask(const Vocabulary& vocabulary, const TextPlace& place,
                             const TextMask& alike, std::int64_t& fuel) {
  return TextMaskMaker(vocabulary, place, fuel).adjust(alike);
}

TextMaskPtr make_text_mask(const Vocabulary& vocabulary, const TextPlace& place,
                           std::int64_t& fuel) {
  return TextMaskMaker(vocabulary, place, fuel).make();
}

}  // namespace tessera::grammar
