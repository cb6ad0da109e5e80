"""Knowledge triples, drawn from a text or by themselves.

    {"text": "…", "triples": [["Ann", "knows", "Bo"], …]}
    {"head": "Ann", "relation": "knows", "tail": "Bo"}     also subject, predicate, object

Of a text the assistant says its triples, a line each, `head | relation | tail`; of a triple by itself
the user says head and relation, the assistant the tail. Triples of one head are never split apart.
"""

from __future__ import annotations

from collections.abc import Iterator

from storage.dialogues import Dialogue
from storage.records import Message
from storage.sources.formats.base import At, Cells, Fault, Format, kind, listed, named, said, text

_NAMES = (("head", "relation", "tail"), ("subject", "predicate", "object"), ("subject", "relation", "object"))


def sniff(row: Cells) -> bool:
    """A text with a list of triples, or a triple."""
    return ("text" in row and isinstance(row.get("triples"), list)) or _single(row) is not None


def records(row: Cells, at: At) -> Iterator[Dialogue]:
    """The triples of a row."""
    names = _single(row)
    if names and "triples" not in row:
        head, relation, tail = (text(row, name) for name in names)
        asked, answer, found, topic = f"{head} | {relation}", tail, [[head, relation, tail]], head
    else:
        asked, topic = text(row, "text"), ""
        found = [_triple(item, f"triples[{n}]") for n, item in enumerate(listed(row, "triples"))]
        answer = said("\n".join(" | ".join(triple) for triple in found), "triples")
    yield Dialogue(
        (Message("user", asked), Message("assistant", answer)),
        "triples",
        {"triples": found},
        topic,
        source_id=named(row, "id"),
        file=at.file,
        line=at.line,
    )


def _single(row: Cells) -> tuple[str, str, str] | None:
    return next((names for names in _NAMES if set(names) <= set(row)), None)


def _triple(item: object, where: str) -> list[str]:
    if isinstance(item, dict):
        names = _single(item)
        if names is None:
            raise Fault(where, "neither head, relation, tail nor subject, predicate, object")
        return [text(item, name) for name in names]
    if not isinstance(item, list) or len(item) != 3:
        raise Fault(where, f"expected three texts, found {kind(item)}")
    return [said(part, f"{where}[{n}]") for n, part in enumerate(item)]


FORMAT = Format("triples", sniff, records)
