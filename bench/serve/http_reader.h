// What a load client has to understand of HTTP/1.1 answers: one response after the other on one
// connection, its bytes in pieces. Counts the events of event streams. One thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace tessera::bench {

class HttpReader {
 public:
  struct Seen {
    bool finished = false;    // the response is whole
    std::int32_t events = 0;  // SSE events with text in this piece
    bool broken = false;      // not HTTP as we know it
  };

  // The next bytes. Stops behind a finished response (none of the next one has been asked for).
  Seen feed(std::string_view bytes);
  // Of the response that feed() said was finished, or is under way.
  int status() const { return status_; }
  bool saw_done() const { return saw_done_; }  // "data: [DONE]"
  std::int64_t body_bytes() const { return body_bytes_; }

 private:
  enum class Stage : std::uint8_t { kHead, kBody, kChunkSize, kChunk, kChunkEnd, kTrailers };

  bool read_head(Seen& seen);
  void read_events(std::string_view body, Seen& seen);

  Stage stage_ = Stage::kHead;
  std::string waiting_;    // bytes not yet understood
  std::int64_t left_ = 0;  // of the body, or of the chunk
  int status_ = 0;
  bool stream_ = false;
  bool saw_done_ = false;
  std::int64_t body_bytes_ = 0;
  std::string event_;  // the event under way
};

}  // namespace tessera::bench
