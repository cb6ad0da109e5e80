"""Rows of messages -> token ids and labels: the one place where training renders a conversation.

Rows in: {"id", "prompt": [{"role", "content"}], "completion": [...]}. Rows out: ids, and labels that are
IGNORED but where a token of the completion is to be learnt. Nothing here knows torch; a tokenizer is
given. Whatever would train silently on the wrong thing is an error that names the row.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from storage.records import PonensError

IGNORED = -100
Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Encoded:
    """Token ids and labels, row by row; how many rows were cut, and the tokens that one pass trains."""

    ids: list[list[int]]
    labels: list[list[int]]
    truncated: int
    trained: int


def encode(rows: Sequence[Row], tokenizer: Any, max_length: int) -> Encoded:
    """Render and tokenize all rows. PonensError if a row would teach nothing, or not what it says.

    Prompt and completion are rendered together, as the template would a finished conversation, and the
    prompt's tokens must be a prefix of that: otherwise the model is trained on a context it never meets.
    """
    prompts = _render([list(row["prompt"]) for row in rows], tokenizer, add_generation_prompt=True)
    whole = _render([[*row["prompt"], *row["completion"]] for row in rows], tokenizer)
    ids, labels, truncated, trained = [], [], 0, 0
    for row, head, full in zip(rows, _tokenize(prompts, tokenizer), _tokenize(whole, tokenizer), strict=True):
        if full[: len(head)] != head:
            raise _merged(row, head, full, tokenizer)
        cut = full[:max_length]
        if len(cut) <= len(head):
            raise PonensError(
                f"row {row['id']} has no token to learn: every label is masked",
                seen=f"prompt of {len(head)} tokens, {len(full) - len(head)} of completion, max_length {max_length}",
                expected="at least one token of the completion within max_length",
                hint="set [train] max_length higher, or drop the row from the snapshot",
            )
        truncated += len(full) > max_length
        trained += len(cut) - len(head)
        ids.append(cut)
        labels.append([IGNORED] * len(head) + cut[len(head) :])
    return Encoded(ids, labels, truncated, trained)


def check_share(truncated: int, rows: int, limit: float, max_length: int) -> None:
    """PonensError if more than `limit` of the rows were cut."""
    if rows and truncated / rows > limit:
        raise PonensError(
            "too many rows are cut at max_length",
            seen=f"{truncated} of {rows} rows ({truncated / rows:.1%}) are longer than {max_length} tokens",
            expected=f"at most {limit:.1%} ([train] max_truncated_share)",
            hint="set [train] max_length higher, or allow a larger share",
        )


def template_hash(tokenizer: Any) -> str:
    """SHA-256 of the chat template's text: training, evaluation and serving must agree on it."""
    template = getattr(tokenizer, "chat_template", None)
    if not isinstance(template, str):
        raise PonensError(
            "the base model's tokenizer has no chat template",
            seen=type(template).__name__,
            expected="a template in chat_template.jinja or tokenizer_config.json",
            hint="use an instruct model, or put a chat_template.jinja beside its tokenizer",
        )
    return hashlib.sha256(template.encode()).hexdigest()


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


def _render(conversations: list[list[Any]], tokenizer: Any, **how: Any) -> list[str]:
    texts: list[str] = tokenizer.apply_chat_template(conversations, tokenize=False, **how)
    return texts


def _tokenize(texts: list[str], tokenizer: Any) -> list[list[int]]:
    # the template has written the special tokens already
    ids: list[list[int]] = tokenizer(texts, add_special_tokens=False, return_attention_mask=False)["input_ids"]
    return ids


def _merged(row: Row, head: list[int], full: list[int], tokenizer: Any) -> PonensError:
    at = next((i for i, (a, b) in enumerate(zip(head, full, strict=False)) if a != b), len(full))
    return PonensError(
        f"row {row['id']}: the prompt's tokens are no prefix of prompt and completion",
        seen=f"{tokenizer.decode(head[at:])!r} alone, {tokenizer.decode(full[at : at + 8])!r} with the completion",
        expected="a template that renders the prompt alike in both, and ends it on a token's boundary",
        hint="tokens merge across the boundary: end the generation prompt with a newline or a special token",
    )
