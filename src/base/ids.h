// Numbers that mean something: a TokenId is never a position, a SequenceId never a count.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>

namespace tessera {

// An entry of the model's vocabulary, 0 <= id < vocabulary size. A plain integer: it is used by the
// million.
using TokenId = std::int32_t;

// A number of type `Tag`, comparable with its own kind alone.
template <class Tag>
struct StrongId {
  std::uint64_t value = 0;
  auto operator<=>(const StrongId&) const = default;
};

// One sequence's state in a backend.
using SequenceId = StrongId<struct SequenceTag>;
// A frozen past of a sequence in a backend.
using CheckpointId = StrongId<struct CheckpointTag>;
// One accepted request in the engine.
using RequestId = StrongId<struct RequestTag>;
// One customer; limits and caches belong to it.
using AccountId = StrongId<struct AccountTag>;

}  // namespace tessera

template <class Tag>
struct std::hash<tessera::StrongId<Tag>> {
  std::size_t operator()(tessera::StrongId<Tag> id) const {
    return std::hash<std::uint64_t>{}(id.value);
  }
};
