"""What people corrected of a source, in a sentence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def told(corrections: Mapping[str, Mapping[str, int]] | None) -> str:
    """How many keys were corrected by hand and how many questions left out, and how many of them were for the test.

    >>> told({"corrected": {"train": 2, "valid": 0, "test": 1}, "ambiguous": {"train": 1, "valid": 0, "test": 0}})
    'By hand, 3 keys are corrected (1 of test questions) and 1 question is left out as ambiguous (0 of the test).'
    >>> told(None)
    ''
    """
    if not corrections:
        return ""
    keys, out = (corrections.get(name, {}) for name in ("corrected", "ambiguous"))
    fixed, left = sum(keys.values()), sum(out.values())
    return (
        f"By hand, {fixed:,} {'key is' if fixed == 1 else 'keys are'} corrected ({keys.get('test', 0):,} of test "
        f"questions) and {left:,} {'question is' if left == 1 else 'questions are'} left out as ambiguous "
        f"({out.get('test', 0):,} of the test)."
    )


def noted(corrections: Any) -> dict[str, Any]:
    """The part of a step's facts, or of its settings, that says it; none without corrections."""
    return {"corrections": dict(corrections)} if corrections else {}
