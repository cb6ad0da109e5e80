"""Keys stay out of logs, errors and pages. A reply is evidence and stays whole, but for the very key that is in use."""

from __future__ import annotations

import re

_secrets: set[str] = set()  # keys in use, wherever they came from
_TOKENS = re.compile(r"(?i)(bearer\s+|\bsk-)[\w.*~+/=-]{6,}")
_NO_WORD = re.compile(r"(?=.*\d)\S{16,}")  # what no sentence holds by chance


def guard(secret: str) -> None:
    """Have `redact` know a key from now on."""
    if len(secret) >= 6:
        _secrets.add(secret)


def redact(text: str) -> str:
    """What is said about a call, without keys: those in use, and whatever looks like one."""
    for secret in _secrets:
        text = text.replace(secret, "***")
    return _TOKENS.sub(r"\1***", text) if "sk-" in text or "earer " in text else text


def unkeyed(text: str) -> str:
    """A reply without the keys in use that are no words; nothing else of it is touched.

    A local server's key may be "secret", and bearers of torches are no tokens.
    """
    for secret in _secrets:
        if secret in text and _NO_WORD.fullmatch(secret):
            text = text.replace(secret, "***")
    return text
