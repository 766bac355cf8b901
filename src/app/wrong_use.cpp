#include "app/wrong_use.h"

#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

namespace tessera::app {
namespace {

constexpr int kExitWrongUse = 2;

std::vector<std::string> listed_commands(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; }))
    if (!command->get_group().empty()) names.push_back(command->get_name());
  return names;
}

// CLI11 says of all of these that a subcommand is required.
std::string no_command(const CLI::App& app, const std::vector<std::string>& rest) {
  const std::string there_are = fmt::format("{}", fmt::join(listed_commands(app), ", "));
  if (rest.empty()) return "which command? There are " + there_are;
  const char* const what = rest.front().starts_with('-') ? "flag here" : "command";
  return fmt::format("'{}' is no {}; commands are {}", rest.front(), what, there_are);
}

// A value that cannot be read may stand where nobody looks.
std::string variable_of(const CLI::App& command, const std::string& what) {
  const CLI::Option* option = command.get_option_no_throw(what.substr(0, what.find(':')));
  if (option == nullptr || option->get_envname().empty()) return {};
  const char* value = std::getenv(option->get_envname().c_str());
  if (value == nullptr || option->results() != std::vector<std::string>{value}) return {};
  return fmt::format(" (from {})", option->get_envname());
}

}  // namespace

int report_wrong_use(const CLI::App& app, const CLI::ParseError& error) {
  std::string name = "tessera";
  const CLI::App* command = &app;
  while (!command->get_subcommands().empty()) {
    command = command->get_subcommands().front();
    name += " " + command->get_name();
  }
  const bool wants_command = command->get_require_subcommand_min() > 0;
  const std::vector<std::string> rest = app.remaining(true);
  std::string what = error.what();
  if (wants_command) {
    what = no_command(*command, rest);
  } else if (!rest.empty()) {
    what = fmt::format("'{}' is not taken here", fmt::join(rest, " "));
  } else {
    what += variable_of(*command, what);
  }
  fmt::print(stderr, "tessera: {}\n`{} --help` tells more.\n", what, name);
  return kExitWrongUse;
}

}  // namespace tessera::app
