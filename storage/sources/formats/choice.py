"""One way in for multiple choice: what a set calls its parts, and how a row of it becomes a question.

A `ChoiceSet` names columns; the shapes of options are in `options`, the dresses of keys in `keys`. Names
are compared without case and without what is neither letter nor digit. Of several names the first that
holds something counts; keys in several columns must agree. Questions are kept together by their passage,
else by their own text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from storage.records import LETTERS, Question, UsageError, digest
from storage.sources.formats import keys
from storage.sources.formats import options as shapes
from storage.sources.formats.base import At, Cells, Convention, Fault, Format, named, said
from storage.sources.formats.choice_layout import Layout, layout_of
from storage.sources.formats.choice_names import IDS, KEYS, OPTIONS, PASSAGES, QUESTIONS
from storage.sources.formats.choice_usual import question_of
from storage.sources.formats.labels import lettered
from storage.sources.formats.options import Options, normed
from storage.sources.formats.unread import Watched

_HEAD = re.compile(r"\s*(?:Answer )?(?:Options|Choices|选项)\s*[:：]?\s*$", re.IGNORECASE)
_TAIL = re.compile(r"\n\s*(?:A|Answer|答案?)\s*[:：][^\n]*\Z")  # what asks once more below the options
_SOUND = (None, "", "ok")
# what makes a row another format's
_NOT = {
    "messages",
    "conversations",
    "chosen",
    "rejected",
    "questions_list",
    "better",
    "preferred",
    "preference",
}
_FLAGS = ("is_correct", "isCorrect", "is_right", "is_answer", "correct", "right")  # of each of several answers
_SHAPES = (list, dict, str)  # in which options may stand


@dataclass(frozen=True, slots=True, eq=False)  # told apart as objects: a layout is looked up for each row
class ChoiceSet:
    """What a set calls its parts, and its conventions.

    `needs` are columns that make it unmistakable. `first` is the number of the first option where keys
    are numbers, None where the file must say. `right` and `wrong` are columns of the answers where they
    stand apart: the options then get an order drawn from their content. `fixed` are options that no row
    has. `inside` means that the question's own text ends in the options. `columns` hold the options, where
    their names say nothing.
    """

    name: str
    sets: str
    needs: tuple[str, ...] = ()
    passage: tuple[str, ...] = PASSAGES
    question: tuple[str, ...] = QUESTIONS
    options: tuple[str, ...] = OPTIONS
    key: tuple[str, ...] = KEYS
    first: int | None = None
    right: tuple[str, ...] = ()
    wrong: tuple[str, ...] = ()
    fixed: tuple[str, ...] = ()
    inside: bool = False
    letters: bool = False
    columns: tuple[str, ...] = ()

    @property
    def elsewhere(self) -> bool:
        """Whether the options do not stand in a cell of their own."""
        return bool(self.inside or self.fixed or self.right or self.columns)

    def knows(self, row: Cells) -> bool:
        """Whether a row has this set's columns, with something in those of the question and the options."""
        row = _opened(row)
        layout = layout_of(self, tuple(row))
        needed = all(normed(name) in layout.names for name in self.needs)
        if not needed or (not self.needs and not _NOT.isdisjoint(row)):
            return False
        text = next((row[column] for column in layout.question if row[column] is not None), None)
        if text is None:
            return False
        if self.inside:
            letters = all(keys.is_letter(value) for _, value in self._keys(row, layout))
            return isinstance(text, str) and letters and lettered(text) is not None
        return bool(self.fixed or self.right or self._held(row, layout) is not None)

    def _held(self, row: Cells, layout: Layout) -> str | tuple[str, ...] | None:
        """The column of the options, or the columns."""
        if self.columns:
            there = tuple(layout.names[normed(name)] for name in self.columns if normed(name) in layout.names)
            return there if len(there) > 1 else None
        for column in layout.options:
            if isinstance(row[column], _SHAPES) and row[column]:
                return column
        found = next((run for run in layout.families if row.get(run[1]) is not None), None)
        return found or (layout.names["answers"] if self._are_options(row, layout) else None)

    def _are_options(self, row: Cells, layout: Layout) -> bool:
        """Whether `answers` are the options, among which another column names one."""
        value = row[layout.names["answers"]] if "answers" in layout.names and not self.needs else None
        if not isinstance(value, list) or len(value) < 2:
            return False
        if all(isinstance(item, dict) for item in value):
            return any(all(isinstance(item.get(name), bool) for item in value) for name in _FLAGS)
        others = (column for column in layout.key if column != layout.names["answers"])
        return any(not keys.blank(row[column]) for column in others)

    def read(self, row: Cells, at: At, problem: str | None = None, id: str | None = None) -> Question:
        """The question of a row, or of an item below a problem with an `id`. Fault if it is none, UsageError to ask.

        A key that cannot be read is none if `at.keyed` is False.
        """
        row = _opened(row)
        layout = layout_of(self, tuple(row))
        if layout.usual is not None and (usual := question_of(row, layout.usual, at, problem, id)) is not None:
            return usual  # as most rows are
        passage = self._passage(row, layout) if problem is None else problem
        question, options = self._asked(row, layout)
        passage = "" if passage == question else passage
        question = _alone(question, options)
        notes = options.notes
        if "error_type" in row and row["error_type"] not in _SOUND and keys.blank(row.get("correct_answer")):
            raise Fault("error_type", f"{str(row['error_type'])[:40]!r}: its set says that the question is faulty")
        try:
            place = self._place(row, layout, options, at)
        except Fault as fault:
            if at.keyed:
                raise _asking(fault, at) from None
            place = None
        if options.apart:
            options, place = _drawn(options, place, passage + question)
        return Question(
            passage,
            question,
            options.texts,
            None if place is None else LETTERS[place],
            source_id=named(row, *IDS) if id is None else id,
            file=at.file,
            line=at.line,
            notes=notes,
        )

    def observed(self, row: Cells) -> Convention:
        """What a row says of how the keys of its file are to be read."""
        row = _opened(row)
        layout = layout_of(self, tuple(row))
        try:
            _, options = self._asked(row, layout)
        except Fault:
            return Convention()
        return next((keys.observed(value, options, column) for column, value in self._keys(row, layout)), Convention())

    def _passage(self, row: Cells, layout: Layout) -> str:
        parts = []
        for column in layout.passage:
            value = row[column]
            value = value.get("contexts") if isinstance(value, dict) else value
            if isinstance(value, list) and all(isinstance(part, str) for part in value):
                value = "\n".join(value)
            if isinstance(value, str) and value.strip():
                parts.append(said(value, column))
        return "\n\n".join(parts)

    def _asked(self, row: Cells, layout: Layout) -> tuple[str, Options]:
        column = next(iter(layout.question), self.question[0])
        question = said(row.get(column), column)
        if self.inside:
            both = lettered(question)
            if both is None:
                raise Fault(column, "no options A, B, … at its end")
            return said(_HEAD.sub("", both[0]), column), Options(both[1])
        if self.fixed:
            return question, Options(self.fixed)
        if self.right:
            return question, self._apart(row, layout)
        held = self._held(row, layout)
        if held is None:
            raise Fault(next(iter(layout.options), "options"), "missing field")
        if not isinstance(held, tuple):
            return question, shapes.shaped(row[held], held)
        options = shapes.columned(row, held)
        return question, options._replace(labels=()) if self.columns else options

    def _apart(self, row: Cells, layout: Layout) -> Options:
        texts: list[str] = []
        for name in (*self.right, *self.wrong):
            column = layout.names.get(normed(name))
            value = row[column] if column is not None else None
            if isinstance(value, str) and name in self.wrong and len(self.wrong) == 1:
                value = [text.strip() for text in value.split(";") if text.strip()]
            if isinstance(value, list):
                texts += [said(text, str(column)) for text in value]
            elif value is not None and str(value).strip():
                texts.append(said(value, str(column)).strip())
            elif name in self.right:
                raise Fault(name, "missing field" if column is None else f"empty {column}")
        shapes.counted(texts, self.wrong[0])
        return Options(tuple(texts), right=(0,), apart=True)

    def _keys(self, row: Cells, layout: Layout) -> list[tuple[str, Any]]:
        """The keys that are there, numbers last: what they count from is less sure than a letter or a text."""
        columns = layout.key
        if len(columns) > 1 and "answers" in layout.names and self._held(row, layout) == layout.names["answers"]:
            columns = tuple(column for column in columns if column != layout.names["answers"])
        if len(columns) == 1 and not keys.blank(row[columns[0]]):
            return [(columns[0], row[columns[0]])]  # as most rows have
        held = [(column, row[column]) for column in columns if not keys.blank(row[column])]
        if not held and "solution" in layout.names and self.key is KEYS:
            column = layout.names["solution"]  # a key where it is no more than a letter
            held = [(column, row[column])] if keys.is_letter(row[column]) else []
        return sorted(held, key=lambda item: keys.is_number(item[1])) if len(held) > 1 else held

    def _place(self, row: Cells, layout: Layout, options: Options, at: At) -> int | None:
        """The place of the right option; None without a key. Fault if keys disagree, or none can be read."""
        if options.right is not None:
            if len(options.right) > 1:
                raise keys.Several("options", f"several answers ({len(options.right)} options are right), expected one")
            return options.right[0] if options.right else None
        held = self._keys(row, layout)
        if len(held) == 1:  # as most rows have
            return keys.resolved(held[0][1], options, held[0][0], at.convention, at.whole, letters=self.letters)
        found: dict[str, int] = {}
        faults: list[Fault] = []
        for column, value in held:
            try:
                if found and keys.is_number(value):
                    if "error_type" in row:  # MMLU-Redux: the number is the wrong key, beside the right one
                        break
                    keys.held_against(value, column, options, next(iter(found.items())))
                    continue
                found[column] = keys.resolved(value, options, column, at.convention, at.whole, letters=self.letters)
            except (keys.Several, keys.Disagreeing):
                raise
            except Fault as fault:
                faults.append(fault)
        if len(set(found.values())) > 1:
            said_so = ", ".join(f"{column} says {chr(ord('A') + place)}" for column, place in found.items())
            raise keys.Disagreeing(next(iter(found)), f"the keys disagree: {said_so}")
        if not found and faults:
            raise faults[0]
        return next(iter(found.values()), None)


