// What is kept of prompts and answers that were computed: checkpoints of sequences, found again by
// the tokens that led to them. A request that begins with the tokens of an entry goes on behind it;
// its logits are then bit for bit those of a cold start (model/backend.h), so the cache decides
// when a token comes, never which.
//
// Entries belong to a scope: an account, or all of them for prompts that the operator lists as
// shared. Nothing of one account is ever found by another, not even by its absence of delay.
//
// Keys are chains of SHA-256 over pieces of kPiece tokens, and the tokens themselves are compared
// before an entry is used. The longest entry wins.
//
// What is worth keeping (plan_checkpoints): a state is as large as the KV of thousands of tokens,
// so not every boundary of messages is kept, but the newest, where the next turn, another answer or
// a tool's result goes on; the first, behind the system prompt, which other conversations share;
// and between them some whose distances grow fourfold with their distance from the end, at
// boundaries where there are some, else at multiples of a stride.
//
// Who has to go, when memory is needed or the cap is reached: the entry used longest ago; but of an
// account that holds no more than its equal part of the cache not one that was used in the last ten
// minutes, so that one who floods does not empty the others' caches. The engine thread.
#pragma once

#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "base/ids.h"
#include "base/sha256.h"
#include "engine/sequence_pool.h"

namespace tessera::engine {

// Lengths of a prompt at which its state is worth keeping, ascending, behind the `cached` tokens
// that are there and before the last token. `boundaries` are those of EngineRequest; `least` tokens
// lie between one and the next, but for the first message's end, which is kept in any case.
std::vector<std::int32_t> plan_checkpoints(std::int32_t prompt_tokens,
                                           std::span<const std::int32_t> boundaries,
                                           std::int32_t cached, std::int32_t least);

class PrefixCache {
 public:
  using Tokens = std::shared_ptr<const std::vector<TokenId>>;

  struct Sizes {
    std::size_t state_bytes = 0;         // of a checkpoint, apart from KV
    std::size_t kv_bytes_per_token = 0;  //
    std::size_t max_entries = 0;         // 0: nothing is kept
  };
  struct Hit {
    const CheckpointHandle* checkpoint = nullptr;  // until the cache changes
    std::int32_t tokens = 0;
  };

  // The scope of prompts that all accounts share.
  static constexpr AccountId kShared{~std::uint64_t{0}};
  static constexpr std::size_t kPiece = 256;

  PrefixCache(const Sizes& sizes, const Clock& clock) : sizes_(sizes), clock_(clock) {}
  PrefixCache(const PrefixCache&) = delete;
  PrefixCache& operator=(const PrefixCache&) = delete;

  // The longest entry of the scope that `prompt` begins with, of at most `most` tokens. It counts
  // as used.
  std::optional<Hit> find(AccountId scope, std::span<const TokenId> prompt, std::int32_t most);
  bool contains(AccountId scope, std::span<const TokenId> prefix) const;
  // The state behind the first `length` of `tokens`, by `owner`. One that is there already stays.
  // Throws std::bad_alloc; the cache may be empty then.
  void add(AccountId scope, Tokens tokens, std::int32_t length, CheckpointHandle checkpoint,
           RequestId owner);
  // Makes room by one entry, but never `spared`. False: none is left.
  bool evict_one(const CheckpointHandle* spared = nullptr);
  // Drops what the request has added, for it turned out not to be sound.
  void forget(RequestId owner);
  void clear();

  std::size_t entries() const { return entries_; }
  std::int64_t evictions() const { return evictions_; }
  // CHECKs; its time grows with what is held.
  void check_integrity() const;

 private:
  struct Entry;
  using Entries = std::list<Entry>;

  // Where the chains of some entries pass, or end.
  struct Place {
    AccountId scope;
    Sha256 chain;
    bool operator==(const Place&) const = default;
  };
  struct PlaceHash {
    std::size_t operator()(const Place& place) const;
  };
  struct Node {
    std::size_t passing = 0;                // entries whose chains come through here
    std::vector<Entries::iterator> ending;  // entries of whole pieces up to here, and a rest
  };
  struct Entry {
    AccountId scope;
    Tokens tokens;
    std::int32_t length = 0;
    CheckpointHandle checkpoint;
    RequestId owner;
    std::vector<Sha256> chain;  // of its whole pieces, the empty one first
    Clock::Instant used;

    std::span<const TokenId> prefix() const {
      return std::span(*tokens).first(static_cast<std::size_t>(length));
    }
  };
  struct Scope {
    Entries entries;  // last used first
    std::size_t bytes = 0;
  };

  std::size_t bytes_of(std::int32_t length) const;
  std::optional<Entries::iterator> look_up(AccountId scope, std::span<const TokenId> prompt,
                                           std::int32_t most) const;
  std::map<AccountId, Scope>::iterator find_victim(const CheckpointHandle* spared);
  void insert(Entry&& entry);
  void drop(std::map<AccountId, Scope>::iterator scope, Entries::iterator entry);

  const Sizes sizes_;
  const Clock& clock_;
  std::map<AccountId, Scope> scopes_;
  std::unordered_map<Place, Node, PlaceHash> nodes_;
  std::size_t entries_ = 0;
  std::int64_t evictions_ = 0;
};

}  // namespace tessera::engine
