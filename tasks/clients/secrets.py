"""Keys stay out of logs, errors and pages. A reply is evidence and stays whole, but for the very key that is in use."""

from __future__ import annotations

import re
from urllib.parse import parse_qs, urlsplit

from pydantic import SecretStr

from storage.records import UsageError
from tasks.runtime.step import Secret

_KEY_LIKE = ("key", "token", "secret", "password")
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


def keyless(url: str | None) -> str | None:
    """The address, if it holds no key: recipes are copied into runs and reports. ValueError otherwise."""
    parts = urlsplit(url or "")
    if parts.username or parts.password or any(w in name.lower() for name in parse_qs(parts.query) for w in _KEY_LIKE):
        raise ValueError("an address without credentials: keys go into the environment or a Prefect Secret block")
    return url


def key_of(variable: str, what: str, secret: Secret) -> SecretStr:
    """The key by the name of its environment variable. UsageError, in `what` needs it, if there is none."""
    value = (secret(variable) or "").strip()
    if not value:
        block = variable.lower().replace("_", "-")
        raise UsageError(
            f"{what} needs a key",
            seen=f"{variable} is not set, and there is no Prefect Secret block {block!r}",
            expected=f"the key in the environment variable {variable} or, in a flow, in that block",
            hint=f"export {variable}=…  (a local server that wants no key takes any word)",
        )
    guard(value)
    return SecretStr(value)
