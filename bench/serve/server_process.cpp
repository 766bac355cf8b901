#include "serve/server_process.h"

#include <fmt/format.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <sstream>

namespace tessera::bench {

std::filesystem::path ServerProcess::folder() {
  const auto path =
      std::filesystem::temp_directory_path() / fmt::format("serve_bench.{}", ::getpid());
  std::filesystem::create_directories(path);
  return path;
}

ServerProcess::ServerProcess(const std::string& binary, std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), {binary, "serve"});
  for (const std::string& more : {std::string("--port"), std::string("0"), std::string("--db"),
                                  (folder() / "bench.db").string()})
    arguments.push_back(more);
  int out[2];
  if (::pipe(out) != 0) std::exit(1);
  const auto start = std::chrono::steady_clock::now();
  pid_ = ::fork();
  if (pid_ == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGTERM);  // an interrupted bench leaves no server behind
    ::dup2(out[1], STDOUT_FILENO);
    ::close(out[0]);
    std::freopen((folder() / "log").c_str(), "w", stderr);
    std::vector<char*> argv;
    for (std::string& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);
    ::execv(binary.c_str(), argv.data());
    ::_exit(127);
  }
  ::close(out[1]);
  lines_ = ::fdopen(out[0], "r");
  char line[4096];
  while (port_ == 0 && std::fgets(line, sizeof line, lines_) != nullptr) {
    const char* url = std::strstr(line, "http://127.0.0.1:");
    if (url != nullptr) port_ = static_cast<std::uint16_t>(std::atoi(url + 17));
  }
  seconds_to_listen_ =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  if (port_ == 0) {
    fmt::print(stderr, "serve_bench: the server did not start; its log: {}\n",
               (folder() / "log").string());
    std::exit(1);
  }
}

ServerProcess::~ServerProcess() {
  ::kill(pid_, SIGTERM);
  ::waitpid(pid_, nullptr, 0);
  std::fclose(lines_);
  std::error_code ignored;
  std::filesystem::remove_all(folder(), ignored);
}

double ServerProcess::cpu_seconds() const {
  std::ifstream file(fmt::format("/proc/{}/stat", pid_));
  std::string text((std::istreambuf_iterator<char>(file)), {});
  text.erase(0, text.rfind(')') + 2);
  std::istringstream fields(text);
  std::string skipped;
  for (int i = 0; i < 11; ++i) fields >> skipped;
  double user = 0;
  double system = 0;
  fields >> user >> system;
  return (user + system) / static_cast<double>(::sysconf(_SC_CLK_TCK));
}

double ServerProcess::resident_kib() const {
  std::ifstream file(fmt::format("/proc/{}/status", pid_));
  std::string word;
  double value = 0;
  while (file >> word)
    if (word == "RssAnon:") file >> value;
  return value;
}

}  // namespace tessera::bench
