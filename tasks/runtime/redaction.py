"""Settings as they may be shown and written down: without secrets."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from storage import remote

_SECRET = re.compile(r"(?i)(^|_)(api_?key|key|token|secret|password|credentials?)$")


def public(content: Any, name: str = "") -> Any:
    """Settings without secrets: values of names such as api_key, and passwords in URLs, are left out."""
    if isinstance(content, Mapping):
        return {key: public(value, str(key)) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [public(value, name) for value in content]
    if isinstance(content, str):
        return "…" if _SECRET.search(name) else remote.public(content)
    return content
