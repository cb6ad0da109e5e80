"""What a snapshot is made of, in numbers, by SQL over the tables of a build: what a data card shows.

describe(con) -> sizes, leaks, sources, letters, parts, lengths, drops, examples; nothing is changed
"""

from __future__ import annotations

from typing import Any

import duckdb

from storage import duckdb_rows

_SHOWN = 3  # examples
_TEXTS = """
create or replace temp view texts as
select id, question, split, shuffle, completion[1].content as told,
  array_to_string([if(len(prompt) = 1, m.content, m.role || ': ' || m.content) for m in prompt], e'\n\n') as asked
from examples
"""
_SIZES = """
select split, count(*) as rows, count(*) filter (where shuffle > 0) as shuffled,
  count(distinct question) as questions, count(distinct "group") as problems
from examples group by split order by split
"""
# Each is a promise of the build that must count nothing.
_LEAKS = {
    "problems with examples in several splits": """
        select count(*) as n from (select "group" from examples group by 1 having count(distinct split) > 1)""",
    "examples of test problems": """
        select count(*) as n from examples where "group" in (select "group" from questions where split = 'test')""",
    "questions in another split than their example": """
        select count(*) as n from examples e join questions q on q.id = e.question where q.split <> e.split""",
    "prompts that stand in both train and valid": """
        select count(*) as n from (select asked from texts group by 1 having count(distinct split) > 1)""",
    "examples that are there twice": """
        select count(*) - count(distinct id) as n from examples""",
}
_SOURCES = """
select q.file, count(distinct q.id) as questions, count(distinct q."group") as problems, count(e.id) as examples
from questions q left join examples e on e.question = q.id group by q.file order by q.file
"""
_LETTERS = """
select q.answer as letter, count(*) as asked
from examples e join questions q on q.id = e.question
where e.split = 'train' and e.shuffle = 0 and q.answer is not null
group by letter order by letter
"""
_FAMILY = "coalesce(nullif(regexp_extract(q.source_id, '^[A-Za-z]+'), ''), 'other')"
_PARTS = """
select {part} as name, count(*) as examples from examples e join questions q on q.id = e.question
group by 1 order by examples desc, name limit 12
"""
_LANGUAGE = "if(q.language = 'zh', 'Chinese', 'English')"
_OF_QUESTIONS = {"language": _LANGUAGE, "options": "len(q.options) || ' options'", "family": _FAMILY}
_OF_DIALOGUES = {"language": _LANGUAGE, "task": "q.task"}
_LENGTHS = """
select quantile_disc(length(asked), [0.5, 0.95, 1.0]) as prompt,
  quantile_disc(length(told), [0.5, 0.95, 1.0]) as completion
from texts
"""


_PREFERRED = """
select count(*) as n from examples e join questions q on q.id = e.question where q.task = 'preference'
"""


def describe(con: duckdb.DuckDBPyConnection, *, dialogues: bool = False) -> dict[str, Any]:
    """The numbers of a build whose tables `questions`, `rationales`, `examples` and `drops` are filled.

    Lengths are in characters: median, 95 % and longest. `letters` counts the keys of the training examples
    as asked, copies apart; `dialogues` have none. `preferred` counts examples that are the better of two answers.
    """
    con.execute(_TEXTS).fetchall()
    shown = _OF_DIALOGUES if dialogues else _OF_QUESTIONS
    parts = {name: _rows(con, _PARTS.format(part=part)) for name, part in shown.items()}
    return {
        "sizes": _rows(con, _SIZES),
        "leaks": {name: _rows(con, sql)[0]["n"] for name, sql in _LEAKS.items()},
        "sources": _rows(con, _SOURCES),
        "letters": _rows(con, _LETTERS),
        "parts": {name: rows for name, rows in parts.items() if len(rows) > 1},
        "lengths": _rows(con, _LENGTHS)[0],
        "preferred": _rows(con, _PREFERRED)[0]["n"] if dialogues else 0,
        "examples": _rows(con, f"select id, asked, told from texts where split = 'train' order by id limit {_SHOWN}"),
    }


def texts(con: duckdb.DuckDBPyConnection, most: int) -> list[tuple[str, str]]:
    """Prompt and completion of at most `most` examples; ids are hashes, so the first by id are a fair sample."""
    found: list[tuple[str, str]] = con.execute("select asked, told from texts order by id limit ?", [most]).fetchall()
    return found


def _rows(con: duckdb.DuckDBPyConnection, sql: str) -> list[dict[str, Any]]:
    con.execute(sql)
    return duckdb_rows.rows(con)
