"""Samples cut to length and counted: what the trainer takes, and what it must not take.

Whatever would train silently on the wrong thing is an error that names the row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from storage.records import PonensError
from tasks.training.masks import IGNORED, Row, Sample, Teaching, nothing_to_learn, samples
from tasks.training.render import Renderer


@dataclass(frozen=True, slots=True)
class Encoded:
    """Token ids and labels, sample by sample; how many samples were cut, and the tokens that one pass trains."""

    ids: list[list[int]]
    labels: list[list[int]]
    truncated: int
    trained: int


def encode(rows: Sequence[Row], renderer: Renderer, max_length: int, teaching: Teaching) -> Encoded:
    """Render, tokenize, mask and cut all rows.

    PonensError if a row would teach nothing, or not what it says; see `masks.samples`.
    """
    ids, labels, truncated, trained = [], [], 0, 0
    for sample in samples(rows, renderer, teaching):
        trained += learnt_within(sample, max_length)
        truncated += len(sample.ids) > max_length
        ids.append(sample.ids[:max_length])
        labels.append(sample.labels[:max_length])
    return Encoded(ids, labels, truncated, trained)


def learnt_within(sample: Sample, max_length: int) -> int:
    """The number of tokens to learn among the first `max_length`. PonensError if there is none."""
    learnt = sum(label != IGNORED for label in sample.labels[:max_length])
    if not learnt:
        first = next((n for n, label in enumerate(sample.labels) if label != IGNORED), None)
        where = "none is to be learnt" if first is None else f"the first to learn is number {first + 1}"
        raise nothing_to_learn(
            sample.name,
            f"{len(sample.ids)} tokens, {where}; max_length {max_length}",
            "drop the row, or set [train] learn_thinking = true"
            if first is None
            else "set [train] max_length higher, or drop the row from the snapshot",
        )
    return learnt


def check_share(truncated: int, rows: int, limit: float, max_length: int) -> None:
    """PonensError if more than `limit` of the rows were cut."""
    if rows and truncated / rows > limit:
        raise PonensError(
            "too many rows are cut at max_length",
            seen=f"{truncated} of {rows} rows ({truncated / rows:.1%}) are longer than {max_length} tokens",
            expected=f"at most {limit:.1%} ([train] max_truncated_share)",
            hint="set [train] max_length higher, or allow a larger share",
        )


def check_same_ids(texts: Sequence[str], tokenizer: Any, other: Any, where: str) -> None:
    """PonensError if two tokenizers disagree on a text.

    transformers gives a folder whose config.json says qwen2 Qwen's own pre-tokenizer, whatever tokenizer was saved.
    """
    for text in texts:
        ours = tokenizer(text, add_special_tokens=False)["input_ids"]
        # a raw `tokenizers.Tokenizer` encodes, a transformers tokenizer is called
        theirs = (
            other(text, add_special_tokens=False)["input_ids"]
            if callable(other)
            else other.encode(text, add_special_tokens=False).ids
        )
        if list(ours) != list(theirs):
            at = next(
                (i for i, (a, b) in enumerate(zip(ours, theirs, strict=False)) if a != b), min(len(ours), len(theirs))
            )
            raise PonensError(
                f"the tokenizer {where} gives other tokens than the one that trains",
                seen=f"token {at} of {text[:60]!r}: {ours[at : at + 4]} against {theirs[at : at + 4]}",
                expected="equal token ids, else the adapter would be served other tokens than it learnt",
                hint="train the base model's tokenizer with its family's own pre-tokenizer",
            )
