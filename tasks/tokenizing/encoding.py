"""Samples cut to length and counted: what the trainer takes, and what it must not take.

Whatever would train silently on the wrong thing is an error that names the row.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from storage.records import PonensError
from tasks.tokenizing.masks import IGNORED, Row, Sample, Teaching, nothing_to_learn, samples
from tasks.tokenizing.renderer import Renderer


@dataclass(frozen=True, slots=True)
class Encoded:
    """Token ids and labels, sample by sample; how many samples were cut, left out, and the tokens that a pass trains.

    `ends` are the tokens, space left out, that samples teach last where they were not cut: by id, with a sample's name.
    """

    ids: list[list[int]]
    labels: list[list[int]]
    truncated: int
    trained: int
    left_out: int = 0
    ends: dict[int, str] = field(default_factory=dict)


def encode(
    rows: Sequence[Row], renderer: Renderer, max_length: int, teaching: Teaching, *, leave_out: bool = False
) -> Encoded:
    """Render, tokenize, mask and cut all rows.

    PonensError if a row would teach nothing, or not what it says; see `masks.samples`. With `leave_out`, samples whose
    prompt alone fills `max_length` are left out and counted.
    """
    ids, labels, truncated, trained, left_out = [], [], 0, 0, 0
    ends: dict[int, str] = {}

    @cache
    def blank(id: int) -> bool:
        return not renderer.tokenizer.decode([id]).strip()

    for sample in samples(rows, renderer, teaching):
        if leave_out and prompt_fills(sample, max_length):
            left_out += 1
            continue
        trained += learnt_within(sample, max_length)
        truncated += len(sample.ids) > max_length
        if len(sample.ids) <= max_length:
            last = next((i for i in reversed(sample.labels) if i != IGNORED and not blank(i)), sample.labels[-1])
            ends.setdefault(last, sample.name)
        ids.append(sample.ids[:max_length])
        labels.append(sample.labels[:max_length])
    return Encoded(ids, labels, truncated, trained, left_out, ends)


def check_ends(encoded: Encoded, stops: Collection[int], tokenizer: Any) -> None:
    """PonensError if the last token that a sample teaches, space left out, is none that a reply ends at."""
    for last, name in encoded.ends.items():
        if last not in stops:
            wanted = " or ".join(repr(tokenizer.decode([i])) for i in sorted(stops))
            raise PonensError(
                f"{name} ends with a token that nothing stops at: every reply would run on to the limit",
                seen=f"{tokenizer.decode([max(last, 0)])!r} is the last to be learnt",
                expected=f"{wanted}, at which evaluation and serving stop",
                hint='set [train] template = "chatml", or end the turn in the base model\'s chat_template.jinja',
            )


def prompt_fills(sample: Sample, max_length: int) -> bool:
    """Whether there is something to learn and all of it lies beyond the cut."""
    return max_length <= _first(sample.labels) < len(sample.labels)


def _first(labels: Sequence[int]) -> int:
    """The place of the first token to learn."""
    return next((n for n, label in enumerate(labels) if label != IGNORED), len(labels))


def learnt_within(sample: Sample, max_length: int) -> int:
    """The number of tokens to learn among the first `max_length`. PonensError if there is none."""
    learnt = sum(label != IGNORED for label in sample.labels[:max_length])
    if not learnt:
        first = _first(sample.labels)
        where = "none is to be learnt" if first == len(sample.labels) else f"the first to learn is number {first + 1}"
        raise nothing_to_learn(
            sample.name,
            f"{len(sample.ids)} tokens, {where}; max_length {max_length}",
            "drop the row, or set [train] learn_thinking = true"
            if first == len(sample.labels)
            else 'set [train] max_length higher, or long_prompts = "leave_out" to train on the other rows',
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


def check_pieces(texts: Iterable[str], tokenizer: Any, folder: Path) -> None:
    """PonensError if a folder has SentencePiece's own file alone, and transformers makes another tokenizer of it.

    transformers 5.19 does not read the pieces' scores: in Llama 2's and Mistral's vocabularies runs of spaces are then
    merged first instead of last. Nothing is checked where sentencepiece is not installed, or of texts with special
    tokens; whether a text begins with a space is each one's own way.
    """
    file = folder / "tokenizer.model"
    if not file.is_file() or (folder / "tokenizer.json").exists():
        return
    try:
        from sentencepiece import SentencePieceProcessor

        own = SentencePieceProcessor(model_file=str(file))
    except (ImportError, RuntimeError, OSError):  # a file of that name may be another library's
        return
    for text in texts:
        if any(token in text for token in tokenizer.all_special_tokens):
            continue
        begun = f"a\n{text}"
        theirs, expected = tokenizer(begun, add_special_tokens=False)["input_ids"], own.encode(begun)
        if theirs[1:] != expected[1:]:
            at = next(
                (i for i, (a, b) in enumerate(zip(theirs, expected, strict=False)) if i and a != b), len(expected)
            )
            raise PonensError(
                f"the tokenizer that transformers makes of {file} is another one",
                seen=f"token {at} of {begun[:60]!r}: {theirs[at : at + 4]} against {expected[at : at + 4]}",
                expected="the tokens that SentencePiece gives, by which the model was trained",
                hint="put the model's own tokenizer.json beside it, as its makers publish it",
            )
