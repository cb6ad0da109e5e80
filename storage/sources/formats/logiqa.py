"""LogiQA's text blocks: seven lines a question, blank lines between them.

    b
    The passage.
    The question.
    A.An option.
    B.…  C.…  D.…  (a line each)

The first line is the key. The letter is read from the option, whatever mark stands behind it and in
whatever order they are printed. Where translation has moved it into the sentence the option keeps its
words and takes the letter left over (warning `stray-label`). A block of another shape is one reject.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from storage.records import Question
from storage.sources.formats.base import At, Cells, Fault, Format, said
from storage.sources.formats.labels import unlabelled

_LINES = 7
_KEY = re.compile(r"[a-dA-D]")
_EXAM = re.compile(r"\d+\s*[.．、]")


def sniff(row: Cells) -> bool:
    """A text of seven lines that begins with a letter alone."""
    block = row.get("text")
    if set(row) != {"text"} or not isinstance(block, str):
        return False
    lines = block.splitlines()
    return len(lines) == _LINES and bool(_KEY.fullmatch(lines[0].strip()))


def records(row: Cells, at: At) -> Iterator[Question]:
    """The question of a block."""
    lines = said(row.get("text"), "block").split("\n")
    if len(lines) != _LINES:
        raise Fault("block", f"{len(lines)} lines, expected {_LINES}: key, passage, question, four options")
    key = lines[0].strip()
    if not _KEY.fullmatch(key):
        raise Fault("answer", f"answer {key[:40]!r} is none of the letters ABCD")
    options, notes = unlabelled(lines[3:])
    passage = said(lines[1].strip(), "passage")
    yield Question(
        passage,
        said(lines[2].strip(), "question"),
        options,
        key.upper(),
        file=at.file,
        line=at.line,
        notes=(*notes, *(("exam-number",) if _EXAM.match(passage) else ())),
    )


FORMAT = Format("logiqa", sniff, records)
