"""How long each page of `ponens view` takes, over a home of 200 runs and a million samples that is made up for it.

    python benchmarks/view.py                  200 evaluations of 5,000 samples; tables of 100,000 rows
    python benchmarks/view.py --one            one more evaluation, of a million samples
    python benchmarks/view.py --serve PORT     the same home to be looked at

Each page is asked for over the ASGI interface: first with nothing remembered but the templates (a new application
for each page), then again. Times are the server's own, from request to reply, in milliseconds; beside the first stand
the milliseconds of processors that it took, which others at work on the machine do not lengthen.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
from starlette.testclient import TestClient

from storage import reevaluations
from storage.adapters.aliases import Move, append
from storage.artifacts import write_json
from storage.home import Home
from storage.reevaluations import Measure, Round
from storage.tables.doubted_keys import SCHEMA
from tasks.view.app import application

RUNS, QUESTIONS, VOTES, ROWS = 200, 250, 10, 100_000
LARGE = 50_000  # questions of the one evaluation with a million samples
_WORDS = ("north", "south", "lamp", "river", "seven", "before", "after", "if", "then", "the", "is", "not", "because")
_FAMILIES = ("compass", "calendar", "seasons", "relay", "boxes", "seating")


def main() -> None:
    """Make the home, ask for every page, print a table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--one", action="store_true")
    parser.add_argument("--serve", type=int)
    parser.add_argument("--runs", type=int, default=RUNS)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = Home(Path(folder) / "home")
        began = time.monotonic()
        made(home, options.runs, large=options.one)
        print(f"made in {time.monotonic() - began:.0f} s")
        if options.serve:
            from tasks.view.server import door, serve

            serve(application(home), door(options.serve, another=False), lambda: print(f"port {options.serve}"))
        else:
            measured(home, options.runs, large=options.one)


def measured(home: Home, runs: int, *, large: bool) -> None:
    """A line a page: the first time with its processor time, the median and the worst of further times."""
    client(home).get("/questions")  # imports and templates
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors")
    print(f"| {'page':<44} | first | processors | median | worst |   kB |\n|---|---:|---:|---:|---:|---:|")
    for name, address in addresses(runs, large=large):
        asked(client(home), address)  # its template
        site, began = client(home), time.process_time()
        first, size = asked(site, address)
        used = 1000 * (time.process_time() - began)
        again = [asked(site, address)[0] for _ in range(5)]
        times = f"{first:5.0f} | {used:10.0f} | {statistics.median(again):6.0f} | {max(again):5.0f}"
        print(f"| {name:<44} | {times} | {size / 1000:4.0f} |", flush=True)


def client(home: Home) -> TestClient:
    return TestClient(application(home), base_url="http://127.0.0.1")


def asked(site: TestClient, address: str) -> tuple[float, int]:
    """Milliseconds by the server's own watch, and bytes."""
    reply = site.get(address)
    assert reply.status_code == 200, (address, reply.text[-600:])
    return float(reply.headers["server-timing"].partition("dur=")[2]), len(reply.content)


def addresses(runs: int, *, large: bool) -> Iterator[tuple[str, str]]:
    """Every kind of page, those of most work among them."""
    last = _id(runs - 1)
    a, b = f"{_digest('e', runs - 1)}:base", f"{_digest('e', runs - 1)}:logic/{runs}"
    yield "runs", "/"
    yield "runs, searched and sorted", "/?q=rank&sort=difference"
    yield "one run", f"/runs/{last}"
    yield "one run, the part that is live", f"/runs/{last}/live"
    yield "questions, newest evaluation", "/questions"
    yield "questions, fixed", f"/questions?a={a}&b={b}&change=fixed"
    yield "questions, words in replies", f"/questions?a={a}&b={b}&q=river%20lamp"
    yield "questions, unreadable by one extractor", f"/questions?a={a}&b={b}&unread=yes&extractor=unreadable"
    yield "one question, every reply", f"/questions?a={a}&b={b}&id={_question(7)}"
    yield "questions, two adapters of two runs", f"/questions?a={_digest('e', 3)}:logic/4&b={b}"
    yield "reports", "/reports"
    yield "adapters", "/adapters"
    yield f"one adapter, {runs} versions", "/adapters/logic"
    yield "one version, where it came from", f"/adapters/logic/{runs}"
    yield "snapshots", "/snapshots"
    yield "one snapshot, 100,000 rows", f"/snapshots/{_digest('5', 0)}"
    yield "one snapshot, words", f"/snapshots/{_digest('5', 0)}?q=river%20lamp"
    yield "two snapshots, what changed", f"/snapshots/{_digest('5', 0)}/diff/{_digest('5', 1)}"
    yield "data", "/data"
    for table, id in (("rejects", _digest("d", 0)), ("drops", _digest("d", 0)), ("suspects", _digest("f", 0))):
        yield f"{table}, 100,000 rows", f"/data/{table}/{id}"
        yield f"{table}, last page", f"/data/{table}/{id}?page=999999"
        yield f"{table}, words", f"/data/{table}/{id}?q=river%20lamp"
        yield f"{table}, sorted by line", f"/data/{table}/{id}?sort=line&order=down"
    if large:
        one = _digest("e", runs)
        a, b = f"{one}:base", f"{one}:logic/1"
        yield "a million samples: questions", f"/questions?a={a}&b={b}"
        yield "a million samples: broken, page 40", f"/questions?a={a}&b={b}&change=broken&page=40"
        yield "a million samples: words in replies", f"/questions?a={a}&b={b}&q=river%20lamp"
        yield "a million samples: one question", f"/questions?a={a}&b={b}&id={_question(7)}"


