r"""Text to SQL, the ways to write it down.

    {"question": "…", "context": "CREATE TABLE …", "answer": "SELECT …"}      sql: by `_ASKED`, `_SCHEMA`, `_QUERY`
    {"db_id": "…", "question": "…", "query": "SELECT …"}                      spider, CSpider, DuSQL, NL2SQL
    {"db_id": "…", "question": "…", "evidence": "…", "SQL": "SELECT …"}       bird: evidence above the question
    {"database_id": "…", "interaction": [{"utterance": "…", "query": "SELECT …"}]}   sparc, CoSQL: a dialogue
    {"text": "table: …\ncolumns: …\nQ: …\nA: SELECT …"}                       wikisql-text

Of spider and bird the schemas lie beside the file (see `schemas`).

The user says the schema and, below it, the question; the assistant says the query as the source has it.
Questions of one database (`db_id`, else the schema) are never split apart. Spider's `tables.json` can itself be read
(spider-tables): a text for each schema.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import lru_cache

from storage.dialogues import Dialogue, Text
from storage.records import Message
from storage.sources.formats.base import At, Cells, Fault, Format, kind, listed, named, optional, said, text
from storage.sources.formats.reply import present
from storage.sources.formats.schemas import TABLE_NAMES, ddl, schema_of

# what the parts of a row are called, without case; a schema is a text with a CREATE TABLE in it
_ASKED = (
    "question",
    "sql_prompt",
    "nl",
    "natural_language",
    "utterance",
    "nl_question",
    "prompt",
    "instruction",
    "input",
)
_SCHEMA = (
    *("sql_context", "schema", "create_table_statement", "create_table", "ddl", "db_schema", "database_schema"),
    *("setup_sql", "schema_sql", "create_sql", "sql_schema", "create_statements", "table_definitions", "db_info"),
    *("table_schema", "context", "input", "tables", "instruction"),
)
_QUERY = (
    "sql",
    "query",
    "sql_query",
    "gold_sql",
    "target_sql",
    "sqlite",
    "answer",
    "response",
    "output",
    "target",
    "completion",
)
_EVIDENCE = ("evidence", "external_knowledge", "hint")
_BLOCK = re.compile(r"table: (?P<table>.*)\ncolumns: (?P<columns>.*)\nQ: (?P<question>.*)\nA: (?P<answer>.*)")


def _parts(row: Cells) -> tuple[str, str, str] | None:
    """The columns of schema, question and query; None where there are not all three."""
    schemas, questions, queries, _ = _columns(tuple(row))
    if len(schemas) == len(questions) == len(queries) == 1 and questions != schemas:  # as most have
        there = isinstance(row[questions[0]], str) and isinstance(row[queries[0]], str) and _is_schema(row[schemas[0]])
        return (schemas[0], questions[0], queries[0]) if there else None
    query = _first(row, queries, _is_text)
    schema = _first(row, schemas, _is_schema)
    asked = _first(row, questions, _is_text, other_than=schema)
    return (schema, asked, query) if schema and asked and query else None


def _first(
    row: Cells, names: tuple[str, ...], fits: Callable[[object], bool], *, other_than: str | None = None
) -> str | None:
    for name in names:
        if name != other_than and fits(row[name]):
            return name
    return None


def _is_text(value: object) -> bool:
    return isinstance(value, str)


@lru_cache(maxsize=1 << 10)
def _columns(columns: tuple[str, ...]) -> tuple[tuple[str, ...], ...]:
    """The columns that may be the schema, the question, the query and the evidence."""
    return tuple(present(columns, names) for names in (_SCHEMA, _ASKED, _QUERY, _EVIDENCE))


def _is_schema(value: object) -> bool:
    return isinstance(value, str) and "create table" in value.lower()


def _with_schema(row: Cells) -> bool:
    return _parts(row) is not None or {"sql_context", "sql_prompt", "sql"} <= row.keys()


def _contexts(row: Cells, at: At) -> Iterator[Dialogue]:
    schema, question, query = _parts(row) or ("sql_context", "sql_prompt", "sql")
    database, known = optional(row, "db_id"), _columns(tuple(row))[-1]
    evidence = "\n\n".join([optional(row, name) for name in known]) if known else ""
    id = named(row, "id", "question_id")
    yield _dialogue(at, text(row, schema), text(row, question), text(row, query), database, id, evidence=evidence)


def _reads(columns: tuple[str, ...]) -> frozenset[str] | None:
    """Where there is one column for each part these are read, whatever they hold."""
    *parts, evidence = _columns(columns)
    alone = all(len(names) == 1 for names in parts)
    return frozenset((*sum(parts, ()), *evidence, "db_id", "id", "question_id")) if alone else None


def _spider(row: Cells, at: At) -> Iterator[Dialogue]:
    database = text(row, "db_id")
    yield _dialogue(at, schema_of(database, at.folder), text(row, "question"), text(row, "query"), database, "")


def _is_bird(row: Cells) -> bool:
    """BIRD's row; copies of it spell the query's column in lower case. Spider's `sql` is a parsed query, no text."""
    known = {"db_id", "question"} <= set(row) and "query" not in row
    return known and ("SQL" in row or isinstance(row.get("sql"), str))


