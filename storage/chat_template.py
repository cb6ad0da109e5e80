"""The chat template of a model's folder, in every form that the hub has: one text, several by name, files beside.

    text(folder)      the template that is used where none is named, or None
    named(folder)     those that go by names alone, such as tool_use

A tokenizer's own (chat_template.jinja, then tokenizer_config.json) comes before a processor's.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson

DEFAULT = "default"


def text(folder: Path) -> str | None:
    """The template that a conversation is rendered with; None if there is none, an empty one, or only others."""
    found = _all(folder).get(DEFAULT, "")
    return found if found.strip() else None


def named(folder: Path) -> list[str]:
    """The names of those that are not the default."""
    return sorted(_all(folder).keys() - {DEFAULT})


def by_name(given: Any) -> dict[str, str]:
    """Templates by name, out of a configuration's value: a text, a list of {"name", "template"}, or a mapping.

    >>> by_name([{"name": "default", "template": "a"}, {"name": "rag", "template": "b"}])
    {'default': 'a', 'rag': 'b'}
    """
    if isinstance(given, str):
        return {DEFAULT: given}
    if isinstance(given, dict):
        return {str(name): one for name, one in given.items() if isinstance(one, str)}
    rows = given if isinstance(given, list) else []
    pairs = [(row.get("name"), row.get("template")) for row in rows if isinstance(row, dict)]
    return {name: one for name, one in pairs if isinstance(name, str) and isinstance(one, str)}


def _all(folder: Path) -> dict[str, str]:
    """From what counts least to what counts most."""
    found: dict[str, str] = {}
    for file in ("processor_config.json", "chat_template.json", "tokenizer_config.json"):
        found |= by_name(_json(folder / file).get("chat_template"))
    for place in sorted((folder / "additional_chat_templates").glob("*.jinja")):
        found[place.stem] = place.read_text("utf-8")
    if (folder / "chat_template.jinja").is_file():
        found[DEFAULT] = (folder / "chat_template.jinja").read_text("utf-8")
    return found


def _json(file: Path) -> dict[str, Any]:
    try:
        found = orjson.loads(file.read_bytes())
    except (OSError, orjson.JSONDecodeError):
        return {}
    return found if isinstance(found, dict) else {}
