"""Text as rows: tables with commas or tabs, and plain text.

A table has a header, whose names are the columns; one without is known where its last column holds
letters of the options before (MMLU). A quote that does not close swallows what follows: its line is
lost, and the lines after it are read again. Of plain text a paragraph is a row, or a line where each
is a document of its own.
"""

from __future__ import annotations

import csv
import io
import statistics
from collections import deque
from collections.abc import Iterator, Sequence
from itertools import islice

from storage.records import LETTERS
from storage.sources import json_array
from storage.sources.container import BLANK, Broken, Items, Open, Row, converted, raw_lines, text_of

_PARAGRAPH = 1_000  # lines; a longer one is a list of lines
_LOOK = 20
_ENDS = tuple(".?!。？！…”’\"'）)」』;；")  # how a sentence ends
_FEW = 2
_DOCUMENT = 200  # columns of a line: nobody wraps so late
_OTHERS = (";", "\t", "|")  # what stands between cells where a header has no comma


def table(opened: Open, delimiter: str) -> Items:
    """The rows of a table by its header."""
    csv.field_size_limit(json_array.MAX_ROW)
    with io.TextIOWrapper(opened(), "utf-8-sig", "surrogateescape", newline="") as file:
        lines = _Lines(file)
        delimiter = _delimiter(lines, delimiter)
        names: list[str] | None = None
        for begin, cells, reason in _records(lines, delimiter):
            if reason:
                yield Broken(begin, reason)
            elif names is None:
                names = [cell.strip() for cell in cells]
                if options := _headless(names, lines, delimiter):
                    names = ["question", *options, "answer"]
                    yield Row(begin, dict(zip(names, cells, strict=True)))
                elif _stray(cells) or "\x00" in cells[0]:
                    yield Broken(begin, f"not UTF-8: {converted(_bytes(lines.taken))}", "file")
                    return
                elif len(set(names)) < len(names):
                    yield Broken(begin, f"no header: {', '.join(cells)[:80]!a}", "file")
                    return
            elif len(cells) != len(names):
                yield Broken(begin, f"{len(cells)} cells, expected {len(names)} as in the header")
            elif _stray(cells):
                yield Broken(begin, f"not UTF-8: {converted(_bytes(lines.taken))}")
            else:
                yield Row(begin, dict(zip(names, cells, strict=True)))


def paragraphs(opened: Open) -> Items:
    """A row {"text": …} a paragraph, or a line."""
    by_line = _are_documents(opened)
    block: list[tuple[int, bytes]] = []
    for number, line in raw_lines(opened):
        blank = not line.strip(BLANK)
        if not blank:
            block.append((number, line.rstrip(b"\r\n")))
        if block and (blank or by_line or len(block) > _PARAGRAPH):
            yield from _paragraph(block, split=by_line or len(block) > _PARAGRAPH)
            block = []
    yield from _paragraph(block, split=by_line)


class _Lines:
    """Lines that can be put back; `number` is that of the last one taken, `taken` all since it was cleared."""

    def __init__(self, file: io.TextIOWrapper) -> None:
        self._readline, self._back = file.readline, deque[str]()
        self.number, self.taken = 0, list[str]()

    def __iter__(self) -> Iterator[str]:
        while line := self._back.popleft() if self._back else self._readline(json_array.MAX_ROW):
            self.number += 1
            self.taken.append(line)
            yield line

    def put_back(self, lines: Sequence[str]) -> None:
        self._back.extendleft(reversed(lines))
        self.number -= len(lines)

    def ahead(self, count: int) -> list[str]:
        """The next lines, which stay where they are."""
        found = list(islice(self, count))
        self.put_back(found)
        return found


def _records(lines: _Lines, delimiter: str) -> Iterator[tuple[int, list[str], str]]:
    """(line, cells, why they are none) of each record that is not blank."""
    reader = csv.reader(lines, delimiter=delimiter)
    while True:
        lines.taken.clear()
        begin = lines.number + 1
        try:
            cells, reason = next(reader), ""
        except StopIteration:
            return
        except csv.Error as error:
            cells, reason = [], f"broken CSV: {error}"
        if len(lines.taken) > 1 and (reason or not _closes(lines.taken, delimiter)):
            # the quote is a stray one: its own line is lost and no other
            cells, reason = [], f"broken CSV: a quote does not close before line {lines.number}"
            lines.put_back(lines.taken[1:])
            reader = csv.reader(lines, delimiter=delimiter)
        if reason or any(map(str.strip, cells)):
            yield begin, cells, reason


def _closes(taken: Sequence[str], delimiter: str) -> bool:
    """Whether a record over several lines is one by the letter of the format."""
    try:
        next(csv.reader(iter(taken), delimiter=delimiter, strict=True))
    except (csv.Error, StopIteration):
        return False
    return True


def _delimiter(lines: _Lines, usual: str) -> str:
    header = "".join(lines.ahead(1))
    return usual if usual in header else next((other for other in _OTHERS if other in header), usual)


def _headless(first: Sequence[str], lines: _Lines, delimiter: str) -> tuple[str, ...]:
    """The letters of the options, where the first row is a question as all that follow: MMLU's files have no header."""
    letters = tuple(LETTERS[: max(0, len(first) - 2)])
    if len(letters) < 2 or len(letters) > len(LETTERS) or first[-1] not in letters or first[0] in ("", *letters):
        return ()
    if len({*letters}.intersection(first[1:-1])) > 1:
        return ()  # columns of options by their letters, and no key: a file of test questions
    ahead = csv.reader(iter(lines.ahead(_LOOK)), delimiter=delimiter)
    whole = [cells for cells in ahead if len(cells) == len(first)]
    return letters if all(cells[-1].strip() in letters for cells in whole[:-1]) else ()


def _stray(cells: list[str]) -> bool:
    """Whether a cell holds bytes that are no UTF-8."""
    if all(map(str.isascii, cells)):
        return False  # as most are
    return any("\udc80" <= char <= "\udcff" for cell in cells if not cell.isascii() for char in cell)


def _bytes(lines: Sequence[str]) -> bytes:
    """Lines as they stand in the file."""
    return "".join(lines).encode("utf-8", "surrogateescape")


def _are_documents(opened: Open) -> bool:
    """Whether lines without blank ones between are documents: they end as sentences do, or nobody wraps so late."""
    texts = [line.decode(errors="replace").strip() for _, line in islice(raw_lines(opened), _PARAGRAPH)]
    while texts and not texts[-1]:
        texts.pop()
    if len(texts) < _FEW or not all(texts):
        return False
    whole = sum(text.endswith(_ENDS) for text in texts)
    return whole >= 0.8 * len(texts) or statistics.median(map(_width, texts)) >= _DOCUMENT


def _paragraph(block: list[tuple[int, bytes]], *, split: bool = False) -> list[Row | Broken]:
    """One row of a block, or one of each of its lines."""
    if split:
        return [_text_row(number, line, stripped=True) for number, line in block]
    if len(block) == 1:
        return [_text_row(*block[0])]
    return [_text_row(block[0][0], b"\n".join([line for _, line in block]))] if block else []


def _text_row(number: int, content: bytes, *, stripped: bool = False) -> Row | Broken:
    text = text_of(number, content)
    return text if isinstance(text, Broken) else Row(number, {"text": text.strip() if stripped else text})


def _width(text: str) -> int:
    """Of a line on a screen, where a Han character is as wide as two letters."""
    return len(text) if text.isascii() else sum(1 + ("\u2e80" <= char <= "\uffef") for char in text)
