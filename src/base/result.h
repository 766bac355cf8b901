// Result<T, E>: a value or an error, spelled like std::expected (which clang-19 with libstdc++ 12
// lacks).
//
// For trouble that the world makes (bad input, a corrupt file, a limit): see design habit "three
// kinds of trouble" in ARCHITECTURE.md. Our own bugs are CHECKs. Plain C++20, so that nvcc parses
// it.
#pragma once

#include <string>
#include <utility>
#include <variant>

#include "base/check.h"

namespace tessera {

enum class ErrorCode {
  kInvalidArgument,    // the caller's input is wrong
  kNotFound,           // no such file, model, key
  kOutOfRange,         // over a limit that the message names
  kCorrupt,            // a file contradicts itself or its format
  kUnsupported,        // well formed, but not something this build can do
  kResourceExhausted,  // memory, slots, queue: retry later may help
  kCancelled,
  kUnavailable,  // shutting down, not ready
  kNumerical,    // NaN or infinity where a number was needed
  kIo,           // the operating system said no
  kTimedOut,     // a deadline that somebody set has passed
  kInternal,     // this process is not sound any more
  kDeadEnd,      // what the output must look like leaves no way to go on
};

// `message` is for the person who has to act: what was wrong, where, which limit, what to do. Never
// a key, never request content.
struct Error {
  ErrorCode code = ErrorCode::kInvalidArgument;
  std::string message;
};

template <class E>
struct Unexpected {
  E error;
};
template <class E>
Unexpected(E) -> Unexpected<E>;

// Shorthand: return fail(ErrorCode::kCorrupt, fmt::format(…));
inline Unexpected<Error> fail(ErrorCode code, std::string message) {
  return Unexpected<Error>{Error{code, std::move(message)}};
}

template <class T, class E = Error>
class [[nodiscard]] Result {
 public:
  using value_type = T;
  using error_type = E;

  Result(T value)
      : state_(std::in_place_index<0>, std::move(value)) {}  // NOLINT(google-explicit-constructor)
  template <class G>
  Result(Unexpected<G> unexpected) : state_(std::in_place_index<1>, std::move(unexpected.error)) {}

  bool has_value() const { return state_.index() == 0; }
  explicit operator bool() const { return has_value(); }

  T& value() & {
    CHECK(has_value());
    return *std::get_if<0>(&state_);
  }
  const T& value() const& {
    CHECK(has_value());
    return *std::get_if<0>(&state_);
  }
  T&& value() && {
    CHECK(has_value());
    return std::move(*std::get_if<0>(&state_));
  }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

  E& error() & {
    CHECK(!has_value());
    return *std::get_if<1>(&state_);
  }
  const E& error() const& {
    CHECK(!has_value());
    return *std::get_if<1>(&state_);
  }
  E&& error() && {
    CHECK(!has_value());
    return std::move(*std::get_if<1>(&state_));
  }

 private:
  std::variant<T, E> state_;
};

template <class E>
class [[nodiscard]] Result<void, E> {
 public:
  using value_type = void;
  using error_type = E;

  Result() = default;
  template <class G>
  Result(Unexpected<G> unexpected) : error_(std::in_place_index<1>, std::move(unexpected.error)) {}

  bool has_value() const { return error_.index() == 0; }
  explicit operator bool() const { return has_value(); }
  void value() const { CHECK(has_value()); }
  E& error() & {
    CHECK(!has_value());
    return *std::get_if<1>(&error_);
  }
  const E& error() const& {
    CHECK(!has_value());
    return *std::get_if<1>(&error_);
  }
  E&& error() && {
    CHECK(!has_value());
    return std::move(*std::get_if<1>(&error_));
  }

 private:
  std::variant<std::monostate, E> error_;
};

}  // namespace tessera

// TRY_ASSIGN(auto x, f()): x is f()'s value, or the enclosing function returns f()'s error.
// TRY(f()) for Result<void>.
#define TESSERA_CONCAT_(a, b) a##b
#define TESSERA_CONCAT(a, b) TESSERA_CONCAT_(a, b)
// A declaration cannot stand in parentheses. NOLINTBEGIN(bugprone-macro-parentheses)
#define TRY_ASSIGN_(declaration, expression, temporary)                       \
  auto temporary = (expression);                                              \
  if (!temporary) return ::tessera::Unexpected{std::move(temporary).error()}; \
  declaration = *std::move(temporary)
// NOLINTEND(bugprone-macro-parentheses)
#define TRY_ASSIGN(declaration, expression) \
  TRY_ASSIGN_(declaration, expression, TESSERA_CONCAT(try_result_, __LINE__))
#define TRY(expression)                                             \
  do {                                                              \
    if (auto try_result_ = (expression); !try_result_)              \
      return ::tessera::Unexpected{std::move(try_result_).error()}; \
  } while (0)
