"""Rows of a step -> as few cells as hold them: which rows share a line, which share a forward pass, in which order.

    lines([90, 40, 35], 90)    [[0], [1, 2]]

A step trains the same rows whatever happens here, so losses and gradients are those of padded training; only the
arithmetic on padding is gone. Rows on one line have position ids that restart with each, from which transformers
makes a mask that keeps them apart under sdpa and eager attention, so nothing here needs FlashAttention. How long
lines are is weighed batch by batch: one line for all, as TRL packs for FlashAttention, costs sdpa the square of it
(2.3 times as much as padding, for 16 rows of 140 tokens on a CPU). Nothing here knows torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tasks.tokenizing.masks import IGNORED

Cells = list[list[int]]


@dataclass(frozen=True, slots=True)
class Laid:
    """Token ids, labels and position ids, [lines, length] each; padding has IGNORED labels."""

    ids: Cells
    labels: Cells
    positions: Cells


def lines(lengths: Sequence[int], room: int) -> list[list[int]]:
    """Which rows share a line of `room` tokens: first fit, the longest first. A longer row has a line to itself."""
    found: list[tuple[int, list[int]]] = []
    for row in sorted(range(len(lengths)), key=lambda row: -lengths[row]):
        for at, (left, line) in enumerate(found):
            if lengths[row] <= left:
                line.append(row)
                found[at] = (left - lengths[row], line)
                break
        else:
            found.append((room - lengths[row], [row]))
    return [line for _, line in found]


def best(lengths: Sequence[int], weight: float) -> list[list[int]]:
    """The lines that cost least: of the longest row's length, or up to four times it, or a row each.

    A token costs its layers' matrices, 2 operations a parameter, and attention, 4 a layer, width and position of its
    line; a line of one row is causal, and costs half of the latter. `weight` is the former in positions of the latter.
    """
    longest = max(lengths)
    choices = [[[row] for row in range(len(lengths))], *(lines(lengths, longest * n // 2) for n in (2, 3, 4, 6, 8))]

    def cost(line: list[list[int]]) -> float:
        width = max(sum(lengths[row] for row in one) for one in line)
        return len(line) * width * (weight + width / (2 if len(line) == len(lengths) else 1))

    return min(choices, key=cost)


def lay(rows: Sequence[dict[str, Any]], pad: int, weight: float | None) -> Laid:
    """Lay rows {"input_ids", "labels"} out on the best lines for this weight; for None each on a line of its own.

    A row's first label is IGNORED: nothing before it on its line may predict it. Padding goes on counting from the
    row before it, so that a line of one row is plain causal attention.
    """
    lengths = [len(row["input_ids"]) for row in rows]
    shared = [[row] for row in range(len(rows))] if weight is None else best(lengths, weight)
    room = max(sum(lengths[row] for row in line) for line in shared)
    laid = Laid([], [], [])
    for line in shared:
        ids: list[int] = []
        labels: list[int] = []
        positions: list[int] = []
        for row in line:
            ids += rows[row]["input_ids"]
            labels += [IGNORED, *rows[row]["labels"][1:]]
            positions += range(lengths[row])
        empty = room - len(ids)
        laid.ids.append(ids + [pad] * empty)
        laid.labels.append(labels + [IGNORED] * empty)
        laid.positions.append(positions + list(range(positions[-1] + 1, positions[-1] + 1 + empty)))
    return laid


def fold(lengths: Sequence[int], batch_size: int, accumulation: int, max_length: int) -> tuple[int, int]:
    """Batch size and accumulation with the same rows a step in as few forward passes as memory allows.

    What `batch_size` rows of `max_length` tokens take is what the settings say will fit: so many more rows are taken
    at once as fit in that even if they are the longest of all.
    """
    longest = sorted(lengths, reverse=True)
    for passes in range(1, accumulation):
        rows = longest[: batch_size * accumulation // passes]
        if accumulation % passes == 0 and len(lines(rows, rows[0])) * rows[0] <= batch_size * max_length:
            return batch_size * accumulation // passes, passes
    return batch_size, accumulation


def unfold(lengths: Sequence[int], batch_size: int, passes: int, cells: int) -> tuple[int, int]:
    """Batch size and accumulation with the same rows a step, in more passes: of `cells` tokens, twice that at most.

    The former for rows of the mean length, the latter for the longest, as far as rows can be dealt out evenly; a row
    is never cut. What a pass keeps for its gradient falls alike.
    """
    widest = max(sum(lengths) / len(lengths), max(lengths) / 2)
    for share in range(1, batch_size):
        if batch_size % share == 0 and batch_size // share * widest <= cells:
            return batch_size // share, passes * share
    return 1, passes * batch_size


def order(shuffled: Sequence[int], lengths: Sequence[int], step: int) -> list[int]:
    """The same rows in every step of `step` rows, within it by falling length: alike lengths meet in a forward pass."""
    return [
        row
        for start in range(0, len(shuffled), step)
        for row in sorted(shuffled[start : start + step], key=lambda row: -lengths[row])
    ]
