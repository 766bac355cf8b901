// A file that appears whole or not at all.
#include "pack/output_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

namespace tessera::pack {
namespace {

using testing::HasSubstr;
namespace fs = std::filesystem;

class OutputFiles : public testing::Test {
 protected:
  OutputFiles() : folder_(testing::TempDir() + "tessera-out-" + std::to_string(getpid())) {
    fs::create_directory(folder_);
  }
  ~OutputFiles() override { fs::remove_all(folder_); }

  std::string path() const { return folder_ + "/file"; }
  std::string text() const {
    std::ifstream file(path(), std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  static std::span<const std::byte> bytes(std::string_view text) {
    return std::as_bytes(std::span(text));
  }

  std::string folder_;
};

TEST_F(OutputFiles, AppearsWhenItIsFinished) {
  {
    auto file = OutputFile::create(path(), 5, false);
    ASSERT_TRUE(file) << file.error().message;
    EXPECT_EQ(fs::file_size(file->partial_path()), 5U);
    EXPECT_TRUE(file->write_at(3, bytes("lo")));
    EXPECT_TRUE(file->write_at(0, bytes("hel")));
    EXPECT_TRUE(file->sync());
    EXPECT_FALSE(fs::exists(path()));
    EXPECT_TRUE(file->finish());
  }
  EXPECT_EQ(text(), "hello");
  EXPECT_FALSE(fs::exists(path() + ".partial"));
}

TEST_F(OutputFiles, LeavesNothingBehind) {
  {
    ASSERT_TRUE(OutputFile::create(path(), 5, false));
  }
  EXPECT_TRUE(fs::is_empty(folder_));
}

TEST_F(OutputFiles, OverwritesWhenItMay) {
  std::ofstream(path()) << "old";
  const auto refused = OutputFile::create(path(), 3, false);
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message, HasSubstr("there already; --force"));
  auto file = OutputFile::create(path(), 3, true);
  ASSERT_TRUE(file) << file.error().message;
  EXPECT_EQ(text(), "old");
  EXPECT_TRUE(file->write_at(0, bytes("new")));
  EXPECT_TRUE(file->finish());
  EXPECT_EQ(text(), "new");
}

TEST_F(OutputFiles, DoesNotOverwriteWhatCameMeanwhile) {
  auto file = OutputFile::create(path(), 3, false);
  ASSERT_TRUE(file);
  std::ofstream(path()) << "somebody else's";
  EXPECT_FALSE(file->finish());
  EXPECT_EQ(text(), "somebody else's");
}

TEST_F(OutputFiles, OneWriterAtATime) {
  const auto first = OutputFile::create(path(), 3, false);
  ASSERT_TRUE(first);
  const auto second = OutputFile::create(path(), 3, false);
  ASSERT_FALSE(second);
  EXPECT_THAT(second.error().message, HasSubstr("another process writes it"));
  EXPECT_TRUE(fs::exists(first->partial_path()));
}

TEST_F(OutputFiles, NoRoomIsSeenFirst) {
  const auto file = OutputFile::create(path(), std::uint64_t{1} << 60, false);
  ASSERT_FALSE(file);
  EXPECT_THAT(file.error().message, HasSubstr("no room for"));
  EXPECT_TRUE(fs::is_empty(folder_));
}

}  // namespace
}  // namespace tessera::pack
