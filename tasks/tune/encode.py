"""Preferences in tokens: one prompt with the replies to it, masked and cut as supervised rows are.

encode(rows, renderer, 2048)    Encoded: pairs of prompt, chosen and rejected ids, and what was cut or left out

A reply is rendered, found and checked through `masks.samples`, so both sides of a pair have the very prompt that a
model is asked with. What would train silently on nothing is left out and counted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from storage.records import PonensError
from tasks.tokenizing.encoding import prompt_fills
from tasks.tokenizing.masks import IGNORED, Sample, Teaching, samples
from tasks.tokenizing.renderer import Renderer

Row = Mapping[str, Any]
SIDES = ("chosen", "rejected")


@dataclass(frozen=True, slots=True)
class Tokens:
    """One preference: token ids of the prompt and of either reply, None for the side that it lacks."""

    name: str
    prompt: list[int]
    chosen: list[int] | None
    rejected: list[int] | None

    @property
    def replies(self) -> list[list[int]]:
        """The replies that there are."""
        return [ids for ids in (self.chosen, self.rejected) if ids is not None]

    @property
    def longest(self) -> int:
        """Tokens of the prompt with the longer reply."""
        return len(self.prompt) + max(map(len, self.replies))


@dataclass(slots=True)
class Encoded:
    """All preferences in tokens; replies that were cut, and preferences that were left out and why.

    `ends` are the tokens that replies end with where they were not cut, each with a row's name.
    """

    rows: list[Tokens] = field(default_factory=list)
    truncated: int = 0
    left_out: int = 0
    alike: int = 0
    ends: dict[int, str] = field(default_factory=dict)

    @property
    def replies(self) -> int:
        return sum(len(row.replies) for row in self.rows)

    @property
    def trained(self) -> int:
        """Tokens of replies, which a pass learns from."""
        return sum(len(ids) for row in self.rows for ids in row.replies)


def sides(rows: Sequence[Row], renderer: Renderer) -> Iterator[dict[str, Sample]]:
    """Each row's replies as samples, by side. PonensError where a row cannot be learnt from as it says."""
    asked = [
        {"id": f"{row['id']}, {side}", "prompt": row["prompt"], "completion": row[side]}
        for row in rows
        for side in SIDES
        if row[side]
    ]
    found = samples(asked, renderer, Teaching())
    for row in rows:
        yield {side: next(found) for side in SIDES if row[side]}


def encode(rows: Sequence[Row], renderer: Renderer, max_length: int, *, leave_out: bool = False) -> Encoded:
    """All rows in tokens.

    PonensError for a prompt that alone fills `max_length`, unless such rows are to be left out. Pairs whose replies are
    alike within `max_length` have nothing to prefer, and are left out in any case.
    """
    encoded = Encoded()
    for found in sides(rows, renderer):
        if any(prompt_fills(sample, max_length) for sample in found.values()):
            if not leave_out:
                raise _too_long(found, max_length)
            encoded.left_out += 1
            continue
        parts = {side: _parts(sample) for side, sample in found.items()}
        prompt = next(iter(parts.values()))[0]
        if any(own != prompt for own, _ in parts.values()):
            raise PonensError(
                f"{next(iter(found.values())).name}: its two replies are answers to two prompts",
                expected="a template that renders the prompt alike before either",
            )
        room = max_length - len(prompt)
        cut = {side: reply[:room] for side, (_, reply) in parts.items()}
        if len(cut) > 1 and cut["chosen"] == cut["rejected"]:
            encoded.alike += 1
            continue
        for side, (_, reply) in parts.items():
            encoded.truncated += len(reply) > room
            if len(reply) <= room and (last := _last(reply, renderer)) is not None:
                encoded.ends.setdefault(last, found[side].name)
        encoded.rows.append(Tokens(str(found[min(found)].name), prompt, cut.get("chosen"), cut.get("rejected")))
    return encoded


def _parts(sample: Sample) -> tuple[list[int], list[int]]:
    """A sample's prompt and reply: all before the first token to learn, and from there to the last."""
    learnt = [at for at, label in enumerate(sample.labels) if label != IGNORED]
    return sample.ids[: learnt[0]], sample.ids[learnt[0] : learnt[-1] + 1]


def _last(reply: Sequence[int], renderer: Renderer) -> int | None:
    """The last token that is more than space."""
    return next((id for id in reversed(reply) if renderer.tokenizer.decode([id]).strip()), None)


def _too_long(found: Mapping[str, Sample], max_length: int) -> PonensError:
    sample = next(iter(found.values()))
    return PonensError(
        f"{sample.name}: its prompt alone fills max_length",
        seen=f"{len(sample.ids)} tokens with the reply; max_length {max_length}",
        expected="room for at least one token of the reply",
        hint='set [tune] max_length higher, or long_prompts = "leave_out" to go on with the others',
    )
