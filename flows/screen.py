"""What a terminal shows of a run: one line a step, a bar with rate and time left while it works."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn

from evals.alarms import risen
from tasks.runtime.step import Progress as Told
from tasks.runtime.step import Tick

MARKS = {"ran": "[green]✓[/]", "cached": "[cyan]·[/]", "failed": "[red]✗[/]"}


class Screen:
    """Writes to stderr, so that stdout stays for results. Bars only where someone watches."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(stderr=True, highlight=False)

    @contextmanager
    def working(self, step: str) -> Iterator[Told]:
        """Show a step at work; the value takes its ticks."""
        if not self.console.is_terminal:
            yield lambda tick: None
            return
        bar = Progress(
            SpinnerColumn(),
            TextColumn("{task.description:<10}"),
            BarColumn(bar_width=28),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(compact=True),
            TextColumn("[dim]{task.fields[note]}"),
            console=self.console,
            transient=True,
        )
        task = bar.add_task(step, total=None, rate="", note="")
        start = time.monotonic()

        def show(tick: Tick) -> None:
            rate = tick.done / max(time.monotonic() - start, 1e-9)
            bar.update(task, completed=tick.done, total=tick.total, rate=f"{rate:,.1f} {tick.unit}/s", note=tick.note)

        with bar:
            yield show

    def heading(self, text: str) -> None:
        """One line above the steps of one run of several."""
        self.console.print(f"[bold]{escape(text)}[/]", soft_wrap=True)

    def waits(self, what: str, said: str | None) -> None:
        """One line where something waits for others, and one when it goes on."""
        told = f"[yellow]…[/] {what} waits: {escape(said)}" if said else f"[yellow]▸[/] {what} goes on"
        self.console.print(told, soft_wrap=True)

    def done(self, step: str, status: str, seconds: float, facts: Mapping[str, Any]) -> None:
        """One line that stays: what happened, how long it took and the counts that matter; below it what went wrong."""
        said = "  ".join(f"[dim]{name}[/] {value}" for name, value in headline(step, facts))
        self.console.print(f"{MARKS[status]} {step:<9} {status:<7} {seconds:>7.1f} s  {said}", soft_wrap=True)
        for warning in warnings(facts):
            self.console.print(f"[yellow]![/] {step}: {escape(warning)}", soft_wrap=True)


def warnings(facts: Mapping[str, Any]) -> list[str]:
    """What of a step a person has to hear, whether it was done now or found done: in words, the page has them too."""
    told = [warning for warning in facts.get("warnings", ()) if isinstance(warning, str)]
    return told + risen(facts.get("loss_first"), facts.get("loss_last"))


def headline(step: str, facts: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The few facts of a step that a line has room for."""
    wanted = {
        "puzzles": ("problems",),
        "parse": ("questions", "answered", "rejected"),
        "reason": ("requests", "asked", "from_ledger", "kept", "unanswered", "cost"),
        "assemble": ("snapshot", "rows", "dropped"),
        "train": ("steps", "loss_first", "loss_last", "truncated"),
        "sample": ("questions", "replies", "right", "wrong", "with_right_and_wrong"),
        "prefer": ("preferences", "rows", "dropped"),
        "tune": ("method", "steps", "loss_first", "loss_last", "truncated"),
        "grpo": ("steps", "replies", "no_contrast"),
        "evaluate": ("questions", "votes", "engine"),
        "report": (),
        "promote": ("champion", "against"),
    }.get(step, ())
    return [(name, _plain(facts[name])) for name in wanted if facts.get(name) not in (None, {})]


def _plain(value: object) -> str:
    if isinstance(value, Mapping):
        return " ".join(f"{name}={_plain(part)}" for name, part in value.items())
    if isinstance(value, float):
        return f"{value:.4g}"
    return f"{value:,}" if isinstance(value, int) else str(value)
