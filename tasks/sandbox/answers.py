"""What an engine of the confined child answers where there are no rows, and names as SQL writes them."""

from __future__ import annotations

from typing import Any


def failed(kind: str, reason: str) -> dict[str, Any]:
    """What is answered where there are no rows."""
    return {"failure": kind, "reason": reason.splitlines()[0][:300] if reason else kind}


def quoted(name: str) -> str:
    """A name as SQL writes it."""
    return '"' + name.replace('"', '""') + '"'
