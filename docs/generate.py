"""The pages of docs/reference, written from the code: commands, the recipe's keys, JSON outputs, modules."""

from __future__ import annotations

import types
import typing
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import griffe
import typer
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined
from typer.core import TyperGroup

ROOT = Path(__file__).resolve().parents[1]
ROOMS = ("flows", "tasks", "prompts", "puzzles", "storage", "evals")
OUTPUTS = {
    "`ponens run`, `evaluate`, `report`: `evaluation`": (
        "evals.evaluation",
        ("EvaluationFacts", "SideFacts", "PairedFacts", "OtherFacts", "SliceFacts", "CurveFacts", "ReplayFacts"),
    ),
    "`ponens verdict`": ("evals.verdict", ("Verdict", "Side")),
    "`ponens sweep`": ("evals.report.sweep", ("SweepFacts", "Row")),
    "`ponens doctor`: `checks`": ("storage.housekeeping.checkup", ("Finding",)),
    "`ponens gc`: `found`": ("storage.housekeeping.garbage", ("Leftover",)),
    "`ponens adapters history`: `moves`": ("storage.adapters.aliases", ("Move",)),
}  # fmt: skip


def write(folder: Path) -> None:
    """Write all pages; one whose text is the same is left alone, so that it is not built again."""
    pages = {"commands": commands(), "recipe": recipe(), "outputs": outputs()}
    pages |= {f"modules/{room}": modules(room) for room in ROOMS}
    for name, lines in pages.items():
        file, text = folder / f"{name}.md", "\n".join(lines) + "\n"
        if not file.exists() or file.read_text("utf-8") != text:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, "utf-8")


def commands() -> Iterator[str]:
    """Every command with its arguments and options."""
    from flows.cli.app import app

    yield "# Commands"
    yield "\nExit codes: 0 done, 1 the work failed, 2 bad usage, recipe or input, 3 refused by the gate."
    yield "`ponens --debug COMMAND …` shows tracebacks."
    yield from _command(typer.main.get_command(app), "ponens", 2)


def _command(command: Any, path: str, depth: int) -> Iterator[str]:
    if isinstance(command, TyperGroup):
        for name, found in sorted(command.commands.items()):
            yield from _command(found, f"{path} {name}", depth)
        return
    given = [p for p in command.params if p.param_type_name == "argument"]
    usage = " ".join([path, *(_called(argument) for argument in given)])
    yield f"\n{'#' * depth} {path}\n\n`{usage}`\n\n{command.help}\n"
    rows = []
    for parameter in command.params:
        if parameter.name == "help":
            continue
        name = ", ".join(f"`{option}`" for option in (*parameter.opts, *parameter.secondary_opts))
        name = f"`{_called(parameter)}`" if parameter in given else name
        default = parameter.default
        shown = "" if default in (None, False, "", []) or parameter.required or callable(default) else f"`{default}`"
        kind = parameter.metavar or _type(parameter.type_descriptor.annotation)
        if parameter in given or getattr(parameter, "is_flag", False):
            kind = ""
        rows.append((name, kind, shown, parameter.help or ""))
    yield from _table(("", "value", "default", ""), rows)


def _called(argument: Any) -> str:
    return str(argument.metavar or argument.name.upper())


def recipe() -> Iterator[str]:
    """Every key of a recipe."""
    from flows.recipe import Recipe

    yield "# The recipe"
    yield "\nA recipe is TOML. Unknown keys are refused with the nearest known name; `--set train.rank=8` changes a"
    yield "value for one run. Relative paths count from the recipe's folder.\n"
    yield from _keys(Recipe, "")


def _keys(model: type[BaseModel], path: str) -> Iterator[str]:
    plain = {name: field for name, field in model.model_fields.items() if _inner(field.annotation) is None}
    if path:
        yield f"\n## [{path}]\n\n{(model.__doc__ or '').strip()}\n"
    yield from _table(
        ("key", "values", "default", ""),
        [(f"`{name}`", _values(field), _default(field), field.description or "") for name, field in plain.items()],
    )
    for name, field in model.model_fields.items():
        if inner := _inner(field.annotation):
            if field.description:
                yield f"\n`[{path}{'.' if path else ''}{name}]`: {field.description}"
            yield from _keys(inner, f"{path}{'.' if path else ''}{name}")


