"""From a file of questions and their rationales to a clean snapshot: this build, `datasets` + pandas, plain Python.

    make bench NAME=assemble
    python benchmarks/assemble.py --rows 100000 1000000

Each way is a process of its own over the same files, and must come to the same examples: exact copies, copies in
another case, spacing or order of options, near copies and the questions of an evaluation set are out, splits go by
problem, prompts are rendered. The other ways do what their tutorials do: `map` and `filter` with the same rules as
Python functions, `drop_duplicates`, datasketch for near-duplicates. They leave out the check of problems across
splits, which here takes only copies that they drop as such. Prints a Markdown table.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from prompts import choice  # noqa: E402
from storage.cleaning.alike import alike  # noqa: E402
from storage.cleaning.overlap import WORDS  # noqa: E402
from storage.cleaning.signs import said, shingles  # noqa: E402
from storage.records import LETTERS, Question, normal  # noqa: E402
from tasks.parse.splits import split_of  # noqa: E402

NEAR, OVERLAP, VALID, TEST, HELD = 0.95, 0.8, 0.05, 0.2, 1000
Row = dict[str, Any]


def questions(rows: int, seed: int = 1) -> Iterator[Row]:
    """Problems of 40 to 80 words with one question each; every tenth is a copy of an earlier one, of some sort."""
    rng = random.Random(seed)
    words = ["".join(rng.choices("bcdfghklmnprst", k=1) + rng.choices("aeiou", k=1)) * 2 for _ in range(40)]
    words += ["".join(rng.choices("abcdefghiklmnoprstuvwy", k=rng.randint(3, 9))) for _ in range(4000)]
    kept: list[Row] = []
    for number in range(rows):
        if number % 10 == 9:
            yield copied(rng.choice(kept), number // 10 % 5, rng)
            continue
        asked = {
            "question": f"Which {rng.choice(words)} follows from {rng.choice(words)}?",
            "options": rng.sample(words, 4),
            "answer": rng.choice("ABCD"),
        }
        text = ". ".join(" ".join(rng.choices(words, k=rng.randint(5, 10))).capitalize() for _ in range(8))
        row = {"id": f"q{number}", "problem": f"{text}.", "questions": [asked]}
        if len(kept) < 20_000:
            kept.append(row)
        yield row


def copied(row: Row, sort: int, rng: random.Random) -> Row:
    """The same again; re-cased; re-spaced; with its options in another order; nearly."""
    [asked] = row["questions"]
    if sort == 1:
        return {**row, "problem": row["problem"].upper()}
    if sort == 2:
        return {**row, "problem": row["problem"].replace(" ", "  ")}
    if sort == 3:
        order = rng.sample(range(4), 4)
        options, answer = [asked["options"][i] for i in order], LETTERS[order.index(LETTERS.index(asked["answer"]))]
        return {**row, "questions": [{**asked, "options": options, "answer": answer}]}
    if sort == 4:
        return {**row, "problem": row["problem"].replace(". ", "; ", 1)}
    return row


def prepare(folder: Path, rows: int) -> None:
    """questions.jsonl, held.jsonl (an evaluation set: some of them, and others) and rationales.parquet."""
    import polars as pl

    made = list(questions(HELD, seed=2))[: HELD // 2]
    told = []
    with (folder / "questions.jsonl").open("w") as file:
        for number, row in enumerate(questions(rows)):
            if number % (2 * rows // HELD) == 1:
                made.append(row)
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
            asked = question(row)
            told.append((asked.id, f"It follows step by step.\n\nAnswer: {asked.answer}", asked.answer))
    (folder / "held.jsonl").write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in made))
    frame = pl.DataFrame(told, ["question", "text", "answer"], orient="row").unique("question", keep="first")
    columns = {"sample": pl.lit(0, pl.Int32), "kept": pl.lit(True), "reason": pl.lit(None, pl.String)}
    columns |= {name: pl.lit("-") for name in ("extractor", "model", "prompt", "request")}
    frame.with_columns(**columns).sample(fraction=1, shuffle=True, seed=1).write_parquet(folder / "rationales.parquet")


def question(row: Row) -> Question:
    [asked] = row["questions"]
    return Question(row["problem"], asked["question"], tuple(asked["options"]), asked["answer"], row["id"])


def here(folder: Path) -> Iterator[tuple[str, str]]:
    """This build: the work of the steps parse and assemble."""
    import polars as pl

    from storage.artifacts import sha256
    from storage.home import Home
    from storage.records import Receipt
    from tasks.assemble import step as assemble
    from tasks.parse import step as parse
    from tasks.runtime.step import Workshop

    home = Home(folder / "home")
    places = {}
    for name in ("questions", "rationales", "snapshot"):
        places[name] = home.root / "artifacts" / name
        places[name].mkdir(parents=True)
    spec = parse.ParseSpec(path=str(folder / "questions.jsonl"), against=[str(folder / "held.jsonl")])
    step = parse.step(spec, parse.Source((folder / "questions.jsonl",), sha256(folder / "questions.jsonl")))
    facts = step.work(Workshop(places["questions"], home, lambda tick: None)).facts
    print(facts["dropped"], file=sys.stderr)
    (folder / "rationales.parquet").rename(places["rationales"] / "rationales.parquet")
    receipts = [Receipt(name, "k", "d", f"artifacts/{name}", {}, {}, 0.0, "") for name in ("questions", "rationales")]
    assemble.step(assemble.AssembleSpec(), *receipts).work(Workshop(places["snapshot"], home, lambda tick: None))
    yield "done", ""
    for split in ("train", "valid"):
        for prompt, completion in (
            pl.scan_parquet(places["snapshot"] / f"{split}.parquet")
            .select("prompt", "completion")
            .collect()
            .iter_rows()
        ):
            yield split, prompt[0]["content"] + completion[0]["content"]


def read(file: Path) -> list[Question]:
    with file.open() as lines:
        return [question(json.loads(line)) for line in lines]


def grams(text: str) -> set[str]:
    words = text.lower().split()
    return {" ".join(words[start : start + WORDS]) for start in range(len(words) - WORDS + 1)}


class Rules:
    """The rules as Python functions, for those who do it by hand."""

    def __init__(self, held: Iterable[Question]) -> None:
        self.digests = {self.digest(q.problem, q.question, q.options) for q in held}
        self.sets = [grams(f"{q.problem} {q.question}") for q in held]
        self.grams = {gram: number for number, found in enumerate(self.sets) for gram in found}

    @staticmethod
    def digest(problem: str, asked: str, options: Iterable[str]) -> str:
        return said(problem, asked, list(options)).digest

    def leaked(self, problem: str, asked: str, digest: str) -> bool:
        if digest in self.digests:
            return True
        own = grams(f"{problem} {asked}")
        hits: dict[int, int] = {}
        for gram in own:
            if gram in self.grams:
                hits[self.grams[gram]] = hits.get(self.grams[gram], 0) + 1
        return any(count / min(len(own), len(self.sets[number])) >= OVERLAP for number, count in hits.items())

    @staticmethod
    def minhash(text: str) -> Any:
        from datasketch import MinHash

        sketch = MinHash(num_perm=64)
        sketch.update_batch([shingle.encode() for shingle in shingles(text)])
        return sketch

    @staticmethod
    def repeated(one: Question, other: Question) -> bool:
        if sorted(map(normal, one.options)) != sorted(map(normal, other.options)):
            return False
        texts = ("\n".join((q.problem, q.question, *sorted(q.options, key=normal))) for q in (one, other))
        return alike(*texts, NEAR) is not None  # type: ignore[call-arg]


def near(rows: Iterable[tuple[Any, Question]]) -> list[bool]:
    """For each row in turn, whether it is to stay."""
    from datasketch import MinHashLSH

    index = MinHashLSH(num_perm=64, params=(8, 8))
    stay: list[bool] = []
    known: dict[str, Question] = {}
    for number, (sketch, asked) in enumerate(rows):
        alone = not any(Rules.repeated(known[name], asked) for name in index.query(sketch))
        if alone:
            index.insert(str(number), sketch)
            known[str(number)] = asked
        stay.append(alone)
    return stay


def by_datasets(folder: Path) -> Iterator[tuple[str, str]]:
    """`datasets.map` and `filter`, and pandas for what spans rows."""
    os.environ["HF_DATASETS_CACHE"] = str(folder / "cache")
    import datasets
    import pandas as pd

    datasets.disable_progress_bars()
    rules = Rules(read(folder / "held.jsonl"))

    def flat(row: Row) -> Row:
        asked = question(row)
        return {
            "id": asked.id, "group": asked.group, "problem": asked.problem, "asked": asked.question,
            "options": list(asked.options), "key": asked.answer,
            "same": rules.digest(asked.problem, asked.question, asked.options),
        }  # fmt: skip

    def sketched(row: Row) -> Row:
        text = said(row["problem"], row["asked"], row["options"]).text
        return {"sketch": rules.minhash(text).hashvalues}

    found = datasets.load_dataset("json", data_files=str(folder / "questions.jsonl"), split="train")
    found = found.map(flat, remove_columns=["questions"])
    found = found.filter(lambda row: not rules.leaked(row["problem"], row["asked"], row["same"]))
    frame = found.select_columns(["id", "same"]).to_pandas()
    found = found.select(frame.drop_duplicates("same").index.to_numpy())
    found = found.map(sketched)
    from datasketch import MinHash

    rows = (
        (
            MinHash(num_perm=64, hashvalues=row["sketch"], scheme=MinHash(num_perm=1).scheme),
            Question(row["problem"], row["asked"], tuple(row["options"])),
        )
        for row in found
    )
    stay = near(rows)
    found = found.select([number for number, alone in enumerate(stay) if alone])
    found = found.map(lambda row: {"split": split_of(row["group"], VALID, TEST)})
    found = found.filter(lambda row: row["split"] != "test")
    told = pd.read_parquet(folder / "rationales.parquet").set_index("question")
    texts, keys = told["text"].to_dict(), told["answer"].to_dict()
    found = found.filter(lambda row: keys.get(row["id"]) == row["key"])

    def rendered(row: Row) -> Row:
        asked = Question(row["problem"], row["asked"], tuple(row["options"]), row["key"])
        return {
            "prompt": [message.dict() for message in choice.solve(asked)],
            "completion": [{"role": "assistant", "content": texts[row["id"]].strip()}],
        }

    found = found.map(rendered)
    for split in ("train", "valid"):
        one = found.filter(lambda row, split=split: row["split"] == split)
        one.select_columns(["id", "prompt", "completion"]).to_parquet(str(folder / f"{split}.parquet"))
    yield "done", ""
    for row in found:
        yield row["split"], row["prompt"][0]["content"] + row["completion"][0]["content"]


def by_hand(folder: Path) -> Iterator[tuple[str, str]]:
    """Lists and sets, as a tutorial has it."""
    import pandas as pd

    rules = Rules(read(folder / "held.jsonl"))
    seen: set[str] = set()
    kept: list[Question] = []
    for asked in read(folder / "questions.jsonl"):
        digest = rules.digest(asked.problem, asked.question, asked.options)
        if digest not in seen and not rules.leaked(asked.problem, asked.question, digest):
            seen.add(digest)
            kept.append(asked)
    sketches = ((rules.minhash(said(q.problem, q.question, q.options).text), q) for q in kept)
    kept = [asked for asked, alone in zip(kept, near(sketches), strict=True) if alone]
    told = {row["question"]: row for row in pd.read_parquet(folder / "rationales.parquet").to_dict("records")}
    examples: dict[str, list[Row]] = {"train": [], "valid": []}
    for asked in kept:
        split, rationale = split_of(asked.group, VALID, TEST), told.get(asked.id)
        if split != "test" and rationale and rationale["answer"] == asked.answer:
            completion = [{"role": "assistant", "content": rationale["text"].strip()}]
            prompt = [message.dict() for message in choice.solve(asked)]
            examples[split].append({"id": asked.id, "prompt": prompt, "completion": completion})
    for split, rows in examples.items():
        (folder / f"{split}.jsonl").write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    yield "done", ""
    for split, rows in examples.items():
        for row in rows:
            yield split, row["prompt"][0]["content"] + row["completion"][0]["content"]


WAYS: dict[str, Callable[[Path], Iterator[tuple[str, str]]]] = {
    "ponens": here, "datasets + pandas": by_datasets, "plain Python": by_hand,
}  # fmt: skip


def alone(way: str, folder: Path) -> None:
    """Do it one way in this process; prints seconds, peak memory and a digest of the examples."""
    start, used = time.perf_counter(), time.process_time()
    results = WAYS[way](folder)
    next(results)
    took, cpu = time.perf_counter() - start, time.process_time() - used
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    lines = sorted(hashlib.sha256(f"{split}\n{text}".encode()).hexdigest() for split, text in results)
    digest = hashlib.sha256("".join(lines).encode()).hexdigest()[:12]
    print(json.dumps({"seconds": took, "cpu": cpu, "peak": peak, "examples": len(lines), "digest": digest}))


def measured(way: str, rows: int) -> Row:
    with tempfile.TemporaryDirectory(prefix="ponens-bench-") as place:
        prepare(Path(place), rows)
        command = [sys.executable, __file__, "--alone", way, "--folder", place]
        done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    found: Row = json.loads(done.stdout)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[5_000, 20_000])
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=[*WAYS])
    parser.add_argument("--alone", choices=WAYS, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.alone:
        alone(given.alone, given.folder)
        return
    print("| questions | way | seconds | questions a second | CPU seconds | peak MiB | examples | times ponens |")
    print("|---|---|---|---|---|---|---|---|")
    for rows in given.rows:
        found: dict[str, Row] = {}
        for way in given.ways:
            it = found[way] = measured(way, rows)
            print(
                f"| {rows:,} | {way} | {it['seconds']:.1f} | {rows / it['seconds']:,.0f} | {it['cpu']:.1f} "
                f"| {it['peak']:,.0f} | {it['examples']:,} | {it['seconds'] / found[given.ways[0]]['seconds']:.1f} |",
                flush=True,
            )
        if len({it["digest"] for it in found.values()}) > 1:
            raise SystemExit(f"the ways differ: {found}")


if __name__ == "__main__":
    main()
