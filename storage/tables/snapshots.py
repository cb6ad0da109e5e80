"""Snapshots: immutable sets of examples to train on, built by DuckDB from parquet parts.

    train.parquet, valid.parquet   id, question, group, split, prompt, completion (chat messages)
    examples.parquet               all of them, for the warehouse: with the request each came from, and `shuffle`,
                                   0 as asked, 1, 2, … a copy with its options in another order
    drops.parquet                  question, reason: what did not become an example, and why

They are made of questions with their rationales, or of dialogues, whose ids stand in `question`. A message of a
dialogue's prompt has a third field, `train`: false where an assistant's words are not to be learnt, else null.

A snapshot's identity is its examples, not its files: they are sorted, so neither the order in which
rationales arrived nor a kill on the way changes it.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import duckdb
import polars as pl

from storage import duckdb_rows
from storage.records import PonensError, Question
from storage.sqlfiles import SqlFiles, quoted, word_for_word
from storage.tables import card_sql

EXAMPLES, DROPS = "examples.parquet", "drops.parquet"
_MESSAGE = {"role": pl.String, "content": pl.String}
_CHAT = pl.List(pl.Struct(_MESSAGE))
_MARKED = pl.List(pl.Struct({**_MESSAGE, "train": pl.Boolean}))
_BATCH = 5_000
_COPY: dict[str, Any] = {
    **dict.fromkeys(("question", "group", "split"), pl.String),
    **{"prompt": _CHAT, "completion": _CHAT, "request": pl.String, "shuffle": pl.Int32},
}
SQL = SqlFiles(Path(__file__).with_name("snapshot_sql"))
MEMORY = "600MB"  # what DuckDB may take before it spills to the folder that the snapshot is made in
_GROUP = 4096  # rows that a writer holds until it writes them; a million of a thousand characters need little more

_FIELDS = "problem, question, options, answer, source_id, file, line, split"
_WANTED = f"""
select {_FIELDS}
from questions where answer is not null and id in (select question from rationales where kept)
"""
# Dialogues stand in for questions and have no rationales: their answers are their own.
_DIALOGUES = """
create view questions as
select id, "group", split, language, task, source_id, file, line, null::varchar as answer, file_row_number
from read_parquet('{file}', file_row_number = true, hive_partitioning = false)
"""
_NO_RATIONALES = "create view rationales as select null as question, null as reason, false as kept where false"
_TO_COPY = """
select id, question, "group", split, request, completion[1].content as text
from asked where split = 'train' and id > $after order by id limit $batch
"""
_IDENTITY = """
select sha256(coalesce(string_agg(concat_ws(' ', id, "group", split), chr(10) order by id), '')) from examples
"""


@dataclass(frozen=True, slots=True)
class Counts:
    """What a build came to; `rejections` are rationales that the reason step did not keep.

    `copies` of the rows have their options in another order.
    """

    identity: str
    rows: dict[str, int]
    rejections: dict[str, int]
    dropped: dict[str, int]
    copies: int


Copies = Callable[[Question, str], Iterable[dict[str, Any]]]  # question, completion -> prompt, completion, shuffle


class Build:
    """Tables `questions` and `rationales` over parquet files, and the examples made of them."""

    def __init__(self, con: duckdb.DuckDBPyConnection, *, dialogues: bool) -> None:
        self._con, self._dialogues = con, dialogues
        self.parts: Path | None = None  # scratch inside the snapshot's folder

    def wanted(self) -> Iterator[list[Question]]:
        """The questions with a kept rationale, in batches: those whose prompt has to be rendered."""
        found = self._con.cursor().execute(_WANTED)  # read while others ask
        names = [column[0] for column in found.description or ()]
        while rows := found.fetchmany(_BATCH):
            yield [_question(dict(zip(names, row, strict=True))) for row in rows]

    def write(
        self,
        folder: Path,
        rendered: Iterable[list[dict[str, Any]]],
        *,
        bare: bool = False,
        copies: Copies | None = None,
    ) -> Counts:
        """Fill `folder` with a snapshot: an example for each kept rationale, or each dialogue.

        `rendered` has, in batches, question, prompt and answer: for each wanted question its answer line, which
        with `bare` is the whole completion; for each dialogue what is to be learnt. `copies` gives further prompts
        and completions of a training example. PonensError if a group stands on two sides.
        """
        con = self._con
        parts = self._judge(folder / "parts", rendered, own=bare or self._dialogues)
        SQL.run(con, "4_ranked")
        SQL.run(con, "5_drops")
        self._copy(SQL.text("6_asked"), folder / EXAMPLES)
        if copies:
            (folder / EXAMPLES).rename(parts / "examples-asked.parquet")
            self._copies(copies, parts)
            self._view("all_examples", parts, "examples-*.parquet")
            self._copy("from all_examples order by id", folder / EXAMPLES)
        self._view("examples", folder, EXAMPLES)
        self._whole_groups()
        columns = 'id, question, "group", split, prompt, completion'
        for split in ("train", "valid"):  # in the order of what was just sorted
            self._copy(f"select {columns} from examples where split = '{split}'", folder / f"{split}.parquet")
        self._copy("from drops order by all", folder / DROPS)
        rows = self._count("select split, count(*) from examples group by all")
        return Counts(
            identity=con.execute(_IDENTITY).fetchall()[0][0],
            rows={"train": rows.get("train", 0), "valid": rows.get("valid", 0)},
            rejections=self._count(
                "select coalesce(reason, 'unknown'), count(*) from rationales where not kept group by all order by all"
            ),
            dropped=self._count("select reason, count(*) from drops group by all order by all"),
            copies=self._rows("select count(*) as n from examples where shuffle > 0", {})[0]["n"],
        )

    def describe(self) -> dict[str, Any]:
        """What was written, in numbers, for its data card."""
        return card_sql.describe(self._con, dialogues=self._dialogues)

    def texts(self, most: int) -> list[tuple[str, str]]:
        """Prompt and completion of at most `most` examples that were written."""
        return card_sql.texts(self._con, most)

    def _copies(self, copies: Copies, parts: Path) -> None:
        self._view("asked", parts, "examples-asked.parquet")
        self._con.execute("create temp table taken as select id from asked").fetchall()
        after = ""
        while rows := self._rows(_TO_COPY, {"after": after, "batch": _BATCH}):
            after = rows[-1]["id"]
            ids = [row["question"] for row in rows]
            found = self._rows(f"select id, {_FIELDS} from questions where id in (select unnest($ids))", {"ids": ids})
            questions = {row.pop("id"): _question(row) for row in found}
            made = [
                {**{name: row[name] for name in ("question", "group", "split", "request")}, **copy}
                for row in rows
                for copy in copies(questions[row["question"]], row["text"])
            ]
            self._con.register("copies", pl.DataFrame(made, _COPY))
            SQL.run(self._con, "7_copies")
            self._copy("from fresh", parts / f"examples-{after}.parquet")

    def _judge(self, parts: Path, rendered: Iterable[list[dict[str, Any]]], *, own: bool) -> Path:
        """Views `told` and `judged` over files in `parts`, a batch at a time: no join holds prompts."""
        shutil.rmtree(parts, ignore_errors=True)  # of a try that was killed
        parts.mkdir()
        self.parts = parts
        self._con.execute(f"set temp_directory = '{quoted(parts)}/spilled'; set memory_limit = '{MEMORY}'").fetchall()
        self._con.execute(f"set variable own = {own}").fetchall()
        SQL.run(self._con, "1_places")
        self._copy(SQL.text("2_told_dialogues" if self._dialogues else "2_told"), parts / "told.parquet")
        self._view("told", parts, "told.parquet", "file_row_number = true")
        schema: dict[str, Any] = {
            "question": pl.String,
            "prompt": _MARKED if self._dialogues else _CHAT,
            "answer": pl.String,
        }
        # the empty one, so that the view has its columns where nothing is rendered
        for number, batch in enumerate(chain([[]], rendered)):
            self._con.register("batch", pl.DataFrame(batch, schema))
            self._copy(SQL.text("3_judged"), parts / f"judged-{number:06}.parquet")
        self._view("judged", parts, "judged-*.parquet")
        return parts

    def _whole_groups(self) -> None:
        if torn := self._con.execute(SQL.text("8_torn")).fetchall():
            raise PonensError(
                "problems stand on two sides of the split",
                seen=", ".join(row[0] for row in torn),
                expected="all questions of a problem on one side",
                hint="run again with `--refresh parse`",
            )

    def _view(self, name: str, folder: Path, files: str, options: str = "file_row_number = false") -> None:
        """A view over the files of a folder by this name or pattern."""
        place = f"{quoted(word_for_word(folder))}/{files}"
        options = f"{options}, hive_partitioning = false"
        self._con.execute(f"create view {name} as from read_parquet('{place}', {options})").fetchall()

    def _copy(self, select: str, file: Path) -> None:
        self._con.execute(
            f"copy ({select}) to '{quoted(file)}' (format parquet, compression zstd, row_group_size {_GROUP})"
        ).fetchall()

    def _rows(self, sql: str, values: dict[str, Any]) -> list[dict[str, Any]]:
        self._con.execute(sql, values)
        return duckdb_rows.rows(self._con)

    def _count(self, sql: str) -> dict[str, int]:
        return dict(self._con.execute(sql).fetchall())


def _question(row: dict[str, Any]) -> Question:
    return Question(**{**row, "options": tuple(row["options"])})


@contextmanager
def build(questions: Path, rationales: Path) -> Iterator[Build]:
    """A build over two parquet files, in memory. PonensError if one of them is gone or damaged."""
    views = {
        file: f"create view {name} as from read_parquet('{quoted(word_for_word(file))}', file_row_number = true, "
        "hive_partitioning = false)"
        for name, file in (("questions", questions), ("rationales", rationales))
    }
    with _over(views, dialogues=False) as made:
        yield made


@contextmanager
def of_dialogues(dialogues: Path) -> Iterator[Build]:
    """A build over a parquet file of dialogues. PonensError if it is gone or damaged."""
    with _over({dialogues: _DIALOGUES.format(file=quoted(word_for_word(dialogues)))}, dialogues=True) as made:
        yield made


@contextmanager
def _over(views: Mapping[Path, str], *, dialogues: bool) -> Iterator[Build]:
    with duckdb.connect() as con:
        for file, sql in views.items():
            try:
                con.execute(sql).fetchall()
            except duckdb.Error as error:
                raise PonensError(f"{file} cannot be read", seen=error, hint="run the recipe again") from None
        if dialogues:
            con.execute(_NO_RATIONALES).fetchall()
        build = Build(con, dialogues=dialogues)
        yield build
        if build.parts:
            shutil.rmtree(build.parts)
