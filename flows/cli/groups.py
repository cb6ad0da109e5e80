"""The commands of `ponens --help` in groups, in the order of work; `ponens --version`."""

from __future__ import annotations

import importlib.metadata
import re
import sys
from collections.abc import Mapping
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from flows.cli.homes import in_home

GROUPS: Mapping[str, tuple[str, ...]] = {
    "Start here": ("init", "doctor", "plan", "run", "runs", "view"),
    "Data": ("parse", "puzzles", "export", "datasets", "reason", "suspects", "assemble"),
    "Train": ("train", "tune", "join", "sweep", "adapters", "models"),
    "Evaluate": ("evaluate", "report", "verdict", "diff", "results", "reeval"),
    "Registry": ("promote", "rollback", "explain"),
    "Serve": ("serve", "ask", "chat"),
    "Operate": ("dev", "deploy", "mlflow", "sql", "gc", "backup", "restore"),
}
ORDER = [name for names in GROUPS.values() for name in names]


class _Plain:
    """Help that writes arguments in capitals, without braces, and gives a switch no type.

    It stands before one of Typer's classes, whose methods it asks: types do not see which.
    """

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        pieces: list[str] = super().collect_usage_pieces(ctx)  # type: ignore[misc]
        return [re.sub(r"[{}]", "", piece).upper() if piece[0] in "{[" else piece for piece in pieces]

    def get_params(self, ctx: Any) -> list[Any]:
        params: list[Any] = super().get_params(ctx)  # type: ignore[misc]
        for param in params:
            if getattr(param, "is_flag", False):
                param.display_type_rich = _no_type
        return params


def _no_type(ctx: Any) -> None:
    """What stands behind a switch."""


class Command(_Plain, TyperCommand):
    """A command with plain help."""


class Group(_Plain, TyperGroup):
    """Commands below one another, with plain help."""


class InOrder(Group):
    """Lists commands in the order of work; one that is in no group comes last. A switch is no command."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        switches = {switch for param in self.get_params(ctx) for switch in param.opts}
        if args and args[0] not in self.commands and f"--{args[0]}" in switches:
            ctx.fail(f"No such command {args[0]!r}. Did you mean 'ponens --{args[0]}'?")
        return super().resolve_command(ctx, args)

    def list_commands(self, ctx: Any) -> list[str]:
        return sorted(super().list_commands(ctx), key=lambda n: ORDER.index(n) if n in ORDER else len(ORDER))


def arrange(app: typer.Typer) -> None:
    """Give each command `--home` and plain help, and each command and each app of commands the panel of its group."""
    for one in (app, *(group.typer_instance for group in app.registered_groups)):
        for info in one.registered_commands if one else ():
            info.callback = in_home(info.callback) if info.callback else None
            info.cls = Command
    for group in app.registered_groups:
        group.cls = Group
    panels = {name: panel for panel, names in GROUPS.items() for name in names}
    listed: list[Any] = [*app.registered_commands, *app.registered_groups]
    for info in listed:
        name = info.name or getattr(getattr(info, "callback", None), "__name__", "")
        info.rich_help_panel = panels.get(str(name), "More")


def version(asked: bool) -> None:
    """Say which release this is, and end."""
    if asked:
        sys.stdout.write(f"ponens {importlib.metadata.version('ponens')}\n")
        raise typer.Exit
