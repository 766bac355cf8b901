// A first slice: operator keys without limits or rows.
#include "access/gate.h"

namespace tessera::access {
namespace {

class OpenAdmission final : public Admission {
 public:
  void on_revoked(std::function<void()>) override {}
  void settle(Outcome, int, const Tokens&, std::function<void()> done) override { done(); }
};

class OpenGate final : public Gate {
 public:
  explicit OpenGate(GateOptions options) : options_(std::move(options)) {
    tier_->name = "enterprise";
    tier_->context_tokens = tier_->max_context_tokens = 262'144;
  }

  Result<Caller, Denial> identify(std::string_view presented, std::string_view) override {
    const Sha256 hash = sha256(presented);
    std::uint64_t found = 0;
    for (std::size_t i = 0; i < options_.operator_keys.size(); ++i)
      if (equal_constant_time(options_.operator_keys[i], hash)) found = i + 1;
    if (found == 0)
      return Unexpected{Denial{DenialCode::kInvalidKey, 0, "Incorrect or missing API key.", {}}};
    return Caller{"operator-" + std::to_string(found),
                  AccountId{found},
                  "operator",
                  tier_,
                  tier_->context_tokens,
                  std::vector<std::string>{}};
  }
  std::optional<RateState> rate(const Caller&) const override { return std::nullopt; }
  std::optional<Denial> peek_request(const Caller&) const override { return std::nullopt; }
  Result<void, Denial> take_request(const Caller&) override { return {}; }
  Result<std::unique_ptr<Admission>, Denial> admit(const Caller&, RequestFacts) override {
    return std::unique_ptr<Admission>(std::make_unique<OpenAdmission>());
  }
  bool healthy() const override { return true; }

 private:
  const GateOptions options_;
  const std::shared_ptr<Tier> tier_ = std::make_shared<Tier>();
};

}  // namespace

Result<std::unique_ptr<Gate>> Gate::open(GateOptions options, const Clock&) {
  return std::unique_ptr<Gate>(std::make_unique<OpenGate>(std::move(options)));
}

}  // namespace tessera::access
