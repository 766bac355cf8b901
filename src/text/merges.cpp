#include "text/merges.h"

#include <algorithm>
#include <array>
#include <bit>
#include <functional>
#include <optional>
#include <queue>
#include <unordered_map>

#include "base/check.h"

namespace tessera::text {
namespace {

// Up to here a scan over all pairs finds the best one fastest.
constexpr std::size_t kScanLimit = 40;
// Up to here one heap of pairs fits into the cache.
constexpr std::size_t kHeapLimit = 1 << 15;

struct Candidate {
  std::uint32_t rank;
  std::uint32_t position;  // of the pair's left token
};

// All candidates in one binary heap.
class HeapQueue {
 public:
  explicit HeapQueue(std::vector<std::uint64_t> keys) : heap_(std::greater<>(), std::move(keys)) {}
  static std::uint64_t key_of(Candidate candidate) {
    return static_cast<std::uint64_t>(candidate.rank) << 32 | candidate.position;
  }
  void push(Candidate candidate) { heap_.push(key_of(candidate)); }
  std::optional<Candidate> pop() {
    if (heap_.empty()) return std::nullopt;
    const std::uint64_t key = heap_.top();
    heap_.pop();
    return Candidate{static_cast<std::uint32_t>(key >> 32), static_cast<std::uint32_t>(key)};
  }

 private:
  std::priority_queue<std::uint64_t, std::vector<std::uint64_t>, std::greater<>> heap_;
};

// Candidates by rank, for pre-tokens beyond the cache: a heap of the ranks, and for each a list
// that is sorted by position when its turn comes. Mostly it is sorted then, so that memory is read
// in order.
class RankQueue {
 public:
  void push(Candidate candidate) {
    const auto [it, is_new] = index_of_.try_emplace(candidate.rank, lists_.size());
    if (is_new) lists_.emplace_back();
    List& list = lists_[it->second];
    if (list.exhausted()) ranks_.push({candidate.rank, it->second});
    // What arrives while the list is being worked off must not disturb its order.
    (list.open ? list.late.push(candidate.position) : list.positions.push_back(candidate.position));
    ++list.waiting;
  }

  std::optional<Candidate> pop() {
    if (ranks_.empty()) return std::nullopt;
    const auto [rank, index] = ranks_.top();
    List& list = lists_[index];
    if (!list.open) {
      list.open = true;
      if (!std::is_sorted(list.positions.begin(), list.positions.end())) {
        std::sort(list.positions.begin(), list.positions.end());
      }
    }
    const Candidate best{rank, list.take()};
    if (list.exhausted()) {
      list = List();
      ranks_.pop();
    }
    return best;
  }

 private:
  struct List {
    std::vector<std::uint32_t> positions;
    std::priority_queue<std::uint32_t, std::vector<std::uint32_t>, std::greater<>> late;
    std::size_t cursor = 0;  // positions before it are taken
    std::size_t waiting = 0;
    bool open = false;

    bool exhausted() const { return waiting == 0; }
    std::uint32_t take() {
      --waiting;
      if (cursor == positions.size() || (!late.empty() && late.top() < positions[cursor])) {
        const std::uint32_t position = late.top();
        late.pop();
        return position;
      }
      return positions[cursor++];
    }
  };
  using RankAndList = std::pair<std::uint32_t, std::size_t>;

  std::priority_queue<RankAndList, std::vector<RankAndList>, std::greater<>> ranks_;
  std::unordered_map<std::uint32_t, std::size_t> index_of_;
  std::vector<List> lists_;
};

// The tokens as a list that shrinks. A token's position is where its first byte was; joined ones
// keep the left position.
class TokenList {
 public:
  static constexpr std::uint32_t kNone = std::numeric_limits<std::uint32_t>::max();
  static constexpr TokenId kGone = -1;

  explicit TokenList(std::span<TokenId> ids) : ids_(ids), next_(ids.size()), previous_(ids.size()) {
    for (std::uint32_t i = 0; i < ids.size(); ++i) {
      next_[i] = i + 1;
      previous_[i] = i - 1;  // kNone for the first
    }
    next_.back() = kNone;
  }

  TokenId id(std::uint32_t position) const { return ids_[position]; }
  std::uint32_t next(std::uint32_t position) const { return next_[position]; }
  std::uint32_t previous(std::uint32_t position) const { return previous_[position]; }

  void join_with_next(std::uint32_t position, TokenId merged) {
    const std::uint32_t gone = next_[position];
    ids_[position] = merged;
    ids_[gone] = kGone;
    next_[position] = next_[gone];
    if (next_[gone] != kNone) previous_[next_[gone]] = position;
  }

