// Standard error as a pipe that is read late, or never.
#include "base/log.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <string>

namespace tessera {
namespace {

// Standard error goes into a pipe while this lives.
class StderrPipe {
 public:
  StderrPipe() {
    EXPECT_EQ(::pipe2(ends_, O_CLOEXEC), 0);
    before_ = ::dup(STDERR_FILENO);
    ::dup2(ends_[1], STDERR_FILENO);
    ::fcntl(ends_[0], F_SETFL, O_NONBLOCK);
  }
  ~StderrPipe() {
    ::dup2(before_, STDERR_FILENO);
    for (const int fd : {before_, ends_[0], ends_[1]}) ::close(fd);
  }
  std::string read_all() {
    std::string text;
    char buffer[4096];
    for (ssize_t n; (n = ::read(ends_[0], buffer, sizeof buffer)) > 0;)
      text.append(buffer, static_cast<std::size_t>(n));
    return text;
  }

 private:
  int ends_[2] = {-1, -1};
  int before_ = -1;
};

TEST(Log, NeverWaitsForAPipeThatNobodyReads) {
  StderrPipe pipe;
  constexpr int kLines = 20'000;  // of 100 bytes: far over what a pipe holds
  for (int i = 0; i < kLines; ++i) log_info("{:>80}", i);
  const std::string first = pipe.read_all();
  EXPECT_NE(first.find(" 0\n"), std::string::npos);
  EXPECT_EQ(first.find("19999"), std::string::npos);

  log_info("behind the gap");
  const std::string then = pipe.read_all();
  EXPECT_NE(then.find("log lines were dropped"), std::string::npos);
  EXPECT_NE(then.find("behind the gap"), std::string::npos);
}

TEST(Log, CutsALineThatAPipeWouldNotTakeWhole) {
  StderrPipe pipe;
  log_info("{}", std::string(10'000, 'x'));
  const std::string line = pipe.read_all();
  EXPECT_EQ(line.size(), 4096u);
  EXPECT_EQ(line.back(), '\n');
}

}  // namespace
}  // namespace tessera
