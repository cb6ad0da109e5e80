"""Rows of a step -> as few cells as hold them: which rows share a line, which share a forward pass, in which order.

    lines([90, 40, 35], 90)    [[0], [1, 2]]

A step trains the same rows whatever happens here, so losses and gradients are those of padded training; only the
arithmetic on padding is gone. Rows on one line have position ids that restart with each, from which transformers
makes a mask that keeps them apart under sdpa and eager attention, so nothing here needs FlashAttention. A line is as
long as the longest row: one line for the whole batch, as TRL packs for FlashAttention, costs sdpa the square of it
(2.3 times as much as padding, for 16 rows of 140 tokens on a CPU). Nothing here knows torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tasks.training.masks import IGNORED

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


def lay(rows: Sequence[dict[str, Any]], pad: int, *, together: bool) -> Laid:
    """Lay rows {"input_ids", "labels"} out; each on a line of its own unless `together`.

    A row's first label is IGNORED: nothing before it on its line may predict it. Padding goes on counting from the
    row before it, so that a line of one row is plain causal attention.
    """
    lengths = [len(row["input_ids"]) for row in rows]
    room = max(lengths)
    shared = lines(lengths, room) if together else [[row] for row in range(len(rows))]
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


def order(shuffled: Sequence[int], lengths: Sequence[int], step: int) -> list[int]:
    """The same rows in every step of `step` rows, within it by falling length: alike lengths meet in a forward pass."""
    return [
        row
        for start in range(0, len(shuffled), step)
        for row in sorted(shuffled[start : start + step], key=lambda row: -lengths[row])
    ]
