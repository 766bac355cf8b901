#include "base/regular_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

namespace tessera {
namespace {

using testing::HasSubstr;

class RegularFile : public testing::Test {
 protected:
  void SetUp() override { std::filesystem::create_directory(folder_); }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  std::string with(const std::string& text) {
    std::ofstream(folder_ + "/file", std::ios::binary) << text;
    return folder_ + "/file";
  }

  const std::string folder_ = testing::TempDir() + "regular_file_test" + std::to_string(::getpid());
};

TEST_F(RegularFile, IsReadUpToItsLimit) {
  EXPECT_EQ(*read_small_file(with(""), 0), "");
  const std::string text(10'000, 'x');
  EXPECT_EQ(*read_small_file(with(text), 10'000), text);
  const auto larger = read_small_file(with(text), 9'999);
  ASSERT_FALSE(larger);
  EXPECT_EQ(larger.error().code, ErrorCode::kOutOfRange);
  EXPECT_THAT(larger.error().message, HasSubstr("larger than 9999 bytes"));
}

// None of them is waited for.
TEST_F(RegularFile, NothingElseIsOpened) {
  const std::string pipe = folder_ + "/pipe";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  EXPECT_THAT(read_small_file(pipe, 9).error().message, HasSubstr(pipe + ": is a named pipe"));
  EXPECT_THAT(read_small_file(folder_, 9).error().message, HasSubstr("a directory"));
  EXPECT_THAT(read_small_file("/dev/zero", 9).error().message, HasSubstr("a device"));
  EXPECT_EQ(read_small_file(folder_ + "/absent", 9).error().code, ErrorCode::kNotFound);
  std::filesystem::create_symlink(with("text"), folder_ + "/link");
  EXPECT_EQ(*read_small_file(folder_ + "/link", 9), "text");
}

}  // namespace
}  // namespace tessera