def made(home: Home, runs: int, *, large: bool) -> None:
    """The home: runs, their evaluations with all replies, adapters, snapshots, tables."""
    chance = random.Random(1)
    _sources(home, chance)
    _snapshots(home)
    for n in range(runs):
        facts = _evaluated(home, n, QUESTIONS, f"logic/{n + 1}", chance)
        _adapter(home, n)
        _run(home, n, facts, chance)
    if large:
        _evaluated(home, runs, LARGE, "logic/1", chance)
    for n in range(1, 40):
        append(home, Move("logic", "champion", n or None, n + 1, _time(n), "better on the gate set", "me@here", "gate"))
        sides = {name: {"accuracy": 0.5, "ci95": [0.4, 0.6], "unreadable": 0.0} for name in ("base", "champion")}
        measure = Measure("test", "artifacts/evaluations/x", 250, 5, sides, {"base_model": "toy"})
        reevaluations.append(home, Round("logic", f"day {n}", _time(n), f"logic/{n + 1}", "gate", n, "", [measure]))


def _sources(home: Home, chance: random.Random) -> None:
    folder = home.root / "artifacts" / "questions" / _digest("d", 0)
    folder.mkdir(parents=True)
    ids = range(LARGE)
    pl.DataFrame(
        {
            "id": [_question(n) for n in ids], "group": [f"g{n // 2}" for n in ids], "split": ["test"] * LARGE,
            "language": ["en"] * LARGE, "problem": _texts(chance, 30, LARGE),
            "question": [f"Which one is it, case {n}?" for n in ids],
            "options": [["red", "green", "blue", "grey"]] * LARGE,
            "answer": ["ABCD"[n % 4] for n in ids], "source_id": [f"{_FAMILIES[n % 6]}-en-{n:06}" for n in ids],
            "file": ["quiz.jsonl"] * LARGE, "line": list(ids),
        }
    ).write_parquet(folder / "questions.parquet")  # fmt: skip
    lines = list(range(ROWS))
    texts = [_text(chance, 9) for _ in range(500)]
    file = ["a/long/way/to/quiz.jsonl"] * ROWS
    reason = [f"{texts[n % 500]} ({n})" for n in lines]
    rejects = {
        "file": file,
        "line": lines,
        "field": [("answer", "options", "")[n % 3] for n in lines],
        "reason": reason,
    }
    pl.DataFrame(rejects).write_parquet(folder / "rejects.parquet")
    pl.DataFrame(
        {
            "question": [_question(n) for n in lines], "reason": [("copy", "near-copy", "leak")[n % 3] for n in lines],
            "file": file, "line": lines, "other": [_question(n + 1) for n in lines], "other_file": file,
            "other_line": lines, "similarity": [0.97] * ROWS, "evidence": reason,
        }
    ).write_parquet(folder / "drops.parquet")  # fmt: skip
    suspects = home.root / "artifacts" / "rationales" / _digest("f", 0)
    suspects.mkdir(parents=True)
    votes, evidence = [["A", "A", "B"]] * ROWS, [[text] for text in reason]
    columns = {
        "rank": lines, "question": [_question(n) for n in lines], "source_id": [f"boxes-{n}" for n in lines],
        "file": file, "line": lines, "problem": reason, "asked": reason, "options": [["red", "green"]] * ROWS,
        "key": ["ABCD"[n % 4] for n in lines], "answer": ["A"] * ROWS, "votes": votes, "share": [0.7] * ROWS,
        "strength": [0.9] * ROWS, "evidence": evidence,
    }  # fmt: skip
    pl.DataFrame(columns, SCHEMA).write_parquet(suspects / "suspects.parquet")
    _receipt(
        home, "parse", "d", 0, f"artifacts/questions/{_digest('d', 0)}", {"questions": LARGE, "format": "competition"}
    )
    _receipt(
        home, "reason", "f", 0, f"artifacts/rationales/{_digest('f', 0)}", {"requests": ROWS, "kept": ROWS, "cost": 9.5}
    )


