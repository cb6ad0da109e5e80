"""Which split a group is in, and whether the splits came out as they were asked for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from storage.records import Split, digest


def split_of(group: str, valid: float, test: float, salt: str = "") -> Split:
    """A group's split, from its identity alone: further groups move none, nor does a change of `valid` move test."""
    place = int(digest([salt, group])[:13], 16) / 16**13
    if place < test:
        return "test"
    return "valid" if place < test + valid else "train"


def uneven(splits: Mapping[Split, int], valid: float, test: float) -> list[dict[str, Any]]:
    """A warning for each share that has less than half, or more than twice, the rows that were asked for."""
    total, found = sum(splits.values()), []
    asked_for: dict[Split, float] = {"valid": valid, "test": test}
    for name, share in asked_for.items():
        there, asked = splits[name], round(share * total)
        if asked and not asked / 2 <= there <= 2 * asked:
            message = (
                f"{name}: {there:,} of {total:,} rows, where [parse] {name} = {share:g} asks for about {asked:,}; "
                "whole groups are shared out by chance: more groups, or another [parse] salt, come nearer"
            )
            found.append({"kind": "uneven-split", "count": there, "message": message, "examples": []})
    return found
