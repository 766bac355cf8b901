// The memory that requests' bodies take, of all connections together: bounded, and shared out by
// owner, so that nobody's bodies keep out everybody else's. An owner may hold as much as it leaves
// free: one alone half, each of two a third. Thread-safe.
#pragma once

#include <cstddef>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>

namespace tessera::http {

class BodyMemory : public std::enable_shared_from_this<BodyMemory> {
 public:
  // Bodies up to so much are not counted: the limit on connections bounds them.
  static constexpr std::size_t kUncountedBytes = std::size_t{64} << 10;

  explicit BodyMemory(std::size_t limit_bytes) : limit_bytes_(limit_bytes) {}

  // One body's part; given back with its end.
  class Share {
   public:
    Share(std::shared_ptr<BodyMemory> memory, std::string owner)
        : memory_(std::move(memory)), owner_(std::move(owner)) {}
    ~Share() { memory_->give_back(owner_, bytes_); }
    Share(const Share&) = delete;
    Share& operator=(const Share&) = delete;

    // The body takes `bytes` in all. False: there is no room for it, and nothing has changed.
    bool grow_to(std::size_t bytes);

   private:
    const std::shared_ptr<BodyMemory> memory_;
    const std::string owner_;
    std::size_t bytes_ = 0;
  };

  // Whether there would be room for that much more of one owner's.
  bool has_room(const std::string& owner, std::size_t bytes) const;
  std::size_t bytes() const;

 private:
  bool take(const std::string& owner, std::size_t bytes);
  void give_back(const std::string& owner, std::size_t bytes);
  bool fits(const std::string& owner, std::size_t bytes) const;  // with mutex_ held

  const std::size_t limit_bytes_;
  mutable std::mutex mutex_;
  std::size_t bytes_ = 0;
  std::unordered_map<std::string, std::size_t> of_owner_;
};

}  // namespace tessera::http
