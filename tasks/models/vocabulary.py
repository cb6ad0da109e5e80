"""Tokens that a template brings along: rows for them in a model's embeddings, trained with the adapter.

The adapter keeps the rows' own values (PEFT's trainable tokens, not a difference to the base), so a base that is
given room anew needs no care for what stands there. Knows models by their methods; imports no torch.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from storage.records import PonensError


def make_room(model: Any, ids: list[int]) -> None:
    """See that the model has a row for each new id, and let it begin as the mean of the known ones.

    The mean gives a new token the probability of an average one, which leaves the model's other words nearly as
    they were (J. Hewitt, "Initializing New Word Embeddings for Pretrained Language Models", 2021). Many models
    have rows to spare: they keep their size. PonensError for a head with a bias.
    """
    if not ids:
        return
    if getattr(model.get_output_embeddings(), "bias", None) is not None:
        raise PonensError(
            "this base model cannot learn the template's tokens",
            seen="a head with a bias, which PEFT's trainable tokens leave out",
            expected="a head without one",
            hint='set [train] template to "own" or "mistral"',
        )
    grow(model, max(ids) + 1)
    known = min(ids)
    for layer in _layers(model).values():
        layer.weight.data[ids] = layer.weight.data[:known].float().mean(0).to(layer.weight.dtype)


def grow(model: Any, rows: int) -> None:
    """At least so many rows of embeddings, never fewer than there are."""
    if rows > model.get_input_embeddings().weight.shape[0]:
        model.resize_token_embeddings(rows, mean_resizing=False)


def trainable(model: Any, ids: list[int]) -> dict[str, list[int]] | None:
    """PEFT's `trainable_token_indices`: the ids by layer, the head's too where it is a layer of its own."""
    return dict.fromkeys(_layers(model), ids) if ids else None


def show_bias(model: Any) -> None:
    """Let the head that PEFT wrapped say that it has no bias: TRL's fused head asks it."""
    head = model.get_output_embeddings()
    if hasattr(head, "token_adapter"):
        head.bias = None


def without(tokens: Iterable[str], text: str) -> str:
    """The text with a space in each token's place: what a tokenizer that lacks them can be asked."""
    for token in tokens:
        text = text.replace(token, " ")
    return text


def _layers(model: Any) -> dict[str, Any]:
    """Embeddings and head by the last part of their names, a head that shares their weight left out."""
    inputs, outputs = model.get_input_embeddings(), model.get_output_embeddings()
    apart = outputs is not None and outputs.weight is not inputs.weight
    wanted = [inputs, outputs] if apart else [inputs]
    return {
        name.rpartition(".")[2]: module for name, module in model.named_modules() if any(module is w for w in wanted)
    }
