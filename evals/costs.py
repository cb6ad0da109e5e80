"""What models behind an API took, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def of_models(evaluation: Mapping[str, Any]) -> list[str]:
    """A line a model behind an API; weights that were loaded here cost nothing.

    >>> of_models({"models": {"openai:m": {"requests": 2, "tokens": {"in": 80, "out": 20}, "cost": None}}})
    ['openai:m: 2 replies, 80 tokens in, 20 out, cost unknown: no price']
    """
    lines = []
    for name, one in (evaluation.get("models") or {}).items():
        if "cost" in one:
            cost = "cost unknown: no price" if one["cost"] is None else f"cost {one['cost']:,.4f}"
            tokens = f"{one['tokens']['in']:,} tokens in, {one['tokens']['out']:,} out"
            lines.append(f"{name}: {one['requests']:,} replies, {tokens}, {cost}")
    return lines
