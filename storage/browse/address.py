"""Where `ponens view` is to be found by pages that link to it."""

from __future__ import annotations

import os

HOST, PORT = "127.0.0.1", 4300
VARIABLE = "PONENS_VIEW_URL"


def url() -> str:
    """PONENS_VIEW_URL, which `ponens dev` sets; else where `ponens view` is by default."""
    return os.environ.get(VARIABLE) or f"http://{HOST}:{PORT}"
