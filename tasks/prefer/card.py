"""The data card of preferences, written beside them.

card.json            counts, sources, lengths, drops, leak check
card.md, card.html   the same in words, no part of the artifact (`tasks.runtime.pages`)
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson

from tasks.runtime.pages import Pages

FACTS = "card.json"


def write(folder: Path, name: str, facts: Mapping[str, Any], leaks: Mapping[str, int]) -> None:
    """Write the facts of the card; `leaks` are what SQL found where it must not be, which is nothing."""
    (folder / FACTS).write_bytes(orjson.dumps({"name": name, **facts, "leaks": leaks}))


def _pages(folder: Path, facts: Mapping[str, Any]) -> dict[str, str]:
    from evals.report import preference_card

    found = orjson.loads((folder / FACTS).read_bytes())
    return {"card.md": preference_card.markdown(found), "card.html": preference_card.page(found)}


PAGES = Pages("evals.report.preference_card", _pages)
