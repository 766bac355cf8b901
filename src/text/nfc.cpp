#include "text/nfc.h"

#include <utf8proc.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

#include "base/check.h"
#include "base/utf8.h"

namespace tessera::text {
namespace {

// How a code point stands to normalisation (UAX #15, section 9: the quick check).
enum class Role : std::uint8_t {
  kBoundary,  // a starter that nothing before it changes, and that stays as it is when it stands
              // alone
  kMark,      // not a starter, but composes with nothing: only its order among marks matters
  kUnsure,    // composes with something before it, or is never in NFC text
};

// From here on there are no decompositions and no marks (nfc_test.cpp holds utf8proc to that).
constexpr char32_t kTableEnd = 0x30000;
constexpr std::size_t kMaxDecomposition = 8;  // code points; Unicode's longest canonical one has 4

// The canonical combining class: 0 for starters, up to 254 for marks.
std::size_t class_of(utf8proc_int32_t code_point) {
  return utf8proc_get_property(code_point)->combining_class;
}

bool is_surrogate(char32_t code_point) {
  return code_point >= 0xD800 && code_point <= 0xDFFF;
}

std::size_t decompose(char32_t code_point, std::array<utf8proc_int32_t, kMaxDecomposition>& out) {
  int boundary_class = 0;
  const utf8proc_ssize_t length =
      utf8proc_decompose_char(static_cast<utf8proc_int32_t>(code_point), out.data(), out.size(),
                              UTF8PROC_DECOMPOSE, &boundary_class);
  CHECK(length > 0 && static_cast<std::size_t>(length) <= out.size());
  return static_cast<std::size_t>(length);
}

// Composes in place; how many code points are left.
std::size_t compose(std::span<utf8proc_int32_t> code_points) {
  const utf8proc_ssize_t left = utf8proc_normalize_utf32(
      code_points.data(), static_cast<utf8proc_ssize_t>(code_points.size()),
      static_cast<utf8proc_option_t>(UTF8PROC_COMPOSE | UTF8PROC_STABLE));
  CHECK(left >= 0);
  return static_cast<std::size_t>(left);
}

std::vector<Role> classify() {
  std::vector<Role> roles(kTableEnd, Role::kBoundary);
  std::array<utf8proc_int32_t, kMaxDecomposition> parts;
  for (char32_t c = 0; c < kTableEnd; ++c) {
    if (is_surrogate(c)) continue;
    if (class_of(static_cast<utf8proc_int32_t>(c)) != 0 && roles[c] == Role::kBoundary)
      roles[c] = Role::kMark;
    const std::size_t count = decompose(c, parts);
    if (count == 1 && parts[0] == static_cast<utf8proc_int32_t>(c)) continue;
    auto composed = parts;
    if (compose(std::span(composed).first(count)) != 1 ||
        composed[0] != static_cast<utf8proc_int32_t>(c)) {
      roles[c] = Role::kUnsure;
      continue;
    }
    // Whatever comes after the first part composes with something before it.
    for (std::size_t i = 1; i < count; ++i) roles[static_cast<char32_t>(parts[i])] = Role::kUnsure;
  }
  for (char32_t c = 0; c < kTableEnd; ++c) {  // a starter whose first part is no boundary is none
    if (is_surrogate(c) || roles[c] != Role::kBoundary) continue;
    decompose(c, parts);
    if (roles[static_cast<char32_t>(parts[0])] != Role::kBoundary) roles[c] = Role::kUnsure;
  }
  return roles;
}

Role role_of(char32_t code_point) {
  static const std::vector<Role> kRoles = classify();
  return code_point < kTableEnd ? kRoles[code_point] : Role::kBoundary;
}

// The first byte from `offset` on that may begin something else than a boundary: those below U+0300
// all are one.
std::size_t skip_simple(std::string_view text, std::size_t offset) {
  std::uint64_t word;
  while (offset + sizeof word <= text.size()) {
    std::memcpy(&word, text.data() + offset, sizeof word);
    if (word & 0x8080808080808080u) break;
    offset += sizeof word;
  }
  while (offset < text.size() && static_cast<unsigned char>(text[offset]) < 0xCC) ++offset;
  return offset;
}

// The start of the code point that ends before `offset`; `offset` when there is none.
std::size_t previous_code_point(std::string_view text, std::size_t offset) {
  while (offset > 0) {
    --offset;
    if ((static_cast<unsigned char>(text[offset]) & 0xC0) != 0x80) break;
  }
  return offset;
}

// Stable, by combining class, in linear time. (libstdc++ 12's std::stable_sort is deprecated under
// clang-19.)
void sort_marks(std::span<utf8proc_int32_t> marks) {
  std::array<std::size_t, 257> begins{};  // of each class
  for (const utf8proc_int32_t mark : marks) ++begins[class_of(mark) + 1];
  for (std::size_t i = 1; i < begins.size(); ++i) begins[i] += begins[i - 1];
  std::vector<utf8proc_int32_t> sorted(marks.size());
  for (const utf8proc_int32_t mark : marks) sorted[begins[class_of(mark)]++] = mark;
  std::copy(sorted.begin(), sorted.end(), marks.begin());
}

// Puts each run of marks into the order of their combining classes (the canonical ordering
// algorithm).
void order_marks(std::vector<utf8proc_int32_t>& code_points) {
  const auto by_class = [](auto a, auto b) { return class_of(a) < class_of(b); };
  for (auto it = code_points.begin(); it != code_points.end();) {
    const auto begin = std::find_if(it, code_points.end(), [](auto c) { return class_of(c) != 0; });
    it = std::find_if(begin, code_points.end(), [](auto c) { return class_of(c) == 0; });
    if (!std::is_sorted(begin, it, by_class)) sort_marks({begin, it});
  }
}

// Appends the NFC of one stretch from boundary to boundary.
void append_normalised(std::string_view stretch, std::string& out) {
  std::vector<utf8proc_int32_t> code_points;
  std::array<utf8proc_int32_t, kMaxDecomposition> parts;
  for (std::size_t offset = 0; offset < stretch.size();) {
    const std::size_t count = decompose(next_code_point(stretch, offset), parts);
    code_points.insert(code_points.end(), parts.begin(), parts.begin() + static_cast<long>(count));
  }
  order_marks(code_points);
  code_points.resize(compose(code_points));
  for (const utf8proc_int32_t c : code_points) append_utf8(static_cast<char32_t>(c), out);
}

struct Stretch {
  std::size_t begin;
  std::size_t end;
  bool surely_normal;  // the quick check says yes
};

// The next stretch that is more than boundaries, from the boundary before it to the one behind;
// empty at the end.
Stretch find_stretch(std::string_view text, std::size_t offset) {
  while ((offset = skip_simple(text, offset)) < text.size()) {
    std::size_t end = offset;
    Role role = role_of(next_code_point(text, end));
    if (role == Role::kBoundary) {
      offset = end;
      continue;
    }
    Stretch stretch{previous_code_point(text, offset), offset, true};
    std::size_t last_class = 0;
    std::size_t next = offset;
    while (next < text.size()) {
      const char32_t code_point = next_code_point(text, next);
      role = role_of(code_point);
      if (role == Role::kBoundary) break;
      const std::size_t this_class = class_of(static_cast<utf8proc_int32_t>(code_point));
      if (role == Role::kUnsure || this_class < last_class) stretch.surely_normal = false;
      last_class = this_class;
      stretch.end = next;
    }
    return stretch;
  }
  return {text.size(), text.size(), true};
}

}  // namespace

std::string_view to_nfc(std::string_view text, std::string& buffer) {
  buffer.clear();
  std::size_t copied = 0;  // of `text` into `buffer`
  for (std::size_t offset = 0; offset < text.size();) {
    const Stretch stretch = find_stretch(text, offset);
    offset = stretch.end;
    if (stretch.surely_normal) continue;
    if (buffer.empty()) buffer.reserve(text.size());
    buffer.append(text, copied, stretch.begin - copied);
    append_normalised(text.substr(stretch.begin, stretch.end - stretch.begin), buffer);
    copied = stretch.end;
  }
  if (copied == 0) return text;
  return buffer.append(text, copied);
}

}  // namespace tessera::text
