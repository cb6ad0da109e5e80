"""What stands beside the question of text-to-SQL, as BIRD gives it: its evidence, and what is said of the columns.

    schema                       the CREATE TABLE statements
    Columns of singer:           a list for each table that `storage.sources.column_descriptions` has a file of
    - age (integer): in years; at the time of the concert
    evidence                     what a term of the question means
    question

The words are a dialogue's own from here on, so that training, evaluation and whoever asks later see the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from storage.dialogues import Dialogue
from storage.records import Message, Rejected
from storage.sources import column_descriptions
from storage.sources.column_descriptions import Undescribed
from storage.sources.formats import sql

_EXAMPLES = 5
# what is told, by kind: of how many things, and what became of them
_TOLD = {
    "undescribed-rows": "rows are about no database that has a folder {folder}: they are asked without it",
    "undescribed-tables": "tables have no file in {folder}: nothing is said of their columns",
    "unread-descriptions": "files of {folder} cannot be read: nothing is said of their tables' columns",
    "guessed-descriptions": "files of {folder} are not all UTF-8",
    "unknown-descriptions": "descriptions are of columns or tables that the schema does not have: they are left out",
    "cut-descriptions": "descriptions of columns are cut at {limit} characters, as [parse] descriptions says",
}


class BesideSpec(BaseModel):
    """What of [parse] is for text-to-SQL."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    evidence: bool = Field(True, description="For text-to-SQL: whether a row's evidence stands above its question.")
    descriptions: int = Field(
        0,
        ge=0,
        description="For text-to-SQL: characters of a column's description, from database_description/*.csv beside a "
        "real database, that stand below the schema; 0 leaves descriptions out.",
    )

    def fingerprint(self, roots: Sequence[Path]) -> dict[str, str]:
        """What stands for the descriptions among a step's inputs; nothing where they are left out."""
        return {"descriptions": column_descriptions.fingerprint(roots)} if self.descriptions else {}


@dataclass
class Described:
    """Puts descriptions below the schemas of dialogues, and takes their evidence away, as a recipe wants it.

    `roots` are the folders of databases; `limit` is how many characters are said of a column, 0 for no descriptions.
    """

    roots: Sequence[Path]
    limit: int = 0
    evidence: bool = True
    _known: dict[tuple[str, str], str | None] = field(default_factory=dict)
    _odd: dict[str, dict[str, int]] = field(default_factory=lambda: {kind: {} for kind in _TOLD})
    _counts: dict[str, int] = field(default_factory=lambda: {"databases": 0, "columns": 0})

    def __call__(self, dialogue: Dialogue) -> Dialogue:
        """The dialogue as it is asked; one that is not about a schema is returned as it is."""
        about = dialogue.about
        if dialogue.task != "sql" or not {"schema", "question"} <= about.keys() or (self.evidence and not self.limit):
            return dialogue
        context = sql.asked(str(about["schema"]), self._words(dialogue) if self.limit else "")
        known = str(about.get("evidence", "")) if self.evidence else ""
        first = Message("user", sql.asked(context, known, str(about["question"])))
        return replace(dialogue, messages=(first, *dialogue.messages[1:]), context=context)

    def each(self, items: Iterable[Dialogue | Rejected]) -> Iterator[Dialogue | Rejected]:
        """Dialogues as they are asked; rejects pass."""
        return (self(item) if isinstance(item, Dialogue) else item for item in items)

    def facts(self) -> dict[str, Any]:
        """Databases and columns that something is said of, and how often what was odd was met."""
        odd = {kind: sum(seen.values()) for kind, seen in self._odd.items() if seen}
        return {"descriptions": {**self._counts, **odd}} if self.limit else {}

    def warnings(self) -> list[dict[str, Any]]:
        """What is missing, guessed, left out or cut, in the form of a source's oddities."""
        told = []
        for kind, seen in self._odd.items():
            if seen:
                count, examples = sum(seen.values()), list(seen)[:_EXAMPLES]
                what = _TOLD[kind].format(folder=column_descriptions.FOLDER, limit=self.limit)
                message = f"{count:,} {what}: {'; '.join(examples)}{'; …' if len(seen) > _EXAMPLES else ''}"
                told.append({"kind": kind, "count": count, "message": message, "examples": examples})
        return told

    def _words(self, dialogue: Dialogue) -> str:
        """What is said of the columns of a dialogue's database; "" where it has no files."""
        schema, name = str(dialogue.about["schema"]), str(dialogue.about.get("db_id", ""))
        if (name, schema) not in self._known:
            files = column_descriptions.files(self.roots, name)
            self._known[name, schema] = "\n\n".join(self._lists(name, schema, files)) if files else None
            self._counts["databases"] += bool(files)
        words = self._known[name, schema]
        if words is None:
            self._saw("undescribed-rows", name or "(no name)")
        return words or ""

    def _lists(self, name: str, schema: str, files: Mapping[str, Path]) -> Iterator[str]:
        """The list of each table that has a file, in the order of the schema."""
        tables = _tables(schema)
        for stem in files.keys() - {table.lower() for table in tables} if tables else ():
            self._saw("unknown-descriptions", f"{name}/{files[stem].name}")
        for table, columns in (tables or {stem: dict[str, str]() for stem in files}).items():
            file = files.get(table.lower())
            if file is None:
                self._saw("undescribed-tables", f"{name}.{table}")
            elif lines := list(self._lines(name, table, columns, file)):
                yield "\n".join([f"Columns of {table}:", *lines])

    def _lines(self, name: str, table: str, columns: Mapping[str, str], file: Path) -> Iterator[str]:
        """A line for each column of a table that something is said of."""
        try:
            read = column_descriptions.read(file)
        except Undescribed as error:
            self._saw("unread-descriptions", f"{name}/{file.name} ({error})")
            return
        if read.remark:
            self._saw("guessed-descriptions", f"{name}/{file.name} ({read.remark})")
        for column, data_format, words in read.columns:
            if columns and column.lower() not in columns:
                self._saw("unknown-descriptions", f"{name}.{table}.{column}")
            elif words:
                self._counts["columns"] += 1
                kind = f" ({data_format})" if data_format else ""
                said = self._within(words, f"{name}.{table}.{column}")
                yield f"- {columns.get(column.lower(), column)}{kind}: {said}"

    def _within(self, words: str, place: str) -> str:
        if len(words) <= self.limit:
            return words
        self._saw("cut-descriptions", place)
        cut = words[: self.limit]
        return f"{cut[: cut.rfind(' ')] if ' ' in cut else cut} …"

    def _saw(self, kind: str, what: str) -> None:
        self._odd[kind][what] = self._odd[kind].get(what, 0) + 1


def _tables(schema: str) -> dict[str, dict[str, str]]:
    """The tables of a schema, each with its columns by their names in lower case; none if it cannot be read."""
    from evals.scorers.execution.schema import Unreadable, schema_of  # brings a parser along

    try:
        return {table.name: {c.name.lower(): c.name for c in table.columns} for table in schema_of(schema).tables}
    except Unreadable:
        return {}
