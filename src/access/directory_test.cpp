#include "access/directory.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>

#include "access/fake_store.h"

namespace tessera::access {
namespace {

class DirectoryTest : public testing::Test {
 protected:
  void TearDown() override { std::filesystem::remove(tiers_file_); }
  void write_tiers(const std::string& text) {
    std::ofstream(tiers_file_ + ".new") << text;
    std::filesystem::rename(tiers_file_ + ".new", tiers_file_);
  }
  const KeyEntry* find(const DirectoryWatch& watch, const std::string& key) {
    picture_ = watch.picture();
    return picture_->find(sha256(key));
  }
  std::shared_ptr<FakeDatabase> database_ = std::make_shared<FakeDatabase>();
  FakeStore store_{database_};
  std::shared_ptr<const Picture> picture_;
  const std::string tiers_file_ = testing::TempDir() + "directory_" +
                                  testing::UnitTest::GetInstance()->current_test_info()->name() +
                                  ".toml";
};

TEST_F(DirectoryTest, FindsEachKeyAndNothingElse) {
  std::map<std::string, std::string> keys;
  for (int i = 0; i < 500; ++i) {
    const std::string account = "account" + std::to_string(i % 100);
    keys[database_->add_key(account, "lite")] = account;
  }
  DirectoryWatch watch("", {sha256(std::string_view("flag"))});
  ASSERT_TRUE(watch.start(store_));
  for (const auto& [key, account] : keys) {
    const KeyEntry* entry = find(watch, key);
    ASSERT_NE(entry, nullptr);
    EXPECT_EQ(entry->account->name, account);
    EXPECT_EQ(entry->account->tier->name, "lite");
  }
  for (const char* key : {"", "sk-tessera-", "sk-tessera-key_", "sk-tessera-key_501", "flag "})
    EXPECT_EQ(find(watch, key), nullptr) << key;
  const KeyEntry* flag = find(watch, "flag");
  ASSERT_NE(flag, nullptr);
  EXPECT_EQ(flag->account->name, "operator-1");
  EXPECT_EQ(flag->account->tier->name, "enterprise");
  EXPECT_EQ(flag->account->context_tokens, 262'144);
  EXPECT_EQ(watch.account_ids().size(), 101u);
}

TEST_F(DirectoryTest, ADifferentDigestWithTheSameFirstBytesIsNotFound) {
  Sha256 a = sha256(std::string_view("a"));
  Sha256 b = a;
  b[31] ^= 1;
  auto account = std::make_shared<AccountEntry>();
  std::vector<KeyEntry> keys(2);
  keys[0] = {"one", a, account, {}, KeyEntry::kNever};
  keys[1] = {"two", b, account, {}, KeyEntry::kNever};
  const Picture picture(keys);
  EXPECT_EQ(picture.find(a)->id, "one");
  EXPECT_EQ(picture.find(b)->id, "two");
  b[31] ^= 2;
  EXPECT_EQ(picture.find(b), nullptr);
}

TEST_F(DirectoryTest, ReadsAgainOnlyWhatChanged) {
  const std::string first = database_->add_key("a", "lite");
  DirectoryWatch watch("", {});
  ASSERT_TRUE(watch.start(store_));
  EXPECT_FALSE(watch.refresh(store_));
  EXPECT_EQ(database_->directory_reads, 1);
  const std::string second = database_->add_key("b", "pro");
  EXPECT_EQ(find(watch, second), nullptr);
  EXPECT_TRUE(watch.refresh(store_));
  EXPECT_NE(find(watch, second), nullptr);
  EXPECT_NE(find(watch, first), nullptr);
  EXPECT_FALSE(watch.refresh(store_));
  EXPECT_EQ(database_->directory_reads, 2);
}

TEST_F(DirectoryTest, ContextIsTheAccountsUpToTheTiers) {
  const std::string key = database_->add_key("a", "scale");
  DirectoryWatch watch("", {});
  ASSERT_TRUE(watch.start(store_));
  EXPECT_EQ(find(watch, key)->account->context_tokens, 32'768);
  for (const auto& [given, expected] :
       {std::pair{131'072, 131'072}, std::pair{131'073, 131'072}, std::pair{1000, 1000}}) {
    database_->change([&](Directory& d) { d.accounts[0].context_tokens = given; });
    EXPECT_TRUE(watch.refresh(store_));
    EXPECT_EQ(find(watch, key)->account->context_tokens, expected);
  }
}

TEST_F(DirectoryTest, ValidUntilTheFirstOfItsEnds) {
  database_->add_key("a", "lite");
  DirectoryWatch watch("", {});
  ASSERT_TRUE(watch.start(store_));
  EXPECT_TRUE(watch.picture()->valid("key_1", 1000));
  EXPECT_EQ(watch.picture()->next_end(1000), KeyEntry::kNever);
  EXPECT_FALSE(watch.picture()->valid("key_2", 1000));
  database_->change([](Directory& d) { d.keys[0].expires = 2000; });
  EXPECT_TRUE(watch.refresh(store_));
  EXPECT_TRUE(watch.picture()->valid("key_1", 1999));
  EXPECT_FALSE(watch.picture()->valid("key_1", 2000));
  EXPECT_EQ(watch.picture()->next_end(1999), 2000);
  EXPECT_EQ(watch.picture()->next_end(2000), KeyEntry::kNever);
  database_->change([](Directory& d) { d.keys[0].revoked = 1500; });
  EXPECT_TRUE(watch.refresh(store_));
  EXPECT_FALSE(watch.picture()->valid("key_1", 1500));
  EXPECT_FALSE(watch.picture()->valid("key_1", 1000)) << "the clock was set back";
  database_->change([](Directory& d) {
    d.keys[0].expires = d.keys[0].revoked = std::nullopt;
    d.accounts[0].disabled = true;
  });
  EXPECT_TRUE(watch.refresh(store_));
  EXPECT_FALSE(watch.picture()->valid("key_1", 1000));
}

TEST_F(DirectoryTest, AKeyOfTheFlagsWinsOverTheStores) {
  const std::string key = database_->add_key("a", "lite");
  DirectoryWatch watch("", {sha256(key)});
  ASSERT_TRUE(watch.start(store_));
  EXPECT_EQ(find(watch, key)->account->name, "operator-1");
}

TEST_F(DirectoryTest, AnAccountWithoutTierOrAKeyWithoutAccountIsNotServed) {
  const std::string a = database_->add_key("a", "gold");
  const std::string b = database_->add_key("b", "lite");
  database_->change([](Directory& d) { d.keys[1].account = AccountId{99}; });
  DirectoryWatch watch("", {});
  ASSERT_TRUE(watch.start(store_));
  EXPECT_FALSE(find(watch, a)->account->may());
  EXPECT_FALSE(watch.picture()->valid("key_1", 0));
  EXPECT_EQ(find(watch, b), nullptr);
}

TEST_F(DirectoryTest, ABrokenStoreKeepsThePicture) {
  database_->add_key("a", "lite");
  DirectoryWatch watch("", {});
  ASSERT_TRUE(watch.start(store_));
  EXPECT_TRUE(watch.healthy());
  database_->change([](Directory& d) { d.keys[0].revoked = 0; });
  database_->broken = true;
  EXPECT_FALSE(watch.refresh(store_));
  EXPECT_FALSE(watch.healthy());
  EXPECT_TRUE(watch.picture()->valid("key_1", 1));
  database_->broken = false;
  EXPECT_TRUE(watch.refresh(store_));
  EXPECT_TRUE(watch.healthy());
  EXPECT_FALSE(watch.picture()->valid("key_1", 1));
}

TEST_F(DirectoryTest, TheTiersFileIsFollowedAndABadOneIsNot) {
  const std::string key = database_->add_key("a", "lite");
  write_tiers("[tier.lite]\nmax_choices = 2\n");
  DirectoryWatch watch(tiers_file_, {});
  ASSERT_TRUE(watch.start(store_));
  EXPECT_EQ(find(watch, key)->account->tier->max_choices, 2);
  EXPECT_FALSE(watch.refresh(store_));

  write_tiers("[tier.lite]\nmax_choices = 3\n");
  database_->broken = true;
  EXPECT_TRUE(watch.refresh(store_));  // a broken store does not hold it up
  EXPECT_FALSE(watch.refresh(store_));
  database_->broken = false;
  EXPECT_EQ(find(watch, key)->account->tier->max_choices, 3);

  write_tiers("[tier.lite]\nmax_choices = -3\n");
  EXPECT_FALSE(watch.refresh(store_));
  std::filesystem::remove(tiers_file_);
  EXPECT_FALSE(watch.refresh(store_));
  EXPECT_EQ(find(watch, key)->account->tier->max_choices, 3);
  EXPECT_TRUE(watch.healthy());

  write_tiers("[tier.lite]\nmax_choices = 4\n");
  EXPECT_TRUE(watch.refresh(store_));
  EXPECT_EQ(find(watch, key)->account->tier->max_choices, 4);
}

TEST_F(DirectoryTest, ABadTiersFileIsNoStart) {
  write_tiers("[tier.lite]\nmax_choices = -3\n");
  DirectoryWatch watch(tiers_file_, {});
  const auto started = watch.start(store_);
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().code, ErrorCode::kInvalidArgument);
}

}  // namespace
}  // namespace tessera::access
