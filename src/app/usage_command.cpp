// `tessera usage`: what was used, by day, account and key.
#include <fmt/format.h>

#include <string>
#include <vector>

#include "access/store.h"
#include "app/commands.h"
#include "app/dates.h"
#include "app/open_store.h"
#include "base/clock.h"
#include "base/json.h"

namespace tessera::app {
namespace {

struct Days {
  std::int64_t from = 0;  // the first moment of the first day
  std::int64_t to = 0;    // the first moment after the last
};

Result<Days> choose_days(const UsageOptions& options, std::int64_t now) {
  const std::int64_t tomorrow = (now / kSecondsOfDay + 1) * kSecondsOfDay;
  Days days{tomorrow - options.days * kSecondsOfDay, tomorrow};
  if (!options.to.empty()) {
    TRY_ASSIGN(const std::int64_t to, parse_date(options.to));
    days = {to + kSecondsOfDay - options.days * kSecondsOfDay, to + kSecondsOfDay};
  }
  if (!options.from.empty()) {
    TRY_ASSIGN(days.from, parse_date(options.from));
  }
  if (days.from >= days.to)
    return fail(
        ErrorCode::kInvalidArgument,
        fmt::format("--from {} is after {}", format_date(days.from), format_date(days.to - 1)));
  return days;
}

void add(access::UsageSum& total, const access::UsageSum& sum) {
  total.requests += sum.requests;
  total.failed += sum.failed;
  total.prompt_tokens += sum.prompt_tokens;
  total.cached_tokens += sum.cached_tokens;
  total.completion_tokens += sum.completion_tokens;
  total.reasoning_tokens += sum.reasoning_tokens;
}

void set_counts(const access::UsageSum& sum, json::Object& object) {
  object.set("requests", sum.requests);
  object.set("failed", sum.failed);
  object.set("prompt_tokens", sum.prompt_tokens);
  object.set("cached_tokens", sum.cached_tokens);
  object.set("completion_tokens", sum.completion_tokens);
  object.set("reasoning_tokens", sum.reasoning_tokens);
}

std::string to_json(const Days& days, const std::vector<access::UsageSum>& sums,
                    const access::UsageSum& total) {
  json::Array rows;
  for (const access::UsageSum& sum : sums) {
    json::Object row;
    row.set("day", sum.day);
    row.set("account", sum.account);
    row.set("key", sum.key_id);
    set_counts(sum, row);
    rows.emplace_back(std::move(row));
  }
  json::Object totals;
  set_counts(total, totals);
  json::Object object;
  object.set("from", format_date(days.from));
  object.set("to", format_date(days.to - 1));
  object.set("rows", std::move(rows));
  object.set("total", std::move(totals));
  return json::to_text(object) + "\n";
}

std::vector<std::string> table_row(const access::UsageSum& sum) {
  std::vector<std::string> row = {sum.day, sum.account, sum.key_id};
  for (const std::int64_t count : {sum.requests, sum.failed, sum.prompt_tokens, sum.cached_tokens,
                                   sum.completion_tokens, sum.reasoning_tokens})
    row.push_back(std::to_string(count));
  return row;
}

std::string to_table(const std::vector<access::UsageSum>& sums, const access::UsageSum& total) {
  std::vector<std::vector<std::string>> table = {{"DAY", "ACCOUNT", "KEY", "REQUESTS", "FAILED",
                                                  "PROMPT", "CACHED", "COMPLETION", "REASONING"}};
  for (const access::UsageSum& sum : sums) table.push_back(table_row(sum));
  table.push_back(table_row(total));
  return format_table(table);
}

Result<void> show_usage(const UsageOptions& options) {
  TRY_ASSIGN(const Days days, choose_days(options, Clock::real().unix_seconds()));
  TRY_ASSIGN(const auto store, open_store(options.database, false));
  TRY_ASSIGN(const auto sums,
             store->usage_by_day(options.account, options.key_id, days.from, days.to));
  access::UsageSum total;
  total.day = "total";
  for (const access::UsageSum& sum : sums) add(total, sum);
  if (!print_all(options.json ? to_json(days, sums, total) : to_table(sums, total)))
    return fail(ErrorCode::kIo, "cannot write to standard output");
  return {};
}

}  // namespace

int run_usage(const UsageOptions& options) {
  const auto shown = show_usage(options);
  return shown ? 0 : report(shown.error());
}

}  // namespace tessera::app
