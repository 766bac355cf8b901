// Schemas that are written to cost much, for tests and benchmarks: each is either compiled or
// refused, within the limits of CompileLimits, and masks of what is compiled within a matcher's
// fuel. All of our own making.
#pragma once

#include <fmt/format.h>

#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace tessera::grammar {

// "a,b,c" of `count` pieces.
inline std::string listed(int count, const std::function<std::string(int)>& piece) {
  std::string out;
  for (int i = 0; i < count; ++i) out += (i == 0 ? "" : ",") + piece(i);
  return out;
}

inline std::string pattern_schema(const std::string& pattern) {
  return R"({"type":"string","pattern":")" + pattern + "\"}";
}

struct HostileSchema {
  std::string name;
  std::string text;
  bool compiles = false;  // otherwise it is refused as too complex
};

inline std::vector<HostileSchema> hostile_patterns() {
  std::string alternation = "a";
  for (int i = 0; i < 6; ++i) alternation = "(" + alternation + "{1,9}|b{2,9}|[c-e]{3,9})";
  std::string words = "(";
  for (int i = 0; words.size() < 1'000'000; ++i) words += fmt::format("w{:x}|", i * 7919);
  return {
      {"pattern, a thousand times a thousand", pattern_schema("^(x{1000}){1000}$")},
      {"pattern, counted alternations", pattern_schema("^" + alternation + "{1,9}$")},
      {"pattern, many subsets", pattern_schema("(a|b)*a(a|b){30}")},
      {"pattern, subsets that fit", pattern_schema("^(a|b)*a(a|b){9}$"), true},
      {"pattern of a megabyte", pattern_schema("^" + words + "w)$")},
      {"pattern, optional parts", pattern_schema("^(a?){900}a{900}$"), true},
      {"patterns, all of twenty", R"({"type":"string","allOf":[)" +
                                      listed(20,
                                             [](int i) {
                                               return fmt::format(
                                                   R"({{"pattern":"[{0:c}].*[{0:c}]"}})", 'a' + i);
                                             }) +
                                      "]}"},
  };
}

inline std::vector<HostileSchema> hostile_unions() {
  const auto reference = [](int i) {
    return fmt::format(R"("r{}":{{"$ref":"#/$defs/r{}"}})", i, i + 1);
  };
  const auto object = [](int i) {
    return fmt::format(R"({{"properties":{{"p{0}":{{"const":{0}}}}},"required":["p{0}"]}})", i);
  };
  const auto choice = [](int i) {
    return R"({"anyOf":[)" +
           listed(8,
                  [i](int j) {
                    return fmt::format(
                        R"({{"properties":{{"k{0}":{{"multipleOf":{1}}}}},"required":["k{0}"]}})",
                        i, j + 2);
                  }) +
           "]}";
  };
  return {
      {"a union of ten thousand constants",
       R"({"anyOf":[)" +
           listed(10'000, [](int i) { return fmt::format(R"({{"const":"c{}"}})", i); }) + "]}",
       true},
      {"a union of ten thousand objects",
       R"({"type":"object","anyOf":[)" + listed(10'000, object) + "]}"},
      {"one of two hundred objects", R"({"type":"object","oneOf":[)" + listed(200, object) + "]}"},
      {"a chain of references",
       R"({"$ref":"#/$defs/r0","$defs":{)" + listed(5'000, reference) +
           R"(,"r5000":{"type":"null"}}})",
       true},
      {"all of twelve unions", R"({"type":"object","allOf":[)" + listed(12, choice) + "]}"},
      {"unevaluated over a union",
       R"({"type":"object","unevaluatedProperties":false,"anyOf":[)" + listed(500, object) + "]}",
       true},
      {"readings of nested arrays",
       R"({"anyOf":[{"type":"null"},)" +
           listed(60,
                  [](int i) {
                    return fmt::format(R"({{"type":"array","minItems":{},"items":{{"$ref":"#"}}}})",
                                       i + 1);
                  }) +
           "]}",
       true},
  };
}

inline std::vector<HostileSchema> hostile_objects() {
  const std::string prefix(60, 'p');
  const auto name = [](int i) { return fmt::format("\"n{}\"", i % 2'000); };
  return {
      {"an enum with one prefix",
       R"({"enum":[)" +
           listed(10'000, [&](int i) { return fmt::format("\"{}{:x}\"", prefix, i * 7919); }) +
           "]}"},
      {"patterns of properties that overlap",
       R"({"type":"object","patternProperties":{)" +
           listed(24,
                  [](int i) {
                    return fmt::format(R"("{0:c}.*{1:c}":{{"minimum":{2}}})", 'a' + i, 'b' + i, i);
                  }) +
           "}}"},
      {"two thousand names that need each other",
       R"({"type":"object","properties":{)" +
           listed(2'000, [&](int i) { return name(i) + R"(:{"type":"integer"})"; }) +
           R"(},"dependentRequired":{)" +
           listed(2'000, [&](int i) { return name(i) + ":[" + name(i + 1) + "]"; }) + "}}"},
      {"a hundred thousand names that have to come",
       R"({"type":"object","required":[)" +
           listed(100'000, [](int i) { return fmt::format("\"r{}\"", i); }) + "]}"},
      {"names among a hundred thousand other values",
       R"({"type":"object","propertyNames":{"enum":[)" +
           listed(100'000,
                  [](int i) { return fmt::format("{0}{1}{0}", i % 200 == 0 ? "\"" : "", i); }) +
           "]}}",
       true},
      {"contains, many thousand times",
       R"({"type":"array","contains":{"type":"integer"},"minContains":60000})"},
      {"contains, of many kinds",
       R"({"type":"array","allOf":[)" +
           listed(12,
                  [](int i) {
                    return fmt::format(R"({{"contains":{{"multipleOf":{}}},"minContains":9}})",
                                       i + 2);
                  }) +
           "]}"},
      {"multiples of long decimals",
       R"({"type":"number","allOf":[)" +
           listed(9,
                  [](int i) {
                    return fmt::format(R"({{"multipleOf":0.00000000000{}}})", 1009 + 2 * i);
                  }) +
           "]}",
       true},
      {"items by the hundred thousand",
       R"({"type":"array","minItems":100000,"items":{"type":"array","minItems":100000}})", true},
  };
}

inline std::vector<HostileSchema> hostile_schemas() {
  std::vector<HostileSchema> out = hostile_patterns();
  for (HostileSchema& schema : hostile_unions()) out.push_back(std::move(schema));
  for (HostileSchema& schema : hostile_objects()) out.push_back(std::move(schema));
  return out;
}

}  // namespace tessera::grammar
