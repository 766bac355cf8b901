// A server that does nothing: it answers each request of a known size with the same bytes, on one
// thread. What it takes is the client's, the kernel's and the network's part of what a server
// takes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <stop_token>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include "base/result.h"

namespace tessera::bench {

class Echo {
 public:
  // Listens on a free port of 127.0.0.1 until it is destroyed. kIo when it cannot.
  static Result<std::unique_ptr<Echo>> start(std::size_t request_bytes, std::string reply);
  ~Echo();
  Echo(const Echo&) = delete;
  Echo& operator=(const Echo&) = delete;

  std::uint16_t port() const { return port_; }

 private:
  Echo(std::size_t request_bytes, std::string reply)
      : request_bytes_(request_bytes), reply_(std::move(reply)), buffer_(std::size_t{1} << 16) {}
  Result<void> listen();
  void run(const std::stop_token& stop);
  void accept_all();
  void answer(int fd);

  const std::size_t request_bytes_;
  const std::string reply_;
  std::uint16_t port_ = 0;
  int listener_ = -1;
  int poll_ = -1;
  std::vector<char> buffer_;
  std::unordered_map<int, std::size_t> received_;  // of the request under way, by socket
  std::jthread thread_;
};

}  // namespace tessera::bench
