"""Formal statements, such as ProofNet's: exact match after normalising, token BLEU, chrF, and Lean if there is one.

Two statements are the same when their tokens are, with comments, white space, the theorem's name, the word
theorem or lemma, ASCII spellings (`->`, `<=`) and what follows the `:=` left out of account. A BLEU
is no proof of meaning: the ProofNet authors report it beside the share that type-checks (Azerbayev et al.,
2023), and so does this scorer where it is given a `Checker`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from evals.scorers.base import Gold, Score, first_alike, reference, unfenced
from evals.scorers.likeness import bleu, chrf

_LINE_COMMENT = re.compile(r"--[^\n]*")
_BLOCK_END = re.compile(r"/-|-/")
_TOKEN = re.compile(r"[^\W\d][\w'₀-₉.!?]*|\d+(?:\.\d+)?|:=|->|<->|<-|=>|<=|>=|≠|!=|&&|\|\||\S", re.UNICODE)
_HEAD = ("theorem", "lemma", "def", "example")
_KIN = {"->": "→", "<->": "↔", "<=": "≤", ">=": "≥", "!=": "≠", "fun": "λ", "forall": "∀", "exists": "∃"}


@dataclass(frozen=True, slots=True)
class Checked:
    """Whether a statement elaborates, and what Lean said."""

    elaborates: bool
    said: str = ""


class Checker(Protocol):
    """A Lean that tells whether a statement is one, its proof left open."""

    def __call__(self, header: str, statement: str) -> Checked: ...


@dataclass(frozen=True, slots=True)
class StatementScorer:
    """`value` is token BLEU, 1 for the same statement; a statement is right when it is the same.

    With a `checker`, one that does not elaborate is "invalid" with value 0 (measure `elaborates`).
    """

    checker: Checker | None = None
    name: str = "statement"

    def score(self, prediction: str, gold: Gold) -> Score:
        text = unfenced(prediction)
        said, expected = tokens(text), tokens(reference(gold))
        if not expected:
            return Score("gold-invalid", 0.0, "the reference holds no statement")
        if not said:
            return Score("invalid", 0.0, "there is no statement")
        exact = said == expected
        likeness, letters = bleu(said, expected), chrf(" ".join(said), " ".join(expected))
        measures = {"exact": float(exact), "bleu": likeness, "chrf": letters}
        if exact:
            return Score("right", 1.0, "the same statement after normalising", measures)
        if self.checker is not None:
            checked = self.checker(str(gold.about.get("header", "")), text)
            measures["elaborates"] = float(checked.elaborates)
            if not checked.elaborates:
                return Score("invalid", 0.0, f"Lean does not take it: {checked.said}"[:300], measures)
        return Score("wrong", likeness, f"another statement, BLEU {likeness:.2f}, chrF {letters:.2f}", measures)

    def labels(self, replies: Sequence[str], gold: Gold) -> list[int | None]:
        return first_alike(tuple(tokens(unfenced(reply))) or None for reply in replies)


def tokens(statement: str) -> list[str]:
    """The statement's tokens in the form in which two are compared; an unclosed comment runs to the end.

    >>> tokens("theorem foo (x : ℕ) : x <= x := by simp -- done")
    ['(', 'x', ':', 'ℕ', ')', ':', 'x', '≤', 'x']
    """
    found = [_KIN.get(t, t) for t in _TOKEN.findall(_LINE_COMMENT.sub(" ", _without_blocks(statement)))]
    if ":=" in found:
        found = found[: _outermost(found)]
    if found[:1] and found[0] in _HEAD:
        found = found[1:] if found[0] == "example" else found[2:]
    return found


def signature(statement: str) -> str:
    """A declaration as it is written, without comments and without the `:=` and what follows it.

    >>> signature("theorem foo (x : ℕ := 3) : x = x := by simp -- done")
    'theorem foo (x : ℕ := 3) : x = x'
    """
    text = _LINE_COMMENT.sub(" ", _without_blocks(statement))
    hits = list(_TOKEN.finditer(text))
    end = _outermost([hit[0] for hit in hits])
    return (text[: hits[end].start()] if end < len(hits) else text).strip()


def _outermost(found: list[str]) -> int:
    """Where the proof begins: the first `:=` in no bracket (a binder may have a default value), else the end."""
    depth = 0
    for index, token in enumerate(found):
        depth += (token in "([{⟨") - (token in ")]}⟩")
        if token == ":=" and depth <= 0:
            return index
    return len(found)


def _without_blocks(text: str) -> str:
    """Without `/- … -/`, which nest."""
    depth, kept, at = 0, [], 0
    for hit in _BLOCK_END.finditer(text):
        if depth == 0:
            kept.append(text[at : hit.start()])
        depth = depth + 1 if hit[0] == "/-" else max(depth - 1, 0)
        at = hit.end()
    return " ".join([*kept, text[at:]] if depth == 0 else kept)
