"""Replies of all kinds over every schema of Spider: does any of them raise?

    python benchmarks/fuzz_sql.py [--replies 20000] [--seed 0]

Half are golds with pieces replaced, doubled, cut or moved; the others are made of the grammar's words, other dialects,
prose and broken text. Prints what became of them; exits with 1 if anything was raised.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from evals.scorers.sql import SqlScorer
from prompts import sql as prompt
from storage.dialogues import Dialogue
from storage.records import Message
from tasks.sandbox.runner import Limits, Sandbox

SPIDER = Path(__file__).resolve().parents[2] / "shared" / "data" / "sql_spider" / "question_context_answer.jsonl"
Row = dict[str, str]
_TEXT = (
    "SELECT FROM WHERE GROUP BY ORDER BY HAVING LIMIT OFFSET DISTINCT UNION INTERSECT EXCEPT JOIN LEFT JOIN ON AS AND"
    " OR NOT IN EXISTS BETWEEN LIKE GLOB IS NULL CASE WHEN THEN ELSE END ASC DESC COLLATE NOCASE WITH RECURSIVE OVER"
    " PARTITION count sum avg min max total group_concat strftime date julianday substr CAST INTEGER REAL TEXT iif"
    " coalesce ifnull nullif round abs length upper lower instr replace printf typeof row_number rank ILIKE ::int TOP"
    " || + - * / % ( ) , . ; = <> != < > <= >= == 'x' '' \"y\" `z` [w] 0 1 -1 1.5 1e999 -1e400 99999999999999999999"
    " 0x1F '%Y' 'now' '1990' '1990-01-01' 'NaN' 'inf' 'n/a' NULL TRUE ? :a @b $c -- /* */ ' \" ``` \x00 \ud800 é 李"
    " \u202e 🙂"
)
_PIECES = _TEXT.split(" ")
_PROSE = (
    "I cannot answer.",
    "Here is the query:\n```sql\n{}\n```",
    "{}\n\nThis lists them.",
    "{};\n{};",
    "<think>{}</think>{}",
)


def replies(golds: list[Row], draw: random.Random, count: int) -> Iterator[tuple[Row, str]]:
    """So many pairs of a gold and a reply."""
    by_schema: dict[str, list[Row]] = {}
    for row in golds:
        by_schema.setdefault(row["context"], []).append(row)
    schemas = sorted(by_schema)
    for n in range(count):
        gold = draw.choice(by_schema[schemas[n % len(schemas)]])
        other = draw.choice(by_schema[gold["context"]])["answer"]
        yield gold, draw.choice((_mutated, _mutated, _crossed, _made, _wrapped))(gold, other, draw)


def _words(text: str) -> list[str]:
    return text.replace("(", " ( ").replace(")", " ) ").replace(",", " , ").split()


def _mutated(gold: Row, other: str, draw: random.Random) -> str:
    words = _words(draw.choice((gold["answer"], other)))
    for _ in range(draw.randint(1, 4)):
        place = draw.randrange(len(words))
        change = draw.randrange(5)
        if change == 0:
            words[place] = draw.choice(_PIECES)
        elif change == 1 and len(words) > 1:
            del words[place]
        elif change == 2:
            words.insert(place, draw.choice((*_PIECES, *_words(other))))
        elif change == 3:
            words[place] = f"{draw.choice(('substr', 'length', 'date', 'abs', 'max', 'avg', 'lower'))}({words[place]})"
        else:
            other_place = draw.randrange(len(words))
            words[place], words[other_place] = words[other_place], words[place]
    return " ".join(words)


def _crossed(gold: Row, other: str, draw: random.Random) -> str:
    one, two = _words(gold["answer"]), _words(other)
    return " ".join(one[: draw.randrange(len(one) + 1)] + two[draw.randrange(len(two)) :])


def _made(gold: Row, other: str, draw: random.Random) -> str:
    names = [word.strip(",();") for word in gold["context"].split()]
    return "SELECT " + " ".join(draw.choice((*_PIECES, *draw.sample(names, 3))) for _ in range(draw.randint(1, 25)))


def _wrapped(gold: Row, other: str, draw: random.Random) -> str:
    inner = (_mutated(gold, other, draw), _crossed(gold, other, draw))
    return draw.choice(_PROSE).replace("{}", inner[0], 1).replace("{}", inner[1], 1)


def main() -> int:
    """How many replies of each outcome; 1 if one of them raised."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--replies", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--spider", type=Path, default=SPIDER)
    given = parser.parse_args()
    golds = [json.loads(line) for line in given.spider.read_text("utf-8").splitlines()]
    found: Counter[str] = Counter()
    start = time.perf_counter()
    with Sandbox(Limits(seconds=1)) as sandbox:
        scorer = SqlScorer(sandbox, databases=2)
        for n, (gold, reply) in enumerate(replies(golds, random.Random(given.seed), given.replies)):
            if n % 1_000 == 999:
                print(n + 1, dict(found.most_common()), flush=True)
            messages = (Message("user", gold["question"]), Message("assistant", gold["answer"]))
            record = Dialogue(messages, "sql", {"schema": gold["context"]})
            try:
                found[scorer.score(prompt.read(reply).text or "", record).outcome] += 1
                scorer.labels([reply, gold["answer"]], record)
            except Exception:
                found["RAISED"] += 1
                print(repr(reply), "to", repr(gold["answer"]))
                traceback.print_exc()
    print(f"{given.replies} replies in {time.perf_counter() - start:.0f} s: {dict(found.most_common())}")
    return int(found["RAISED"] > 0)


if __name__ == "__main__":
    sys.exit(main())
