"""Base models that were imported into a home: `models/NAME/`, a folder of safetensors that any step can take as base.

names(home)                    ["smollm2-135m"]
about(home, "smollm2-135m")    what model.json says: the file it came from, its quantisation, its tokenizer's rule
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import orjson

from storage.home import Home
from storage.records import PonensError, UsageError

ABOUT = "model.json"
_NAME = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?")


def check_name(name: str) -> str:
    """The name, if it can be a folder and stand in a recipe. UsageError otherwise."""
    if not _NAME.fullmatch(name) or ".." in name or name.endswith(".gguf"):
        raise UsageError(
            "this cannot be a model's name",
            seen=repr(name),
            expected="1 to 64 of a-z 0-9 . _ -, a letter or digit at either end, not ending in .gguf",
        )
    return name


def folder(home: Home, name: str) -> Path:
    """Where a model of that name lies, or would lie."""
    return home.models / check_name(name)


def names(home: Home) -> list[str]:
    """The imported models, in the order of their names."""
    if not home.models.is_dir():
        return []
    return sorted(path.parent.name for path in home.models.glob(f"*/{ABOUT}") if _NAME.fullmatch(path.parent.name))


def about(home: Home, name: str) -> dict[str, Any]:
    """What is known of an imported model. UsageError if there is none of that name."""
    if name not in (there := names(home)):
        raise UsageError(
            f"there is no model {name!r} in {home.root}",
            expected=f"one of {', '.join(there)}" if there else "a model that was imported",
            hint="ponens models import FILE --name NAME",
        )
    return described(folder(home, name)) or {}


def described(place: Path) -> dict[str, Any] | None:
    """What the model.json of a folder says; None where there is none. PonensError if it is torn."""
    try:
        content: dict[str, Any] = orjson.loads((place / ABOUT).read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, orjson.JSONDecodeError) as error:
        raise PonensError(f"{place / ABOUT} cannot be read", seen=error, hint="import the model again") from None
    return content
