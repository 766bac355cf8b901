// What Gate::open() puts together, so that tests can put it together from other parts.
#pragma once

#include <chrono>
#include <functional>
#include <memory>

#include "access/bad_keys.h"
#include "access/gate.h"
#include "access/store.h"

namespace tessera::access {

// Where usage rows go: the UsageWriter, or a test's list. Outlives the gate's last admission.
class UsageSink {
 public:
  virtual ~UsageSink() = default;
  // True: there is nothing to wait for, and `done` is dropped (usage_writer.h).
  virtual bool enqueue(UsageWrite write, std::function<void()> done) = 0;
  // False while rows cannot be written; they are kept for a while.
  virtual bool healthy() const = 0;
  // That while is over: what comes now may be lost.
  virtual bool overdue() const = 0;
};

struct GateParts {
  std::unique_ptr<Store> store;  // for keys and accounts
  std::unique_ptr<UsageSink> usage;
  // How often the store and the tiers file are looked at.
  std::chrono::milliseconds poll{200};
  BadKeys::Limits bad_keys;
};

Result<std::unique_ptr<Gate>> make_gate(const GateOptions& options, GateParts parts,
                                        const Clock& clock);

}  // namespace tessera::access
