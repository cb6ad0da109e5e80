"""A theorem in words becomes its formal statement.

    {"id": "Rudin|exercise_1_1b", "nl_statement": "…", "formal_statement": "theorem …",
     "src_header": "…", "nl_proof": "…"}                                                    ProofNet
    {"informal_prefix": "/-- … -/", "formal_statement": "…", "header": "…"}                 miniF2F
    {"natural_language_statement": "…", "formal_statement": "…", "proof": []}               Lean workbook

Header and proof go along for a scorer; a proof may be empty (warning `no-proof`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from storage.dialogues import Dialogue
from storage.records import Message
from storage.sources.formats.base import At, Cells, Format, named, optional, said, text

_WORDS = (
    *("nl_statement", "natural_language_statement", "informal_statement", "informal_stmt", "informal_prefix"),
    *("nl_problem", "problem"),
)
_FORMAL = ("formal_statement", "formal_stmt", "fl_problem", "fl_statement")
_HEADERS, _PROOFS = ("src_header", "header"), ("nl_proof", "informal_proof")
_COMMENT = re.compile(r"\A\s*/--?\s*|\s*-/\s*\Z")


def sniff(row: Cells) -> bool:
    """A statement in words and a formal one."""
    return _first(row, _FORMAL) is not None and _first(row, _WORDS) is not None


def _first(row: Cells, names: tuple[str, ...]) -> str | None:
    return next((name for name in names if row.get(name) is not None), None)


def records(row: Cells, at: At) -> Iterator[Dialogue]:
    """The statement of a row."""
    kinds = (_WORDS, _FORMAL, _HEADERS, _PROOFS)
    words, formal, header, proof = (_first(row, names) or names[0] for names in kinds)
    about = {"header": optional(row, header), "proof": optional(row, proof)}
    asked = said(_COMMENT.sub("", text(row, words)), words)
    yield Dialogue(
        (Message("user", asked), Message("assistant", text(row, formal))),
        "statement",
        about,
        source_id=named(row, "id", "name"),
        file=at.file,
        line=at.line,
        notes=() if about["proof"].strip() else ("no-proof",),
    )


FORMAT = Format("proofnet", sniff, records)