def format_of(chosen: ChoiceSet, earlier: tuple[ChoiceSet, ...]) -> Format:
    """The format of a set; rows that an `earlier` set knows are not its own."""

    def sniff(row: Cells) -> bool:
        return chosen.knows(row) and not any(other.knows(row) for other in earlier)

    def records(row: Cells, at: At) -> Iterator[Question]:
        yield chosen.read(row, at)

    return Format(chosen.name, sniff, records, observed=chosen.observed, first=chosen.first)


def _drawn(options: Options, place: int | None, about: str) -> tuple[Options, int | None]:
    """The options in an order drawn from their content, and where the right one went."""
    order = sorted(range(len(options.texts)), key=lambda n: (digest([about, options.texts[n]]), n))
    texts = tuple(options.texts[n] for n in order)
    return Options(texts), None if place is None else order.index(place)


def _asking(fault: Fault, at: At) -> Exception:
    """The fault itself, or an error that asks: the file's keys are numbers, and nothing says what they count from."""
    found = at.whole() if isinstance(fault, keys.Unsure) else Convention()
    both = bool(found.zeros and found.tops)  # rows before were read by the one, and this one speaks for the other
    if found.base is None and (both or found.numbers * 2 > found.numbers + found.letters + found.texts):
        return UsageError(
            f"the keys of {at.file} are numbers that may count from 0 or from 1",
            seen=f"line {at.line}: {fault}",
            expected="a key that is 0, or one as high as there are options",
            hint="say what the first option is: --first 0 or --first 1, in a recipe --set parse.first=0 or 1",
        )
    return fault


def _alone(question: str, options: Options) -> str:
    """The question without its own options, where they stand at its end as well."""
    if options.texts[-1] not in question:
        return question
    both = lettered(_TAIL.sub("", question))
    return _HEAD.sub("", both[0]) or question if both and both[1] == options.texts else question


def _opened(row: Cells) -> Cells:
    """The row, with what an object at `question` holds beside the rest, as ARC has it."""
    inner = row.get("question")
    if not isinstance(inner, dict):
        return row
    opened = {**{name: cell for name, cell in row.items() if name != "question"}, **inner}
    return Watched.of(opened, row.read) if isinstance(row, Watched) else opened
