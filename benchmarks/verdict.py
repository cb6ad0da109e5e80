"""How long `ponens verdict` takes and how much memory, at 100,000 questions a side: `python benchmarks/verdict.py`.

Samples of lm-eval, rows of our own and scores are written once; each pair is judged by the command in a
process of its own, whose seconds of processor and wall and peak of memory are printed.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

PROMPT = "Jar {n} stands in a rack of twelve; its neighbours are listed from left to right. " * 4


def samples(n: int, seed: int) -> Iterator[dict[str, object]]:
    """Samples of lm-eval: about 1.5 kB each."""
    draw = random.Random(seed)
    for number in range(n):
        said = draw.choice("ABCD")
        doc = {
            "id": f"jar-{number}",
            "group": f"rack-{number // 3}",
            "question": PROMPT.format(n=number),
            "choices": list("wxyz"),
        }
        asked = {"gen_args_0": {"arg_0": PROMPT.format(n=number)}}
        yield {"doc_id": number, "doc": doc, "target": "A", "arguments": asked,
               "resps": [[f"I count.\nANSWER: {said}"]], "filtered_resps": [said], "filter": "none",
               "metrics": ["exact_match"], "doc_hash": f"{number:064}", "exact_match": float(said == "A")}  # fmt: skip


def rows(n: int, seed: int) -> Iterator[dict[str, object]]:
    """Rows of our own."""
    draw = random.Random(seed)
    return ({"id": f"q{i}", "group": f"p{i // 3}", "gold": "A", "answer": draw.choice("ABCD")} for i in range(n))


def scores(n: int, seed: int) -> Iterator[dict[str, object]]:
    """Scores between 0 and 1, no two alike."""
    draw = random.Random(seed)
    return ({"id": f"q{i}", "score": draw.random()} for i in range(n))


def main() -> None:
    """Write, judge, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--questions", type=int, default=100_000)
    n = parser.parse_args().questions
    with tempfile.TemporaryDirectory() as folder:
        for name, made in (("rows", rows), ("scores", scores), ("lm-eval samples", samples)):
            paths = [Path(folder) / f"{name}-{seed}.jsonl" for seed in (1, 2)]
            for seed, path in enumerate(paths, 1):
                path.write_text("".join(f"{json.dumps(row)}\n" for row in made(n, seed)))
            start, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
            command = [sys.executable, "-m", "flows.cli", "verdict", *map(str, paths), "--json"]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            took = time.perf_counter() - start
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            worked = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
            peak = after.ru_maxrss / 2**20
            size = sum(path.stat().st_size for path in paths) / 2**20
            print(
                f"{name:<16} {n:,} a side, {size:,.0f} MiB: {worked:.1f} s of processor, {took:.1f} s; "
                f"the largest process so far {peak:.2f} GiB"
            )


if __name__ == "__main__":
    main()
