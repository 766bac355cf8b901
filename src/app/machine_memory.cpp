#include "app/machine_memory.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <optional>
#include <string>

namespace tessera::app {
namespace {

// "MemAvailable:   22000000 kB" of a file of such lines, in bytes.
std::optional<std::uint64_t> field(const char* path, const std::string& name) {
  std::ifstream file(path);
  std::string word;
  while (file >> word) {
    std::uint64_t value = 0;
    if (word == name && file >> value) return value * 1024;
  }
  return std::nullopt;
}

std::optional<std::uint64_t> number(const std::string& path) {
  std::ifstream file(path);
  std::uint64_t value = 0;
  if (file >> value) return value;
  return std::nullopt;  // no such file, or "max"
}

void limit(MachineMemory& memory, std::uint64_t most, std::uint64_t used) {
  memory.total = std::min(memory.total, most);
  memory.available = std::min(memory.available, most - std::min(most, used));
}

// Version 2: a limit holds for all groups below it.
void apply_control_groups(MachineMemory& memory) {
  std::ifstream file("/proc/self/cgroup");
  std::string group;
  while (std::getline(file, group) && !group.starts_with("0::/")) {
  }
  if (!group.starts_with("0::/")) return;
  group.erase(0, 3);
  for (;;) {
    const std::string folder = "/sys/fs/cgroup" + group;
    if (const auto most = number(folder + "/memory.max")) {
      // What the group has in file caches is given back when memory is wanted.
      const std::uint64_t used = number(folder + "/memory.current").value_or(0);
      std::uint64_t cached = 0;
      std::ifstream statistics(folder + "/memory.stat");
      std::string word;
      while (statistics >> word && word != "file") {
      }
      statistics >> cached;
      limit(memory, *most, used - std::min(used, cached));
    }
    const std::size_t slash = group.rfind('/');
    if (group.empty() || slash == std::string::npos) return;
    group.erase(slash);
  }
}

void apply_address_space(MachineMemory& memory) {
  rlimit space{};
  if (getrlimit(RLIMIT_AS, &space) != 0 || space.rlim_cur == RLIM_INFINITY) return;
  limit(memory, space.rlim_cur, field("/proc/self/status", "VmSize:").value_or(0));
}

}  // namespace

MachineMemory machine_memory() {
  MachineMemory memory;
  const auto pages = static_cast<std::uint64_t>(std::max(0L, sysconf(_SC_PHYS_PAGES)));
  memory.total = pages * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
  memory.available = field("/proc/meminfo", "MemAvailable:").value_or(memory.total);
  apply_control_groups(memory);
  apply_address_space(memory);
  return memory;
}

}  // namespace tessera::app
