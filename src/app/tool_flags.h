// The flags of the tools that read and write files of their own: pack, grammar.
#pragma once

#include <CLI/CLI.hpp>

#include <functional>
#include <string>

#include "app/commands.h"

namespace tessera::app {

struct GrammarFlags {
  std::string tokenizer_path;
  bool bytes = false;
  GrammarSampleOptions sample;
};

// Each adds its command; when that is asked for, `run` becomes what does it.
void add_pack(CLI::App& app, PackCommandOptions& pack, std::function<int()>& run);
void add_grammar(CLI::App& app, GrammarFlags& flags, std::function<int()>& run);

}  // namespace tessera::app