def _snapshots(home: Home) -> None:
    chance = random.Random(2)
    texts = [_text(chance, 60) for _ in range(2000)]
    for n in range(40):
        folder = home.root / "artifacts" / "snapshots" / _digest("5", n)
        folder.mkdir(parents=True)
        rows = ROWS if n < 2 else 100
        if n < 2:
            changed = [i + n * (i % 20 == 0) for i in range(rows)]
            frame = {
                "id": [_question(i + 10**6 * c) for i, c in enumerate(changed)],
                "question": [_question(i) for i in range(rows)],
                "group": ["g"] * rows, "split": ["train"] * rows,
                "prompt": [[{"role": "user", "content": texts[i % 2000]}] for i in range(rows)],
                "completion": [[{"role": "assistant", "content": texts[c % 1999]}] for c in changed],
                "request": ["r"] * rows, "shuffle": [0] * rows,
            }  # fmt: skip
            pl.DataFrame(frame, schema_overrides={"shuffle": pl.Int32}).write_parquet(folder / "examples.parquet")
        write_json(
            folder / "manifest.json",
            {"facts": {"rows": {"train": rows}, "dropped": {}}, "made_at": _time(n), "digest": _digest("5", n)},
        )
        _receipt(home, "assemble", "5", n, f"artifacts/snapshots/{_digest('5', n)}", {"rows": {"train": rows}},
                 {"questions": _digest("d", 0), "rationales": _digest("f", 0)})  # fmt: skip


