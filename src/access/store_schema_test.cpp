// The file behind the store: made, refused, taken over.
#include "access/store_schema.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <thread>

#include "access/test_store_file.h"

namespace tessera::access {
namespace {

using testing::HasSubstr;

class StoreFileTest : public StoreTest {};

mode_t mode_of(const std::string& path) {
  struct stat status{};
  return ::stat(path.c_str(), &status) == 0 ? status.st_mode & 0777 : 0;
}

TEST_F(StoreFileTest, MakesAPrivateFileInAPrivateFolderWhateverTheUmask) {
  for (const mode_t mask : {0, 0077, 0777}) {
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
    const mode_t before = ::umask(0);
    // Folders are made without the mask here: with one of 0777 nobody could work in them.
    if (mask == 0777) std::filesystem::create_directories(folder_ + "/state");
    ::umask(mask);
    const auto store = Store::open(path_);
    ::umask(before);
    ASSERT_TRUE(store) << store.error().message;
    ASSERT_TRUE((*store)->create_account("a", "lite"));
    EXPECT_EQ(mode_of(path_), 0600u) << mask;
    EXPECT_EQ(mode_of(path_ + "-wal"), 0600u) << mask;
    if (mask != 0777) {
      EXPECT_EQ(mode_of(folder_ + "/state"), 0700u) << mask;
    }
  }
}

// As version 1 had them: what is under way has no end yet.
TEST_F(StoreFileTest, TakesOverTheRowsOfAnOlderVersion) {
  {
    const auto store = open();
    ASSERT_TRUE(store->create_account("acme", "lite"));
  }
  execute("DROP TABLE usage; DROP TABLE under_way");
  execute(R"(
      CREATE TABLE usage(
        id INTEGER PRIMARY KEY, request_id TEXT NOT NULL UNIQUE, account TEXT NOT NULL,
        key_id TEXT NOT NULL, endpoint TEXT NOT NULL, client_address TEXT NOT NULL,
        user_agent TEXT NOT NULL, started INTEGER NOT NULL, ended INTEGER NOT NULL,
        status INTEGER NOT NULL, outcome TEXT NOT NULL, prompt_tokens INTEGER NOT NULL,
        cached_tokens INTEGER NOT NULL, completion_tokens INTEGER NOT NULL,
        reasoning_tokens INTEGER NOT NULL) STRICT;
      CREATE INDEX usage_by_end ON usage(ended);
      INSERT INTO usage VALUES
        (1, 'a', 'acme', 'key_1', 'e', '::1', 'x', 1728000000, 1728000001, 200, 'ok', 1, 0, 10, 0),
        (2, 'b', 'acme', 'key_1', 'e', '::1', 'x', 1728000000, 0, 0, '', 0, 0, 0, 0),
        (3, 'c', 'acme', 'key_1', 'e', '::1', 'x', 1728000000, 1728000001, 200, 'ok', 2, 0, 20, 0),
        (4, 'd', 'acme', 'key_1', 'e', '::1', 'x', 1, 1728000000, 599, 'interrupted', 0, 0, 0, 0),
        (5, 'e', 'acme', 'key_1', 'e', '::1', 'x', 1, 86399, 200, 'ok', 4, 0, 40, 0);
      PRAGMA user_version = 1)");
  const auto store = open();
  EXPECT_EQ(store->directory()->accounts.size(), 1u);
  auto sums = all(*store);
  ASSERT_EQ(sums.size(), 2u);
  EXPECT_EQ(sums[0].day, "2024-10-04");
  EXPECT_EQ(sums[0].requests, 3);
  EXPECT_EQ(sums[0].failed, 1);
  EXPECT_EQ(sums[0].prompt_tokens, 3);
  EXPECT_EQ(sums[0].completion_tokens, 30);
  EXPECT_EQ(sums[1].day, "1970-01-01");
  EXPECT_EQ(sums[1].completion_tokens, 40);
  ASSERT_TRUE(write(*store, {settle("d", 8, 1'728'000'002)}));
  EXPECT_EQ(*store->close_interrupted(kNoon), 1);
  sums = open()->usage_by_day("", "", 1'728'000'000, kNoon * 2).value();
  ASSERT_EQ(sums.size(), 1u);
  EXPECT_EQ(sums[0].requests, 4);
  EXPECT_EQ(sums[0].failed, 1);
}

TEST_F(StoreFileTest, RefusesANewerSchemaAndLeavesItAlone) {
  open();
  execute("PRAGMA user_version = 3");
  const Error error = refused();
  EXPECT_EQ(error.code, ErrorCode::kUnsupported);
  EXPECT_THAT(error.message, HasSubstr("newer"));
  EXPECT_THAT(error.message, HasSubstr(path_));
  execute("PRAGMA user_version = 2");
  EXPECT_TRUE(Store::open(path_));
}

TEST_F(StoreFileTest, RefusesAnotherProgramsDatabase) {
  std::filesystem::create_directories(folder_ + "/state");
  std::ofstream{path_}.close();
  execute("CREATE TABLE t(x)");
  EXPECT_EQ(refused().code, ErrorCode::kInvalidArgument);
  EXPECT_THAT(refused().message, HasSubstr("another program"));
}

TEST_F(StoreFileTest, RefusesADamagedFileAndSaysWhatToDo) {
  {
    const auto store = open();
    const AccountId account = *store->create_account("acme", "lite");
    for (int i = 0; i < 40; ++i) ASSERT_TRUE(store->insert_key(some_key(account)));
    std::vector<UsageWrite> writes;
    for (int i = 0; i < 400; ++i) writes.push_back(settle("r" + std::to_string(i)));
    ASSERT_TRUE(store->write_usage(writes));
  }
  const auto size = std::filesystem::file_size(path_);
  std::string whole(size, '\0');
  std::ifstream(path_, std::ios::binary).read(whole.data(), static_cast<std::streamsize>(size));
  const auto check = [&](std::string bytes, const std::string& what) {
    std::ofstream(path_, std::ios::binary | std::ios::trunc) << bytes;
    const Error error = refused();
    EXPECT_EQ(error.code, ErrorCode::kCorrupt) << what << ": " << error.message;
    EXPECT_THAT(error.message, HasSubstr("backup")) << what;
  };
  check("this is no database, but long enough to be looked at: " + std::string(4096, 'x'), "text");
  check(whole.substr(0, size / 2), "cut");
  check(whole.substr(0, 50), "cut in the header");
  // The header, then the first bytes of each page: its kind and its cells' places.
  for (std::size_t offset = 0; offset < size; offset += 4096) {
    std::string bytes = whole;
    bytes.replace(offset == 0 ? 0 : offset, 32, std::string(32, '\xa5'));
    check(bytes, "page at " + std::to_string(offset));
  }
  std::string bytes = whole;
  bytes.replace(100, 8, std::string(8, '\xa5'));
  check(bytes, "schema page");
  std::ofstream(path_, std::ios::binary | std::ios::trunc) << whole;
  EXPECT_TRUE(Store::open(path_));
}

TEST_F(StoreFileTest, AnEmptyFileIsANewDatabase) {
  std::filesystem::create_directories(folder_ + "/state");
  std::ofstream{path_}.close();
  EXPECT_TRUE(Store::open(path_));
}

TEST_F(StoreFileTest, SaysWhyAFolderCannotBeUsed) {
  const auto in_proc = Store::open("/proc/no/such/tessera.db");
  ASSERT_FALSE(in_proc);
  EXPECT_EQ(in_proc.error().code, ErrorCode::kIo);
  EXPECT_THAT(in_proc.error().message, HasSubstr("/proc/no"));
  std::filesystem::create_directories(path_);  // a folder where the file should be
  EXPECT_EQ(refused().code, ErrorCode::kInvalidArgument);
  if (::geteuid() == 0) GTEST_SKIP() << "permissions do not hold root back";
  std::filesystem::permissions(
      folder_, std::filesystem::perms::owner_read | std::filesystem::perms::owner_exec);
  EXPECT_EQ(Store::open(folder_ + "/new/tessera.db").error().code, ErrorCode::kIo);
  std::filesystem::permissions(folder_, std::filesystem::perms::owner_all);
}

TEST_F(StoreFileTest, ManyMayCreateTheFileAtOnce) {
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t)
    threads.emplace_back([&, t] {
      const auto store = Store::open(path_);
      ASSERT_TRUE(store) << store.error().message;
      EXPECT_TRUE((*store)->create_account("a" + std::to_string(t), "lite"));
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(open()->directory()->accounts.size(), 8u);
}

}  // namespace
}  // namespace tessera::access
