r"""JSON as rows: lines, an array, or objects over several lines; what a broken row swallows is told from line to line.

{"a": 1}\n{"a": 2}            a row a line
[{"a": 1}, {"a": 2}]          a row an element
{\n  "a": 1\n}\n{\n …         a row an object, however many lines each takes
{"data": [{"a": 1}, …]}       one object: a row that is `whole`, in which the rows may lie (see `inside`)
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator, Sequence
from itertools import islice, pairwise
from typing import Any

import orjson

from storage.sources import json_array
from storage.sources.container import BLANK, BOM, Broken, Items, Open, Row, full_lines, lost, raw_lines, text_of

_LOOK = 20  # lines that say whether a file that begins with a broken one has a row a line
_GOES_ON = (b",", b"[", b"{", b":")  # how a line ends that is no row by itself
_SPEAKERS = ("role", "from", "speaker", "author", "user", "human", "assistant")  # what turns of a dialogue have
_SCALAR = rb'(?:"(?:[^"\\]|\\.)*"|[-+.\w]+)'
_LISTED = re.compile(rb'\s*\{\s*(?:"[^"\\]*"\s*:\s*%b\s*,\s*)*"[^"\\]*"\s*:\s*(?=\[)' % _SCALAR)
_STARTS = re.compile(rb"^[ \t]*\{", re.MULTILINE)
_decoder = json.JSONDecoder()


class _Doubled(Broken):
    """A row that is sound JSON but for a key that stands twice."""


def lines(opened: Open, *, single: bool = False) -> Items:
    """A row a line, or the objects of a file in which they take several lines each, or in which one list holds them.

    `single` is whether one line alone may be all of an object, as in a `.json` file.
    """
    head = list(islice(full_lines(opened), _LOOK))
    first = next((_line(*line) for line in head), None)
    if isinstance(first, Broken) and not _a_row_a_line(head):
        if head[0][1].startswith(b"[") and isinstance(next(array(opened), None), Row):
            return array(opened)
        if len(head) > 1:
            return _objects(opened)
    if isinstance(first, Row) and len(head) == 1 and _holds_rows(first.value):
        return array(opened)
    if isinstance(first, Row) and len(head) == 1:
        return iter([first._replace(whole=single and isinstance(first.value, dict))])
    return _by_line(opened)


def array(opened: Open) -> Items:
    """A row an element, numbered from 1; of a broken element and of a torn array, what can be read beyond it."""
    with opened() as file:
        yield from _elements(json_array.values(file), 0)


def _by_line(opened: Open) -> Items:
    for number, line in raw_lines(opened):
        try:
            value = orjson.loads(line)  # as most are; space around it is JSON's as well
        except orjson.JSONDecodeError:
            if text := line.strip(BLANK):
                yield from _mended(number, text)
        else:
            yield _once(number, line, value)


def _line(number: int, line: bytes) -> Row | Broken:
    """The row of a line, which may end in the comma of a list that is none."""
    row = _decoded(number, line)
    return _decoded(number, line[:-1]) if isinstance(row, Broken) and line.endswith(b"},") else row


def _mended(number: int, line: bytes) -> Items:
    """What a line that is no row holds: a row before a comma, or several objects; else why it is none."""
    row = _line(number, line)
    parts = [] if isinstance(row, Row) else re.split(rb"\r|(?<=\})\s*(?=\{)", line)
    found = [_decoded(number, part.strip(BLANK)) for part in parts]
    yield from found if len(found) > 1 and not any(isinstance(row, Broken) for row in found) else [row]


def _holds_rows(value: Any) -> bool:
    """Whether the only line of a file is all of its rows: a list of objects that are no turns of a dialogue."""
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(one, dict) and one.keys().isdisjoint(_SPEAKERS) for one in value)
    )


def _a_row_a_line(head: Sequence[tuple[int, bytes]]) -> bool:
    """Whether a line after the first is a row, and not one of the list that another line began."""
    return any(
        line[:1] in (b"{", b"[") and not before.endswith(_GOES_ON) and isinstance(_decoded(number, line), Row)
        for (_, before), (number, line) in pairwise(head)
    )


def _objects(opened: Open) -> Items:
    with opened() as file:
        content = file.read(json_array.MAX_ROW + 1).removeprefix(BOM)
    if len(content) > json_array.MAX_ROW:
        yield Broken(
            1, f"an object over several lines, or several, in more than {json_array.MAX_ROW >> 20} MiB", "file"
        )
        return
    found = list(_decoded_one_by_one(content))
    if not any(
        isinstance(item, _Doubled) or (isinstance(item, Row) and isinstance(item.value, dict)) for item in found
    ):
        hit = _LISTED.match(content)
        before = content[: hit.end()].count(b"\n") if hit else 0
        found = list(_elements(json_array.values(io.BytesIO(content[hit.end() :]), before), 0)) if hit else []
    if any(isinstance(item, Row | _Doubled) for item in found):
        yield from found
    else:
        yield from _by_line(opened)


def _decoded_one_by_one(content: bytes) -> Items:
    """Objects one after the other; after a broken one those that begin on a line of their own."""
    text = text_of(1, content)
    if isinstance(text, Broken):
        yield text
        return
    at, alone, between = 0, True, " \t\r\n"
    while (at := len(text) - len(text[at:].lstrip(between))) < len(text):
        line = text.count("\n", 0, at) + 1
        try:
            _, end = _decoder.raw_decode(text, at)
            row: Row | Broken = _decoded(line, text[at:end].encode())
        except (ValueError, RecursionError) as error:
            hit = re.compile(r"\n(?=\{)").search(text, at)
            end, between = hit.end() if hit else len(text), " \t\r\n,]}"  # what follows may lie in a list
            row = Broken(line, f"broken JSON: {error}{lost(line, line + text.count(chr(10), at, end - bool(hit)))}")
        alone = alone and at == len(text) - len(text.lstrip()) and not text[end:].strip()
        yield Row(row.line, row.value, whole=alone and isinstance(row.value, dict)) if isinstance(row, Row) else row
        at = end


def _elements(values: Iterator[tuple[int, bytes]], number: int) -> Items:
    try:
        for line, value in values:
            try:
                row = orjson.loads(value)
            except orjson.JSONDecodeError:
                for item in _element(number + 1, line, value):
                    number = item.line
                    yield item
            else:
                number += 1
                yield _once(number, value, row)
    except json_array.Torn as torn:
        for item in _element(number + 1, torn.line, torn.rest) if torn.rest else ():
            number = item.line
            yield item
        yield Broken(number + 1, str(torn), "file")


def _element(number: int, line: int, value: bytes) -> Items:
    """The row of an element; of one that is broken and swallowed others, these."""
    row = _decoded(number, value)
    starts = [hit.start() for hit in _STARTS.finditer(value)] if isinstance(row, Broken) else []
    indents = {start: len(value[start:].split(b"{")[0]) for start in starts if start}
    starts = [start for start in indents if indents[start] == min(indents.values())]
    if isinstance(row, Row) or not starts:
        last = line + value.count(b"\n")
        yield row if isinstance(row, Row) else Broken(number, f"{row.reason}{lost(line, last)}")
        return
    wrong: list[tuple[int, int]] = [(0, starts[0])]
    good: list[Any] = []
    for start, end in zip(starts, [*starts[1:], len(value)], strict=True):
        inner = _decoded(0, value[start:end].strip(BLANK).removesuffix(b"]").strip(BLANK).removesuffix(b","))
        if isinstance(inner, Row):
            good.append(inner.value)
        else:
            wrong.append((start, end))
    for n, (start, end) in enumerate(wrong):
        first, last = (line + value.count(b"\n", 0, at) for at in (start, len(value[:end].rstrip(BLANK))))
        reason = row.reason if n == 0 else "broken JSON"
        yield Broken(number + n, f"{reason}{lost(first, last)}")
    yield from (Row(number + len(wrong) + n, inner) for n, inner in enumerate(good))


def _once(line: int, content: bytes, value: Any) -> Row | Broken:
    """The row of a value; Broken where a key stands twice in one of its objects, with values that differ."""
    if type(value) is not dict:
        return Row(line, value)
    marks = content.count(b'":')
    if marks == len(value) and b'" :' not in content:
        return Row(line, value)  # as most are
    if marks == _below(value) and b'" :' not in content:
        return Row(line, value)  # and most of the others
    marks += content.count(b'" :') - content.count(b'\\":') - content.count(b'\\" :')
    if marks <= _keys(value):
        return Row(line, value)
    try:
        json.loads(content, object_pairs_hook=_object)
    except _Twice as twice:
        return _Doubled(line, f"the key {str(twice)[:40]!r} stands twice in one object, with values that differ")
    except (ValueError, RecursionError):  # orjson reads what json does not, such as lone surrogates
        pass
    return Row(line, value)


class _Twice(Exception):
    """A key that stands twice in an object, with another value."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if found.setdefault(name, value) != value:
            raise _Twice(name)
    return found


def _below(value: dict[str, Any]) -> int:
    """How many keys an object has together with the objects in it and those in its lists."""
    found = len(value)
    for inner in value.values():
        if type(inner) is str:
            continue  # as most are
        if type(inner) is dict:
            found += len(inner)
        elif type(inner) is list and inner and type(inner[0]) is dict:
            try:
                found += sum(map(len, inner))
            except TypeError:  # objects beside numbers
                return 0
    return found


def _keys(value: Any) -> int:
    """How many keys the objects in a value have."""
    if isinstance(value, dict):
        return len(value) + sum(_keys(inner) for inner in value.values() if isinstance(inner, dict | list))
    return sum(_keys(inner) for inner in value if isinstance(inner, dict | list))


def _decoded(line: int, value: bytes) -> Row | Broken:
    try:
        return _once(line, value, orjson.loads(value))
    except orjson.JSONDecodeError as error:
        text = text_of(line, value)
        return text if isinstance(text, Broken) else Broken(line, f"broken JSON: {error}")
