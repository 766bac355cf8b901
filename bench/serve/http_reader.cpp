#include "serve/http_reader.h"

#include <algorithm>
#include <cctype>
#include <charconv>

namespace tessera::bench {
namespace {

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return out;
}

// The value of a header in a head in lower case; empty when it is not there.
std::string_view value_of(std::string_view head, std::string_view name) {
  const std::size_t at = head.find("\r\n" + std::string(name) + ":");
  if (at == std::string_view::npos) return {};
  std::string_view rest = head.substr(at + name.size() + 3);
  rest = rest.substr(0, rest.find("\r\n"));
  while (rest.starts_with(' ')) rest.remove_prefix(1);
  return rest;
}

bool has_text(std::string_view event) {
  for (const std::string_view key : {"\"content\":\"", "\"text\":\"", "\"reasoning_content\":\""}) {
    const std::size_t at = event.find(key);
    if (at != std::string_view::npos && event.substr(at + key.size(), 1) != "\"") return true;
  }
  return false;
}

}  // namespace

bool HttpReader::read_head(Seen& seen) {
  const std::size_t end = waiting_.find("\r\n\r\n");
  if (end == std::string::npos) return false;
  const std::string head = lower(std::string_view(waiting_).substr(0, end + 2));
  waiting_.erase(0, end + 4);
  if (!head.starts_with("http/1.1 ") ||
      std::from_chars(head.data() + 9, head.data() + 12, status_).ec != std::errc()) {
    seen.broken = true;
    return false;
  }
  if (status_ / 100 == 1) return read_head(seen);  // an interim answer
  body_bytes_ = 0;
  saw_done_ = false;
  event_.clear();
  stream_ = value_of(head, "content-type").starts_with("text/event-stream");
  if (value_of(head, "transfer-encoding") == "chunked") {
    stage_ = Stage::kChunkSize;
    return true;
  }
  const std::string_view length = value_of(head, "content-length");
  left_ = 0;
  std::from_chars(length.data(), length.data() + length.size(), left_);
  stage_ = Stage::kBody;
  return true;
}

void HttpReader::read_events(std::string_view body, Seen& seen) {
  body_bytes_ += static_cast<std::int64_t>(body.size());
  if (!stream_) return;
  event_.append(body);
  std::size_t start = 0;
  for (std::size_t end = event_.find("\n\n"); end != std::string::npos;
       end = event_.find("\n\n", start)) {
    const std::string_view event = std::string_view(event_).substr(start, end - start);
    if (event == "data: [DONE]") saw_done_ = true;
    if (event.starts_with("data: ") && has_text(event)) ++seen.events;
    start = end + 2;
  }
  event_.erase(0, start);
}

HttpReader::Seen HttpReader::feed(std::string_view bytes) {
  Seen seen;
  waiting_.append(bytes);
  while (!seen.finished && !seen.broken) {
    switch (stage_) {
      case Stage::kHead:
        if (!read_head(seen)) return seen;
        break;
      case Stage::kBody:
      case Stage::kChunk: {
        const auto taken = std::min<std::size_t>(static_cast<std::size_t>(left_), waiting_.size());
        read_events(std::string_view(waiting_).substr(0, taken), seen);
        waiting_.erase(0, taken);
        left_ -= static_cast<std::int64_t>(taken);
        if (left_ > 0) return seen;
        seen.finished = stage_ == Stage::kBody;
        stage_ = seen.finished ? Stage::kHead : Stage::kChunkEnd;
        break;
      }
      case Stage::kChunkSize: {
        const std::size_t end = waiting_.find("\r\n");
        if (end == std::string::npos) return seen;
        if (std::from_chars(waiting_.data(), waiting_.data() + end, left_, 16).ec != std::errc())
          seen.broken = true;
        waiting_.erase(0, end + 2);
        stage_ = left_ == 0 ? Stage::kTrailers : Stage::kChunk;
        break;
      }
      case Stage::kChunkEnd:
        if (waiting_.size() < 2) return seen;
        waiting_.erase(0, 2);
        stage_ = Stage::kChunkSize;
        break;
      case Stage::kTrailers: {
        const std::size_t end = waiting_.find("\r\n");
        if (end == std::string::npos) return seen;
        seen.finished = end == 0;
        waiting_.erase(0, end + 2);
        if (seen.finished) stage_ = Stage::kHead;
        break;
      }
    }
  }
  return seen;
}

}  // namespace tessera::bench
