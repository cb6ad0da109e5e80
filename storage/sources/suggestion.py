"""A mapping for a file that no format knows, guessed from its values, with the reason for each column.

    suggested([("quiz.csv", path)]).columns     {"question": "Frage", "options": ["w1", "w2", "w3"], "answer": "Lösung"}

The rules, in order, and what each goes by; the first that holds for nine rows in ten counts:

1. a column of turns is a dialogue; a query beside a schema is text to SQL
2. options in one cell, or columns of which another holds the text of one, its letter or its number
3. a right answer beside a family of wrong ones; a text that is true or false
4. a text with one of a few short values that come again and again is a class
5. the text that asks, and the longest text after it, or the first of a list; else one text

A guess for a person to confirm: nothing is read by it unasked.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from storage.records import Rejected
from storage.sources.column_profile import Profile, Row, leaves, profiles
from storage.sources.enclosed_rows import inside
from storage.sources.mapped_rows import sourced
from storage.sources.mapping import Columns
from storage.sources.mapping_guesses import RULES, pair, texts_of
from storage.sources.rows import rows

_ROWS = 200


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A mapping, how sure it is ("sure", "likely", "a guess"), and why each column is what it is.

    `reasons` has a line for each column of the file, used or not; `others` are mappings that would be read too.
    """

    columns: Columns = field(default_factory=dict)
    confidence: str = "a guess"
    reasons: Mapping[str, str] = field(default_factory=dict)
    others: tuple[Columns, ...] = ()


def suggested(files: Sequence[tuple[str, Path]]) -> Suggestion:
    """The mapping for files of any columns; without columns if nothing fits."""
    found = list(islice(_rows(files), _ROWS))
    seen = profiles(found)
    for rule in RULES:
        if guess := rule(found, seen):
            columns, confidence, why = guess
            others = tuple(_others(columns, found, seen))
            return Suggestion(columns, confidence, {**_rest(columns, seen), **why}, others)
    return Suggestion()


def _rows(files: Sequence[tuple[str, Path]]) -> Iterator[Row]:
    for name, path in files:
        for item in sourced(name, rows(name, path), {}, lambda row: not inside(dict(row))):
            if not isinstance(item, Rejected):
                yield dict(leaves(item.value))


def _rest(columns: Columns, seen: Mapping[str, Profile]) -> dict[str, str]:
    """Why columns that the mapping does not use are passed over."""
    used = {way for column in columns.values() for way in ([column] if isinstance(column, str) else column)}
    return {
        way: "not used: " + _why_not(one)
        for way, one in seen.items()
        if one.present and not any(other == way or other.startswith((f"{way}.", f"{way}[")) for other in used)
    }


def _why_not(one: Profile) -> str:
    if one.counts:
        return "the rows' own numbers"
    if one.metadata:
        return "its name says that it is metadata"
    if one.constant:
        return "all rows say the same"
    if one.classes:
        return f"{one.distinct} short values that come again and again"
    return "text that nothing reads: is it part of the lesson?" if one.is_text else "no text"


def _others(columns: Columns, found: list[Row], seen: Mapping[str, Profile]) -> Iterator[Columns]:
    """Other mappings that would be read, at most three."""
    if "options" in columns and "answer" in columns:
        yield {"prompt": columns["question"], "completion": columns["answer"]}
    elif "correct_answer" in columns:
        yield {"prompt": columns["question"], "completion": columns["correct_answer"]}
    if "completion" in columns and pair(found, seen):
        asked, answer = columns["prompt"], columns["completion"]
        left = [way for way in texts_of(seen) if way not in (asked, answer) and not seen[way].constant]
        if left:
            yield {"prompt": asked, "completion": left[0]}
            yield {"context": left[0], "question": asked, "answer": answer}
    elif "label" in columns and "text" in columns:
        yield {"prompt": columns["text"], "completion": columns["label"]}
