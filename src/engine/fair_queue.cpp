#include "engine/fair_queue.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "base/check.h"

namespace tessera::engine {
namespace {

constexpr std::size_t kIdleBooks = 1024;

bool is_active(const AccountBook& book) {
  return !book.waiting.empty() || book.holds.requests > 0;
}

std::int64_t expected_tokens(const LiveRequest& request) {
  const std::int64_t answer = std::min(request.request.max_tokens, FairQueue::kExpectedAnswer);
  return request.prompt_tokens() - request.prefilled + answer * request.request.choices;
}

void add(Holdings& to, const Holdings& what, std::int64_t sign) {
  to.requests += sign * what.requests;
  to.sequences += sign * what.sequences;
  to.tokens += sign * what.tokens;
}

}  // namespace

Holdings FairQueue::needs(const LiveRequest& request) const {
  const std::int64_t choices = request.request.choices;
  return {1, choices, choices * (request.first_reserve + state_tokens_)};
}

double FairQueue::counter_to_begin_with() const {
  double least = std::numeric_limits<double>::infinity();
  for (const auto& [id, book] : books_)
    if (!book.waiting.empty()) least = std::min(least, book.counter);
  if (std::isfinite(least)) return least;
  const auto last = last_left_ ? books_.find(*last_left_) : books_.end();
  return last == books_.end() ? 0 : last->second.counter;
}

void FairQueue::push(std::unique_ptr<LiveRequest>&& request) {
  const double least = counter_to_begin_with();
  AccountBook& book = books_[request->request.account];
  if (book.waiting.empty()) book.counter = std::max(book.counter, least);
  request->book = &book;
  const std::int64_t expected = request->expected = expected_tokens(*request);
  book.waiting.push_back(std::move(request));
  backlog_tokens_ += expected;
  ++waiting_;
}

LiveRequest* FairQueue::head() const {
  const auto is_before = [](const LiveRequest& a, const LiveRequest* b) {
    return b == nullptr || std::pair(a.book->rank(), a.id) < std::pair(b->book->rank(), b->id);
  };
  double active = 0;
  LiveRequest* most_owed = nullptr;
  for (const auto& [id, book] : books_) {
    if (!is_active(book)) continue;
    ++active;
    if (!book.waiting.empty() && is_before(*book.waiting.front(), most_owed))
      most_owed = book.waiting.front().get();
  }
  if (most_owed == nullptr || share_ >= 1) return most_owed;
  const bool all_full = is_over(held_, active, *most_owed);
  LiveRequest* head = nullptr;
  for (const auto& [id, book] : books_) {
    if (book.waiting.empty()) continue;
    LiveRequest& first = *book.waiting.front();
    const bool held_back =
        book.holds.requests > 0 && (all_full || is_over(held_, active, first) ||
                                    (&first != most_owed && is_over(book.holds, 1, first)));
    if (!held_back && is_before(first, head)) head = &first;
  }
  return head;
}

bool FairQueue::is_over(const Holdings& held, double parts, const LiveRequest& request) const {
  const Holdings more = needs(request);
  const double of_free = parts * share_ / (1 - share_);
  const auto over = [&](std::int64_t Holdings::* what) {
    const std::int64_t free = capacity_.*what - held_.*what - more.*what;
    return static_cast<double>(held.*what + more.*what) > of_free * static_cast<double>(free);
  };
  return over(&Holdings::requests) || over(&Holdings::sequences) || over(&Holdings::tokens);
}

std::unique_ptr<LiveRequest> FairQueue::admit(LiveRequest& head) {
  AccountBook& book = *head.book;
  CHECK(!book.waiting.empty() && book.waiting.front().get() == &head);
  std::unique_ptr<LiveRequest> request = std::move(book.waiting.front());
  book.waiting.pop_front();
  --waiting_;
  left(head.request.account, book);
  backlog_tokens_ -= std::exchange(head.expected, expected_tokens(head));
  backlog_tokens_ += head.expected;
  book.admitted += static_cast<double>(head.expected) / head.request.weight;
  add(book.holds, needs(head), 1);
  add(held_, needs(head), 1);
  return request;
}

std::unique_ptr<LiveRequest> FairQueue::remove(RequestId id) {
  for (auto& [account, book] : books_) {
    const auto found = std::find_if(book.waiting.begin(), book.waiting.end(),
                                    [id](const auto& request) { return request->id == id; });
    if (found == book.waiting.end()) continue;
    std::unique_ptr<LiveRequest> request = std::move(*found);
    book.waiting.erase(found);
    --waiting_;
    left(account, book);
    backlog_tokens_ -= request->expected;
    forget_the_idle();
    return request;
  }
  return nullptr;
}

// One of the account's, which waited.
void FairQueue::left(AccountId account, const AccountBook& book) {
  if (book.waiting.empty()) last_left_ = account;
}

void FairQueue::charge(LiveRequest& request, std::int64_t tokens) {
  AccountBook& book = *request.book;
  const std::int64_t expected = std::min(tokens, request.expected);
  request.expected -= expected;
  backlog_tokens_ -= expected;
  book.admitted -= static_cast<double>(expected) / request.request.weight;
  book.counter += static_cast<double>(tokens) / request.request.weight;
}

void FairQueue::release(LiveRequest& request) {
  AccountBook& book = *request.book;
  book.admitted -= static_cast<double>(request.expected) / request.request.weight;
  backlog_tokens_ -= std::exchange(request.expected, 0);
  add(book.holds, needs(request), -1);
  add(held_, needs(request), -1);
  if (book.holds.requests == 0) book.admitted = 0;  // what rounding left
  forget_the_idle();
}

// When nobody is in, nobody is owed anything. Until then an idle account's counter is kept, for one
// that comes and goes must not lose what it has had; but not for ever.
void FairQueue::forget_the_idle() {
  if (waiting_ == 0 && held_.requests == 0) {
    books_.clear();
  } else if (books_.size() > kIdleBooks) {
    std::erase_if(books_, [](const auto& entry) { return !is_active(entry.second); });
  }
}

const LiveRequest* FairQueue::any() const {
  for (const auto& [id, book] : books_)
    if (!book.waiting.empty()) return book.waiting.front().get();
  return nullptr;
}

void FairQueue::check_integrity(const std::vector<std::unique_ptr<LiveRequest>>& running) const {
  Holdings held;
  std::int64_t backlog = 0;
  std::int32_t waiting = 0;
  for (const auto& request : running) {
    add(held, needs(*request), 1);
    backlog += request->expected;
  }
  for_each([&](const LiveRequest& request) {
    CHECK(request.choices.empty() && request.prefilled == 0);
    backlog += request.expected;
    ++waiting;
  });
  CHECK(waiting == waiting_ && backlog == backlog_tokens_);
  CHECK(held.requests == held_.requests && held.sequences == held_.sequences &&
        held.tokens == held_.tokens);
  for (const auto& [id, book] : books_) CHECK(book.counter >= 0 && book.admitted > -1e-3);
}

}  // namespace tessera::engine
