// Writes a source as a GGUF file of other types: quantises, checks, names.
//
// One call at a time; it computes with threads of its own. Memory: some MiB a thread, whatever the
// model's size. The file appears when it is whole and was read back: every tensor compared with the
// source, the whole accepted by the reader and the tensor table that a server uses.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/result.h"
#include "pack/mix.h"
#include "pack/source.h"

namespace tessera::pack {

enum class Phase { kWriting, kChecking };

struct PackOptions {
  std::string path;
  Mix mix;
  int threads = 1;
  bool overwrite = false;
  // Where it is given: looked at between pieces of work; true ends the call with kCancelled.
  const std::atomic<bool>* cancelled = nullptr;
  // Called by the caller's thread after each tensor; bytes of the result.
  std::function<void(Phase, const std::string& tensor, std::uint64_t done, std::uint64_t all)>
      progress;
};

struct PackedTensor {
  std::string name;
  std::string from;
  weights::TensorType to;
  std::uint64_t bytes = 0;
  double relative_error = 0;  // rms of the differences over the rms of the numbers
};

struct PackReport {
  std::vector<PackedTensor> tensors;
  std::uint64_t file_bytes = 0;
};

Result<PackReport> pack(const Source& source, const PackOptions& options);

}  // namespace tessera::pack
