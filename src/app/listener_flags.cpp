#include "app/listener_flags.h"

#include "app/flag_values.h"

namespace tessera::app {
namespace {

void add_address_flags(CLI::App& command, NetworkOptions& network) {
  command.add_option("--host", network.host, "address to listen on; 0.0.0.0 for all of them")
      ->envname("TESSERA_HOST")
      ->check(not_empty())
      ->capture_default_str();
  command.add_option("-p,--port", network.port, "port; 0: any free one")
      ->envname("TESSERA_PORT")
      ->check(CLI::Range(0, 65535))
      ->type_name("N")
      ->capture_default_str();
  command
      .add_option("--tls-cert", network.tls_cert,
                  "PEM file, the server's certificate first: https instead of http; read again "
                  "when it changes")
      ->envname("TESSERA_TLS_CERT")
      ->check(not_empty())
      ->type_name("FILE");
  command.add_option("--tls-key", network.tls_key, "PEM file with the certificate's key")
      ->envname("TESSERA_TLS_KEY")
      ->check(not_empty())
      ->type_name("FILE");
  command
      .add_option("--admin-port", network.admin_port,
                  "port on 127.0.0.1 for GET /metrics; 0: any free one; without it: none")
      ->envname("TESSERA_ADMIN_PORT")
      ->check(CLI::Range(0, 65535))
      ->type_name("N");
  command
      .add_option(
          "--io-threads", network.io_threads,
          "threads for connections, JSON and text; as many again for large requests and schemas")
      ->envname("TESSERA_IO_THREADS")
      ->check(CLI::Range(1, 256))
      ->capture_default_str();
  command.add_option("--max-connections", network.max_connections, "more than these get 503")
      ->envname("TESSERA_MAX_CONNECTIONS")
      ->check(CLI::Range(1, 10'000'000))
      ->capture_default_str();
  command
      .add_option("--max-connections-per-address", network.max_connections_per_address,
                  "of one client address (an IPv6 /64); 0: no limit of its own")
      ->envname("TESSERA_MAX_CONNECTIONS_PER_ADDRESS")
      ->check(CLI::Range(0, 10'000'000))
      ->capture_default_str();
}

void add_body_flag(CLI::App& command, NetworkOptions& network) {
  command
      .add_option(
          "--body-memory", network.body_memory,
          "bytes for bodies over 64 KiB of all requests together, more get 503; one account "
          "has at most as much as it leaves free")
      ->envname("TESSERA_BODY_MEMORY")
      ->transform(byte_count(std::uint64_t{32} << 20, std::uint64_t{1} << 50))
      ->type_name("BYTES")
      ->default_str("512MiB");
}

void add_timeout_flags(CLI::App& command, NetworkOptions& network) {
  const auto add = [&](const char* flag, const char* environment, double& seconds,
                       const char* text) {
    command.add_option(flag, seconds, text)
        ->envname(environment)
        ->check(between(seconds == 0 ? 0.0 : 0.05, 86400.0))
        ->type_name("SECONDS")
        ->capture_default_str();
  };
  add("--handshake-timeout", "TESSERA_HANDSHAKE_TIMEOUT", network.handshake_timeout,
      "for the TLS handshake");
  add("--header-timeout", "TESSERA_HEADER_TIMEOUT", network.header_timeout,
      "for a request's header");
  add("--body-timeout", "TESSERA_BODY_TIMEOUT", network.body_timeout,
      "for a request's body; after 5 s it also has to come at 1 KiB/s on average");
  add("--idle-timeout", "TESSERA_IDLE_TIMEOUT", network.idle_timeout,
      "that a connection may wait between requests");
  add("--write-timeout", "TESSERA_WRITE_TIMEOUT", network.write_timeout,
      "after which a client that does not read loses its answer");
  add("--request-timeout", "TESSERA_REQUEST_TIMEOUT", network.request_timeout,
      "for a whole answer, waiting included, then 504; 0: none");
  add("--ping-interval", "TESSERA_PING_INTERVAL", network.ping_interval,
      "of silence after which a stream gets a comment line");
}

void add_api_flags(CLI::App& command, ApiOptions& options) {
  command
      .add_option("--cors-origin", options.cors_origins,
                  "origin whose pages may use this server (https://app.example; repeatable), or *")
      ->envname("TESSERA_CORS_ORIGIN")
      ->type_name("ORIGIN");
  command
      .add_option("--allowed-host", options.allowed_hosts,
                  "name that the Host header may have, beside localhost (repeatable); without it, "
                  "any may when listening on other addresses than loopback")
      ->envname("TESSERA_ALLOWED_HOST")
      ->check(not_empty())
      ->type_name("NAME");
  command
      .add_flag("--strict-params", options.strict_params,
                "refuse unknown fields of a request instead of ignoring them")
      ->envname("TESSERA_STRICT_PARAMS");
  command
      .add_option("--reasoning-field", options.reasoning_field,
                  "reasoning_content, or both: once more as reasoning")
      ->envname("TESSERA_REASONING_FIELD")
      ->check(CLI::IsMember({"reasoning_content", "both"}))
      ->capture_default_str();
  command
      .add_option("--context-overflow-status", options.context_overflow_status,
                  "HTTP status of a prompt that is too long: 400, or 413")
      ->envname("TESSERA_CONTEXT_OVERFLOW_STATUS")
      ->check(CLI::IsMember({400, 413}))
      ->capture_default_str();
}

}  // namespace

void add_listener_flags(CLI::App& command, NetworkOptions& network, ApiOptions& api) {
  add_address_flags(command, network);
  add_body_flag(command, network);
  add_timeout_flags(command, network);
  add_api_flags(command, api);
}

}  // namespace tessera::app
