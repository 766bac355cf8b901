#!/usr/bin/env python3
"""The rows of benches: what is kept of them, how two revisions are compared, and how they are drawn."""
import json
import pathlib
import sys
import tempfile
import unittest
import xml.dom.minidom

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bench"))
import plot  # noqa: E402
import rows  # noqa: E402
import run  # noqa: E402


def row(median=10.0, what="decode", **settings):
    return {"bench": "engine", "what": what, "settings": settings, "unit": "tokens/s", "median": median, "p10": median * 0.9,
            "p90": median * 1.1, "samples": 8}


class RowsTest(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.stamp = {"time": "2026-01-02T03:04:05Z", "commit": "0123456789", "dirty": False, "load": 0.5,
                      "machine": {"cpu": "A <fast> CPU", "cores": 4, "isa": "avx2", "memory_gib": 23.5}}
        original = rows.commit
        rows.commit = lambda: {"commit": "0123456789", "dirty": False}
        self.addCleanup(setattr, rows, "commit", original)

    def test_only_rows_are_taken(self):
        text = "a line for people\n" + json.dumps(row(streams=1)) + '\n{"other": 1}\n'
        self.assertEqual(rows.parse(text), [row(streams=1)])

    def test_rows_are_appended_with_commit_and_machine(self):
        self.assertEqual(rows.append([row(1, streams=1)], self.folder), [self.folder / "engine.jsonl"])
        first = (self.folder / "engine.jsonl").read_text()
        rows.append([row(2, streams=1), row(3, streams=2)], self.folder)
        self.assertTrue((self.folder / "engine.jsonl").read_text().startswith(first))
        kept = rows.read(self.folder / "engine.jsonl")
        self.assertEqual([one["median"] for one in kept], [1, 2, 3])
        for one in kept:
            self.assertLessEqual({"time", "commit", "dirty", "machine", "load", "settings"}, one.keys())
            self.assertLessEqual({"cpu", "cores", "isa", "memory_gib"}, one["machine"].keys())

    def test_machine_is_read(self):
        (self.folder / "cpu").write_text("processor : 0\nmodel name\t: Some CPU\nflags\t: fpu avx2 avx512f\n\nmodel name : Other\n")
        (self.folder / "mem").write_text("MemTotal:       24641536 kB\nMemFree: 1 kB\n")
        seen = rows.machine(self.folder / "cpu", self.folder / "mem")
        self.assertEqual((seen["cpu"], seen["isa"], seen["memory_gib"]), ("Some CPU", "avx2", 23.5))

    def test_comparison_is_of_medians_and_tells_the_spread(self):
        old = [[row(10, streams=1), row(5, streams=2)], [row(20, streams=1)], [row(10, streams=1)]]
        new = [[row(12, streams=1), row(7, streams=4)], [row(22, streams=1)], [row(12, streams=1)]]
        table = run.ratios(old, new)
        self.assertEqual(len(table), 1)  # what only one side has is no comparison
        _, before, after, ratio, (low, high) = table[0]
        self.assertEqual((before, after), (10, 12))
        self.assertAlmostEqual(ratio, 1.2)
        self.assertAlmostEqual(low, 1.15)
        self.assertAlmostEqual(high, 1.2)

    def test_nothing_in_common_is_no_table(self):
        self.assertEqual(run.ratios([[row(1, streams=1)]], [[row(1, streams=2)]]), [])

    def test_drawing_is_xml_with_a_point_a_row(self):
        kept = [{**self.stamp, **row(value, what="a & b", streams=1)} for value in (1, 2, 3)] + [{**self.stamp, **row(0, streams=2)}]
        svg = plot.draw(kept)
        document = xml.dom.minidom.parseString(svg)
        self.assertEqual(len(document.getElementsByTagName("circle")), 4)
        heights = [float(circle.getAttribute("cy")) for circle in document.getElementsByTagName("circle")[:3]]
        self.assertEqual(heights, sorted(heights, reverse=True))  # higher is more

    def test_axes_end_on_round_numbers(self):
        self.assertEqual(plot.steps(0), [0, 1])
        self.assertEqual(plot.steps(7.1), [0, 5, 10])
        self.assertEqual(plot.steps(200), [0, 100, 200])


if __name__ == "__main__":
    unittest.main()
