// pack: other files → a GGUF file to serve.
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <thread>

#include "app/commands.h"
#include "base/bytes.h"
#include "pack/pack.h"

namespace tessera::app {
namespace {

// Set by SIGINT and SIGTERM: what was begun goes away again.
std::atomic<bool> interrupted{false};

using Seconds = std::chrono::duration<double>;

// On a terminal one line that changes, elsewhere a line for each tenth.
class Progress {
 public:
  void tell(pack::Phase phase, const std::string& tensor, std::uint64_t done, std::uint64_t all) {
    const char* verb = phase == pack::Phase::kWriting ? "writing" : "checking";
    const double part = all == 0 ? 1 : static_cast<double>(done) / static_cast<double>(all);
    if (terminal_) {
      fmt::print(stderr, "\r\x1b[K{} {:3.0f} %  {} of {}  {}{}", verb, 100 * part,
                 human_bytes(done), human_bytes(all), tensor, done == all ? "\n" : "");
      return;
    }
    const int tenth = static_cast<int>(10 * part);
    if (phase == phase_ && tenth == tenth_) return;
    phase_ = phase;
    tenth_ = tenth;
    fmt::print(stderr, "{} {:3.0f} %  {} of {}  {}\n", verb, 100 * part, human_bytes(done),
               human_bytes(all), tensor);
  }

 private:
  bool terminal_ = isatty(STDERR_FILENO) == 1;
  pack::Phase phase_ = pack::Phase::kWriting;
  int tenth_ = -1;
};

Result<std::unique_ptr<pack::Source>> open_source(const std::string& path) {
  struct stat found{};
  if (stat(path.c_str(), &found) == 0 && S_ISDIR(found.st_mode))
    return pack::open_checkpoint_source(path);
  return pack::open_gguf_source(path);
}

void print_report(const pack::PackReport& report) {
  fmt::print("{:<40} {:>8} {:>8} {:>14}  rms error\n", "tensor", "from", "to", "bytes");
  for (const pack::PackedTensor& tensor : report.tensors) {
    fmt::print(
        "{:<40} {:>8} {:>8} {:>14}  {}\n", tensor.name, tensor.from, weights::info(tensor.to).name,
        tensor.bytes,
        tensor.relative_error == 0 ? "none" : fmt::format("{:.4f} %", 100 * tensor.relative_error));
  }
}

}  // namespace

std::string pack_types() {
  return pack::mix_names();
}

int run_pack(const PackCommandOptions& options) {
  const auto mix = pack::find_mix(options.type);
  if (!mix) return report(mix.error());
  const auto source = open_source(options.in);
  if (!source) return report(source.error());
  const auto cores = static_cast<int>(std::thread::hardware_concurrency());
  Progress progress;
  pack::PackOptions pack_options;
  pack_options.path = options.out;
  pack_options.mix = *mix;
  pack_options.threads = options.threads > 0 ? options.threads : std::max(1, cores);
  pack_options.overwrite = options.force;
  pack_options.progress = [&](pack::Phase phase, const std::string& tensor, std::uint64_t done,
                              std::uint64_t all) { progress.tell(phase, tensor, done, all); };
  pack_options.cancelled = &interrupted;
  for (const int number : {SIGINT, SIGTERM}) std::signal(number, [](int) { interrupted = true; });
  std::signal(SIGXFSZ, SIG_IGN);  // a limit of the shell's is an error like a full disk
  const auto begin = std::chrono::steady_clock::now();
  const auto packed = pack::pack(**source, pack_options);
  if (!packed) return report(packed.error());
  print_report(*packed);
  fmt::print(stderr, "{}: {} as {}, read back and compared, in {:.1f} s\n", options.out,
             human_bytes(packed->file_bytes), mix->name,
             Seconds(std::chrono::steady_clock::now() - begin).count());
  return 0;
}

}  // namespace tessera::app
