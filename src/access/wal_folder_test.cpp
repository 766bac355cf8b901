#include "access/wal_folder.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>

#include "access/sqlite.h"

namespace tessera::access {
namespace {

constexpr int kPages = 100;

void wait_until_folded(const WalFolder& folder) {
  while (folder.folding()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
}

class WalFolderTest : public testing::Test {
 protected:
  void SetUp() override { std::filesystem::remove_all(folder_); }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  // One more row; what the WAL has then.
  int write(Store& store) {
    UsageRow row;
    row.request_id = std::to_string(++rows_);
    row.prompt_tokens = 1;
    const std::lock_guard lock(writing_);
    EXPECT_TRUE(store.try_write_usage({UsageWrite::Kind::kSettle, row}));
    if (wal_) wal_->note(store.wal_pages());
    return store.wal_pages();
  }

  const std::string folder_ = testing::TempDir() + "wal_folder" + std::to_string(::getpid());
  const std::string path_ = folder_ + "/tessera.db";
  std::mutex writing_;
  std::unique_ptr<WalFolder> wal_;
  int rows_ = 0;
};

TEST_F(WalFolderTest, AWalThatHasGrownBeginsAnew) {
  const auto store = *Store::open(path_);
  wal_ = std::make_unique<WalFolder>(*Store::open(path_), writing_, kPages);
  for (int round = 0; round < 3; ++round) {
    int pages = 0;
    do {
      EXPECT_FALSE(wal_->folding());
      pages = write(*store);
    } while (pages < kPages);
    wait_until_folded(*wal_);
    EXPECT_LT(write(*store), kPages);
  }
  EXPECT_EQ((*store->usage_by_day("", "", 0, 2))[0].requests, rows_);
}

TEST_F(WalFolderTest, RowsAreWrittenWhileItFolds) {
  const auto store = *Store::open(path_);
  wal_ = std::make_unique<WalFolder>(*Store::open(path_), writing_, kPages);
  for (int i = 0; i < 2'000; ++i) write(*store);
  wal_.reset();
  EXPECT_LT(store->wal_pages(), 6'000);  // it has begun anew now and then
  EXPECT_EQ((*store->usage_by_day("", "", 0, 2))[0].requests, rows_);
}

// While a reader needs the old rows the WAL cannot begin anew, and is not folded at each commit for
// that.
TEST_F(WalFolderTest, AReaderThatStaysKeepsItFromNothingElse) {
  const auto store = *Store::open(path_);
  write(*store);
  auto reader = Database::open(path_, 0);
  ASSERT_TRUE(reader->execute("BEGIN"));
  EXPECT_EQ(*reader->query_integer("SELECT count(*) FROM usage"), 1);
  wal_ = std::make_unique<WalFolder>(*Store::open(path_), writing_, kPages);
  while (write(*store) < kPages) {
  }
  wait_until_folded(*wal_);
  const int pages = write(*store);
  EXPECT_GT(pages, kPages);
  EXPECT_FALSE(wal_->folding());
  ASSERT_TRUE(reader->execute("ROLLBACK"));
  while (write(*store) < pages + kPages && !wal_->folding()) {
  }
  wait_until_folded(*wal_);
  EXPECT_LT(write(*store), kPages);
}

}  // namespace
}  // namespace tessera::access
