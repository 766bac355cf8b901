// The process that store_crash_test.py kills: requests from several threads, random ends, keys made
// and revoked. What is acknowledged goes to standard output, a line each, only after it was:
//
//   usage ID TOKENS     a settled row
//   discarded ID        no row
//   key ID              a key
//   revoked ID          and its end
#include <fmt/format.h>
#include <unistd.h>

#include <random>
#include <thread>

#include "access/issue_key.h"
#include "access/store.h"
#include "access/usage_writer.h"

namespace tessera::access {
namespace {

// One write(), so that lines are whole.
void tell(const std::string& line) {
  if (::write(STDOUT_FILENO, line.data(), line.size()) != static_cast<ssize_t>(line.size()))
    std::_Exit(2);
}

UsageWrite write_of(UsageWrite::Kind kind, const std::string& id, std::int64_t tokens) {
  UsageRow row;
  row.request_id = id;
  row.account = "acme";
  row.key_id = "key_1";
  row.endpoint = "chat.completions";
  row.started = 1'000;
  row.ended = kind == UsageWrite::Kind::kSettle ? 2'000 : 0;
  row.status = 200;
  row.outcome = "ok";
  row.prompt_tokens = tokens;
  return {kind, row};
}

void send_requests(UsageWriter& writer, std::uint32_t seed) {
  using enum UsageWrite::Kind;
  std::mt19937 random(seed);
  for (;;) {
    const std::string id = random_alphanumeric(24);
    const auto tokens = static_cast<std::int64_t>(random() % 1000);
    const bool discard = random() % 8 == 0;
    writer.enqueue(write_of(kReserve, id, 0), {});
    if (random() % 4 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(random() % 40));
    writer.enqueue(write_of(discard ? kDiscard : kSettle, id, tokens), [=] {
      tell(discard ? fmt::format("discarded {}\n", id) : fmt::format("usage {} {}\n", id, tokens));
    });
    std::this_thread::sleep_for(std::chrono::microseconds(random() % 500));
  }
}

[[noreturn]] void make_keys(Store& store, AccountId account) {
  for (;;) {
    const NewKey key = issue_key(account, "prod", 1'000);
    if (!store.insert_key(key.row)) std::_Exit(3);
    tell(fmt::format("key {}\n", key.row.id));
    if (!store.revoke_key(key.row.id, 2'000)) std::_Exit(3);
    tell(fmt::format("revoked {}\n", key.row.id));
  }
}

int run(const std::string& path, std::uint32_t seed) {
  auto usage = Store::open(path);
  auto keys = Store::open(path);
  if (!usage || !keys) return 4;
  const auto account = (*keys)->create_account("a" + std::to_string(seed), "lite");
  if (!account) return 5;
  UsageWriter writer(*std::move(usage));
  std::vector<std::thread> threads;
  for (std::uint32_t t = 0; t < 3; ++t)
    threads.emplace_back([&, t] { send_requests(writer, seed * 16 + t); });
  make_keys(**keys, *account);
}

}  // namespace
}  // namespace tessera::access

int main(int argc, char** argv) {
  if (argc != 3) return 1;
  return tessera::access::run(argv[1], static_cast<std::uint32_t>(std::atoi(argv[2])));
}
