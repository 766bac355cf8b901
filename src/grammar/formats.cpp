#include "grammar/formats.h"

#include <map>
#include <mutex>
#include <string>
#include <utility>

#include "base/check.h"
#include "grammar/regex.h"

namespace tessera::grammar {
namespace {

// Days by month; 29 February in leap years alone. No year 0: RFC 3339 has one, many readers have
// not.
std::string date() {
  const std::string year = "(?:[1-9][0-9]{3}|0(?:[1-9][0-9]{2}|0(?:[1-9][0-9]|0[1-9])))";
  // Divisible by 4 and not by 100, or divisible by 400.
  const std::string leap =
      "(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|(?:[02468][48]|[2468]0|[13579][26])00)";
  return "(?:" + year + "-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])" +
         "|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)|02-(?:0[1-9]|1[0-9]|2[0-8]))|" + leap + "-02-29)";
}

std::string time(bool local = false) {
  return std::string("(?:(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\\.[0-9]{1,9})?") +
         "(?:[Zz]|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])" + (local ? "?)" : ")");
}

std::string duration() {
  const std::string time = "T(?:[0-9]+H(?:[0-9]+M(?:[0-9]+S)?)?|[0-9]+M(?:[0-9]+S)?|[0-9]+S)";
  const std::string month = "[0-9]+M(?:[0-9]+D)?";
  return "P(?:[0-9]+W|(?:[0-9]+Y(?:" + month + ")?|" + month + "|[0-9]+D)(?:" + time + ")?|" +
         time + ")";
}

const std::string kOctet = "(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])";

std::string ipv4() {
  return kOctet + "(?:\\." + kOctet + "){3}";
}

std::string ipv6() {
  const std::string h = "[0-9A-Fa-f]{1,4}";
  const std::string last = "(?:" + h + ":" + h + "|" + ipv4() + ")";
  std::string out = "(?:(?:" + h + ":){6}" + last;
  out += "|::(?:" + h + ":){5}" + last;
  out += "|(?:" + h + ")?::(?:" + h + ":){4}" + last;
  for (int i = 1; i <= 3; ++i) {
    out += "|(?:(?:" + h + ":){0," + std::to_string(i) + "}" + h + ")?::(?:" + h + ":){" +
           std::to_string(4 - i) + "}" + last;
  }
  out += "|(?:(?:" + h + ":){0,4}" + h + ")?::" + last;
  out += "|(?:(?:" + h + ":){0,5}" + h + ")?::" + h;
  return out + "|(?:(?:" + h + ":){0,6}" + h + ")?::)";
}

const std::string kLabel = "[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?";

// `more`: of characters that are letters beside ASCII's; RFC 3987's for an IRI.
std::string uri(bool reference, const std::string& more = "") {
  const std::string pct = "%[0-9A-Fa-f]{2}";
  const std::string plain = "A-Za-z0-9._~!$&'()*+,;=" + more;
  const std::string pchar = "(?:[" + plain + ":@-]|" + pct + ")";
  const std::string scheme = "[A-Za-z][A-Za-z0-9+.-]*:";
  const std::string host = "(?:\\[" + ipv6() + "\\]|(?:[" + plain + "-]|" + pct + ")*)";
  const std::string authority =
      "//(?:(?:[" + plain + ":-]|" + pct + ")*@)?" + host + "(?::[0-9]*)?";
  const std::string path = "(?:/" + pchar + "*)*";
  const std::string rootless = pchar + "+" + path;
  const std::string tail = "(?:\\?(?:" + pchar + "|[/?])*)?(?:#(?:" + pchar + "|[/?])*)?";
  const std::string absolute = "/(?:" + rootless + ")?";
  std::string full =
      scheme + "(?:" + authority + path + "|" + absolute + "|" + rootless + ")" + tail;
  if (!reference) return full;
  const std::string no_colon = "(?:[" + plain + "@-]|" + pct + ")+" + path;
  return "(?:" + full + "|(?:" + authority + path + "|" + absolute + "|" + no_colon + ")?" + tail +
         ")";
}

const std::string kIri = R"(\u00A0-\uD7FF\uF900-\uFDCF\uFDF0-\uFFEF)";

std::string email(const std::string& more = "", const std::string& label = kLabel) {
  const std::string atom = "[A-Za-z0-9!#$%&'*+/=?^_`{|}~" + more + "-]+";
  return atom + "(?:\\." + atom + ")*@" + label + "(?:\\." + label + ")+";
}

// Of an international name, what needs no table of IDNA2008: small letters, and those of some
// scripts that are written from left to right; few enough for their encoded form.
const std::string kIdnLabel =
    "(?:[a-z0-9](?:-?[a-z0-9]){0,30}|"
    R"([\u00E0-\u00F6\u00F8-\u00FF\u0430-\u044F\u3041-\u3093\u4E00-\u9FA5\uAC00-\uD7A3]{1,10}))";

// RFC 6570.
std::string uri_template() {
  const std::string name = "(?:[A-Za-z0-9_]|%[0-9A-Fa-f]{2})+(?::[1-9][0-9]{0,3}|\\*)?";
  return R"((?:[A-Za-z0-9!#$&()*+,./:;=?@\[\]_~-]|%[0-9A-Fa-f]{2}|\{[+#./;?&=,!@|]?)" + name +
         "(?:," + name + ")*\\})*";
}

// What browsers open; names of hosts, no addresses.
std::string url() {
  const std::string label = "[A-Za-z0-9]+(?:-[A-Za-z0-9]+)*";
  return "(?:https?|ftp)://" + label + "(?:\\." + label + ")*\\.[A-Za-z]{2,}(?::[0-9]{2,5})?" +
         "(?:/[A-Za-z0-9._~!$&'()*+,;=:@/?#%-]*)?";
}

// Regular expressions with what every reader knows; groups nest three deep.
std::string regex() {
  const std::string escape =
      R"(\\(?:[dDwWsStrnvf^$\\.*+?()\[\]{}|/]|u[0-9A-Fa-f]{4}|x[0-9A-Fa-f]{2}))";
  const std::string member =
      "(?:[A-Za-z0-9 _.,:;@#%/+*!=<>'\"]|a-z|A-Z|a-f|A-F|0-9|" + escape + ")";
  const std::string repeat = R"((?:(?:[*+?]|\{[0-9]{1,3}(?:,|,[1-9][0-9]{3})?\})\??)?)";
  const std::string single =
      R"([^^$\\.*+?()\[\]{}|/]|\.|)" + escape + "|\\[\\^?" + member + "+-?\\]";
  std::string row = "(?:(?:" + single + ")" + repeat + "|[\\^$])*";
  for (int depth = 0; depth < 3; ++depth) {
    const std::string group = "\\((?:\\?:)?" + row + "(?:\\|" + row + ")*\\)";
    row = "(?:(?:" + single + "|" + group + ")" + repeat + "|[\\^$])*";
  }
  return row + "(?:\\|" + row + ")*";
}

using Patterns = std::map<std::string_view, std::string>;

const Patterns& patterns() {
  static const Patterns made{
      {"date", date()},
      {"time", time()},
      {"date-time", date() + "[Tt]" + time()},
      {"duration", duration()},
      {"email", email()},
      {"hostname", kLabel + "(?:\\." + kLabel + ")*"},
      {"ipv4", ipv4()},
      {"ipv6", ipv6()},
      {"uuid", "[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}"},
      {"idn-email", email(kIri, kIdnLabel)},
      {"idn-hostname", kIdnLabel + "(?:\\." + kIdnLabel + "){0,3}"},
      {"uri", uri(false)},
      {"uri-reference", uri(true)},
      {"iri", uri(false, kIri)},
      {"iri-reference", uri(true, kIri)},
      {"json-pointer", "(?:/(?:[^/~]|~[01])*)*"},
      {"relative-json-pointer", "(?:0|[1-9][0-9]*)(?:#|(?:/(?:[^/~]|~[01])*)*)"},
      {"json-pointer-uri-fragment",
       "#(?:/(?:[A-Za-z0-9_.!$&'()*+,;:=@-]|%[0-9A-Fa-f]{2}|~[01])*)*"},
      {"uri-template", uri_template()},
      {"url", url()},
      {"regex", regex()},
      {"iso-time", time(true)},
      {"iso-date-time", date() + "[Tt]" + time(true)},
      {"byte", "(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?"},
  };
  return made;
}

}  // namespace

LanguagePtr format_language(std::string_view name) {
  static std::mutex lock;
  static std::map<std::string_view, LanguagePtr> made;
  const auto known = patterns().find(name);
  if (known == patterns().end()) return nullptr;
  const std::lock_guard held(lock);
  LanguagePtr& language = made[known->first];
  if (language == nullptr) {
    Budget budget{CompileLimits{}};
    auto compiled = compile_regex("^(?:" + known->second + ")$", budget);
    CHECK(compiled);
    language = *std::move(compiled);
  }
  return language;
}

void prepare_formats() {
  for (const auto& [name, pattern] : patterns()) format_language(name)->alike();
}

std::uint32_t format_length(std::string_view name) {
  return name == "hostname" ? 253 : kUnbounded;
}

}  // namespace tessera::grammar
