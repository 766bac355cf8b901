// What clients sent, made fit for a usage row: at most so many bytes, cut at a code point; bytes
// that are no UTF-8 and control characters become "?".
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace tessera::access {

class UsageText {
 public:
  // `text` has to outlive this: where nothing has to be changed, nothing is copied.
  UsageText(std::string_view text, std::size_t max_bytes);
  UsageText(const UsageText&) = delete;
  UsageText& operator=(const UsageText&) = delete;

  std::string_view view() const { return view_; }

 private:
  std::string changed_;
  std::string_view view_;
};

}  // namespace tessera::access
