#include "text/unicode_class.h"

#include <utf8proc.h>

namespace tessera::text {

std::string_view general_category(std::uint32_t code_point) {
  return utf8proc_category_string(static_cast<utf8proc_int32_t>(code_point));
}

}  // namespace tessera::text
