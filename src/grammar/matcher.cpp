#include "grammar/matcher.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace tessera::grammar {
namespace {

// Frames in the arena before what nobody uses is thrown away.
constexpr std::size_t kArenaFrames = 1 << 14;
constexpr std::size_t kMaxMasks = 64;
// Masks that take less are made again rather than kept: copying one costs as much.
constexpr std::int64_t kWorthKeeping = 200;
// Nodes of the trie for which it pays to tell threads apart.
constexpr std::uint32_t kWorthSplitting = 16;
// One unit was seen to take about 20 ns: 100 ms at once, 5 ms a token for ever. Most masks take a
// few thousand.
constexpr std::int64_t kFuel = 5'000'000;
constexpr std::int64_t kFuelPerToken = 250'000;

void set_bit(std::span<std::uint32_t> words, TokenId token) {
  words[static_cast<std::size_t>(token) / 32] |= 1u << (static_cast<std::size_t>(token) % 32);
}

void clear_bit(std::span<std::uint32_t> words, TokenId token) {
  words[static_cast<std::size_t>(token) / 32] &= ~(1u << (static_cast<std::size_t>(token) % 32));
}

}  // namespace

Matcher::Matcher(GrammarPtr grammar, VocabularyPtr vocabulary)
    : vocabulary_(std::move(vocabulary)),
      machine_(std::move(grammar)),
      threads_(machine_.start()),
      fuel_(kFuel),
      levels_(vocabulary_->longest() + 1),
      marks_(vocabulary_->longest() + 1) {}

bool Matcher::is_free() const {
  return threads_.size() == 1 &&
         (threads_[0].phase == Phase::kFree || threads_[0].phase == Phase::kThinking);
}

bool Matcher::advance(std::uint32_t symbol, Machine::Threads& threads) {
  Machine::Threads next;
  machine_.step(threads, symbol, next);
  threads = std::move(next);
  return !threads.empty();
}

void Matcher::commit(Machine::Threads threads) {
  past_.push_back({std::exchange(threads_, std::move(threads)), ended_});
  if (past_.size() > kMaxRollback) past_.pop_front();
  fuel_ = std::min(kFuel, fuel_ + kFuelPerToken);
  if (machine_.mark() < kArenaFrames) return;
  std::vector<Machine::Threads*> used{&threads_};
  for (Past& past : past_) used.push_back(&past.threads);
  machine_.collect(used);
}

bool Matcher::accept_symbol(std::uint32_t symbol) {
  const std::size_t mark = machine_.mark();
  Machine::Threads threads = threads_;
  if (ended_ || !advance(symbol, threads)) {
    machine_.release(mark);
    return false;
  }
  commit(std::move(threads));
  return true;
}

bool Matcher::accept_bytes(std::string_view bytes) {
  if (ended_) return false;
  const std::size_t mark = machine_.mark();
  Machine::Threads threads = threads_;
  for (const char c : bytes) {
    if (advance(static_cast<std::uint8_t>(c), threads)) continue;
    machine_.release(mark);
    return false;
  }
  commit(std::move(threads));
  return true;
}

bool Matcher::accept(TokenId token) {
  if (ended_ || token < 0 || static_cast<std::size_t>(token) >= vocabulary_->size()) return false;
  if (vocabulary_->is_end(token)) {
    if (!is_done()) return false;
    commit(threads_);
    ended_ = true;
    return true;
  }
  if (const auto symbol = vocabulary_->symbol(token)) {
    if (accept_symbol(*symbol)) return true;
    if (!is_free() || *symbol != kThinkClose) return false;
    commit(threads_);
    return true;
  }
  if (vocabulary_->is_text(token)) {
    if (!is_free()) return accept_bytes(vocabulary_->bytes(token));
  } else if (!is_free()) {
    return false;
  }
  commit(threads_);
  return true;
}

void Matcher::rollback(std::size_t count) {
  CHECK(count <= past_.size());
  if (count == 0) return;
  const std::size_t at = past_.size() - count;
  threads_ = std::move(past_[at].threads);
  ended_ = past_[at].ended;
  past_.resize(at);
}

std::uint64_t Matcher::state_hash() const {
  std::uint64_t hash = threads_.size();
  for (const Thread& thread : threads_) {
    hash = (hash ^ machine_.hash(thread)) * 0x9E3779B97F4A7C15u;
    hash ^= hash >> 29;
  }
  return hash;
}

bool Matcher::can_take_symbol(std::uint32_t symbol) {
  const std::size_t mark = machine_.mark();
  Machine::Threads threads = threads_;
  const bool can = advance(symbol, threads);
  machine_.release(mark);
  return can;
}

