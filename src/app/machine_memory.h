// How much memory this process may use: what the machine, its control groups and its limits say.
// Linux; any thread.
#pragma once

#include <cstdint>

namespace tessera::app {

struct MachineMemory {
  std::uint64_t total = 0;  // there is, or the process is allowed
  std::uint64_t available =
      0;  // of it, without pushing anybody else out; file caches count as free
};
MachineMemory machine_memory();

}  // namespace tessera::app
