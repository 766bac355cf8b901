#include "grammar/text_mask.h"

#include <algorithm>
#include <array>
#include <bit>
#include <span>
#include <utility>

#include "grammar/text_reader.h"
#include "grammar/token_sets.h"
#include "grammar/vocabulary.h"

namespace tessera::grammar {
namespace {

using State = Language::State;
using Words = std::span<std::uint32_t>;

constexpr std::int64_t kPlacesPerFuel = 8;
// Nodes of the trie that are looked at before a text counts as dense.
constexpr std::size_t kSparse = 640;
// Tokens that are read one by one rather than by a walk through the trie.
constexpr std::size_t kFewTokens = 8192;
// Languages with more classes of characters are walked.
constexpr std::uint32_t kMaxClasses = 512;
// Rows that a mask is made of.
constexpr std::size_t kMaxRows = 4;
// States that are looked at for what can come at all.
constexpr std::size_t kMaxReached = 256;

void set_bit(Words words, TokenId token) {
  words[static_cast<std::size_t>(token) / 32] |= 1u << (static_cast<std::size_t>(token) % 32);
}

// A set of a language's classes of characters.
using Classes = std::vector<bool>;

class Maker {
 public:
  Maker(const Vocabulary& vocabulary, const TextPlace& place, std::int64_t& fuel)
      : vocabulary_(vocabulary),
        place_(place),
        language_(*place.language),
        reader_(place),
        fuel_(fuel),
        out_(std::make_shared<TextMask>()) {}

  TextMaskPtr shorten(const TextMask& unbounded);
  TextMaskPtr adjust(const TextMask& alike);
  TextMaskPtr make() {
    out_->state = place_.state;
    out_->words.assign(vocabulary_.mask_words(), 0);
    if (language_.is_total(place_.state) || !walk_plain(kSparse)) fill_dense();
    read_special();
    return out_;
  }

 private:
  // Tokens whose first character is of one class and all others of another go through the same
  // states, one a character.
  struct Row {
    CharacterClass first;
    CharacterClass rest;
    std::uint32_t reach = 0;  // up to so many characters may come
    bool ends = false;        // and none of more
    // Of the language's classes: the first, the rest, and what leads away from the rest.
    Classes begin, kept, exits;
  };

  // A next state, and what leads to it.
  struct Branch {
    State to = Language::kDead;
    std::uint32_t weight = 0;
    Classes classes;
  };

  void fill_dense();
  void fill_row(const Row& row, const Classes& ever, std::vector<std::uint32_t>& others);
  void read_others(std::span<const std::uint32_t> others);
  Row total_row() const;
  Row make_row(const Branch& branch, const std::vector<std::uint32_t>& weights);
  void extend(Row& row, State state, const std::vector<std::uint32_t>& weights);
  bool alike(State a, State b);
  std::uint32_t reach_of_total() const;
  // Where characters lead to from a state; what most of them do comes first.
  std::vector<Branch> branches(State state, const std::vector<std::uint32_t>& weights);
  std::vector<std::uint32_t> class_weights() const;
  Classes ever_living(State state) const;
  CharacterClass characters(const Classes& classes) const;
  struct PlainWalk {
    const TokenTrie& trie;
    TextReader::At* levels;
    std::size_t read;  // nodes
    std::size_t most;
  };
  bool walk_plain(std::size_t most);
  void walk_plain(PlainWalk& walk, std::uint32_t index, std::uint8_t byte, std::uint32_t depth);
  void read_special();
  bool reads(TokenId token) const;
  bool is_plain(TokenId token) const;
  bool reads(const Separators::Entry& entry) const;
  bool may_become(State state, std::uint32_t read, const Separators::Part& part) const;
  void set_entry(const Separators::Entry& entry);

