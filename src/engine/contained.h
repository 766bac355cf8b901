// The engine's thread goes on whatever happens in a step: what throws ends the request that it was
// done for. Where memory has run out there may be none for saying so either, hence messages that
// fit into a string without any.
#pragma once

#include <exception>
#include <new>

#include "base/log.h"
#include "base/result.h"

namespace tessera::engine {

// Calls it. kResourceExhausted: there was no memory; kUnavailable: it threw something else. `what`
// is for the log.
template <class F>
Result<void> contained(const char* what, F&& function) noexcept {
  try {
    function();
    return {};
  } catch (const std::bad_alloc&) {
    log_error("out of memory in {}", what);
    return fail(ErrorCode::kResourceExhausted, "out of memory");
  } catch (const std::exception& exception) {
    log_error("exception from {}: {}", what, exception.what());
  } catch (...) {
    log_error("exception from {}", what);
  }
  return fail(ErrorCode::kUnavailable, "unexpected");
}

// Without its message, if there is no memory for that.
inline Error copy_of(const Error& error) noexcept {
  try {
    return error;
  } catch (const std::bad_alloc&) {
    return {error.code, ""};
  }
}

}  // namespace tessera::engine