def _evaluated(home: Home, n: int, questions: int, adapter: str, chance: random.Random) -> dict[str, Any]:
    folder = home.root / "artifacts" / "evaluations" / _digest("e", n)
    folder.mkdir(parents=True)
    ids = [_question(q) for q in range(questions)]
    texts = [_text(chance, 45) for _ in range(997)]
    rows = questions * 2 * VOTES
    letters = [chance.choice("AAABCD") if chance.random() > 0.05 else None for _ in range(997)]
    place = [(i * 31 + n) % 997 for i in range(rows)]
    answers = [letters[p] for p in place]
    pl.DataFrame(
        {
            "question": [ids[i // (2 * VOTES)] for i in range(rows)],
            "subject": [("base", adapter)[i // VOTES % 2] for i in range(rows)],
            "index": [i % VOTES for i in range(rows)],
            "text": [f"{texts[p]} {p}\nAnswer: {a or '?'}" for p, a in zip(place, answers, strict=True)],
            "finish": ["stop"] * rows, "tokens": [60] * rows, "answer": answers,
            "extractor": ["answer-line" if a else "unreadable" for a in answers], "logprob": [-0.5] * rows,
        },
        schema_overrides={"index": pl.Int32},
    ).write_parquet(folder / "samples.parquet")  # fmt: skip
    ballots = [
        {
            "question": id, "group": f"g{q}", "subject": s, "gold": "ABCD"[q % 4], "winner": chance.choice("ABCD"),
            "votes": ["A"] * VOTES,
        }
        for q, id in enumerate(ids)
        for s in ("base", adapter)
    ]  # fmt: skip
    pl.DataFrame(ballots).write_parquet(folder / "ballots.parquet")
    side = {
        "accuracy": chance.random(),
        "ci95": [0.3, 0.6],
        "unreadable": 0.01,
        "extractors": {"answer-line": {"n": 900, "right": 300}},
    }
    curve = [[k, 0.4, 0.3, 0.5] for k in range(1, VOTES + 1)]
    paired = {
        "verdict": ("better", "cannot tell", "worse")[n % 3], "difference": chance.uniform(-0.2, 0.4),
        "ci95": [0.1, 0.3],
        "reason": "32 of 75 questions were fixed and 2 broken (p < 0.0001, exact McNemar).", "fixed": 32, "broken": 2,
        "fixed_ids": ids[:32], "broken_ids": ids[32:34],
    }  # fmt: skip
    facts = {
        "adapter_name": adapter, "others": {}, "questions": questions, "votes": VOTES, "engine": "vllm",
        "temperature": 0.7,
        "base": side, "adapter": {**side, "accuracy": chance.random()}, "paired": paired, "warnings": [],
        "curves": {"base": curve, "adapter": curve}, "passes": {"base": curve, "adapter": curve},
        "slices": [{"by": "family", "name": f, "n": 9, "base": 0.1, "adapter": 0.2} for f in _FAMILIES * 4],
    }  # fmt: skip
    _receipt(
        home, "evaluate", "e", n, f"artifacts/evaluations/{_digest('e', n)}", facts, {"questions": _digest("d", 0)}
    )
    return facts


def _adapter(home: Home, n: int) -> None:
    folder = home.adapters / "logic" / str(n + 1)
    history = [
        {"step": s, "loss": 2 / s, "learning_rate": 1e-4, "tokens_per_second": 900, "memory": 2**30}
        for s in range(1, 400)
    ]
    settings = {"rank": 8 << n % 3, "method": "lora", "learning_rate": 1e-4}
    about = {"base_model": "toy", "snapshot": _digest("5", n % 40), "settings": settings, "history": history,
             "facts": {"loss_first": 2.0, "loss_last": 0.1, "steps": 400, "seconds": 60.0}}  # fmt: skip
    write_json(folder / "adapter.json", about)
    manifest = {
        "digest": _digest("a", n),
        "files": {},
        "made_at": _time(n),
        "key": _digest("c", n) * 4,
        "ingredients": {},
    }
    write_json(folder / "manifest.json", manifest)


def _run(home: Home, n: int, facts: dict[str, Any], chance: random.Random) -> None:
    report = home.root / "artifacts" / "reports" / _digest("b", n)
    recipe = {"name": ("logic", "quiz", "sql")[n % 3], "kind": "choice"}
    recipe |= {
        part: {f"setting_{k}": k for k in range(18)} for part in ("parse", "reason", "assemble", "evaluate", "promote")
    }
    recipe["train"] = {"rank": 8 << chance.randrange(4), "learning_rate": 1e-4, "epochs": chance.randrange(1, 4)}
    write_json(
        report / "manifest.json",
        {"ingredients": {"settings": {"recipe": recipe}, "inputs": {"evaluate": _digest("e", n)}}, "made_at": _time(n)},
    )
    (report / "report.html").write_text("<h1>a report</h1>")
    _receipt(home, "report", "b", n, f"artifacts/reports/{_digest('b', n)}", {"bytes": 1})
    keys = {
        "parse": ("d", 0),
        "reason": ("f", 0),
        "assemble": ("5", n % 40),
        "train": ("c", n),
        "evaluate": ("e", n),
        "report": ("b", n),
    }
    steps = [{"name": s, "status": "ran", "seconds": 9.0, "key": _digest(*k) * 4} for s, k in keys.items()]
    outcome = {
        "outcome": "done", "run_id": _id(n), "recipe": recipe["name"], "steps": steps, "adapter": f"logic/{n + 1}",
        "evaluation": facts, "reason": {"cost": chance.random()}, "dataset": {"snapshot": _digest("5", n % 40)},
    }  # fmt: skip
    write_json(home.run(_id(n)) / "outcome.json", outcome)
    write_json(home.run(_id(n)) / "recipe.json", recipe)
    (home.run(_id(n)) / "log.txt").write_text(
        "".join(f"09:00:{s % 60:02} INFO    train: {s} of 400 steps\n" for s in range(400))
    )


def _receipt(
    home: Home, step: str, letter: str, n: int, place: str, facts: dict[str, Any], inputs: dict[str, str] | None = None
) -> None:
    key, digest = _digest(letter, n) * 4, _digest(letter, n)
    ingredients = {"inputs": inputs or {"source": "s"}, "code": "c", "settings": {}}
    content = {
        "step": step, "key": key, "digest": digest, "artifact": place, "facts": facts, "ingredients": ingredients,
        "seconds": 9.0, "made_at": _time(n),
    }  # fmt: skip
    home.receipt(step, key).parent.mkdir(parents=True, exist_ok=True)
    home.receipt(step, key).write_text(json.dumps(content))


def _digest(letter: str, n: int) -> str:
    return f"{letter}{n:015x}"


def _question(n: int) -> str:
    return f"{n * 2654435761 % 2**64:016x}"


def _id(n: int) -> str:
    return f"202611{1 + n // 24:02}-{n % 24:02}0000-{n:04x}"


def _time(n: int) -> str:
    return f"2026-11-{1 + n // 24:02}T{n % 24:02}:30:00+00:00"


def _text(chance: random.Random, words: int) -> str:
    return " ".join(chance.choices(_WORDS, k=words))


def _texts(chance: random.Random, words: int, count: int) -> list[str]:
    """So many texts, each some hundred times."""
    pool = [_text(chance, words) for _ in range(499)]
    return [pool[n * 7 % 499] for n in range(count)]


if __name__ == "__main__":
    main()