def _inner(annotation: Any) -> type[BaseModel] | None:
    kinds = [annotation, *get_args(annotation)]
    return next((k for k in kinds if isinstance(k, type) and issubclass(k, BaseModel)), None)


def _values(field: FieldInfo) -> str:
    bounds = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}
    limits = [
        f"{sign} {getattr(m, name):g}" for m in field.metadata for name, sign in bounds.items() if hasattr(m, name)
    ]
    return ", ".join([_type(field.annotation), *limits])


def _type(annotation: Any) -> str:
    if get_origin(annotation) is Literal:
        return ", ".join(f"`{value}`" for value in get_args(annotation))
    if get_origin(annotation) in (typing.Union, types.UnionType):
        return " or ".join(_type(a) for a in get_args(annotation) if a is not type(None))
    if get_origin(annotation) is list:
        return f"list of {_type(get_args(annotation)[0])}"
    if get_origin(annotation) is dict:
        return "table"
    names = {str: "text", int: "number", float: "number", bool: "true or false"}
    return names.get(annotation, getattr(annotation, "__name__", str(annotation)))


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=False)
    if value in (None, PydanticUndefined):
        return ""
    return f"`{str(value).lower() if isinstance(value, bool) else value!r}`"


def outputs() -> Iterator[str]:
    """What `--json` prints, and the fields of its parts."""
    yield "# JSON outputs"
    yield "\nWith `--json` exactly one object goes to stdout, everything else to stderr. Shares lie in [0, 1], times"
    yield "are seconds. `ponens run --json` prints `run_id`, `recipe`, `home` and `steps` (each with `name`, `status`: "
    yield "`ran`, `cached` or `failed`, `seconds` and `key`), and of the steps that it reached `reason`, `dataset`"
    yield "(`snapshot`, `rows`, `rejected`, `dropped`), `adapter`, `evaluation`, `report` and `promotion`; a run that"
    yield "failed also `error`."
    for title, (module, names) in OUTPUTS.items():
        yield f"\n## {title}"
        loaded = griffe.load(module, search_paths=[ROOT])
        for name in names:
            found = loaded[name]
            yield f"\n### {name}\n\n{_text(found)}\n"
            rows = [(f"`{a.name}`", f"`{a.annotation}`") for a in found.attributes.values() if a.annotation]
            yield from _table(("field", "type"), rows)


def modules(room: str) -> Iterator[str]:
    """The public names of a room's modules, from their source: nothing is imported."""
    loaded = griffe.load(room, search_paths=[ROOT])
    yield f"# {room}\n\n{_text(loaded)}"
    yield from _module(loaded)


def _module(module: Any) -> Iterator[str]:
    for name, child in sorted(module.modules.items()):
        if child.is_alias or name.startswith("_"):
            continue
        yield f"\n## {child.path}\n\n{_text(child)}"
        for member in child.members.values():
            if member.is_alias or member.name.startswith("_") or not (member.is_class or member.is_function):
                continue
            yield f"\n### {member.name}\n\n{_signature(member)}{_text(member)}"
        yield from _module(child)


def _signature(member: Any) -> str:
    if not member.is_function:
        return ""
    given = ", ".join(p.name for p in member.parameters if p.name != "self")
    returned = f" → {member.returns}" if member.returns else ""
    return f"`{member.name}({given}){returned}`\n\n"


def _text(documented: Any) -> str:
    """A docstring as Markdown, its words as they stand: what it sets in by four blanks is code."""
    said = documented.docstring.value.strip() if documented.docstring else ""
    return said.replace("<", "&lt;").replace("[", "\\[")


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> Iterator[str]:
    rows = [[cell.replace("|", "\\|").replace("\n", " ") for cell in row] for row in rows]
    if rows:
        titles = list(head)
        yield f"| {' | '.join(titles)} |"
        yield f"|{'---|' * len(titles)}"
        for row in rows:
            yield f"| {' | '.join(row)} |"
