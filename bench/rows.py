"""Rows of measurements: what a bench prints as JSON lines, stamped with commit and machine, one append-only file a bench
under bench/results/. bench/run.py writes them, bench/plot.py draws them."""
import datetime
import json
import os
import pathlib
import subprocess

ROOT = pathlib.Path(__file__).resolve().parent.parent
RESULTS = ROOT / "bench" / "results"
ISAS = (("avx512_vnni", "avx512"), ("avx2", "avx2"))


def git(*arguments, root=ROOT):
    return subprocess.run(["git", "-C", str(root), *arguments], check=True, capture_output=True, text=True).stdout.strip()


def commit():
    """The commit and whether the tree is another than that, results aside."""
    changed = git("status", "--porcelain", "--untracked-files=no", "--", ".", ":!bench/results")
    return {"commit": git("rev-parse", "--short=10", "HEAD"), "dirty": changed != ""}


def machine(cpuinfo="/proc/cpuinfo", meminfo="/proc/meminfo"):
    fields = {}
    for line in pathlib.Path(cpuinfo).read_text().splitlines():
        name, _, value = line.partition(":")
        fields.setdefault(name.strip(), value.strip())
    flags = fields.get("flags", "").split()
    kib = next(int(line.split()[1]) for line in pathlib.Path(meminfo).read_text().splitlines() if line.startswith("MemTotal"))
    return {
        "cpu": fields.get("model name", "unknown"),
        "cores": os.cpu_count(),
        "isa": next((name for flag, name in ISAS if flag in flags), "scalar"),
        "memory_gib": round(kib / 2**20, 1),
    }


def key_of(row):
    """What makes two rows measurements of the same thing, whenever and on whatever machine."""
    return row["what"], json.dumps(row["settings"], sort_keys=True)


def label_of(row):
    return row["what"] + "".join(f" {name}={value}" for name, value in row["settings"].items())


def parse(text):
    """The rows among a bench's lines; other lines are for people."""
    rows = []
    for line in text.splitlines():
        if line.startswith("{"):
            row = json.loads(line)
            if {"bench", "what", "settings", "unit", "median"} <= row.keys():
                rows.append(row)
    return rows


def append(rows, folder=RESULTS):
    """Behind what is there; never changes a row. The files that were written to."""
    stamp = {"time": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"), **commit(), "machine": machine(),
             "load": round(os.getloadavg()[0], 1)}
    folder.mkdir(parents=True, exist_ok=True)
    files = set()
    for row in rows:
        path = folder / f"{row['bench']}.jsonl"
        with open(path, "a", encoding="utf-8") as file:
            file.write(json.dumps({**stamp, **row}) + "\n")
        files.add(path)
    return sorted(files)


def read(path):
    return [json.loads(line) for line in pathlib.Path(path).read_text(encoding="utf-8").splitlines()]
