// Logging: one line an event, on standard error. Never prompt or completion text, never a key:
// counts, ids, names of limits. Any thread. Nothing is thrown: a line for which there is no memory
// is lost, for many are written where memory has just run out.
#pragma once

#include <fmt/format.h>

#include <new>
#include <string_view>
#include <utility>

namespace tessera {

enum class LogLevel { kDebug, kInfo, kWarning, kError };

// Call once, before threads start. `json`: one JSON object a line instead of text.
void configure_log(LogLevel level, bool json);

void log_line(LogLevel level, std::string_view text);

template <class... Args>
void log_formatted(LogLevel level, fmt::format_string<Args...> format, Args&&... args) noexcept {
  try {
    log_line(level, fmt::format(format, std::forward<Args>(args)...));
  } catch (const std::bad_alloc&) {  // NOLINT(bugprone-empty-catch): a line less
  }
}

template <class... Args>
void log_info(fmt::format_string<Args...> format, Args&&... args) noexcept {
  log_formatted(LogLevel::kInfo, format, std::forward<Args>(args)...);
}
template <class... Args>
void log_warning(fmt::format_string<Args...> format, Args&&... args) noexcept {
  log_formatted(LogLevel::kWarning, format, std::forward<Args>(args)...);
}
template <class... Args>
void log_error(fmt::format_string<Args...> format, Args&&... args) noexcept {
  log_formatted(LogLevel::kError, format, std::forward<Args>(args)...);
}

}  // namespace tessera
