"""Feed damaged result files of other tools to `ponens verdict`, for as long as one likes.

    python -m tests.fuzz_results --minutes 10 [--seed 1]

A round writes both sides in the form of one tool, damages values, keys or bytes of one file, and compares them as the
command does, page and JSON included. It fails if anything but an error of ours is raised. What fails is kept in
`fuzz-failures/`.
"""

from __future__ import annotations

import argparse
import contextlib
import copy
import faulthandler
import json
import random
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

from storage.evaluations.items import Choice
from storage.home import Home
from storage.records import PonensError
from tasks.verdict.page_facts import page
from tasks.verdict.run import VerdictSpec, compare
from tests import result_files as files
from tests.fuzz_formats import ODD, TOKENS
from tests.tasks.verdict.test_forms import FORMS

MORE: list[Any] = [
    float("nan"),
    10**400,
    "\ud800",
    {"a": {"b": []}},
    [[1], {}],
    "[{",
    "NaN",
    -0.0,
    "A",
    "C",
    [None],
    {"value": {}},
]


def damaged_value(value: Any, draw: random.Random) -> Any:
    """The value with one thing in it another, gone or doubled."""
    value = copy.deepcopy(value)
    at = value
    while True:
        places = list(at) if isinstance(at, dict) else list(range(len(at))) if isinstance(at, list) else []
        if not places:
            return draw.choice(ODD + MORE)
        place = draw.choice(places)
        if draw.random() < 0.6 and isinstance(at[place], (dict, list)) and at[place]:
            at = at[place]
            continue
        if draw.random() < 0.3:
            del at[place]
        else:
            at[place] = draw.choice(ODD + MORE)
        return value


def damaged(content: bytes, draw: random.Random) -> bytes:
    """The file with a value or some bytes of it damaged."""
    if draw.random() < 0.6:
        with contextlib.suppress(ValueError):
            rows = (
                [json.loads(line) for line in content.splitlines() if line.strip()]
                if b"\n{" in content
                else [json.loads(content)]
            )
            for _ in range(draw.randint(1, 3)):
                n = draw.randrange(len(rows))
                rows[n] = damaged_value(rows[n], draw)
            return "\n".join(json.dumps(row) for row in rows).encode("utf-8", "surrogatepass")
    if draw.random() < 0.3:
        return content[: draw.randrange(len(content) + 1)]
    out = bytearray(content)
    for _ in range(draw.randint(1, 8)):
        at = draw.randrange(len(out) + 1)
        out[at : at + draw.randint(0, 4)] = draw.choice(TOKENS) if draw.random() < 0.5 else bytes([draw.randrange(256)])
    return bytes(out)


def rounds(seed: int, folder: Path) -> Iterator[tuple[str, str, Path]]:
    """Each round's tool and outcome: "judged", "refused", or what was raised; the files lie in the folder till the next."""
    n = 0
    while True:
        draw = random.Random(seed * 1_000_003 + n)
        n += 1
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        writer, _, _, _, spec = draw.choice(FORMS)
        spec = dict(spec)
        if spec.get("choice") and spec["choice"].keys:
            spec["choice"] = Choice(keys=files.keys(folder / "keys"))
        paths = [writer(folder / side, votes, draw) for side, votes in (("a", files.A[:6]), ("b", files.B[:6]))]
        spec["allow_missing"] = draw.random() < 0.7
        spec["read"] = spec.get("read") or draw.random() < 0.3
        target = draw.choice([path for path in sorted(folder.rglob("*")) if path.is_file()])
        target.write_bytes(damaged(target.read_bytes(), draw))
        try:
            found = compare(VerdictSpec([str(path) for path in paths], **spec), Home(folder / "home"))
            orjson.dumps(found.dict(), default=str)
            if draw.random() < 0.02:
                page(found, ["ponens"]).encode()
            yield writer.__name__, "judged", target
        except PonensError as error:
            str(error).encode("utf-8", "replace")
            yield writer.__name__, "refused", target
        except Exception as error:
            yield writer.__name__, f"{type(error).__name__}: {error}", target


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    faulthandler.enable()
    counted: Counter[str] = Counter()
    end = time.monotonic() + 60 * given.minutes
    with tempfile.TemporaryDirectory() as folder:
        for number, (tool, outcome, target) in enumerate(rounds(given.seed, Path(folder) / "round")):
            counted[outcome if outcome in ("judged", "refused") else f"RAISED {tool} {outcome[:90]}"] += 1
            if outcome not in ("judged", "refused"):
                kept = Path("fuzz-failures") / f"{number}-{tool}-{target.name}"
                kept.parent.mkdir(exist_ok=True)
                shutil.copy(target, kept)
            if time.monotonic() > end:
                break
    print("\n".join(f"{count:>7,} {what}" for what, count in counted.most_common()))
    raise SystemExit(any(what.startswith("RAISED") for what in counted))


if __name__ == "__main__":
    main()
