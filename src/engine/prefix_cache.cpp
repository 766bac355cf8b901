#include "engine/prefix_cache.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <iterator>
#include <utility>

#include "base/check.h"

namespace tessera::engine {
namespace {

constexpr std::chrono::minutes kProtected{10};
// Distances from the end grow by so much and one more.
constexpr std::int32_t kThinning = 3;
// Of text without boundaries, where it is longer than so much.
constexpr std::int32_t kStride = 64;
constexpr std::int32_t kEndFactor = 4;
constexpr std::int32_t kLongText = 512;

// The chain with one more piece, from the one without it.
Sha256 chain_on(const Sha256& chain, std::span<const TokenId> piece) {
  std::vector<std::uint8_t> bytes(chain.begin(), chain.end());
  bytes.reserve(bytes.size() + piece.size() * sizeof(TokenId));
  for (const TokenId token : piece) {
    for (int shift = 0; shift < 32; shift += 8)
      bytes.push_back(static_cast<std::uint8_t>(static_cast<std::uint32_t>(token) >> shift));
  }
  return sha256(bytes);
}

bool begins_with(std::span<const TokenId> whole, std::span<const TokenId> part) {
  return part.size() <= whole.size() && std::equal(part.begin(), part.end(), whole.begin());
}

}  // namespace

std::vector<std::int32_t> plan_checkpoints(std::int32_t prompt_tokens,
                                           std::span<const std::int32_t> boundaries,
                                           std::int32_t cached, std::int32_t least) {
  DCHECK(std::is_sorted(boundaries.begin(), boundaries.end()) && least >= 1);
  // The newest boundary at or before `position`, behind what is there; or `cached`.
  const auto boundary_at = [&](std::int32_t position) {
    const auto after = std::upper_bound(boundaries.begin(), boundaries.end(), position);
    return after == boundaries.begin() ? cached : std::max(*(after - 1), cached);
  };
  std::vector<std::int32_t> points;  // descending
  const std::int32_t last = prompt_tokens - 1;
  std::int32_t newest = boundary_at(last);
  // Text without messages, or one that goes on: worth the step that its last token then is.
  if (last - newest >= kEndFactor * least) newest = last;
  const auto is_worth = [&](std::int32_t position) { return position - cached >= least; };
  for (std::int32_t position = newest; is_worth(position);) {
    points.push_back(position);
    const std::int32_t gap = std::max(least, kThinning * (prompt_tokens - position));
    const std::int32_t target = position - gap;
    if (target <= cached) break;
    const std::int32_t boundary = boundary_at(target);
    const bool is_near = target - boundary <= std::max(gap, kLongText);
    position = is_near ? boundary : target / kStride * kStride;
  }
  std::reverse(points.begin(), points.end());
  // Behind it there are at least the next message and the place before the answer.
  const bool has_first = boundaries.size() > 2 && !points.empty() && is_worth(boundaries.front());
  if (has_first && boundaries.front() < points.front())
    points.insert(points.begin(), boundaries.front());
  return points;
}

std::size_t PrefixCache::PlaceHash::operator()(const Place& place) const {
  std::size_t hash = 0;
  std::memcpy(&hash, place.chain.data(), sizeof hash);
  return hash ^ (place.scope.value * 0x9E3779B97F4A7C15);
}

std::size_t PrefixCache::bytes_of(std::int32_t length) const {
  return sizes_.state_bytes + static_cast<std::size_t>(length) * sizes_.kv_bytes_per_token;
}

std::optional<PrefixCache::Entries::iterator> PrefixCache::look_up(AccountId scope,
                                                                   std::span<const TokenId> prompt,
                                                                   std::int32_t most) const {
  prompt = prompt.first(std::min(prompt.size(), static_cast<std::size_t>(std::max(most, 0))));
  std::optional<Entries::iterator> best;
  Sha256 chain{};
  for (std::size_t pieces = 0;; ++pieces) {
    const auto node = nodes_.find({scope, chain});
    if (node == nodes_.end()) return best;
    for (const auto& entry : node->second.ending) {
      const bool longer = !best || entry->length > (*best)->length;
      if (longer && begins_with(prompt, entry->prefix())) best = entry;
    }
    if (prompt.size() < (pieces + 1) * kPiece) return best;
    chain = chain_on(chain, prompt.subspan(pieces * kPiece, kPiece));
  }
}

std::optional<PrefixCache::Hit> PrefixCache::find(AccountId scope, std::span<const TokenId> prompt,
                                                  std::int32_t most) {
  const auto found = look_up(scope, prompt, most);
  if (!found) return std::nullopt;
  const Entries::iterator entry = *found;
  Entries& entries = scopes_.at(scope).entries;
  entry->used = clock_.now();
  entries.splice(entries.begin(), entries, entry);
  return Hit{&entry->checkpoint, entry->length};
}

bool PrefixCache::contains(AccountId scope, std::span<const TokenId> prefix) const {
  const auto length = static_cast<std::int32_t>(prefix.size());
  const auto found = look_up(scope, prefix, length);
  return found && (*found)->length == length;
}

void PrefixCache::add(AccountId scope, Tokens tokens, std::int32_t length,
                      CheckpointHandle checkpoint, RequestId owner) {
  CHECK(checkpoint.holds() && length > 0 && std::cmp_less_equal(length, tokens->size()));
  const std::span<const TokenId> prefix =
      std::span(*tokens).first(static_cast<std::size_t>(length));
  if (sizes_.max_entries == 0 || contains(scope, prefix)) return;
  while (entries_ >= sizes_.max_entries) evict_one();
  Entry entry{scope, std::move(tokens), length, std::move(checkpoint), owner, {Sha256{}}, {}};
  entry.chain.reserve(prefix.size() / kPiece + 1);
  for (std::size_t end = kPiece; end <= prefix.size(); end += kPiece)
    entry.chain.push_back(chain_on(entry.chain.back(), prefix.subspan(end - kPiece, kPiece)));
  entry.used = clock_.now();
  try {
    insert(std::move(entry));
  } catch (...) {
    clear();  // half an entry; and where memory has run out, the cache is what can go
    throw;
  }
}

void PrefixCache::insert(Entry&& entry) {
  const AccountId scope = entry.scope;
  Scope& book = scopes_[scope];
  book.entries.push_front(std::move(entry));
  const auto added = book.entries.begin();
  book.bytes += bytes_of(added->length);
  ++entries_;
  for (const Sha256& chain : added->chain) ++nodes_[{scope, chain}].passing;
  nodes_[{scope, added->chain.back()}].ending.push_back(added);
}

// See the head comment. The last entry of each scope is the one used longest ago.
std::map<AccountId, PrefixCache::Scope>::iterator PrefixCache::find_victim(
    const CheckpointHandle* spared) {
  const Clock::Instant now = clock_.now();
  std::size_t all = 0;
  for (const auto& [id, scope] : scopes_) all += scope.bytes;
  const std::size_t equal_part = scopes_.empty() ? 0 : all / scopes_.size();
  auto oldest = scopes_.end();
  auto last_resort = scopes_.end();
  for (auto scope = scopes_.begin(); scope != scopes_.end(); ++scope) {
    const Entry& last = scope->second.entries.back();
    if (&last.checkpoint == spared && scope->second.entries.size() == 1) continue;
    const auto is_older = [&](auto than) {
      return than == scopes_.end() || last.used < than->second.entries.back().used;
    };
    if (is_older(last_resort)) last_resort = scope;
    const bool may_go = scope->second.bytes >= equal_part || now - last.used >= kProtected;
    if (may_go && is_older(oldest)) oldest = scope;
  }
  return oldest == scopes_.end() ? last_resort : oldest;
}

bool PrefixCache::evict_one(const CheckpointHandle* spared) {
  const auto scope = find_victim(spared);
  if (scope == scopes_.end()) return false;
  auto entry = std::prev(scope->second.entries.end());
  if (&entry->checkpoint == spared) --entry;
  drop(scope, entry);
  ++evictions_;
  return true;
}

void PrefixCache::drop(std::map<AccountId, Scope>::iterator scope, Entries::iterator entry) {
  for (const Sha256& chain : entry->chain) {
    const auto node = nodes_.find({entry->scope, chain});
    CHECK(node != nodes_.end());
    std::erase(node->second.ending, entry);
    if (--node->second.passing == 0) nodes_.erase(node);
  }
  scope->second.bytes -= bytes_of(entry->length);
  scope->second.entries.erase(entry);
  --entries_;
  if (scope->second.entries.empty()) scopes_.erase(scope);
}

void PrefixCache::forget(RequestId owner) {
  for (auto scope = scopes_.begin(); scope != scopes_.end();) {
    const auto this_one = scope++;
    auto next = this_one->second.entries.begin();
    for (std::size_t left = this_one->second.entries.size(); left > 0; --left) {
      const auto entry = next++;
      if (entry->owner == owner) drop(this_one, entry);  // the scope too, with its last one
    }
  }
}

void PrefixCache::clear() {
  nodes_.clear();
  scopes_.clear();
  entries_ = 0;
}

void PrefixCache::check_integrity() const {
  std::size_t entries = 0;
  std::size_t passing = 0;
  for (const auto& [id, scope] : scopes_) {
    std::size_t bytes = 0;
    Clock::Instant newer = Clock::Instant::max();
    for (const Entry& entry : scope.entries) {
      CHECK(entry.scope == id && entry.checkpoint.holds() && entry.used <= newer);
      CHECK(entry.chain.size() == entry.prefix().size() / kPiece + 1);
      newer = entry.used;
      bytes += bytes_of(entry.length);
      passing += entry.chain.size();
      ++entries;
    }
    CHECK(bytes == scope.bytes && !scope.entries.empty());
  }
  std::size_t ending = 0;
  for (const auto& [place, node] : nodes_) {
    passing -= node.passing;
    ending += node.ending.size();
  }
  CHECK(entries == entries_ && ending == entries_ && passing == 0);
  CHECK(entries_ <= sizes_.max_entries || sizes_.max_entries == 0);
}

}  // namespace tessera::engine
