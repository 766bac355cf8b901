// Any text as a custom tool's grammar in Lark's notation. Compiling must end within its steps;
// where it succeeds, an input that is written byte by byte, each one of those that may come, must
// never get stuck.
//
// The first byte chooses the walk; the rest is the grammar.
#include <cstddef>
#include <cstdint>
#include <random>
#include <string_view>

#include "base/check.h"
#include "base/json.h"
#include "base/utf8.h"
#include "grammar/compile.h"
#include "grammar/machine.h"

namespace tessera::grammar {
namespace {

// Less than the server's, so that a run takes no second with the sanitizers.
constexpr CompileLimits kLimits{.steps = 300'000, .bytes = 4 << 20};
constexpr int kWalkBytes = 40;

// Reads one byte at random of those that may come; false: none may.
bool read_one(Machine& machine, Machine::Threads& threads, std::mt19937& random) {
  Machine::Threads next;
  const auto first = static_cast<std::uint32_t>(random());
  for (std::uint32_t i = 0; i < 256; ++i) {
    machine.step(threads, (first + i) % 256, next);
    if (next.empty()) continue;
    threads = std::move(next);
    return true;
  }
  return false;
}

void walk(const GrammarPtr& grammar, std::uint32_t seed) {
  std::mt19937 random(seed);
  Machine machine(grammar);
  Machine::Threads threads = machine.start();
  Machine::Threads next;
  machine.step(threads, kCallOpen, next);
  threads = std::move(next);
  for (const char c : std::string_view("\n<function=f>\n<parameter=input>\n")) {
    machine.step(threads, static_cast<std::uint8_t>(c), next);
    CHECK(!next.empty());
    threads = std::move(next);
  }
  for (int i = 0; i < kWalkBytes; ++i) {
    if (read_one(machine, threads, random)) continue;
    machine.step(threads, kCallClose, next);
    CHECK(!next.empty());
    return;
  }
}

}  // namespace
}  // namespace tessera::grammar

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace tessera;
  using namespace tessera::grammar;
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  if (!is_valid_utf8(text)) return 0;
  static const json::Value tool = *json::parse(R"({"name":"f"})");
  ToolRules rules;
  rules.functions.push_back(&tool);
  rules.required = true;
  rules.parallel = false;
  rules.inputs[0] = {"input", {TextForm::Syntax::kLark, text}};
  const auto grammar = compile_tools(rules, nullptr, false, kLimits);
  if (grammar) walk(*grammar, data[0]);
  return 0;
}
