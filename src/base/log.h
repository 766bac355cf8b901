// Logging: one line an event, on standard error. Never prompt or completion text, never a key:
// counts, ids, names of limits. Any thread.
#pragma once

#include <fmt/format.h>

#include <string_view>

namespace tessera {

enum class LogLevel { kDebug, kInfo, kWarning, kError };

// Call once, before threads start. `json`: one JSON object a line instead of text.
void configure_log(LogLevel level, bool json);

void log_line(LogLevel level, std::string_view text);

template <class... Args>
void log_info(fmt::format_string<Args...> format, Args&&... args) {
  log_line(LogLevel::kInfo, fmt::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void log_warning(fmt::format_string<Args...> format, Args&&... args) {
  log_line(LogLevel::kWarning, fmt::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void log_error(fmt::format_string<Args...> format, Args&&... args) {
  log_line(LogLevel::kError, fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace tessera
