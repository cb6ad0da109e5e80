r"""The options of a multiple choice, in every shape that people write them.

["ice", "iron"]                                          texts, or numbers
[{"label": "A", "text": "ice"}, …], [["A", "ice"], …]    each with its label, or with whether it is right
{"text": ["ice", "iron"], "label": ["A", "B"]}           two lists; labels of 0 and 1 say which is right
{"A": "ice", "B": "iron"}                                by label
{"ice": 1, "iron": 0}                                    by text: which is right
"A. ice\nB. iron", "['ice', 'iron']"                     one text
columns A, B, …; opa, opb, …; option1, …; ending0, …     see `families`
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import orjson

from storage.records import LETTERS
from storage.sources.formats.base import Cells, Fault, is_sound, kind, said
from storage.sources.formats.labels import labelled, lettered, may_carry_labels

_LABELS = ("label", "key", "letter", "id", "aid", "option", "aoVal", "name", "index", "value")
_TEXTS = ("text", "content", "value", "atext", "option_text", "answer", "option", "body", "choice")
_RIGHT = ("is_correct", "isCorrect", "is_right", "is_answer", "correct", "right", "label", "score")
_LIST_OF_TEXTS = ("text", "texts", "choices", "options", "choice")
_LIST_OF_LABELS = ("label", "labels", "key", "keys")
_FAMILY = re.compile(r"(?P<stem>[a-z]*?)(?P<place>[a-j]|\d{1,2})")
_STEMS = (
    *(
        "",
        "op",
        "opt",
        "option",
        "options",
        "optiontext",
        "choice",
        "choices",
        "choicetext",
        "mcanswer",
        "ending",
        "qop",
    ),
    *("sol", "holding", "hyp", "hypothesis", "randomfifthsentencequiz", "candidate", "alternative", "ans", "answer"),
)
_QUOTED = re.compile(r"""'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*\"""")
_SPACED = re.compile(rf"\[\s*(?:{_QUOTED.pattern})(?:\s+(?:{_QUOTED.pattern}))*\s*\]")
_ARRAY = re.compile(r"array\((\[[^\]]*\])(?:,\s*dtype=\w+)?\)")
_NUMBERED = re.compile(r"(?:\A|\s+)(?:option|choice)\s*(\d{1,2})\s*[:：.)]\s*", re.IGNORECASE)
_MOST = len(LETTERS)


class Options(NamedTuple):
    """Options without their labels; `labels` are what the set calls them, `right` those it says are right.

    `apart` is whether right and wrong ones stand apart, so that their order says which is which;
    `scrambled` as in `labels.Labelled`.
    """

    texts: tuple[str, ...]
    labels: tuple[str, ...] = ()
    right: tuple[int, ...] | None = None
    apart: bool = False
    scrambled: bool = False
    notes: tuple[str, ...] = ()


def shaped(value: Any, field: str) -> Options:
    """The options of a cell, whatever its shape. Fault unless there are 2 to 26 of them, all texts."""
    if isinstance(value, str):
        return _of_text(value, field)
    if isinstance(value, list) and value and isinstance(value[0], str):  # as most are
        counted(value, field)
        return plain(value, field)
    if isinstance(value, Mapping):
        return _of_object(value, field)
    if not isinstance(value, list):
        raise Fault(field, f"expected a list, found {kind(value)}")
    counted(value, field)
    if all(isinstance(item, list) and len(item) == 1 for item in value):
        value = [item[0] for item in value]
    if all(isinstance(item, dict) for item in value):
        return _of_objects(value, field)
    if all(isinstance(item, list) and len(item) == 2 for item in value):
        return _named([item[0] for item in value], [item[1] for item in value], field)
    return plain(value, field)


def plain(value: Sequence[Any], field: str) -> Options:
    """A list of texts, or of numbers; labels that all of them carry are taken off."""
    try:
        sound = is_sound("\n".join(value))
    except TypeError:  # one is no text
        sound = False
    if not sound:
        if all(isinstance(item, int | float) for item in value):
            return Options(tuple(str(item) for item in value))
        value = [said(item, f"{field}[{n}]", empty=True) for n, item in enumerate(value)]
    if not may_carry_labels(value):
        return Options(tuple(value))  # as most are
    found = labelled(value)
    return Options(found.texts, found.labels or (), scrambled=found.scrambled, notes=found.notes)


def scored(value: Mapping[str, Any], field: str) -> Options:
    """The texts of an object {text: 1 or 0}, and which of them are right."""
    counted(value, field)
    if not all(isinstance(score, int | float) for score in value.values()):
        raise Fault(field, "expected a number for each option")
    best = max(value.values())
    right = tuple(n for n, score in enumerate(value.values()) if score == best and best > 0)
    return Options(tuple(said(text, field) for text in value), right=right, apart=True)


def counted(value: Sequence[Any] | Mapping[str, Any], field: str) -> None:
    """Fault unless there are 2 to 26."""
    if len(value) < 2:
        raise Fault(field, f"{len(value)} options, expected at least two")
    if len(value) > _MOST:
        raise Fault(field, f"{len(value)} options, expected at most {_MOST}")


@lru_cache(maxsize=4096)
def normed(name: str) -> str:
    """A column's name without case and what is neither letter nor digit: "Answer Key" and answerKey are one."""
    return "".join(filter(str.isalnum, name)).lower()


