"""What of a recipe is set otherwise than in another, in the words of `--set`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from tasks.runtime.redaction import public

_LONGEST = 32  # of a value


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """The settings of `now` that are not those of `before`, as `--set` would take them; no secret is among them.

    A setting that `now` does not have is left out: there is nothing to set.

    >>> differences({"train": {"rank": 16, "epochs": 3}}, {"train": {"rank": 32, "epochs": 3}})
    ['train.rank=32']
    """
    parts = [name for name, value in now.items() if name not in before or before[name] != value]
    old, new = (dict(_leaves(public({name: one[name] for name in parts if name in one}))) for one in (before, now))
    return [f"{key}={_short(value)}" for key, value in new.items() if value is not None and old.get(key) != value]


def _leaves(content: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(content, Mapping):
        for name, value in content.items():
            yield from _leaves(value, f"{key}.{name}" if key else name)
    else:
        yield key, content


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST else f"…{text[1 - _LONGEST :]}"