 private:
  std::span<TokenId> ids_;
  std::vector<std::uint32_t> next_;
  std::vector<std::uint32_t> previous_;
};

// Works off `queue`, which holds every pair of `tokens` that has a rank. Entries are not withdrawn
// when a neighbour changes: an entry that no longer names the pair at its position is dropped when
// it comes up.
template <class Queue>
std::size_t work_off(const MergeTable& merges, TokenList& tokens, Queue& queue) {
  std::size_t steps = 0;
  const auto push_pair = [&](std::uint32_t position) {
    ++steps;
    const MergeTable::Hit hit = merges.find(tokens.id(position), tokens.id(tokens.next(position)));
    if (hit.rank != MergeTable::kNoRank) queue.push({hit.rank, position});
  };
  while (const std::optional<Candidate> best = queue.pop()) {
    ++steps;
    const std::uint32_t position = best->position;
    if (tokens.id(position) == TokenList::kGone || tokens.next(position) == TokenList::kNone)
      continue;
    const MergeTable::Hit hit = merges.find(tokens.id(position), tokens.id(tokens.next(position)));
    if (hit.rank != best->rank) continue;
    tokens.join_with_next(position, hit.merged);
    if (tokens.previous(position) != TokenList::kNone) push_pair(tokens.previous(position));
    if (tokens.next(position) != TokenList::kNone) push_pair(position);
  }
  return steps;
}

std::size_t merge_by_queue(const MergeTable& merges, std::span<TokenId> ids,
                           std::vector<TokenId>& out) {
  TokenList tokens(ids);
  std::size_t steps = ids.size() - 1;
  const auto for_each_pair = [&](auto&& take) {
    for (std::uint32_t i = 0; i + 1 < ids.size(); ++i) {
      const std::uint32_t rank = merges.find(ids[i], ids[i + 1]).rank;
      if (rank != MergeTable::kNoRank) take(Candidate{rank, i});
    }
  };
  if (ids.size() <= kHeapLimit) {
    std::vector<std::uint64_t> keys;
    keys.reserve(2 * ids.size());
    for_each_pair([&](Candidate candidate) { keys.push_back(HeapQueue::key_of(candidate)); });
    HeapQueue queue(std::move(keys));
    steps += work_off(merges, tokens, queue);
  } else {
    RankQueue queue;
    for_each_pair([&](Candidate candidate) { queue.push(candidate); });
    steps += work_off(merges, tokens, queue);
  }
  for (std::uint32_t i = 0; i != TokenList::kNone; i = tokens.next(i)) out.push_back(tokens.id(i));
  return steps;
}

std::size_t merge_by_scan(const MergeTable& merges, std::span<TokenId> ids,
                          std::vector<TokenId>& out) {
  std::array<MergeTable::Hit, kScanLimit> pairs;  // of the tokens i and i + 1
  std::size_t count = ids.size();
  for (std::size_t i = 0; i + 1 < count; ++i) pairs[i] = merges.find(ids[i], ids[i + 1]);
  std::size_t steps = count - 1;
  while (count > 1) {
    std::size_t best = 0;
    for (std::size_t i = 1; i + 1 < count; ++i) {
      if (pairs[i].rank < pairs[best].rank) best = i;
    }
    if (pairs[best].rank == MergeTable::kNoRank) break;
    ids[best] = pairs[best].merged;
    for (std::size_t i = best + 1; i + 1 < count; ++i) {
      ids[i] = ids[i + 1];
      pairs[i - 1] = pairs[i];
    }
    --count;
    if (best > 0) pairs[best - 1] = merges.find(ids[best - 1], ids[best]);
    if (best + 1 < count) pairs[best] = merges.find(ids[best], ids[best + 1]);
    steps += 2;
  }
  out.insert(out.end(), ids.begin(), ids.begin() + static_cast<std::ptrdiff_t>(count));
  return steps;
}

}  // namespace

MergeTable::MergeTable(std::span<const Merge> merges) : first_duplicate_(merges.size()) {
  CHECK(merges.size() < kNoRank);
  const std::size_t capacity = std::bit_ceil(std::max<std::size_t>(2 * merges.size(), 2));
  slots_.resize(capacity);
  mask_ = capacity - 1;
  shift_ = 64 - std::countr_zero(capacity);
  for (std::size_t rank = 0; rank < merges.size(); ++rank) {
    const std::uint64_t key = key_of(merges[rank].left, merges[rank].right);
    std::size_t i = home_of(key);
    while (slots_[i].key != kEmpty && slots_[i].key != key) i = (i + 1) & mask_;
    if (slots_[i].key == key) {
      first_duplicate_ = std::min(first_duplicate_, rank);
    } else {
      slots_[i] = {key, {static_cast<std::uint32_t>(rank), merges[rank].merged}};
    }
  }
}

std::size_t merge_pairs(const MergeTable& merges, std::span<TokenId> ids,
                        std::vector<TokenId>& out) {
  CHECK(ids.size() < TokenList::kNone / 2);
  if (ids.empty()) return 0;
  return ids.size() <= kScanLimit ? merge_by_scan(merges, ids, out)
                                  : merge_by_queue(merges, ids, out);
}

}  // namespace tessera::text
