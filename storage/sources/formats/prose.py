"""Values that say words without being a text: numbers and truth values as answers, passages in lists and objects.

27.0                                                  27
true                                                  True
[["Rome", ["It is old.", "It is big."]]]              a title and its sentences, a paragraph each
[{"title": "Rome", "paragraph_text": "…"}]
{"title": ["Rome"], "sentences": [["…"]]}
{"text": ["Rome"], "answer_start": [3]}               answers that mark a passage
"""

from __future__ import annotations

import math
from typing import Any

from storage.sources.formats.base import Fault, kind, said
from storage.sources.formats.packed import unpacked

_TITLES = ("title", "wikipedia_title", "heading")
_BODIES = ("paragraph_text", "passage_text", "text", "paragraph", "passage", "sentences", "contexts", "content", "body")
_WITHHELD = "___"  # ZebraLogic's public grids
_ANSWERS = ("text", "spans", "value", "answer", "input_text", "ground_truth")


def answer(value: object, field: str) -> str:
    """The words of one answer: a text, a number without an idle ".0", True or False. Fault for anything else."""
    if isinstance(value, bool | int):
        return str(value)
    if isinstance(value, float) and math.isfinite(value):
        return str(int(value)) if value.is_integer() else repr(value)
    return said(value, field)


def answers(value: object, field: str) -> list[str]:
    """All answers that a value names, the first of which is to be learnt; Fault if there is none."""
    if isinstance(value, dict):
        name = next((name for name in _ANSWERS if name in value), None)
        if name is None:
            raise Fault(field, f"expected an answer, found an object of {', '.join(map(str, value))[:80]}")
        inner = unpacked(value[name]) if name == "ground_truth" else value[name]  # Skywork's: a list in a text
        return answers(inner if isinstance(inner, list) else value[name], f"{field}.{name}")
    if not isinstance(value, list):
        return [answer(value, field)]
    if not value:
        raise Fault(field, "no answer: an empty list")
    return [words for n, item in enumerate(value) for words in answers(item, f"{field}[{n}]")]


def passage(value: object, field: str) -> str:
    """The text of a passage, or of several with a blank line between; "" for null."""
    if value is None:
        return ""
    if isinstance(value, str):
        return said(value, field, empty=True)
    return "\n\n".join(part for part in _paragraphs(value, field) if part.strip())


def _paragraphs(value: object, field: str) -> list[str]:
    if field.lower().endswith(("table", "table_array")) and (lines := table(value)):
        return [lines]
    if isinstance(value, str):
        return [said(value, field, empty=True)]
    if isinstance(value, dict):
        return _titled(value, field)
    if not isinstance(value, list):
        raise Fault(field, f"expected a passage, found {kind(value)}")
    if len(value) == 2 and isinstance(value[0], str) and isinstance(value[1], list):
        return [f"{said(value[0], field)}\n{_sentences(value[1], field)}"]
    return [part for n, item in enumerate(value) for part in _paragraphs(item, f"{field}[{n}]")]


def table(value: object) -> str:
    """A list of rows, or an object of them with or without a header, a line each; "" for anything else."""
    if isinstance(value, dict) and isinstance(value.get("rows"), list):
        value = [*([value["header"]] if isinstance(value.get("header"), list) else []), *value["rows"]]
    elif isinstance(value, dict) and isinstance(value.get("table"), list):
        value = value["table"]
    if not isinstance(value, list) or not value or not all(isinstance(line, list) for line in value):
        return ""
    if all(cell == _WITHHELD for line in value[-1:] for cell in line):
        raise Fault("solution", f"withheld by its set: {_WITHHELD!r} in every cell")
    return "\n".join(" | ".join("" if cell is None else str(cell) for cell in line) for line in value)


def _titled(value: dict[str, Any], field: str) -> list[str]:
    title = next((value[name] for name in _TITLES if name in value), None)
    body = next((name for name in _BODIES if value.get(name) is not None), None)
    if body is None:
        raise Fault(field, f"expected a passage, found an object of {', '.join(map(str, value))[:80]}")
    if isinstance(title, list) and isinstance(value[body], list) and len(title) == len(value[body]):
        pairs = zip(title, value[body], strict=True)
        return [part for name, inner in pairs for part in _titled({"title": name, "text": inner}, field)]
    words = _sentences(value[body], f"{field}.{body}")
    return [f"{said(title, f'{field}.title')}\n{words}" if title else words]


def _sentences(value: object, field: str) -> str:
    if isinstance(value, list):
        return " ".join(said(item, f"{field}[{n}]", empty=True).strip() for n, item in enumerate(value))
    return said(value, field, empty=True)
