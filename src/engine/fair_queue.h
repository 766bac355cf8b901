// Who waits, and whose turn it is: requests queue by account, and the account goes first that has
// had least for its weight (the virtual token counter of Y. Sheng et al., "Fairness in Serving
// Large Language Models", OSDI 2024, arXiv 2401.00588).
//
// An account's counter grows by 1 / weight with each token computed for it, of a prompt or of an
// answer; tokens from the prefix cache cost nothing. Half of what is admitted and not computed yet
// counts beside it when accounts are compared: so that a burst of one is not let in before it has
// cost anything, and one with long requests, of which much is always under way, is not behind one
// with short ones for ever. An account that begins to wait is lifted to the least counter of those
// that wait, or where nobody does to that of the last one that did: it brings no credit along,
// neither from a time when it was away nor from one when it had all it wanted. Within an account,
// in order of arrival.
//
// No account takes everything while others may come: beyond its first request it is let in only
// while what it holds is at most share / (1 - share) times what stays free, of places, sequences
// and memory. So one account alone can hold `share` of each, two a smaller part each, and
// there is always room for one more. Of those that wait, the account that is owed most may hold
// more than its part, as long as all together leave what they would if each had its own: else two
// that wait all the time would be served by their parts, whatever their weights. While what it
// wants has to wait for that, nobody else gets a second request either. The engine thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

#include "base/ids.h"
#include "engine/live_request.h"

namespace tessera::engine {

// What running requests hold, or may hold at most.
struct Holdings {
  std::int64_t requests = 0;
  std::int64_t sequences = 0;
  std::int64_t tokens = 0;  // of KV, or memory for as many: see state_tokens
};

// One account's part in the queue.
struct AccountBook {
  double counter = 0;   // tokens computed / weight
  double admitted = 0;  // tokens expected and not computed yet / weight
  Holdings holds;
  std::deque<std::unique_ptr<LiveRequest>> waiting;

  // The lower, the more the account is owed.
  double rank() const { return counter + admitted / 2; }
};

class FairQueue {
 public:
  // `share` in (0, 1]; 1: accounts are not held back.
  // `backlog_tokens`: those that requests in here, waiting or running, are expected to need yet;
  // for other threads to read.
  // `state_tokens`: the tokens whose KV takes as much memory as a sequence's recurrent state.
  FairQueue(const Holdings& capacity, double share, std::int64_t state_tokens,
            std::atomic<std::int64_t>& backlog_tokens)
      : capacity_(capacity),
        share_(share),
        state_tokens_(state_tokens),
        backlog_tokens_(backlog_tokens) {}
  FairQueue(const FairQueue&) = delete;  // requests point to their accounts' books
  FairQueue& operator=(const FairQueue&) = delete;

  // Throws std::bad_alloc, and `request` is still the caller's then.
  void push(std::unique_ptr<LiveRequest>&& request);
  // Whose turn it is, of those whose accounts are not held back; null: nobody's.
  LiveRequest* head() const;
  // The head leaves the queue to run; what it has from the cache is known.
  std::unique_ptr<LiveRequest> admit(LiveRequest& head);
  // One that waits leaves for good; null: it does not wait.
  std::unique_ptr<LiveRequest> remove(RequestId id);
  // So many tokens were computed for a running request.
  void charge(LiveRequest& request, std::int64_t tokens);
  // A running request has ended.
  void release(LiveRequest& request);

  bool empty() const { return waiting_ == 0; }
  std::int32_t size() const { return waiting_; }
  // All that wait, account by account.
  template <class F>
  void for_each(F&& function) const {
    for (const auto& [id, book] : books_)
      for (const auto& request : book.waiting) function(std::as_const(*request));
  }
  // The accounts that have something running.
  template <class F>
  void for_each_running(F&& function) const {
    for (const auto& [id, book] : books_)
      if (book.holds.requests > 0) function(id, book);
  }
  // One that waits; null: none does.
  const LiveRequest* any() const;
  // `running`: all that were admitted and not released. CHECKs.
  void check_integrity(const std::vector<std::unique_ptr<LiveRequest>>& running) const;

  // Of an answer, when nobody knows: most are shorter than max_tokens, which is often the context.
  static constexpr std::int32_t kExpectedAnswer = 512;

 private:
  Holdings needs(const LiveRequest& request) const;
  // Whether, with the request, `held` would be more than `parts` times what an account may hold.
  bool is_over(const Holdings& held, double parts, const LiveRequest& request) const;
  double counter_to_begin_with() const;
  void left(AccountId account, const AccountBook& book);
  void forget_the_idle();

  const Holdings capacity_;
  const double share_;
  const std::int64_t state_tokens_;
  std::unordered_map<AccountId, AccountBook> books_;
  Holdings held_;                       // by all
  std::optional<AccountId> last_left_;  // the account that was last to have nothing waiting
  std::int32_t waiting_ = 0;
  std::atomic<std::int64_t>& backlog_tokens_;
};

}  // namespace tessera::engine