bool Matcher::fill_mask(std::span<std::uint32_t> words) {
  CHECK(words.size() == vocabulary_->mask_words());
  if (is_free() && !ended_) {
    fill_free(words);
    fill_controls(words);
    return true;
  }
  std::fill(words.begin(), words.end(), 0u);
  if (ended_) return true;
  const std::uint64_t key = state_hash();
  const auto found = masks_.find(key);
  if (found != masks_.end()) {
    std::copy(found->second.begin(), found->second.end(), words.begin());
    return true;
  }
  const std::int64_t fuel = fuel_;
  Machine::Threads others;
  for (const Thread& thread : threads_) {
    if (fuel_ < 0) return false;
    if (!fill_text(thread, words)) others.push_back(thread);
  }
  if (!others.empty()) {
    levels_[0] = std::move(others);
    walk_fan<false>(vocabulary_->trie(), 0, 0, words);
  }
  if (fuel_ < 0) return false;
  fill_controls(words);
  // Where it is the second time in a row, as in a text without a bound, it often is once more.
  const bool again = std::exchange(last_state_, key) == key;
  if ((fuel - fuel_ < kWorthKeeping && !again) || !comes_back()) return true;
  if (masks_.size() >= kMaxMasks) masks_.clear();
  masks_.emplace(key, std::vector<std::uint32_t>(words.begin(), words.end()));
  return true;
}

// Where characters count, or are kept, each one leads to a place that was not there before.
bool Matcher::comes_back() const {
  return std::none_of(threads_.begin(), threads_.end(), [&](const Thread& thread) {
    if (thread.phase == Phase::kFreeKey) return true;
    const bool text = thread.phase == Phase::kString || thread.phase == Phase::kRaw;
    return text && machine_.grammar().strings[thread.alt].max != kUnbounded;
  });
}

void Matcher::fill_free(std::span<std::uint32_t> words) const {
  std::fill(words.begin(), words.end(), ~0u);
  const std::size_t rest = vocabulary_->size() % 32;
  if (rest != 0) words.back() = (1u << rest) - 1;
}

void Matcher::fill_controls(std::span<std::uint32_t> words) {
  const bool free = is_free();
  for (const std::uint32_t symbol : {kThinkClose, kCallOpen, kCallClose}) {
    const auto token = vocabulary_->token_of_symbol(symbol);
    if (!token) continue;
    const bool may = can_take_symbol(symbol) || (free && symbol == kThinkClose);
    may ? set_bit(words, *token) : clear_bit(words, *token);
  }
  const bool done = is_done();
  for (const TokenId token : vocabulary_->end_tokens()) {
    done ? set_bit(words, token) : clear_bit(words, token);
  }
}

template <bool kTails>
void Matcher::walk(const TokenTrie& trie, std::uint32_t begin, std::uint32_t end,
                   std::span<std::uint32_t> words) {
  if (begin == end) return;
  const std::vector<TrieNode>& nodes = trie.nodes();
  const std::size_t base = nodes[begin].depth;
  marks_[base] = machine_.mark();
  for (std::uint32_t i = begin; i < end;) {
    const TrieNode& node = nodes[i];
    // What deeper nodes made is not needed any more.
    machine_.release(marks_[node.depth]);
    Machine::Threads& next = levels_[node.depth + 1u];
    machine_.step(levels_[node.depth], node.byte, next);
    fuel_ -= 1 + machine_.take_work();
    if (fuel_ < 0) break;
    if (next.empty()) {
      i = node.end;
      continue;
    }
    marks_[node.depth + 1u] = machine_.mark();
    if (node.token >= 0) set_number<kTails>(node, words);
    ++i;
    if (node.end - i < kWorthSplitting) continue;
    const auto go_on = [&] {
      if (node.fan == 0) return walk<kTails>(trie, i, node.end, words);
      walk_fan<kTails>(trie, node.fan, node.depth + 1u, words);
    };
    // Threads inside texts go their own, faster way.
    const auto text = std::partition(next.begin(), next.end(), [&](const Thread& thread) {
      return !place_of(thread).has_value();
    });
    if (text == next.end()) {
      if (node.fan == 0) continue;
      go_on();
      i = node.end;
      continue;
    }
    const Machine::Threads texts(text, next.end());
    next.erase(text, next.end());
    if (!next.empty()) go_on();
    for (const Thread& thread : texts) walk_text<kTails>(trie, i, node.end, thread, words);
    i = node.end;
  }
  machine_.release(marks_[base]);
}

template <bool kTails>
void Matcher::walk_fan(const TokenTrie& trie, std::uint16_t fan, std::uint32_t depth,
                       std::span<std::uint32_t> words) {
  const ByteSet bytes = machine_.next_bytes(levels_[depth]);
  for (const TokenTrie::Child& child : trie.fan(fan)) {
    if (bytes.has(child.byte)) __builtin_prefetch(&trie.nodes()[child.node]);
  }
  for (const TokenTrie::Child& child : trie.fan(fan)) {
    if (!bytes.has(child.byte)) continue;
    walk<kTails>(trie, child.node, trie.nodes()[child.node].end, words);
  }
}

template void Matcher::walk_fan<true>(const TokenTrie&, std::uint16_t, std::uint32_t,
                                      std::span<std::uint32_t>);
template void Matcher::walk<true>(const TokenTrie&, std::uint32_t, std::uint32_t,
                                  std::span<std::uint32_t>);
template void Matcher::walk<false>(const TokenTrie&, std::uint32_t, std::uint32_t,
                                   std::span<std::uint32_t>);

}  // namespace tessera::grammar
