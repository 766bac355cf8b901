#include "app/flag_range.h"

#include <fmt/format.h>

#include <string>

namespace tessera::app {

CLI::Validator between(double least, double most) {
  const auto check = [least, most](const std::string& text) -> std::string {
    double value = 0;
    if (CLI::detail::lexical_cast(text, value) && value >= least && value <= most) return {};
    return fmt::format("Value {} not in range {} to {}", text, least, most);
  };
  return {check, fmt::format("in [{} - {}]", least, most)};
}

}  // namespace tessera::app
