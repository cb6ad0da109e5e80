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

from storage import description, results
from storage.records import PonensError, Question

EXAMPLES, DROPS = "examples.parquet", "drops.parquet"
_MESSAGE = {"role": pl.String, "content": pl.String}
_CHAT = pl.List(pl.Struct(_MESSAGE))
_MARKED = pl.List(pl.Struct({**_MESSAGE, "train": pl.Boolean}))
_BATCH = 5_000
_COPY: dict[str, Any] = {
    **dict.fromkeys(("question", "group", "split"), pl.String),
    **{"prompt": _CHAT, "completion": _CHAT, "request": pl.String, "shuffle": pl.Int32},
}
MEMORY = "600MB"  # what DuckDB may take before it spills to the folder that the snapshot is made in

_FIELDS = "problem, question, options, answer, source_id, file, line, split"
_WANTED = f"""
select {_FIELDS}
from questions where answer is not null and id in (select question from rationales where kept)
"""
# Every kept rationale with its question, and the first thing that keeps it out, if anything does.
_BARE, _WHOLE = "p.answer", "trim(r.text, e' \\t\\r\\n')"
_JUDGED = """
select r.question, r.sample, r.request, q."group", q.split, p.prompt,
  [struct_pack(role := 'assistant', content := {text})] as completion,
  left(sha256(to_json(p.prompt)::varchar || chr(10) || to_json(completion)::varchar), 16) as id,
  case
    when q.id is null then 'unknown question'
    when q.split = 'test' then 'test question'
    when q.answer is null then 'no key'
    when r.answer is distinct from q.answer then 'disagrees with the key'
  end as fault,
from rationales r left join questions q on q.id = r.question left join rendered p on p.question = r.question
where r.kept
"""
_TOLD = """
select d.id as question, 0 as sample, null::varchar as request, d."group", d.split, p.prompt,
  [struct_pack(role := 'assistant', content := p.answer)] as completion,
  left(sha256(to_json(p.prompt)::varchar || chr(10) || to_json(completion)::varchar), 16) as id,
  if(p.question is null, 'no answer to learn', null) as fault,
from questions d left join rendered p on p.question = d.id
where d.split in ('train', 'valid')
"""
# Dialogues stand in for questions and have no rationales: their answers are their own.
_DIALOGUES = """
create view questions as
select id, "group", split, language, task, source_id, file, line, null::varchar as answer from read_parquet('{file}')
"""
_NO_RATIONALES = "create view rationales as select null as question, null as reason, false as kept where false"
# A copy says nothing new.
_RANKED = """
create temp table ranked as
select file_row_number, question, row_number() over (partition by id order by sample, request, question) as copy
from judged where fault is null
"""
_ASKED = """
select id, question, "group", split, prompt, completion, request, 0::integer as shuffle
from judged where file_row_number in (select file_row_number from ranked where copy = 1) order by id
"""
_TO_COPY = """
select id, question, "group", split, request, completion[1].content as text
from asked where split = 'train' and id > $after order by id limit $batch
"""
_COPIES = """
create or replace temp table fresh as
select id, question, "group", split, prompt, completion, request, shuffle
from (select left(sha256(to_json(prompt)::varchar || chr(10) || to_json(completion)::varchar), 16) as id, * from copies)
anti join taken using (id) qualify row_number() over (partition by id) = 1
"""
_DROPS = """
create temp table drops as
select question, fault as reason from judged where fault is not null
union all
select question, 'duplicate' from ranked where copy > 1
union all
select id, 'no kept rationale' from questions q
where split in ('train', 'valid') and answer is not null and not exists (
  select 1 from rationales r where r.question = q.id and r.kept
)
"""
_IDENTITY = """
select sha256(coalesce(string_agg(concat_ws(' ', id, "group", split), chr(10) order by id), '')) from examples
"""
_TORN = """
select "group" from (
  select "group", split from questions union all select "group", split from examples
) group by all having count(distinct split) > 1 limit 5
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
        found = self._con.execute(_WANTED)
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
        parts = self._render(folder / "parts", rendered)
        judged = _TOLD if self._dialogues else _JUDGED.format(text=_BARE if bare else _WHOLE)
        self._copy(judged, parts / "judged.parquet")
        self._view("judged", parts / "judged.parquet", "file_row_number = true")
        con.execute(_RANKED).fetchall()
        con.execute(_DROPS).fetchall()
        self._copy(_ASKED, folder / EXAMPLES)
        if copies:
            (folder / EXAMPLES).rename(parts / "examples-asked.parquet")
            self._copies(copies, parts)
            self._view("all_examples", parts / "examples-*.parquet")
            self._copy("from all_examples order by id", folder / EXAMPLES)
        self._view("examples", folder / EXAMPLES)
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
        return description.describe(self._con, dialogues=self._dialogues)

    def texts(self, most: int) -> list[tuple[str, str]]:
        """Prompt and completion of at most `most` examples that were written."""
        return description.texts(self._con, most)

    def _copies(self, copies: Copies, parts: Path) -> None:
        self._view("asked", parts / "examples-asked.parquet")
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
            self._con.execute(_COPIES).fetchall()
            self._con.execute("insert into taken select id from fresh").fetchall()
            self._copy("from fresh", parts / f"examples-{after}.parquet")

    def _render(self, parts: Path, rendered: Iterable[list[dict[str, Any]]]) -> Path:
        """A view `rendered` over files in `parts`: a million prompts are more than memory should hold."""
        shutil.rmtree(parts, ignore_errors=True)  # of a try that was killed
        parts.mkdir()
        self.parts = parts
        self._con.execute(f"set temp_directory = '{_quoted(parts)}/spilled'; set memory_limit = '{MEMORY}'").fetchall()
        schema: dict[str, Any] = {
            "question": pl.String,
            "prompt": _MARKED if self._dialogues else _CHAT,
            "answer": pl.String,
        }
        # the empty one, so that the view has its columns where nothing is rendered
        for number, batch in enumerate(chain([[]], rendered)):
            file = parts / f"rendered-{number:06}.parquet"
            pl.DataFrame(batch, schema).write_parquet(file, compression="lz4")
        self._view("rendered", parts / "rendered-*.parquet")
        return parts

    def _whole_groups(self) -> None:
        if torn := self._con.execute(_TORN).fetchall():
            raise PonensError(
                "problems stand on two sides of the split",
                seen=", ".join(row[0] for row in torn),
                expected="all questions of a problem on one side",
                hint="run again with `--refresh parse`",
            )

    def _view(self, name: str, files: Path, options: str = "file_row_number = false") -> None:
        self._con.execute(f"create view {name} as from read_parquet('{_quoted(files)}', {options})").fetchall()

    def _copy(self, select: str, file: Path) -> None:
        self._con.execute(f"copy ({select}) to '{_quoted(file)}' (format parquet, compression zstd)").fetchall()

    def _rows(self, sql: str, values: dict[str, Any]) -> list[dict[str, Any]]:
        self._con.execute(sql, values)
        return results.rows(self._con)

    def _count(self, sql: str) -> dict[str, int]:
        return dict(self._con.execute(sql).fetchall())


def _question(row: dict[str, Any]) -> Question:
    return Question(**{**row, "options": tuple(row["options"])})


@contextmanager
def build(questions: Path, rationales: Path) -> Iterator[Build]:
    """A build over two parquet files, in memory. PonensError if one of them is gone or damaged."""
    views = {
        file: f"create view {name} as from read_parquet('{_quoted(file)}')"
        for name, file in (("questions", questions), ("rationales", rationales))
    }
    with _over(views, dialogues=False) as made:
        yield made


@contextmanager
def of_dialogues(dialogues: Path) -> Iterator[Build]:
    """A build over a parquet file of dialogues. PonensError if it is gone or damaged."""
    with _over({dialogues: _DIALOGUES.format(file=_quoted(dialogues))}, dialogues=True) as made:
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


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")
