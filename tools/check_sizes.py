#!/usr/bin/env python3
"""Holds source files to their budget: 600 lines a file, 80 a function (a function is what clang-format leaves between a
line that ends in '{' at the outer level and its closing brace). Prints what is over; exit status 1 if there is any."""
import pathlib
import re
import sys

FILE_LINES = 600
FUNCTION_LINES = 80
NOT_A_FUNCTION = re.compile(r"^\s*(namespace|class|struct|enum|union|extern|constexpr .*=|const .*=|static const|inline constexpr)\b")


def long_functions(path):
    """Functions by indentation: an opening line at depth d, closed by a '}' at the same depth."""
    opened = []
    for number, line in enumerate(path.read_text().splitlines(), 1):
        indent = len(line) - len(line.lstrip())
        text = line.strip()
        if text.endswith("{") and indent <= 2 and not NOT_A_FUNCTION.match(line) and "(" in text:
            opened.append((indent, number))
        if text.startswith("}") and opened and opened[-1][0] == indent:
            start = opened.pop()[1]
            if number - start + 1 > FUNCTION_LINES:
                yield f"{path}:{start}: a function of {number - start + 1} lines (budget {FUNCTION_LINES})"


def main():
    root = pathlib.Path(__file__).resolve().parent.parent
    faults = []
    for folder in ("src", "tests", "bench", "tools"):
        for path in sorted((root / folder).rglob("*")):
            if "node_modules" in path.parts or path.suffix not in {".h", ".cpp", ".inc", ".py"}:
                continue
            lines = path.read_text().count("\n")
            if lines > FILE_LINES:
                faults.append(f"{path}: {lines} lines (budget {FILE_LINES})")
            if path.suffix in {".h", ".cpp"}:
                faults += long_functions(path)
    for fault in faults:
        print(fault)
    print(f"sizes: {len(faults)} over budget")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
