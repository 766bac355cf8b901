#include "access/issue_key.h"

#include <utility>

namespace tessera::access {

NewKey issue_key(AccountId account, std::string label, std::int64_t created) {
  NewKey key;
  key.text = "sk-tessera-" + random_alphanumeric(40);
  key.row.id = "key_" + random_alphanumeric(12);
  key.row.account = account;
  key.row.label = std::move(label);
  key.row.hash = sha256(key.text);
  key.row.shown = "sk-tessera-…" + key.text.substr(key.text.size() - 4);
  key.row.created = created;
  return key;
}

}  // namespace tessera::access