  const Vocabulary& vocabulary_;
  const TextPlace& place_;
  const Language& language_;
  TextReader reader_;
  std::int64_t& fuel_;
  const std::vector<std::uint64_t>* alike_ = nullptr;
  bool approximate_ = false;  // states were taken for one that are not
  std::shared_ptr<TextMask> out_;
};

CharacterClass Maker::characters(const Classes& classes) const {
  CharacterClass out;
  const auto& begins = language_.begins();
  for (std::size_t i = 0; i < begins.size(); ++i) {
    if (!classes[language_.classes()[i]]) continue;
    out.add(begins[i], i + 1 < begins.size() ? begins[i + 1] - 1 : kMaxCodePoint);
  }
  // What is special is not read here.
  for (std::uint32_t c = 0; c < 128; ++c) {
    if (!reader_.is_plain(static_cast<std::uint8_t>(c))) {
      out.ascii[c / 64] &= ~(std::uint64_t{1} << (c % 64));
    }
  }
  return out;
}

// By how often a vocabulary has them, roughly.
std::vector<std::uint32_t> Maker::class_weights() const {
  std::vector<std::uint32_t> weights(language_.class_count(), 0);
  const auto& begins = language_.begins();
  for (std::size_t i = 0; i < begins.size(); ++i) {
    std::uint32_t& weight = weights[language_.classes()[i]];
    const std::uint32_t end = i + 1 < begins.size() ? begins[i + 1] : kMaxCodePoint + 1;
    for (std::uint32_t c = begins[i]; c < std::min(end, 128u); ++c) {
      const bool letter = (c | 32) >= 'a' && (c | 32) <= 'z';
      if (reader_.is_plain(static_cast<std::uint8_t>(c))) weight += letter || c == ' ' ? 8 : 1;
    }
    if (end > 128) weight += std::min((end - std::max(begins[i], 128u)) / 64, 100u);
  }
  return weights;
}

bool Maker::alike(State a, State b) {
  if (a == b) return true;
  if (alike_ == nullptr || a == Language::kDead || b == Language::kDead) return false;
  const bool yes = (*alike_)[a] == (*alike_)[b];
  approximate_ = approximate_ || yes;
  return yes;
}

std::vector<Maker::Branch> Maker::branches(State state, const std::vector<std::uint32_t>& weights) {
  std::vector<Branch> out;
  for (std::uint32_t c = 0; c < language_.class_count(); ++c) {
    const State to = language_.next_of_class(state, c);
    if (to == Language::kDead) continue;
    auto found = std::find_if(out.begin(), out.end(),
                              [&](const Branch& branch) { return alike(branch.to, to); });
    if (found == out.end()) {
      found = out.insert(found, {to, 0, Classes(language_.class_count(), false)});
    }
    found->weight += weights[c];
    found->classes[c] = true;
  }
  std::sort(out.begin(), out.end(), [](const Branch& a, const Branch& b) {
    return a.weight != b.weight ? a.weight > b.weight : a.to < b.to;
  });
  return out;
}

std::uint32_t Maker::reach_of_total() const {
  const std::uint32_t way = language_.longest_way();
  return place_.left > way ? std::min<std::uint32_t>(place_.left - way, kLongestToken) : 0;
}

Maker::Row Maker::total_row() const {
  Row row;
  row.begin = row.kept = Classes(language_.class_count(), true);
  row.exits = Classes(language_.class_count(), false);
  row.first = row.rest = characters(row.begin);
  row.reach = reach_of_total();
  row.ends = row.reach >= kLongestToken || language_.longest_way() == 0;
  return row;
}

Maker::Row Maker::make_row(const Branch& branch, const std::vector<std::uint32_t>& weights) {
  Row row;
  row.begin = branch.classes;
  row.kept = row.exits = Classes(language_.class_count(), false);
  row.first = characters(row.begin);
  row.ends = true;
  if (place_.left == 0 || language_.shortest(branch.to) > place_.left - 1) return row;
  row.reach = 1;
  extend(row, branch.to, weights);
  return row;
}

void Maker::extend(Row& row, State state, const std::vector<std::uint32_t>& weights) {
  const auto weigh = [&](const Classes& classes) {
    std::uint32_t sum = 0;
    for (std::size_t c = 0; c < classes.size(); ++c) sum += classes[c] ? weights[c] : 0;
    return sum;
  };
  Classes kept(language_.class_count(), true);
  Classes alive(language_.class_count(), false);
  const auto finish = [&](std::uint32_t reach, bool ends) {
    row.rest = characters(kept);
    row.kept = kept;
    row.exits = alive;
    for (std::size_t c = 0; c < alive.size(); ++c) row.exits[c] = alive[c] && !kept[c];
    row.reach = std::min<std::uint32_t>(reach, kLongestToken);
    row.ends = ends || row.reach == kLongestToken;
  };
  for (;;) {
    if (language_.is_total(state)) return finish(std::max(row.reach, reach_of_total()), false);
    const std::vector<Branch> all = branches(state, weights);
    if (all.empty()) return finish(row.reach, true);
    const State next = all[0].to;
    Classes classes = all[0].classes;
    for (std::uint32_t c = 0; c < alive.size(); ++c) {
      if (language_.next_of_class(state, c) != Language::kDead) alive[c] = true;
    }
    for (std::size_t c = 0; c < kept.size(); ++c) classes[c] = classes[c] && kept[c];
    // What most characters do is worth following, not what few do.
    if (row.reach > 1 && 2 * weigh(classes) < weigh(kept)) return finish(row.reach, false);
    kept = std::move(classes);
    const std::uint32_t shortest = language_.shortest(next);
    if (alike(next, state)) return finish(place_.left - shortest, true);
    if (row.reach >= kLongestToken) return finish(row.reach, true);
    if (place_.left - row.reach < shortest + 1) return finish(row.reach, true);
    ++row.reach;
    state = next;
  }
}

Classes Maker::ever_living(State state) const {
  Classes out(language_.class_count(), false);
  std::vector<State> open{state};
  std::vector<bool> seen(language_.state_count(), false);
  for (std::size_t i = 0; i < open.size(); ++i) {
    if (open.size() > kMaxReached) return Classes(language_.class_count(), true);
    for (std::uint32_t c = 0; c < language_.class_count(); ++c) {
      const State to = language_.next_of_class(open[i], c);
      if (to == Language::kDead) continue;
      out[c] = true;
      if (seen[to]) continue;
      seen[to] = true;
      open.push_back(to);
    }
  }
  return out;
}

// Sets what is of the row, and adds to `others` what begins like it and may come as far as its
// characters go (`ever`): that is to be read.
void Maker::fill_row(const Row& row, const Classes& ever, std::vector<std::uint32_t>& others) {
  const TokenSets& sets = vocabulary_.sets();
  const std::uint32_t most = std::min<std::uint32_t>(place_.left, kLongestToken);
  std::vector<std::uint32_t> in_row(others.size());
  sets.select(row.first, row.rest, kLongestToken, in_row);
  fuel_ -= static_cast<std::int64_t>(others.size()) / kPlacesPerFuel;
  if (!row.ends) sets.keep_short(row.reach, in_row);
  // What begins like a row that ends has to leave it.
  bool exits = !row.ends;
  bool strays = false;  // that would neither stay in the row nor leave it
  Classes staying = ever;
  for (std::size_t c = 0; c < ever.size() && row.ends; ++c) {
    exits = exits || row.exits[c];
    strays = strays || (ever[c] && !row.exits[c] && !row.kept[c]);
    staying[c] = ever[c] && !row.exits[c];
  }
  if (exits) {
    std::vector<std::uint32_t> open(others.size());
    sets.select(row.first, characters(ever), most, open);
    std::vector<std::uint32_t> stay(strays ? others.size() : 0);
    if (strays) sets.select(row.first, characters(staying), most, stay);
    for (std::size_t i = 0; i < others.size(); ++i) {
      others[i] |= open[i] & ~in_row[i] & ~(strays ? stay[i] : 0);
    }
  }
  if (row.ends) sets.keep_short(row.reach, in_row);
  for (std::size_t i = 0; i < others.size(); ++i) out_->words[i] |= in_row[i];
}

void Maker::fill_dense() {
  if (language_.class_count() > kMaxClasses) {
    walk_plain(~std::size_t{0});
    return;
  }
  // How far the nearest end is counts where there is a bound.
  if (place_.left == kUnbounded && !language_.alike().living.empty()) {
    alike_ = &language_.alike().living;
  }
  const TokenSets& sets = vocabulary_.sets();
  std::vector<std::uint32_t> others(out_->words.size(), 0);
  const Classes ever = ever_living(place_.state);
  if (language_.is_total(place_.state)) {
    fill_row(total_row(), ever, others);
  } else {
    const std::vector<std::uint32_t> weights = class_weights();
    const std::vector<Branch> all = branches(place_.state, weights);
    Classes rest(language_.class_count(), false);
    for (std::size_t i = 0; i < all.size(); ++i) {
      if (i < kMaxRows) {
        fill_row(make_row(all[i], weights), ever, others);
        continue;
      }
      for (std::size_t c = 0; c < rest.size(); ++c) rest[c] = rest[c] || all[i].classes[c];
    }
    if (all.size() > kMaxRows) {
      std::vector<std::uint32_t> open(others.size());
      sets.select(characters(rest), characters(ever),
                  std::min<std::uint32_t>(place_.left, kLongestToken), open);
      for (std::size_t i = 0; i < others.size(); ++i) others[i] |= open[i];
    }
  }
  // What was taken for alike is so for a while only; longer tokens are read.
  static_assert(Language::kAlikeDepth >= TokenSets::kLengths);
  if (approximate_) sets.keep_short(TokenSets::kLengths, out_->words);
  read_others(others);
}

void Maker::read_others(std::span<const std::uint32_t> others) {
  std::size_t count = 0;
  for (const std::uint32_t word : others) count += static_cast<std::size_t>(std::popcount(word));
  if (count > kFewTokens) {
    walk_plain(~std::size_t{0});
    return;
  }
  fuel_ -= static_cast<std::int64_t>(count);
  for (std::size_t i = 0; i < others.size(); ++i) {
    for (std::uint32_t bits = others[i]; bits != 0; bits &= bits - 1) {
      const auto token = static_cast<TokenId>(i * 32 + std::countr_zero(bits));
      if (reads(token)) set_bit(out_->words, token);
    }
  }
  if (!approximate_) return;
  for (const auto& [length, token] : vocabulary_.sets().long_tokens()) {
    if (is_plain(token) && reads(token)) set_bit(out_->words, token);
  }
}

// False: it was not walked to the end.
bool Maker::walk_plain(std::size_t most) {
  std::array<TextReader::At, kLongestToken + 1> levels;
  levels[0] = reader_.start();
  PlainWalk walk{vocabulary_.trie(), levels.data(), 0, most};
  for (const TokenTrie::Child& child : walk.trie.fan(0))
    walk_plain(walk, child.node, child.byte, 0);
  fuel_ -= static_cast<std::int64_t>(walk.read) / kPlacesPerFuel;
  return walk.read <= most;
}

void Maker::walk_plain(PlainWalk& walk, std::uint32_t index, std::uint8_t byte,
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

void Maker::read_special() {
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
  const char32_t* characters = separators.characters().data();
  // Of the entry before: the states behind so many characters, which were read.
  std::array<State, kLongestToken + 1> states;
  states[0] = place_.state;
  std::uint32_t good = 0;
  const std::vector<Separators::Entry>& entries = separators.entries();
  for (std::size_t i = 0; i < entries.size(); ++i) {
    const Separators::Entry& entry = entries[i];
    if (entry.common > good) continue;  // it fails where the one before did
    good = entry.common;
    for (; good < entry.length && good < place_.left; ++good) {
      const State to = language_.next(states[good], characters[entry.characters + good]);
      if (to == Language::kDead || language_.shortest(to) > place_.left - good - 1) break;
      states[good + 1] = to;
    }
    if (good < entry.length) continue;
    const State state = states[good];
    if (entry.head ? language_.accepts(state)
                   : entry.part == 0 || may_become(state, good, separators.parts()[entry.part])) {
      set_entry(entry);
    }
  }
}

void Maker::set_entry(const Separators::Entry& entry) {
  set_bit(entry.head ? out_->ends : out_->words, static_cast<TokenId>(entry.number));
}

bool Maker::reads(TokenId token) const {
  TextReader::At at = reader_.start();
  const std::string_view bytes = vocabulary_.bytes(token);
  return std::all_of(bytes.begin(), bytes.end(),
                     [&](char byte) { return reader_.step(at, static_cast<std::uint8_t>(byte)); });
}

// From the mask of a state that is alike: what is too long for that is read.
TextMaskPtr Maker::adjust(const TextMask& alike) {
  *out_ = alike;
  out_->state = place_.state;
  const auto set = [](std::vector<std::uint32_t>& bits, std::uint32_t bit, bool on) {
    const std::uint32_t mask = 1u << (bit % 32);
    bits[bit / 32] = on ? bits[bit / 32] | mask : bits[bit / 32] & ~mask;
  };
  for (const auto& [length, token] : vocabulary_.sets().long_tokens()) {
    if (is_plain(token)) set(out_->words, static_cast<std::uint32_t>(token), reads(token));
  }
  for (const Separators::Entry& entry : vocabulary_.separators(place_.raw).entries()) {
    if (entry.length < Language::kAlikeDepth) continue;
    set(entry.head ? out_->ends : out_->words, entry.number, reads(entry));
  }
  fuel_ -= static_cast<std::int64_t>(out_->words.size()) / kPlacesPerFuel;
  return out_;
}

bool Maker::is_plain(TokenId token) const {
  const std::string_view text = vocabulary_.bytes(token);
  return std::all_of(text.begin(), text.end(),
                     [&](char byte) { return reader_.is_plain(static_cast<std::uint8_t>(byte)); });
}

bool Maker::reads(const Separators::Entry& entry) const {
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

// From the mask of the same place with any number of characters left. Only tokens of about as many
// as there are have to be read. Null: those are too many.
TextMaskPtr Maker::shorten(const TextMask& unbounded) {
  const TokenSets& sets = vocabulary_.sets();
  const std::uint32_t way = language_.longest_way();
  const std::uint32_t most = std::min<std::uint32_t>(place_.left, kLongestToken);
  // So many may come wherever they lead.
  const std::uint32_t sure = place_.left > way ? std::min(place_.left - way, most) : 0;
  out_->words = unbounded.words;
  out_->ends = unbounded.ends;
  Words words = out_->words;
  sets.keep_short(sure, words);
  if (sure < most) {
    std::vector<std::uint32_t> open = unbounded.words;
    sets.keep_short(most, open);
    std::size_t count = 0;
    for (std::size_t i = 0; i < open.size(); ++i) {
      open[i] &= ~words[i];
      count += static_cast<std::size_t>(std::popcount(open[i]));
    }
    if (count > kFewTokens) return nullptr;
    fuel_ -= static_cast<std::int64_t>(count);
    for (std::size_t i = 0; i < open.size(); ++i) {
      for (std::uint32_t bits = open[i]; bits != 0; bits &= bits - 1) {
        const auto token = static_cast<TokenId>(i * 32 + std::countr_zero(bits));
        if (reads(token)) set_bit(words, token);
      }
    }
  }
  // Those with escapes are shorter than they are written.
  for (const Separators::Entry& entry : vocabulary_.separators(place_.raw).entries()) {
    const std::vector<std::uint32_t>& before = entry.head ? unbounded.ends : unbounded.words;
    if ((before[entry.number / 32] >> (entry.number % 32) & 1) == 0) continue;
    if (entry.length + (entry.part != 0) <= sure || reads(entry)) {
      set_entry(entry);
    } else {
      std::vector<std::uint32_t>& after = entry.head ? out_->ends : out_->words;
      after[entry.number / 32] &= ~(1u << (entry.number % 32));
    }
  }
  fuel_ -= static_cast<std::int64_t>(words.size()) / kPlacesPerFuel;
  return out_;
}

bool Maker::may_become(State state, std::uint32_t read, const Separators::Part& part) const {
  if (read >= place_.left) return false;
  const auto may = [&](const Separators::Range& range) {
    return range.first <= range.second &&
           language_.can_step_within(state, range.first, range.second, place_.left - read - 1);
  };
  return may(part.first) || may(part.second);
}

}  // namespace

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

TextMaskPtr shorten_text_mask(const Vocabulary& vocabulary, const TextPlace& place,
                              const TextMask& unbounded, std::int64_t& fuel) {
  return Maker(vocabulary, place, fuel).shorten(unbounded);
}

TextMaskPtr adjust_text_mask(const Vocabulary& vocabulary, const TextPlace& place,
                             const TextMask& alike, std::int64_t& fuel) {
  return Maker(vocabulary, place, fuel).adjust(alike);
}

TextMaskPtr make_text_mask(const Vocabulary& vocabulary, const TextPlace& place,
                           std::int64_t& fuel) {
  return Maker(vocabulary, place, fuel).make();
}

}  // namespace tessera::grammar
