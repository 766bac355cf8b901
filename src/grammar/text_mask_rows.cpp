// TextMaskMaker: places where much of the vocabulary may come. Their masks are put together of rows
// of tokens, and few tokens are read.
#include <algorithm>
#include <utility>

#include "grammar/text_mask_maker.h"

namespace tessera::grammar {
namespace {

// Languages with more classes of characters are walked.
constexpr std::uint32_t kMaxClasses = 512;
// Rows that a mask is made of.
constexpr std::size_t kMaxRows = 4;
// States that are looked at for what can come at all.
constexpr std::size_t kMaxReached = 256;

// The loops over the vocabulary's words, in a form that compilers make wide instructions of.
using In = const std::uint32_t* __restrict;

void add_known(std::uint32_t* __restrict out, In row, In near, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) out[i] |= row[i] & near[i];
}

void add_open(std::uint32_t* __restrict others, In open, In far, In stay, In row,
              std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) others[i] |= open[i] & far[i] & ~(stay[i] | row[i]);
}

void add_far(std::uint32_t* __restrict others, In open, In far, In row, In near,
             std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) others[i] |= open[i] & far[i] & ~(row[i] & near[i]);
}

}  // namespace

CharacterClass TextMaskMaker::characters(const Classes& classes) const {
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
std::vector<std::uint32_t> TextMaskMaker::class_weights() const {
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

bool TextMaskMaker::alike(State a, State b) {
  if (a == b) return true;
  if (alike_ == nullptr || a == Language::kDead || b == Language::kDead) return false;
  const bool yes = (*alike_)[a] == (*alike_)[b];
  approximate_ = approximate_ || (yes && !language_.alike().exact);
  return yes;
}

std::vector<TextMaskMaker::Branch> TextMaskMaker::branches(
    State state, const std::vector<std::uint32_t>& weights) {
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

std::uint32_t TextMaskMaker::reach_of_total() const {
  const std::uint32_t way = language_.longest_way();
  return place_.left > way ? std::min<std::uint32_t>(place_.left - way, kLongestToken) : 0;
}

TextMaskMaker::Row TextMaskMaker::total_row() const {
  Row row;
  row.begin = row.kept = Classes(language_.class_count(), true);
  row.exits = Classes(language_.class_count(), false);
  row.first = row.rest = characters(row.begin);
  row.reach = reach_of_total();
  row.ends = row.reach >= kLongestToken || language_.longest_way() == 0;
  return row;
}

TextMaskMaker::Row TextMaskMaker::make_row(const Branch& branch,
                                           const std::vector<std::uint32_t>& weights) {
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

void TextMaskMaker::extend(Row& row, State state, const std::vector<std::uint32_t>& weights) {
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
    if (row.reach > 1 && 2 * weigh(classes) < weigh(kept)) {
      bool some = false;
      for (std::uint32_t c = 0; c < kept.size(); ++c) {
        some = some || (kept[c] && language_.next_of_class(state, c) != Language::kDead);
      }
      return finish(row.reach, !some);
    }
    kept = std::move(classes);
    const std::uint32_t shortest = language_.shortest(next);
    if (alike(next, state)) return finish(place_.left - shortest, true);
    if (row.reach >= kLongestToken) return finish(row.reach, true);
    if (place_.left - row.reach < shortest + 1) return finish(row.reach, true);
    ++row.reach;
    state = next;
  }
}

TextMaskMaker::Classes TextMaskMaker::ever_living(State state) const {
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
void TextMaskMaker::fill_row(const Row& row, const Classes& ever,
                             std::vector<std::uint32_t>& others) {
  const TokenSets& sets = vocabulary_.sets();
  const std::uint32_t most = std::min(place_.left, kLongest);
  const TokenSets::BitmapPtr in_row = sets.select(row.first, row.rest);
  fuel_ -= static_cast<std::int64_t>(others.size()) / kPlacesPerFuel;
  // What begins like a row that ends has to leave it.
  bool exits = !row.ends;
  bool strays = false;  // that would neither stay in the row nor leave it
  Classes staying = ever;
  for (std::size_t c = 0; c < ever.size() && row.ends; ++c) {
    exits = exits || row.exits[c];
    strays = strays || (ever[c] && !row.exits[c] && !row.kept[c]);
    staying[c] = ever[c] && !row.exits[c];
  }
  TokenSets::BitmapPtr open, stay;
  if (exits) open = sets.select(row.first, characters(ever));
  if (exits && row.ends) stay = strays ? sets.select(row.first, characters(staying)) : in_row;
  const TokenSets::Bitmap& near = sets.at_most(row.reach);
  const TokenSets::Bitmap& far = sets.at_most(most);
  const std::uint32_t* const rest = exits && row.ends ? stay->data() : in_row->data();
  std::uint32_t* const out = out_->words.data();
  const auto add = [&](std::size_t i, std::uint32_t near_bits, std::uint32_t far_bits) {
    const std::uint32_t known = (*in_row)[i] & near_bits;
    out[i] |= known;
    if (exits) others[i] |= (*open)[i] & far_bits & ~(row.ends ? rest[i] | (*in_row)[i] : known);
  };
  add_known(out, in_row->data(), near.data(), others.size());
  if (exits && row.ends) {
    add_open(others.data(), open->data(), far.data(), rest, in_row->data(), others.size());
  } else if (exits) {
    add_far(others.data(), open->data(), far.data(), in_row->data(), near.data(), others.size());
  }
  if (std::min(row.reach, most) >= kLongest || most <= TokenSets::kLengths) return;
  for (const auto& [length, token] : sets.long_tokens()) {
    const std::uint32_t bit = 1u << (token % 32);
    add(static_cast<std::size_t>(token) / 32, length <= row.reach ? bit : 0,
        length <= most ? bit : 0);
  }
}

void TextMaskMaker::fill_dense() {
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
      const TokenSets::BitmapPtr open = sets.select(characters(rest), characters(ever));
      for (std::size_t i = 0; i < others.size(); ++i) others[i] |= (*open)[i];
    }
  }
  // What was taken for alike is so for a while only; longer tokens are read.
  static_assert(Language::kAlikeDepth >= TokenSets::kLengths);
  if (approximate_) {
    const TokenSets::Bitmap& sure = sets.at_most(TokenSets::kLengths);
    for (std::size_t i = 0; i < sure.size(); ++i) out_->words[i] &= sure[i];
  }
  read_others(others);
}

}  // namespace tessera::grammar
