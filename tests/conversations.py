"""Conversations to train on: a few of our own, and FastChat's where they lie beside the checkout."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

FASTCHAT = Path(__file__).resolve().parents[1] / ".." / "shared" / "data" / "fastchat" / "dummy_conversation_500.json"
_ROLES = {"human": "user", "gpt": "assistant"}


def turns(*words: str, system: str = "") -> list[dict[str, Any]]:
    """User and assistant in turn, beginning with the user."""
    opening = [{"role": "system", "content": system}] if system else []
    return opening + [{"role": ("user", "assistant")[n % 2], "content": text} for n, text in enumerate(words)]


def row(name: str, messages: list[dict[str, Any]], completion: int = 1) -> dict[str, Any]:
    """A row whose completion is the last so many messages."""
    return {"id": name, "prompt": messages[:-completion], "completion": messages[-completion:]}


OWN = [
    row("one", turns("Which way does it look?", "East.")),
    row("two", turns("Hi!", "Hello, how are you?", "And now\n\nwhat? ", " Nothing\n", "好吗？", "好。Answer: B")),
    row("ruled", turns("Is it on?", "Yes.", "Are you sure?", "No.", system="Be brief.")),
]


def fastchat(count: int) -> list[dict[str, Any]]:
    """FastChat's first conversations, as rows."""
    found = json.loads(FASTCHAT.read_text("utf-8"))[:count]
    return [
        row(c["id"], [{"role": _ROLES[t["from"]], "content": t["value"]} for t in c["conversations"]]) for c in found
    ]
