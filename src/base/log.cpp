#include "base/log.h"

#include <poll.h>
#include <spdlog/sinks/base_sink.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <climits>
#include <memory>
#include <mutex>

#include "base/json.h"

namespace tessera {
namespace {

// One JSON object a line. spdlog's own pattern does not escape the text.
class JsonFormatter final : public spdlog::formatter {
 public:
  void format(const spdlog::details::log_msg& message, spdlog::memory_buf_t& out) override {
    const auto millis =
        std::chrono::duration_cast<std::chrono::milliseconds>(message.time.time_since_epoch())
            .count();
    const auto level = spdlog::level::to_string_view(message.level);
    std::string line = fmt::format("{{\"time_ms\":{},\"level\":\"{}\",\"text\":", millis,
                                   std::string_view(level.data(), level.size()));
    json::append_string(std::string_view(message.payload.data(), message.payload.size()), line);
    line += "}\n";
    out.append(line.data(), line.data() + line.size());
  }
  std::unique_ptr<formatter> clone() const override { return std::make_unique<JsonFormatter>(); }
};

// Standard error, but never waiting for it: a pipe that nobody reads must not stop the server. What
// does not fit is dropped and counted.
class PatientSink final : public spdlog::sinks::base_sink<std::mutex> {
 protected:
  void sink_it_(const spdlog::details::log_msg& message) override {
    if (!is_writable()) {
      ++dropped_;
      return;
    }
    if (dropped_ > 0) {
      const std::string text = fmt::format("{} log lines were dropped: nobody read them", dropped_);
      dropped_ = 0;
      write({message.time, {}, message.logger_name, spdlog::level::warn, text});
      if (!is_writable()) {
        ++dropped_;
        return;
      }
    }
    write(message);
  }
  void flush_() override {}

 private:
  // A pipe is writable when PIPE_BUF bytes fit (POSIX).
  static bool is_writable() {
    pollfd target{STDERR_FILENO, POLLOUT, 0};
    return ::poll(&target, 1, 0) == 1 && (target.revents & POLLOUT) != 0;
  }
  void write(const spdlog::details::log_msg& message) {
    spdlog::memory_buf_t line;
    formatter_->format(message, line);
    if (line.size() > PIPE_BUF) {
      line.resize(PIPE_BUF);
      line[PIPE_BUF - 1] = '\n';
    }
    (void)!::write(STDERR_FILENO, line.data(), line.size());
  }

  std::uint64_t dropped_ = 0;
};

spdlog::logger& logger() {
  static const std::shared_ptr<spdlog::logger> instance = [] {
    auto created = std::make_shared<spdlog::logger>("tessera", std::make_shared<PatientSink>());
    created->set_pattern("%Y-%m-%d %H:%M:%S.%e %l %v");
    return created;
  }();
  return *instance;
}

spdlog::level::level_enum to_spdlog(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return spdlog::level::debug;
    case LogLevel::kInfo:
      return spdlog::level::info;
    case LogLevel::kWarning:
      return spdlog::level::warn;
    case LogLevel::kError:
      return spdlog::level::err;
  }
  return spdlog::level::info;
}

}  // namespace

void configure_log(LogLevel level, bool json) {
  logger().set_level(to_spdlog(level));
  if (json) logger().set_formatter(std::make_unique<JsonFormatter>());
}

void log_line(LogLevel level, std::string_view text) {
  logger().log(to_spdlog(level), spdlog::string_view_t(text.data(), text.size()));
}

}  // namespace tessera
