"""What is wrong with a recipe, in the words of its reader: from pydantic's errors to one that names key and way out."""

from __future__ import annotations

import difflib
from types import UnionType
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from flows.unread import Unread
from storage.records import UsageError

_TYPES = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "string": 'text, such as "words in quotes"',
    "list": 'a list, such as ["a", "b"]',
    "dict": "a table of keys and values",
    "model": "a table of keys and values",
    "path": "a path, as text in quotes",
}
_BOUNDS = {"ge": "at least", "gt": "more than", "le": "at most", "lt": "less than"}


def usage_error(error: ValidationError, origin: str, model: type[BaseModel], prefix: str = "") -> UsageError:
    """The first thing that is wrong, with the nearest key before all others. `prefix` is the table that was read."""
    first = error.errors()[0]
    where = ".".join(str(part) for part in (*([prefix] if prefix else []), *_keys(first["loc"])))
    if first["type"] == "extra_forbidden":
        return _unknown(origin, where, first, model)
    cause = (first.get("ctx") or {}).get("error")
    if isinstance(cause, Unread):
        found = cause.error
        return UsageError(f"{origin}: {found.thing}", seen=found.seen, expected=found.expected, hint=found.hint)
    label = f"{origin}: {where}" if where else origin
    if first["type"] == "value_error":
        return UsageError(f"{label}: {first['msg'].removeprefix('Value error, ')}")
    seen = None if first["type"] == "missing" else repr(first["input"])
    same = [other for other in error.errors() if _keys(other["loc"]) == _keys(first["loc"])]
    return UsageError(label, seen=seen, expected=" or ".join(dict.fromkeys(map(expected, same))))


def expected(error: Any) -> str:
    """What was expected, in words: "a whole number, at least 1"."""
    kind, bounds = error["type"], error.get("ctx") or {}
    if kind == "missing":
        return "a value: it has no default"
    if kind == "literal_error":
        return f"one of {bounds['expected'].replace(' or ', ', ')}"
    for sign, words in _BOUNDS.items():
        if sign in bounds:
            return f"{words} {bounds[sign]}"
    return _TYPES.get(kind.partition("_")[0], str(error["msg"]))


def _unknown(origin: str, where: str, error: Any, model: type[BaseModel]) -> UsageError:
    """An unknown key: the nearest known one, wherever in the recipe it stands."""
    loc = [str(part) for part in error["loc"]]
    here = list(_table(model, loc[:-1]).model_fields)
    near = difflib.get_close_matches(loc[-1], here, 1)
    meant = [".".join((*loc[:-1], near[0]))] if near else _elsewhere(loc[-1], model)
    return UsageError(
        f"{origin}: unknown key {where!r}" + (f"; did you mean {' or '.join(meant)}?" if meant else ""),
        seen=error["input"],
        expected=f"one of {', '.join(here)}",
    )


def _elsewhere(name: str, model: type[BaseModel]) -> list[str]:
    """Dotted keys of other tables that have this very name, or the nearest one."""
    known = dict(paths(model))
    exact = [path for path in known if path.rpartition(".")[2] == name]
    if exact:
        return exact[:3]
    close = difflib.get_close_matches(name, {path.rpartition(".")[2] for path in known}, 1, 0.8)
    return [path for path in known if path.rpartition(".")[2] in close][:1]


def paths(model: type[BaseModel], before: str = "") -> list[tuple[str, Any]]:
    """Every setting of a model and of its tables: dotted path and field."""
    found: list[tuple[str, Any]] = []
    for name, field in model.model_fields.items():
        inner = _model(field.annotation)
        found += paths(inner, f"{before}{name}.") if inner else [(f"{before}{name}", field)]
    return found


def _model(annotation: Any) -> type[BaseModel] | None:
    kinds = get_args(annotation) if get_origin(annotation) in (Union, UnionType) else (annotation,)
    return next((kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel)), None)


def _table(model: type[BaseModel], path: list[str]) -> type[BaseModel]:
    for name in path:
        inner = _model(model.model_fields[name].annotation) if name in model.model_fields else None
        if inner is None:
            break
        model = inner
    return model


def _keys(loc: tuple[int | str, ...]) -> list[str]:
    """The part of an error's place that a user wrote: pydantic adds which member of a union it tried."""
    kept: list[str] = []
    for part in loc:
        if (
            kept and isinstance(part, str) and (part in ("str", "int", "float", "bool") or "[" in part)
        ):  # a member's name
            continue
        kept.append(str(part))
    return kept
