#!/usr/bin/env python3
"""Draws the rows of bench/results/*.jsonl: one SVG a file, beside it, with a panel for each thing that was measured and
a point for each row, from the first to the last; bars from the 10th to the 90th percentile. Machines have colours.

  bench/plot.py [FILE.jsonl …]
"""
import math
import pathlib
import sys
import textwrap
from html import escape

import rows as results

COLUMNS = 3
PANEL_WIDTH, PANEL_HEIGHT = 400, 192
LEFT, RIGHT, TOP, BOTTOM = 56, 12, 46, 30
LINE_LETTERS = 64
COLOURS = ("#1f6fb4", "#c8501e", "#3a8f3a", "#7a4fa3", "#8c6d31", "#555555")


def machine_of(row):
    machine = row["machine"]
    return f"{machine['cpu']}, {machine['cores']} cores"


def steps(top):
    """Three round numbers from 0 to at least `top`."""
    if top <= 0:
        return [0, 1]
    unit = 10 ** math.floor(math.log10(top))
    for factor in (1, 2, 2.5, 5, 10):
        if factor * unit >= top:
            return [0, factor * unit / 2, factor * unit]
    raise AssertionError(top)


def words(settings, leave_out=()):
    return " ".join(f"{name}={value}" for name, value in settings.items() if name not in leave_out)


def panel(rows, colours, common):
    """One thing's rows, in order, as SVG at the origin."""
    axis = steps(max(max(row["p90"], row["median"]) for row in rows))
    inner = PANEL_WIDTH - LEFT - RIGHT
    height = PANEL_HEIGHT - TOP - BOTTOM

    def x(index):
        return LEFT + inner * (index + 0.5) / len(rows)

    def y(value):
        return TOP + height * (1 - value / axis[-1])

    out = [f'<text x="{LEFT}" y="14" class="title">{escape(rows[0]["what"])}, {escape(rows[0]["unit"])}</text>',
           *(f'<text x="{LEFT}" y="{26 + 11 * i}" class="small">{escape(line)}</text>'
             for i, line in enumerate(textwrap.wrap(words(rows[0]["settings"], common), LINE_LETTERS)[:2]))]
    for value in axis:
        out.append(f'<line x1="{LEFT}" x2="{PANEL_WIDTH - RIGHT}" y1="{y(value):.1f}" y2="{y(value):.1f}" class="grid"/>')
        out.append(f'<text x="{LEFT - 6}" y="{y(value) + 3:.1f}" class="small end">{value:.4g}</text>')
    for index, row in enumerate(rows):
        colour = colours[machine_of(row)]
        tip = f'{row["commit"]}{" (changed)" if row["dirty"] else ""} {row["time"]}: {row["median"]:.4g} {row["unit"]}, load {row["load"]}'
        if "percent_of_roof" in row:
            tip += f', {row["percent_of_roof"]:.0f} % of {row["roof_name"]}'
        out.append(f'<g stroke="{colour}" fill="{colour}"><title>{escape(tip)}</title>'
                   f'<line x1="{x(index):.1f}" x2="{x(index):.1f}" y1="{y(row["p10"]):.1f}" y2="{y(row["p90"]):.1f}"/>'
                   f'<circle cx="{x(index):.1f}" cy="{y(row["median"]):.1f}" r="3"/></g>')
    for index in sorted({0, len(rows) - 1}):
        out.append(f'<text x="{x(index):.1f}" y="{PANEL_HEIGHT - 14}" class="small middle">{escape(rows[index]["commit"][:7])}</text>')
    return "\n".join(out)


def draw(rows):
    things = {}
    for row in rows:
        things.setdefault(results.key_of(row), []).append(row)
    common = {name: value for name, value in rows[0]["settings"].items()
              if len(things) > 1 and all(row["settings"].get(name) == value for row in rows)}
    machines = list(dict.fromkeys(machine_of(row) for row in rows))
    colours = {name: COLOURS[i % len(COLOURS)] for i, name in enumerate(machines)}
    head = 16 * (len(machines) + 1) + 10
    height = head + PANEL_HEIGHT * math.ceil(len(things) / COLUMNS)
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{COLUMNS * PANEL_WIDTH}" height="{height}" font-family="sans-serif">',
           "<style>text{font-size:11px}.title{font-weight:bold}.small{font-size:9px;fill:#555}.end{text-anchor:end}"
           ".middle{text-anchor:middle}.grid{stroke:#ddd}</style>",
           f'<rect width="{COLUMNS * PANEL_WIDTH}" height="{height}" fill="white"/>']
    for i, name in enumerate(machines):
        out.append(f'<text x="10" y="{16 * (i + 1)}" fill="{colours[name]}">{escape(name)}</text>')
    out.append(f'<text x="10" y="{16 * (len(machines) + 1)}">{escape(words(common))}</text>')
    for i, group in enumerate(things.values()):
        at = f"{i % COLUMNS * PANEL_WIDTH},{head + i // COLUMNS * PANEL_HEIGHT}"
        out.append(f'<g transform="translate({at})">\n{panel(group, colours, common)}\n</g>')
    return "\n".join(out) + "\n</svg>\n"


def main():
    files = [pathlib.Path(name) for name in sys.argv[1:]] or sorted(results.RESULTS.glob("*.jsonl"))
    if not files:
        sys.exit("plot: there are no rows yet under bench/results/")
    for path in files:
        drawing = path.with_suffix(".svg")
        drawing.write_text(draw(results.read(path)), encoding="utf-8")
        print(drawing)


if __name__ == "__main__":
    main()