def _bird(row: Cells, at: At) -> Iterator[Dialogue]:
    database, id = text(row, "db_id"), named(row, "question_id")
    query = text(row, "SQL" if "SQL" in row else "sql")
    schema, evidence = schema_of(database, at.folder), optional(row, "evidence")
    yield _dialogue(at, schema, text(row, "question"), query, database, id, evidence=evidence)


def _interaction(row: Cells, at: At) -> Iterator[Dialogue]:
    """A dialogue in which each query answers an utterance; the schema stands above the first."""
    database = text(row, "database_id")
    schema = schema_of(database, at.folder)
    turns: list[Message] = []
    for n, item in enumerate(listed(row, "interaction")):
        if not isinstance(item, dict):
            raise Fault(f"interaction[{n}]", f"not an object but {kind(item)}")
        asked, query = text(item, "utterance"), text(item, "query")
        turns += [Message("user", asked if turns else f"{schema}\n\n{asked}"), Message("assistant", query)]
    if not turns:
        raise Fault("interaction", "no turns")
    yield Dialogue(tuple(turns), topic=database, file=at.file, line=at.line, context=schema)


def asked(*parts: str) -> str:
    """What a user says: the schema, what is known beside it, and the question, each a paragraph."""
    return "\n\n".join(filter(str.strip, parts))


def is_block(row: Cells) -> bool:
    """A text of WikiSQL's four lines."""
    return set(row) == {"text"} and isinstance(row["text"], str) and bool(_BLOCK.fullmatch(row["text"]))


def _blocks(row: Cells, at: At) -> Iterator[Dialogue]:
    hit = _BLOCK.fullmatch(text(row, "text"))
    if not hit:
        raise Fault("text", "not the four lines table, columns, Q and A")
    table, columns, question, answer = (said(hit[n].strip(), n) for n in ("table", "columns", "question", "answer"))
    # names are unquoted and COUNT has no brackets: no database runs it
    yield _dialogue(at, f"table: {table}\ncolumns: {columns}", question, answer, table, "", notes=("inexact-sql",))


def _dialogue(
    at: At,
    schema: str,
    question: str,
    query: str,
    database: str,
    id: str,
    *,
    evidence: str = "",
    notes: tuple[str, ...] = (),
) -> Dialogue:
    about = {"schema": schema, "db_id": database, "question": question}
    above = f"{schema}\n\n{question}"
    if evidence:
        about["evidence"], above = evidence, asked(schema, evidence, question)
    return Dialogue(
        (Message("user", above), Message("assistant", query)),
        "sql",
        about,
        database or schema,
        id,
        at.file,
        at.line,
        notes=notes,
        context=schema,
    )


def _tables(row: Cells, at: At) -> Iterator[Text]:
    yield Text(ddl(row), topic=text(row, "db_id"), source_id=text(row, "db_id"), file=at.file, line=at.line)


FORMATS = (
    Format("sql", _with_schema, _contexts, reads=_reads),
    Format("spider", lambda row: {"db_id", "question", "query"} <= set(row), _spider),
    Format("bird", _is_bird, _bird),
    Format("sparc", lambda row: {"database_id", "interaction"} <= set(row), _interaction),
    Format("wikisql-text", is_block, _blocks),
    Format("spider-tables", lambda row: "db_id" in row and bool(TABLE_NAMES & row.keys()), _tables),
)
