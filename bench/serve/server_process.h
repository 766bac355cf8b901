// A server of ours under test: started, awaited, looked at, ended by its id. One thread.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <string>
#include <vector>

namespace tessera::bench {

class ServerProcess {
 public:
  // `binary` serve `arguments`, on a free port; its store and log lie in a folder of its own. Ends
  // the program with a message if the server does not come up.
  ServerProcess(const std::string& binary, std::vector<std::string> arguments);
  ~ServerProcess();
  ServerProcess(const ServerProcess&) = delete;
  ServerProcess& operator=(const ServerProcess&) = delete;

  std::uint16_t port() const { return port_; }
  // From exec to the line that names its address.
  double seconds_to_listen() const { return seconds_to_listen_; }
  // Of all its threads, user and system.
  double cpu_seconds() const;
  double resident_kib() const;  // anonymous

  // That processes of this one may use; made when first asked for, gone with the last server.
  static std::filesystem::path folder();

 private:
  pid_t pid_ = 0;
  std::uint16_t port_ = 0;
  double seconds_to_listen_ = 0;
  FILE* lines_ = nullptr;
};

}  // namespace tessera::bench
