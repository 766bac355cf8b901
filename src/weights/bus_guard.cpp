#include "weights/bus_guard.h"

#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <mutex>

namespace tessera::weights {
namespace {

constexpr std::size_t kSlots = 256;  // parts of split files, all in all
std::array<GuardedMapping, kSlots> slots;
std::mutex slots_mutex;  // for taking slots; the handler only reads
struct sigaction previous_action;
std::uintptr_t page_bytes = 4096;

GuardedMapping* find(std::uintptr_t address) {
  for (GuardedMapping& slot : slots) {
    const std::uintptr_t begin = slot.begin;
    if (begin != 0 && address >= begin && address - begin < slot.bytes) return &slot;
  }
  return nullptr;
}

// Async-signal-safe: atomics and system calls.
void on_bus_error(int signal, siginfo_t* info, void* context) {
  const auto address = reinterpret_cast<std::uintptr_t>(info->si_addr);
  GuardedMapping* const mapping = info->si_code == BUS_ADRERR ? find(address) : nullptr;
  if (mapping != nullptr) {
    void* const page = static_cast<std::byte*>(info->si_addr) - address % page_bytes;
    if (::mmap(page, page_bytes, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) !=
        MAP_FAILED) {
      mapping->damaged = true;
      return;  // the read is tried again, and finds zeros
    }
  }
  if ((previous_action.sa_flags & SA_SIGINFO) != 0 && previous_action.sa_sigaction != nullptr) {
    return previous_action.sa_sigaction(signal, info, context);
  }
  // As if we had not been here: it comes again once this handler has returned.
  ::sigaction(SIGBUS, &previous_action, nullptr);
  ::raise(signal);
}

void install_handler() {
  page_bytes = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
  struct sigaction action{};
  action.sa_sigaction = on_bus_error;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  ::sigemptyset(&action.sa_mask);
  ::sigaction(SIGBUS, &action, &previous_action);
}

}  // namespace

GuardedMapping* guard_mapping(std::span<const std::byte> bytes) {
  std::lock_guard lock(slots_mutex);
  static std::once_flag installed;
  std::call_once(installed, install_handler);
  for (GuardedMapping& slot : slots) {
    if (slot.begin != 0) continue;
    slot.damaged = false;
    slot.bytes = bytes.size();
    slot.begin = reinterpret_cast<std::uintptr_t>(bytes.data());
    return &slot;
  }
  return nullptr;
}

void release_mapping(GuardedMapping* mapping) {
  if (mapping != nullptr) mapping->begin = 0;
}

}  // namespace tessera::weights
