// The field table of POST /v1/completions.
#pragma once

#include <span>

#include "api/fields.h"

namespace tessera::api {

std::span<const Field> completion_fields();

}  // namespace tessera::api
