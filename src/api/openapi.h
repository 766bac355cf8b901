// The OpenAPI 3.1 document of all routes. Request schemas come from the field tables, so that they
// say what is checked; answers' schemas are written here. Any thread.
#pragma once

#include <string>

namespace tessera::api {

// JSON text; made once.
const std::string& openapi_document();

}  // namespace tessera::api
