#include "app/flag_values.h"

#include <fmt/format.h>

#include <optional>
#include <string>

#include "base/bytes.h"

namespace tessera::app {
namespace {

std::optional<std::uint64_t> parse_bytes(std::string text) {
  if (text.starts_with('-')) return std::nullopt;  // would wrap around
  try {
    std::uint64_t bytes = 0;
    const std::string trouble = CLI::AsSizeValue(false)(text);
    if (trouble.empty() && CLI::detail::lexical_cast(text, bytes)) return bytes;
  } catch (const CLI::ValidationError&) {
    return std::nullopt;  // its own text names every unit that there is
  }
  return std::nullopt;
}

}  // namespace

CLI::Validator between(double least, double most) {
  const auto check = [least, most](const std::string& text) -> std::string {
    double value = 0;
    if (CLI::detail::lexical_cast(text, value) && value >= least && value <= most) return {};
    return fmt::format("Value {} not in range {} to {}", text, least, most);
  };
  return {check, fmt::format("in [{} - {}]", least, most)};
}

CLI::Validator byte_count(std::uint64_t least, std::uint64_t most) {
  const auto change = [least, most](std::string& text) -> std::string {
    const std::optional<std::uint64_t> bytes = parse_bytes(text);
    if (!bytes)
      return fmt::format("Value {} is no whole number of bytes like 20GiB or 500MiB", text);
    if (*bytes < least || *bytes > most)
      return fmt::format("Value {} not in range {} to {}", text, human_bytes(least),
                         human_bytes(most));
    text = std::to_string(*bytes);
    return {};
  };
  return {change, least == 0 ? "" : fmt::format("at least {}", human_bytes(least))};
}

CLI::Validator not_empty() {
  const auto check = [](const std::string& text) -> std::string {
    return text.empty() ? "the value is empty" : "";
  };
  return {check, ""};
}

}  // namespace tessera::app
