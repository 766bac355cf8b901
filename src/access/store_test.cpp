#include "access/store.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sqlite3.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <map>
#include <thread>

#include "access/test_store_file.h"
#include "access/usage_text.h"

namespace tessera::access {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::Pair;

TEST_F(StoreTest, KeepsAccountsAndKeysAsTheyWereGiven) {
  KeyRow key;
  {
    const auto store = open();
    const auto account = store->create_account("acme@example.com", "pro");
    ASSERT_TRUE(account);
    ASSERT_TRUE(store->update_account({*account, "", "scale", 65'536, true, 0}));
    key = some_key(*account);
    key.models = {"Qwen/Qwen3.6-35B-A3B", "a \"quoted\" name"};
    key.expires = kNoon + kDay;
    ASSERT_TRUE(store->insert_key(key));
  }
  const auto store = open();
  const auto directory = store->directory();
  ASSERT_TRUE(directory);
  ASSERT_EQ(directory->accounts.size(), 1u);
  const AccountRow& account = directory->accounts[0];
  EXPECT_EQ(account.name, "acme@example.com");
  EXPECT_EQ(account.tier, "scale");
  EXPECT_EQ(account.context_tokens, 65'536);
  EXPECT_TRUE(account.disabled);
  EXPECT_GT(account.created, 1'700'000'000);
  ASSERT_EQ(directory->keys.size(), 1u);
  const KeyRow& read = directory->keys[0];
  EXPECT_EQ(read.id, key.id);
  EXPECT_EQ(read.account, account.id);
  EXPECT_EQ(read.label, "prod");
  EXPECT_EQ(read.hash, key.hash);
  EXPECT_EQ(read.shown, key.shown);
  EXPECT_EQ(read.models, key.models);
  EXPECT_EQ(read.created, kNoon);
  EXPECT_EQ(read.expires, kNoon + kDay);
  EXPECT_EQ(read.revoked, std::nullopt);
}

TEST_F(StoreTest, EachMutationRaisesTheGenerationAndNothingElseDoes) {
  const auto store = open();
  const auto other = open();
  std::int64_t last = *other->generation();
  const auto raised = [&] {
    const std::int64_t now = *other->generation();
    return std::exchange(last, now) < now;
  };
  const auto account = store->create_account("acme", "lite");
  EXPECT_TRUE(raised());
  const KeyRow key = some_key(*account);
  ASSERT_TRUE(store->insert_key(key));
  EXPECT_TRUE(raised());
  ASSERT_TRUE(store->update_account({*account, "", "pro", {}, false, 0}));
  EXPECT_TRUE(raised());
  ASSERT_TRUE(store->rotate_key(key.id, some_key(*account), kNoon));
  EXPECT_TRUE(raised());
  ASSERT_TRUE(store->revoke_key(key.id, kNoon));
  EXPECT_TRUE(raised());
  EXPECT_FALSE(store->insert_key(key));
  EXPECT_FALSE(store->create_account("acme", "lite"));
  ASSERT_TRUE(write(*store, {settle("r")}));
  EXPECT_FALSE(raised());
  EXPECT_EQ(other->directory()->generation, last);
}

TEST_F(StoreTest, RefusesWhatContradictsWhatIsThere) {
  const auto store = open();
  const auto account = store->create_account("acme", "lite");
  ASSERT_TRUE(account);
  EXPECT_EQ(store->create_account("acme", "pro").error().code, ErrorCode::kInvalidArgument);
  const KeyRow key = some_key(*account);
  ASSERT_TRUE(store->insert_key(key));

  KeyRow same_hash = some_key(*account);
  same_hash.hash = key.hash;
  EXPECT_EQ(store->insert_key(same_hash).error().code, ErrorCode::kInvalidArgument);
  KeyRow same_id = some_key(*account);
  same_id.id = key.id;
  EXPECT_EQ(store->insert_key(same_id).error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(store->insert_key(some_key(AccountId{77})).error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(store->revoke_key("key_none", kNoon).error().code, ErrorCode::kNotFound);
  EXPECT_EQ(store->rotate_key("key_none", some_key(*account), kNoon).error().code,
            ErrorCode::kNotFound);
  EXPECT_EQ(store->rotate_key(key.id, same_hash, kNoon).error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(store->update_account({AccountId{77}, "", "pro", {}, false, 0}).error().code,
            ErrorCode::kNotFound);
  EXPECT_EQ(store->update_account({*account, "", "pro", 0, false, 0}).error().code,
            ErrorCode::kInvalidArgument);
  // Nothing of a refused rotation is left behind.
  const auto directory = store->directory();
  ASSERT_EQ(directory->keys.size(), 1u);
  EXPECT_EQ(directory->keys[0].revoked, std::nullopt);
}

TEST_F(StoreTest, NamesAreOneTo64OfAFewCharacters) {
  EXPECT_TRUE(is_valid_name("aZ09_-.@"));
  EXPECT_TRUE(is_valid_name(std::string(64, 'a')));
  for (const std::string& bad :
       {std::string(), std::string(65, 'a'), std::string("a b"), std::string("a\n"),
        std::string("ä"), std::string("a/b"), std::string("a\0b", 3), std::string("';--")}) {
    EXPECT_FALSE(is_valid_name(bad)) << bad;
    const auto store = open();
    EXPECT_FALSE(store->create_account(bad, "lite"));
    EXPECT_FALSE(store->create_account("fine", bad));
    EXPECT_FALSE(store->insert_key(some_key(AccountId{1}, bad)));
  }
}

TEST_F(StoreTest, ARotatedKeyEndsNowOrLaterButNeverLaterThanBefore) {
  const auto store = open();
  const AccountId account = *store->create_account("acme", "lite");
  const KeyRow at_once = some_key(account, "at-once");
  const KeyRow overlap = some_key(account, "overlap");
  KeyRow ends_anyway = some_key(account, "ends-anyway");
  ends_anyway.expires = kNoon + 60;
  for (const KeyRow& key : {at_once, overlap, ends_anyway}) ASSERT_TRUE(store->insert_key(key));
  ASSERT_TRUE(store->rotate_key(at_once.id, some_key(account, "new"), kNoon));
  ASSERT_TRUE(store->rotate_key(overlap.id, some_key(account, "new"), kNoon + 600));
  ASSERT_TRUE(store->rotate_key(ends_anyway.id, some_key(account, "new"), kNoon + 600));
  std::map<std::string, KeyRow> by_label;
  const auto rotated = store->directory();
  for (const KeyRow& key : rotated->keys) by_label[key.label] = key;
  EXPECT_EQ(by_label["at-once"].revoked, kNoon);
  EXPECT_EQ(by_label["overlap"].revoked, std::nullopt);
  EXPECT_EQ(by_label["overlap"].expires, kNoon + 600);
  EXPECT_EQ(by_label["ends-anyway"].expires, kNoon + 60);
  EXPECT_EQ(rotated->keys.size(), 6u);
  EXPECT_EQ(store->rotate_key(at_once.id, some_key(account), kNoon).error().code,
            ErrorCode::kInvalidArgument);
  // The first revocation is the one that counts.
  ASSERT_TRUE(store->revoke_key(at_once.id, kNoon + 99));
  const auto revoked = store->directory();
  for (const KeyRow& key : revoked->keys)
    if (key.id == at_once.id) {
      EXPECT_EQ(key.revoked, kNoon);
    }
}

TEST_F(StoreTest, UsageIsReservedSettledOrDiscarded) {
  const auto store = open();
  ASSERT_TRUE(write(*store, {reserve("a"), reserve("b"), reserve("c")}));
  EXPECT_THAT(all(*store), IsEmpty());  // what is under way is in no sum
  ASSERT_TRUE(write(*store, {settle("a", 8), discard("b"), settle("without-reserve", 80)}));
  const auto sums = all(*store);
  ASSERT_EQ(sums.size(), 1u);
  EXPECT_EQ(sums[0].day, "2024-10-04");
  EXPECT_EQ(sums[0].account, "acme");
  EXPECT_EQ(sums[0].key_id, "key_1");
  EXPECT_EQ(sums[0].requests, 2);
  EXPECT_EQ(sums[0].failed, 0);
  EXPECT_EQ(sums[0].prompt_tokens, 88);
  EXPECT_EQ(sums[0].cached_tokens, 44);
  EXPECT_EQ(sums[0].completion_tokens, 176);
  EXPECT_EQ(sums[0].reasoning_tokens, 22);
  EXPECT_THAT(*store->reasoning_since(0), ElementsAre(Pair("acme", 22)));
  EXPECT_THAT(*store->reasoning_since(kNoon + 1), IsEmpty());
}

TEST_F(StoreTest, AWriteThatIsRepeatedChangesNothing) {
  const auto store = open();
  const std::vector<UsageWrite> writes = {reserve("a"), settle("a", 8), discard("b")};
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(store->write_usage(writes));
  ASSERT_TRUE(write(*store, {discard("a"), reserve("a")}));  // too late
  const auto sums = all(*store);
  ASSERT_EQ(sums.size(), 1u);
  EXPECT_EQ(sums[0].requests, 1);
  EXPECT_EQ(sums[0].prompt_tokens, 8);
}

TEST_F(StoreTest, RowsOfOneSecondAndOneSerialAreAllThere) {
  const auto store = open();
  std::vector<UsageWrite> writes;
  for (const std::string id : {"a", "b", "c"}) {
    writes.push_back(settle(id, 8));
    writes.back().row.serial = 0xffff'ffff;  // the least 31 bits count
  }
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(store->write_usage(writes));
  auto sums = all(*store);
  ASSERT_EQ(sums.size(), 1u);
  EXPECT_EQ(sums[0].requests, 3);
  EXPECT_EQ(sums[0].prompt_tokens, 24);
  writes[1].row.outcome = "failed";  // who is told more of one later replaces what was known
  writes[1].row.status = 500;
  ASSERT_TRUE(store->write_usage(writes));
  sums = all(*store);
  EXPECT_EQ(sums[0].requests, 3);
  EXPECT_EQ(sums[0].failed, 1);
}

TEST_F(StoreTest, WhatADeadProcessLeftIsMarkedAndMayStillBeSettled) {
  const auto store = open();
  ASSERT_TRUE(write(*store, {reserve("a"), reserve("b"), reserve("c")}));
  EXPECT_EQ(*store->close_interrupted(kNoon - 5), 0);  // started then, not before
  EXPECT_EQ(*store->close_interrupted(kNoon), 3);
  EXPECT_EQ(*store->close_interrupted(kNoon), 0);
  auto sums = all(*store);
  ASSERT_EQ(sums.size(), 1u);
  EXPECT_EQ(sums[0].requests, 3);
  EXPECT_EQ(sums[0].failed, 3);
  ASSERT_TRUE(write(*store, {settle("a", 8), discard("b")}));
  sums = all(*store);
  EXPECT_EQ(sums[0].requests, 2);
  EXPECT_EQ(sums[0].failed, 1);
  EXPECT_EQ(sums[0].prompt_tokens, 8);
}

TEST_F(StoreTest, OneBadRowAndNothingOfItsTransactionIsWritten) {
  const auto store = open();
  UsageWrite bad = settle("bad");
  bad.row.prompt_tokens = -1;
  EXPECT_EQ(write(*store, {settle("a"), bad, settle("b")}).error().code,
            ErrorCode::kInvalidArgument);
  EXPECT_EQ(write(*store, {settle("")}).error().code, ErrorCode::kInvalidArgument);
  EXPECT_THAT(all(*store), IsEmpty());
  ASSERT_TRUE(write(*store, {settle("a")}));
  EXPECT_EQ(all(*store).size(), 1u);
}

TEST_F(StoreTest, SumsByDayAccountAndKeyNewestFirst) {
  const auto store = open();
  const std::int64_t midnight = 20'000 * kDay;
  auto other = settle("c", 3, midnight);
  other.row.account = "beta";
  other.row.key_id = "key_2";
  other.row.status = 499;
  ASSERT_TRUE(write(*store, {settle("a", 1, midnight - 1), settle("b", 2, midnight), other}));
  const auto names = [](const std::vector<UsageSum>& sums) {
    std::vector<std::string> out;
    for (const UsageSum& sum : sums)
      out.push_back(sum.day + " " + sum.account + " " + sum.key_id + " " +
                    std::to_string(sum.prompt_tokens) + " " + std::to_string(sum.failed));
    return out;
  };
  EXPECT_THAT(names(all(*store)),
              ElementsAre("2024-10-04 acme key_1 2 0", "2024-10-04 beta key_2 3 1",
                          "2024-10-03 acme key_1 1 0"));
  EXPECT_THAT(names(*store->usage_by_day("beta", "", 0, kNoon)),
              ElementsAre("2024-10-04 beta key_2 3 1"));
  EXPECT_THAT(names(*store->usage_by_day("", "key_2", 0, kNoon)),
              ElementsAre("2024-10-04 beta key_2 3 1"));
  EXPECT_THAT(names(*store->usage_by_day("beta", "key_1", 0, kNoon)), IsEmpty());
  EXPECT_THAT(names(*store->usage_by_day("", "", 0, midnight)),
              ElementsAre("2024-10-03 acme key_1 1 0"));
  EXPECT_EQ(store->usage_by_day("", "", midnight, midnight + 1)->size(), 2u);
  EXPECT_EQ(store->usage_by_day("' OR 1=1 --", "", 0, kNoon)->size(), 0u);
}

TEST_F(StoreTest, ForgetsOldRowsAndOnlyThose) {
  const auto store = open();
  std::vector<UsageWrite> writes;
  for (int i = 0; i < 2500; ++i) writes.push_back(settle("old" + std::to_string(i), 1, kNoon - 1));
  writes.push_back(settle("young", 1, kNoon));
  writes.push_back(reserve("under-way"));
  ASSERT_TRUE(store->write_usage(writes));
  EXPECT_EQ(*store->forget_usage(kNoon), 2500);
  EXPECT_EQ(*store->forget_usage(kNoon), 0);
  EXPECT_EQ(all(*store)[0].requests, 1);
  EXPECT_EQ(*store->close_interrupted(kNoon), 1);
}

TEST_F(StoreTest, WhatClientsSendIsCutAndCleaned) {
  const auto clean = [](std::string_view text, std::size_t most) {
    return std::string(UsageText(text, most).view());
  };
  EXPECT_EQ(clean("curl/8 (x)", 256), "curl/8 (x)");
  EXPECT_EQ(clean(std::string(256, 'a'), 256).size(), 256u);
  EXPECT_EQ(clean(std::string(257, 'a'), 256).size(), 256u);
  EXPECT_EQ(clean("a\r\nb\x7f\x1b[2J\0c"
                  "\xc2\x9b",
                  256),
            "a??b??[2J");  // up to the NUL of the literal
  EXPECT_EQ(clean(std::string_view("a\0b", 3), 256), "a?b");
  EXPECT_EQ(clean("a\xc2\x9b", 256), "a?");
  EXPECT_EQ(clean("a\xe2\x80\xae", 256), "a?");
  EXPECT_EQ(clean("\xff\xe2\x82x", 256), "???x");
  EXPECT_EQ(clean("aé", 2), "a");  // no half a code point
  EXPECT_EQ(clean("aé", 3), "aé");
  EXPECT_EQ(clean("\xff\xff\xff", 2), "??");
  EXPECT_EQ(clean("", 2), "");

  const auto store = open();
  UsageWrite long_one = settle("r");
  long_one.row.user_agent = std::string(255, 'a') + "é\n";
  ASSERT_TRUE(write(*store, {long_one}));
  auto database = Database::open(path_, 1000);
  EXPECT_EQ(*database->query_integer("SELECT length(user_agent) FROM usage"), 255);
}

TEST_F(StoreTest, AReaderSeesWholeTransactionsWhileAWriterWrites) {
  const auto writer = open();
  const auto reader = open();
  std::atomic<bool> stop{false};
  std::thread thread([&] {
    for (int i = 0; !stop; ++i)
      ASSERT_TRUE(
          write(*writer, {settle("a" + std::to_string(i), 1), settle("b" + std::to_string(i), 1)}));
  });
  std::int64_t last = 0;
  while (last < 200) {
    const auto sums = all(*reader);
    const std::int64_t now = sums.empty() ? 0 : sums[0].requests;
    ASSERT_EQ(now % 2, 0);
    ASSERT_GE(now, last);
    last = now;
  }
  stop = true;
  thread.join();
}

TEST_F(StoreTest, TwoConnectionsWriteAtOnceAndNothingIsLost) {
  const AccountId account = *open()->create_account("acme", "lite");
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      const auto store = open();
      for (int i = 0; i < 25; ++i) {
        ASSERT_TRUE(write(*store, {settle(std::to_string(t) + "-" + std::to_string(i), 1)}));
        ASSERT_TRUE(store->insert_key(some_key(account)));
      }
    });
  for (std::thread& thread : threads) thread.join();
  const auto store = open();
  EXPECT_EQ(all(*store)[0].requests, 100);
  EXPECT_EQ(store->directory()->keys.size(), 100u);
  EXPECT_EQ(*store->generation(), 1 + 1 + 100);
}

TEST_F(StoreTest, WhoeverHoldsTheLockTooLongIsNamedAsTheReason) {
  open();
  const auto store = *Store::open(path_, 10);
  auto other = Database::open(path_, 1000);
  ASSERT_TRUE(other->execute("BEGIN IMMEDIATE"));
  const auto refused = write(*store, {settle("a")});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kUnavailable);
  EXPECT_THAT(refused.error().message, HasSubstr("locked"));
  EXPECT_TRUE(store->generation());  // reading goes on
  EXPECT_TRUE(store->directory());
  ASSERT_TRUE(other->execute("ROLLBACK"));
  EXPECT_TRUE(write(*store, {settle("a")}));
}

TEST_F(StoreTest, AFullDiskIsSaidAndLaterItGoesOn) {
  const auto store = open();
  std::vector<UsageWrite> writes;
  for (int i = 0; i < 3000; ++i) writes.push_back(settle("r" + std::to_string(i)));
  // The file is at its largest for a moment: what SQLite says when the disk is full.
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  ::signal(SIGXFSZ, SIG_IGN);
  const rlimit small{64 * 1024, before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  const auto refused = store->write_usage(writes);
  ::setrlimit(RLIMIT_FSIZE, &before);
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message, Not(HasSubstr(folder_)));
  EXPECT_THAT(all(*store), IsEmpty());
  ASSERT_TRUE(store->write_usage(writes));
  EXPECT_EQ(all(*store)[0].requests, 3000);
}

TEST_F(StoreTest, AFileThatWasTakenAwayIsNoticed) {
  const auto store = open();
  ASSERT_TRUE(store->generation());
  std::filesystem::rename(path_, path_ + ".old");
  EXPECT_EQ(store->generation().error().code, ErrorCode::kIo);
  EXPECT_EQ(store->directory().error().code, ErrorCode::kIo);
  EXPECT_EQ(write(*store, {settle("a")}).error().code, ErrorCode::kIo);
  EXPECT_FALSE(store->create_account("a", "lite"));
}

TEST_F(StoreTest, InMemoryEachIsItsOwn) {
  const auto a = *Store::open(":memory:");
  const auto b = *Store::open(":memory:");
  ASSERT_TRUE(a->create_account("acme", "lite"));
  ASSERT_TRUE(write(*a, {settle("r")}));
  EXPECT_EQ(a->directory()->accounts.size(), 1u);
  EXPECT_EQ(b->directory()->accounts.size(), 0u);
  EXPECT_EQ(*a->fold(), 0);
}

TEST_F(StoreTest, NothingOfAKeyIsInTheFileButItsHashAndItsEnds) {
  const NewKey key = issue_key(AccountId{1}, "prod", kNoon);
  {
    const auto store = open();
    ASSERT_TRUE(store->create_account("acme", "lite"));
    ASSERT_TRUE(store->insert_key(key.row));
  }
  std::ifstream file(path_, std::ios::binary);
  const std::string bytes((std::istreambuf_iterator<char>(file)), {});
  EXPECT_THAT(bytes, HasSubstr(key.row.shown));
  EXPECT_THAT(bytes, Not(HasSubstr(key.text.substr(11, 8))));
  EXPECT_THAT(bytes, Not(HasSubstr(key.text.substr(key.text.size() - 5))));
}

}  // namespace
}  // namespace tessera::access
