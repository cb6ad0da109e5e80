"""The multiple choice that most rows are, read in one go: texts, a list of options without labels, a letter as the key.

What is read here is read as `choice.ChoiceSet` reads it, which takes several times as long; any other row is its.
"""

from __future__ import annotations

from typing import NamedTuple

from storage.records import LETTERS, Question
from storage.sources.formats.base import At, Cells, is_sound, named
from storage.sources.formats.labels import may_carry_labels


class UsualColumns(NamedTuple):
    """The columns of the parts, where no part stands in several; `ids` are those of the source's own id."""

    passage: str | None
    question: str
    options: str
    key: str
    ids: tuple[str, ...]


def question_of(row: Cells, columns: UsualColumns, at: At, problem: str | None, id: str | None) -> Question | None:
    """What `ChoiceSet.read` makes of a row as most are: texts, a list of options without labels, a letter that is none.

    None for any other row.
    """
    question, options, key = row[columns.question], row[columns.options], row[columns.key]
    if type(question) is not str or type(key) is not str or type(options) is not list:
        return None
    known = LETTERS[: len(options)]
    if len(key) != 1 or key not in known or key in options or not 2 <= len(options) <= len(LETTERS):
        return None
    passage = problem
    if passage is None:
        passage = "" if columns.passage is None else row[columns.passage]
        if type(passage) is not str or (passage and not passage.strip()):
            return None
    try:
        sound = is_sound("\n".join((passage, question, *options)))
    except TypeError:  # an option is no text
        return None
    if not sound or not question.strip() or options[-1] in question or may_carry_labels(options):
        return None
    return Question(
        "" if passage == question else passage,
        question,
        tuple(options),
        key,
        named(row, *columns.ids) if id is None else id,
        at.file,
        at.line,
    )
