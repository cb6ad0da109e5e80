"""ProofNet: a theorem in words becomes its formal statement.

    {"id": "Rudin|exercise_1_1b", "nl_statement": "…", "formal_statement": "theorem …",
     "src_header": "…", "nl_proof": "…"}

Header and proof go along for a scorer; a proof may be empty (warning `no-proof`).
"""

from __future__ import annotations

from collections.abc import Iterator

from storage.dialogues import Dialogue
from storage.formats.base import At, Cells, Format, named, optional, text
from storage.records import Message


def sniff(row: Cells) -> bool:
    """A statement in words and a formal one."""
    return {"nl_statement", "formal_statement"} <= set(row)


def records(row: Cells, at: At) -> Iterator[Dialogue]:
    """The statement of a row."""
    about = {"header": optional(row, "src_header"), "proof": optional(row, "nl_proof")}
    yield Dialogue(
        (Message("user", text(row, "nl_statement")), Message("assistant", text(row, "formal_statement"))),
        "statement",
        about,
        source_id=named(row, "id"),
        file=at.file,
        line=at.line,
        notes=() if about["proof"].strip() else ("no-proof",),
    )


FORMAT = Format("proofnet", sniff, records)
