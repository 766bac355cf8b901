// The requests under way: each holds its account's place and its part of the day's reasoning tokens
// until it is settled, and is told when its key ceases to be valid. Any thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>

#include "access/directory.h"
#include "access/gate_parts.h"
#include "access/limiter.h"

namespace tessera::access {

class Admissions {
 public:
  // All of them outlive it; it outlives the admissions.
  Admissions(Limiter& limiter, UsageSink& usage, const Clock& clock);
  ~Admissions();
  Admissions(const Admissions&) = delete;
  Admissions& operator=(const Admissions&) = delete;

  // After Limiter::enter() for `facts.reasoning_tokens`. Writes the usage row's reserve.
  std::unique_ptr<Admission> admit(const Caller& caller, RequestFacts facts);
  // Calls the callbacks of all whose key is not valid any more.
  void revoke_invalid(const Picture& picture, std::int64_t now);
  std::size_t size() const;

 private:
  class Held;
  // What revoke_invalid() needs of an admission; lives on while a callback runs.
  class Watch {
   public:
    explicit Watch(std::string key_id) : key_id_(std::move(key_id)) {}
    const std::string& key_id() const { return key_id_; }
    void on_revoked(std::function<void()> callback);
    void revoke();
    void settle();

   private:
    const std::string key_id_;
    std::mutex mutex_;
    bool revoked_ = false;
    bool settled_ = false;
    std::function<void()> callback_;
  };
  void remove(std::uint64_t id);

  Limiter& limiter_;
  UsageSink& usage_;
  const Clock& clock_;
  mutable std::mutex mutex_;
  std::uint64_t next_id_ = 0;
  std::atomic<std::uint32_t> next_serial_;  // begins anywhere: other processes write rows, too
  std::unordered_map<std::uint64_t, std::shared_ptr<Watch>> watches_;
};

}  // namespace tessera::access
