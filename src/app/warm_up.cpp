#include "app/warm_up.h"

#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <thread>
#include <vector>

namespace tessera::app {
namespace {

constexpr std::size_t kPiece = std::size_t{64} << 20;

struct Piece {
  const std::byte* begin;
  std::size_t bytes;
};

// The tensors' data as page-aligned pieces of at most 64 MiB.
std::vector<Piece> pieces_of(const weights::GgufFile& file) {
  const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  std::vector<Piece> pieces;
  for (const weights::TensorView& tensor : file.tensors()) {
    const std::size_t before = reinterpret_cast<std::uintptr_t>(tensor.data) % page;
    const std::byte* const begin = tensor.data - before;
    const std::size_t bytes = (before + tensor.bytes + page - 1) / page * page;
    for (std::size_t at = 0; at < bytes; at += kPiece) {
      pieces.push_back({begin + at, std::min(kPiece, bytes - at)});
    }
  }
  return pieces;
}

void read_piece(const Piece& piece) {
  // Linux 5.14 and newer fill the page tables in one call; older ones at least start reading.
  void* const address = const_cast<std::byte*>(piece.begin);  // madvise takes no const
  if (madvise(address, piece.bytes, MADV_POPULATE_READ) != 0)
    (void)madvise(address, piece.bytes, MADV_WILLNEED);
}

}  // namespace

void warm_up(const weights::GgufFile& file) {
  const std::vector<Piece> pieces = pieces_of(file);
  std::size_t total = 0;
  for (const Piece& piece : pieces) total += piece.bytes;
  std::atomic<std::size_t> next{0};
  std::atomic<std::size_t> done{0};
  const unsigned threads = std::clamp(std::thread::hardware_concurrency(), 1u, 8u);
  std::vector<std::thread> readers;
  readers.reserve(threads);
  for (unsigned i = 0; i < threads; ++i) {
    readers.emplace_back([&] {
      for (std::size_t at; (at = next++) < pieces.size();) {
        read_piece(pieces[at]);
        done += pieces[at].bytes;
      }
    });
  }
  const auto start = std::chrono::steady_clock::now();
  const auto show = [&](bool last) {
    const double seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    fmt::print(stderr, "{}loading {}: {:.1f} of {:.1f} GB, {:.0f} s{}", isatty(2) ? "\r" : "",
               file.name(), static_cast<double>(done) / 1e9, static_cast<double>(total) / 1e9,
               seconds, isatty(2) && !last ? "" : "\n");
  };
  const auto period = std::chrono::milliseconds(isatty(2) ? 200 : 5000);
  for (auto shown = start; done < total;) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    if (const auto now = std::chrono::steady_clock::now(); now - shown >= period && done < total) {
      shown = now;
      show(false);
    }
  }
  for (std::thread& reader : readers) reader.join();
  show(true);
}

}  // namespace tessera::app
