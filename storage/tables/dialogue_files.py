"""Dialogues as a parquet file of an artifact, and back as records.

dialogues.parquet   id, group, split, task, messages (list of {role, content, train}), about (JSON), topic,
                    language, source_id, file, line
rejects.parquet, drops.parquet   see `parsed`
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import orjson
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from storage.cleaning import compare
from storage.cleaning.clean import RULES, Rules
from storage.dialogues import Dialogue, Record
from storage.home import Home
from storage.records import Message, PonensError, Receipt, Rejected, Split
from storage.tables import parsed

DIALOGUES = "dialogues.parquet"
_COLUMNS: dict[str, Any] = {
    **parsed.COMMON,
    "task": pl.String,
    "messages": pl.List(pl.Struct({"role": pl.String, "content": pl.String, "train": pl.Boolean})),
    **dict.fromkeys(("about", "topic", "language", "source_id", "file"), pl.String),
    "line": pl.Int64,
}
_MESSAGES = pa.list_(
    pa.struct([("role", pa.large_string()), ("content", pa.large_string()), ("train", pa.bool_())]),
)
_FIELDS = ("messages", "task", "about", "topic", "source_id", "file", "line", "split")
_PLAIN = ("task", "topic", "language", "source_id", "file", "line")


class Dialogues:
    """The dialogues of an artifact, in their order; read a few at a time, as often as they are walked through.

    `split` leaves out those of other splits. PonensError if the artifact is gone.
    """

    def __init__(self, home: Home, receipt: Receipt, split: Split | None = None) -> None:
        self._file, self._split = home.root / receipt.artifact / DIALOGUES, split
        if not self._file.exists():
            raise PonensError(f"{self._file} is gone", hint="run the recipe again: it is made anew")

    def __iter__(self) -> Iterator[Dialogue]:
        return read(self._file.parent, self._split)


def read(folder: Path, split: Split | None = None) -> Iterator[Dialogue]:
    """The dialogues of a folder, in their order, a few in memory at a time; `split` leaves out those of others."""
    with pq.ParquetFile(folder / DIALOGUES) as file:
        for batch in file.iter_batches(1000, columns=list(_FIELDS)):
            for row in batch.to_pylist():
                if split in (None, row["split"]):
                    yield _dialogue(row)


def write(
    folder: Path,
    found: Iterable[Dialogue | Rejected],
    split_of: Callable[[str], Split],
    rules: Rules = RULES,
    against: Iterable[Record] = (),
) -> tuple[str, dict[str, Any]]:
    """Stream dialogues and rejects into the three files of `folder`, as `parsed.write` does."""
    return parsed.write(_TABLE, folder, found, split_of, rules, against)


def _dialogue(row: dict[str, Any]) -> Dialogue:
    messages = tuple(Message(**message) for message in row["messages"])
    return Dialogue(**{**row, "messages": messages, "about": orjson.loads(row["about"])})


def _values(dialogues: Sequence[Dialogue]) -> dict[str, Any]:
    turns = [
        [{"role": m.role, "content": m.content, "train": m.train} for m in dialogue.messages] for dialogue in dialogues
    ]
    return {
        **{name: [getattr(dialogue, name) for dialogue in dialogues] for name in (*_PLAIN, "context")},
        "messages": pl.from_arrow(pa.array(turns, _MESSAGES)),
        "about": [orjson.dumps(dialogue.about, option=orjson.OPT_SORT_KEYS).decode() for dialogue in dialogues],
    }


_TABLE: parsed.Table[Dialogue] = parsed.Table(
    record=Dialogue,
    file=DIALOGUES,
    columns=_COLUMNS,
    scratch={"context": pl.String},
    values=_values,
    comparison=compare.DIALOGUES,
    view="""
      array_to_string([m.content for m in messages[:-2] if m.role <> 'system'], ' ') as asked, true as answered""",
    # `id` stands for roles and words
    identity="""id, "group", split, task, about, to_json([m.train for m in messages])::varchar, topic, source_id, file,
      line::varchar""",
    length="list_sum([length(m.content) for m in messages])",
    names=("dialogues", "groups"),
    batch=2_000,
)
