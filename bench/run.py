#!/usr/bin/env python3
"""Runs a bench that prints rows, shows them, and keeps them under bench/results/ (rows.py). With --compare REV it keeps
nothing: it builds that revision in a worktree of its own and runs both by turns, for machines drift by more than most
changes are worth; told are the ratio of the medians and how far the ratios of single rounds spread.

  bench/run.py engine -m FILE --streams 1,8
  bench/run.py engine --compare HEAD~3 --rounds 7 -m FILE --streams 1 --prompt 0
  bench/run.py ops
  bench/run.py serve_bench --only ready --model FILE
"""
import argparse
import statistics
import subprocess
import sys

import rows as results

ROOT = results.ROOT
# What each builds and runs, in a checkout's own build folder.
PRESET = "bench"
BENCHES = {
    "engine": (["tessera"], ["build/bench/tessera", "bench", "--json"]),
    "ops": (["ops_bench"], ["build/bench/bench/ops_bench", "--json"]),
    "serve_bench": (["serve_bench", "tessera"], ["build/bench/bench/serve_bench", "build/bench/tessera", "--json"]),
}


def build(root, which):
    if not (root / "build" / PRESET / "build.ninja").exists():
        subprocess.run(["cmake", "--preset", PRESET, "-DTESSERA_TESTS=OFF"], cwd=root, check=True, stdout=sys.stderr)
    subprocess.run(["ninja", "-C", f"build/{PRESET}", *BENCHES[which][0]], cwd=root, check=True, stdout=sys.stderr)


def run(root, which, arguments):
    """The bench's rows. Paths among the arguments are the caller's, so it runs where the caller is."""
    command = [str(root / word) if word.startswith("build/") else word for word in BENCHES[which][1]]
    done = subprocess.run([*command, *arguments], stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        sys.exit(f"bench: {which} of {root} ended with {done.returncode}")
    return results.parse(done.stdout)


def show(rows):
    """A table; settings that all rows share are told once."""
    first = rows[0]["settings"]
    common = {name: value for name, value in first.items() if len(rows) > 1 and all(row["settings"].get(name) == value for row in rows)}
    if common:
        print(" ".join(f"{name}={value}" for name, value in common.items()))
    short = [{**row, "settings": {name: value for name, value in row["settings"].items() if name not in common}} for row in rows]
    width = max(len(results.label_of(row)) for row in short)
    for row in short:
        roof = f"{row['percent_of_roof']:6.1f} % of {row['roof_name']} {row['roof']:.4g} {row['roof_unit']}" if "roof" in row else ""
        bar = f"  bar {row['bar']}: {'met' if row['met'] else 'MISSED'}" if "bar" in row else ""
        print(f"{results.label_of(row):<{width}}  {row['median']:>10.4g} {row['unit']:<9} [{row['p10']:.4g} .. {row['p90']:.4g}]  {roof}{bar}")


def worktree(revision):
    """A checkout of the revision beside the builds, made once and used again."""
    commit = results.git("rev-parse", "--short=10", f"{revision}^{{commit}}")
    path = ROOT / "build" / "compare" / commit
    if not path.exists():
        results.git("worktree", "prune")
        results.git("worktree", "add", "--detach", str(path), commit)
    return path, commit


def quartiles(values):
    if len(values) < 2:
        return values[0], values[0]
    first, _, third = statistics.quantiles(values, n=4, method="inclusive")
    return first, third


def ratios(old_rounds, new_rounds):
    """For what both have, in order: (row, old median, new median, their ratio, quartiles of the rounds' ratios)."""
    old = [{results.key_of(row): row["median"] for row in rows} for rows in old_rounds]
    new = [{results.key_of(row): row["median"] for row in rows} for rows in new_rounds]
    table = []
    for row in new_rounds[0]:
        key = results.key_of(row)
        pairs = [(a[key], b[key]) for a, b in zip(old, new) if key in a and key in b and a[key] != 0]
        if not pairs:
            continue
        before, after = (statistics.median(side) for side in zip(*pairs))
        table.append((row, before, after, after / before, quartiles([b / a for a, b in pairs])))
    return table


def compare(which, revision, rounds, arguments):
    path, commit = worktree(revision)
    for root in (path, ROOT):
        build(root, which)
    old_rounds, new_rounds = [], []
    for turn in range(rounds):
        sides = [(path, old_rounds), (ROOT, new_rounds)]
        for root, into in sides if turn % 2 == 0 else reversed(sides):
            into.append(run(root, which, arguments))
        print(f"round {turn + 1} of {rounds}", file=sys.stderr)
    table = ratios(old_rounds, new_rounds)
    if not table:
        sys.exit(f"bench: {commit} and this tree have no rows in common")
    print(f"{rounds} rounds by turns: {commit} → this tree, ratio of medians [quartiles of the rounds' ratios]")
    for row, before, after, ratio, (low, high) in table:
        print(f"{results.label_of(row):<72} {before:>10.4g} → {after:>10.4g} {row['unit']:<9} {ratio:.3f} [{low:.3f} .. {high:.3f}]")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False)
    parser.add_argument("which", choices=sorted(BENCHES))
    parser.add_argument("--compare", metavar="REV", help="build REV, too, and run both by turns")
    parser.add_argument("--rounds", type=int, default=5, help="with --compare")
    parser.add_argument("--no-rows", action="store_true", help="keep nothing")
    options, arguments = parser.parse_known_args()
    if options.compare:
        compare(options.which, options.compare, options.rounds, arguments)
        return
    build(ROOT, options.which)
    rows = run(ROOT, options.which, arguments)
    if not rows:
        sys.exit("bench: there were no rows")
    show(rows)
    if not options.no_rows:
        for path in results.append(rows):
            print(f"kept in {path.relative_to(ROOT)}", file=sys.stderr)


if __name__ == "__main__":
    main()
