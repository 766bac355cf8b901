#!/usr/bin/env python3
"""Holds the includes in src/ to the levels of ARCHITECTURE.md: an include may only go to a lower level, or stay in its
room. Prints every arrow that breaks the rule; exit status 1 if there is one."""
import pathlib
import re
import sys

LEVELS = [
    ["base"],
    ["text", "weights", "http", "access"],
    ["grammar", "model", "chat"],
    ["cpu", "cuda", "engine", "pack"],
    ["local", "api", "upstream"],
    ["app"],
]
LEVEL_OF = {room: level for level, rooms in enumerate(LEVELS) for room in rooms}
# Only these rooms may name these libraries: the rest sees our own headers.
LIBRARY_ROOMS = {
    "boost/asio": {"http"}, "boost/beast": {"http"}, "boost/json": {"base"}, "spdlog": {"base"},
    "pcre2.h": {"text"}, "utf8proc.h": {"text"}, "CLI/": {"app"}, "openssl/": {"base", "http"}, "sqlite3.h": {"access"},
}
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')


def check_file(path, room):
    for number, line in enumerate(path.read_text().splitlines(), 1):
        found = INCLUDE.match(line)
        if not found:
            continue
        quote, target = found.groups()
        place = f"{path}:{number}"
        if quote == '"':
            other = target.split("/")[0]
            if other in {"gtest", "gmock", "fmt", "benchmark"}:
                pass  # libraries, whichever way their headers are quoted
            elif other not in LEVEL_OF:
                yield f"{place}: include of \"{target}\" names no room"
            elif other != room and LEVEL_OF[other] >= LEVEL_OF[room]:
                yield f"{place}: {room}/ (level {LEVEL_OF[room]}) must not include {other}/ (level {LEVEL_OF[other]})"
        for library, rooms in LIBRARY_ROOMS.items():
            if quote == "<" and target.startswith(library) and room not in rooms:
                yield f"{place}: <{target}> belongs to {', '.join(sorted(rooms))}/ alone"


def check_getenv(path, room):
    if room != "app" and re.search(r"\bgetenv\s*\(", path.read_text()):
        yield f"{path}: getenv outside app/"


def main():
    root = pathlib.Path(__file__).resolve().parent.parent / "src"
    faults, files = [], 0
    for path in sorted(root.rglob("*")):
        if path.suffix not in {".h", ".cpp", ".inc", ".cu", ".cuh"}:
            continue
        files += 1
        room = path.relative_to(root).parts[0]
        if room not in LEVEL_OF:
            faults.append(f"{path}: src/{room} is no room of the plan")
            continue
        faults += check_file(path, room)
        faults += check_getenv(path, room)
    for fault in faults:
        print(fault)
    print(f"arrows: {files} files, {len(faults)} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