@lru_cache(maxsize=256)
def families(names: tuple[str, ...]) -> tuple[tuple[str, ...], ...]:
    """The columns that together hold options, such as ("A", "B", "C"), ("option1", "option2") or ("ending0", …)."""
    held: dict[str, dict[str, str]] = {}
    for name in names:
        if hit := _FAMILY.fullmatch(normed(name)):
            held.setdefault(hit["stem"], {}).setdefault(hit["place"].lstrip("0") or "0", name)
    found = []
    for stem in _STEMS:
        for first in ("a", "0", "1") if stem else ("a",):
            run: list[str] = []
            while (place := chr(ord(first) + len(run)) if first == "a" else str(int(first) + len(run))) in held.get(
                stem, {}
            ):
                run.append(held[stem][place])
            if len(run) >= 2:
                found.append(tuple(run))
                break
    return tuple(found)


def columned(row: Cells, columns: Sequence[str]) -> Options:
    """The options that stand in columns; the last ones may be absent, null or blank."""
    cells = _unfilled([row.get(name) for name in columns])
    counted(cells, columns[0])
    if all(isinstance(cell, int | float) for cell in cells):
        return Options(tuple(map(str, cells)), tuple(columns[: len(cells)]))
    texts = [said("" if cell is None else cell, name, empty=True) for name, cell in zip(columns, cells, strict=False)]
    found = labelled(texts)
    return Options(found.texts, tuple(columns[: len(cells)]), scrambled=found.scrambled, notes=found.notes)


def _of_text(value: str, field: str) -> Options:
    text = said(value, field).strip()
    if text[:1] in ("[", "{") and (items := _literal(text)) is not None:
        return shaped(items, field)
    lines = labelled([line for line in text.splitlines() if line.strip()])
    if len(lines.labels or ()) > 1:
        counted(lines.texts, field)
        return Options(lines.texts, lines.labels or ())
    if len(parts := _NUMBERED.split(text)) > 3 and not parts[0].strip():  # "Option 1: ice Option 2: iron"
        return _named([f"Option {n}" for n in parts[1::2]], [part.strip() for part in parts[2::2]], field)
    if (both := lettered(text)) and not both[0].strip():
        counted(both[1], field)
        return Options(both[1], tuple(LETTERS[: len(both[1])]))
    for mark in ("\n", "|", ";", "；"):
        each = [part.strip() for part in text.split(mark) if part.strip()]
        if len(each) > 1 and not lettered(text):
            counted(each, field)
            return plain(each, field)
    raise Fault(field, f"no list of options, and none that begin with A, B, …: {text[:40]!r}")


def _literal(text: str) -> list[Any] | dict[str, Any] | None:
    """A list or object as JSON or Python writes it, arrays of numpy among them, as tables get them from pandas."""
    spaced = _QUOTED.findall(text) if _SPACED.fullmatch(text) else []
    if len(spaced) > 1:  # ['ice' 'iron']: Python would make one text of them
        return [ast.literal_eval(word) for word in spaced]
    for load in (orjson.loads, ast.literal_eval):
        try:
            found = load(_ARRAY.sub(r"\1", text))
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            continue
        if isinstance(found, list | dict):
            return found
    return None


def _of_object(value: Mapping[str, Any], field: str) -> Options:
    texts = next((value[name] for name in _LIST_OF_TEXTS if isinstance(value.get(name), list)), None)
    labels = next((value[name] for name in _LIST_OF_LABELS if isinstance(value.get(name), list)), None)
    if texts is not None:
        if labels is None:
            return shaped(texts, field)
        if len(labels) != len(texts):
            raise Fault(field, f"{len(labels)} labels for {len(texts)} options")
        if all(isinstance(label, int) and label in (0, 1) for label in labels) and len(texts) >= 2:
            right = tuple(n for n, label in enumerate(labels) if label)
            return plain(texts, field)._replace(right=right, apart=True)
        return _named(labels, texts, field)
    if value and all(isinstance(score, int | float) and score in (0, 1) for score in value.values()):
        return scored(value, field)
    filled = _unfilled(list(value.values()))
    return _named(list(value)[: len(filled)], filled, field)


def _of_objects(value: list[dict[str, Any]], field: str) -> Options:
    first = value[0]
    text = next((name for name in _TEXTS if name in first), None)
    if text is None:
        raise Fault(f"{field}[0]", f"no text among {', '.join(first)[:80]}")
    right = next((name for name in _RIGHT if name != text and _flags(value, name)), None)
    label = next((name for name in _LABELS if name in first and name not in (text, right)), None)
    texts = [item.get(text) for item in value]
    found = _named([item.get(label) for item in value], texts, field) if label else plain(texts, field)
    return found._replace(right=tuple(n for n, item in enumerate(value) if item[right])) if right else found


def _flags(value: list[dict[str, Any]], name: str) -> bool:
    flags = [item.get(name) for item in value]
    return all(isinstance(flag, bool) for flag in flags) or (flags.count(1) == 1 and flags.count(0) == len(flags) - 1)


def _named(labels: Sequence[Any], texts: Sequence[Any], field: str) -> Options:
    counted(texts, field)
    found = plain(texts, field)
    names = tuple(str(label).strip() for label in labels)
    if len(set(map(str.casefold, names))) < len(names):
        raise Fault(field, f"two options have the label {max(names, key=names.count)!r}")
    return found._replace(labels=names, scrambled=False)


def _unfilled(cells: list[Any]) -> list[Any]:
    """The cells without those at the end that hold nothing."""
    count = len(cells)
    while count and (cells[count - 1] is None or (isinstance(cells[count - 1], str) and not cells[count - 1].strip())):
        count -= 1
    return cells[:count]
