"""What each command does. Prefect and the heavy rooms are imported by the command that needs them."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast, get_args

from rich.markup import escape

from flows import show
from flows.show import stderr, stdout
from storage.home import Home
from storage.records import PonensError, UsageError

if TYPE_CHECKING:
    from flows import recipe as recipes
    from storage.housekeeping.checkup import Finding
    from tasks.runtime.step import Secret


def run(
    path: Path,
    changes: Sequence[str],
    refresh: Sequence[str],
    until: str | None,
    *,
    strict: bool = False,
    json: bool = False,
) -> None:
    """Run the flow `finetune-logic` in this process, up to and with the step `until`, or all of it."""
    begin(path)
    known_steps([*refresh, *([until] if until else [])])
    chosen = load(path, [*changes, *(["parse.strict=true"] if strict else [])])
    try:
        summary = _flow(chosen, Home.beside(path), refresh, until, changes)
    except PonensError as error:
        if json and error.summary:
            show.emit({**error.summary, "error": str(error)})
        raise
    if json:
        show.emit(summary)
    else:
        show.comparison(summary)


def train(path: Path, changes: Sequence[str], refresh: Sequence[str], *, estimate: bool, json: bool) -> None:
    """Train the adapter, or say what training would take."""
    if not estimate:
        run(path, changes, refresh, "train", json=json)
        return
    from flows import estimates

    facts = estimates.train(load(path, changes), Home.beside(path))
    if json:
        show.emit(facts)
    else:
        show.training(facts)


def step(until: str, path: Path, changes: Sequence[str], refresh: Sequence[str], *, json: bool) -> None:
    """Run a recipe up to and with one step."""
    run(path, changes, refresh, until, json=json)


def preview(path: Path, changes: Sequence[str], refresh: Sequence[str], rows: int, *, json: bool) -> None:
    """Show the tokens of the first rows that training would see; everything before training runs."""
    from flows.cli.preview import preview as look

    chosen, home = load(path, changes), Home.beside(path)
    look(chosen, home, _flow(chosen, home, refresh, "assemble", changes)["dataset"]["snapshot"], rows, json=json)


def plan(
    path: Path, changes: Sequence[str], refresh: Sequence[str], subjects: Sequence[str] = (), *, json: bool
) -> bool:
    """Print a line a step, cached or will_run and why, and what would go wrong; False if something surely would."""
    from flows.plan import look, on_references
    from flows.plan import plan as forecast

    known_steps(refresh)
    chosen, adapters = load(path, changes).asking(subjects)
    home = Home.beside(path)
    forecasts = forecast(chosen, home, refresh, adapters)
    wrong = [seen for seen in look(chosen, home, forecasts, _secret()) if seen.error]
    told, warnings = on_references(chosen, forecasts)
    if json:
        steps = [{"name": f.name, "status": f.status, "why": f.why} for f in forecasts]
        show.emit(
            {"steps": steps, "wrong": [s.finding().dict() for s in wrong], "references": told, "warnings": warnings}
        )
    else:
        show.planned(forecasts, told, warnings)
        show.findings([seen.finding() for seen in wrong])
    return not any(seen.sure for seen in wrong)


def parse(
    path: str, format: str | None, columns: Sequence[str], first: int | None, *, strict: bool, json: bool
) -> None:
    """Read a file and say what is in it."""
    from storage.sources.readers import nothing_read
    from tasks.parse.step import inspect

    found = inspect(path, format, mapped(columns), Home.beside().root / "fetched", first)
    if json:
        show.emit(found)
    else:
        show.source(found)
    if found["rejected"] and not found["questions"]:
        raise nothing_read(path, [(reject["field"], reject["reason"]) for reject in found["rejects"]])
    if strict and found["rejected"]:
        raise UsageError(f"{found['rejected']} rows of {path} are rejected", expected="none, with --strict")


def suggest(path: str, first: int | None, *, json: bool) -> None:
    """Say by which mapping a file would be read, and show its first records."""
    from tasks.parse import suggest as guess

    (show.emit if json else show.suggestion)(guess.suggest(path, first, Home.beside().root / "fetched"))


def export(given: str, form: str, out: Path | None, recipe: Path | None, columns: Sequence[str], *, json: bool) -> None:
    """Write a snapshot or a source for other tools."""
    from tasks.assemble.export import export as write

    written = write(given, form, out, Home.beside(recipe) if recipe else Home.beside(), mapped(columns))
    if json:
        show.emit(written)
    else:
        rows = ", ".join(f"{count:,} {name}" for name, count in written["rows"].items())
        lost = f", {written['rejected']:,} rejected" if written["rejected"] else ""
        stdout.print(f"{rows} rows of {form} in {escape(written['out'])}{lost}", soft_wrap=True)


def puzzles(out: Path, count: int, seed: int, families: Sequence[str], *, json: bool) -> None:
    """Write generated puzzles."""
    from tasks.puzzles.step import PuzzlesSpec, write

    written = write(PuzzlesSpec(count=count, seed=seed, families=list(families) or None), out)
    if json:
        show.emit({"problems": written, "seed": seed, "file": str(out)})
    else:
        stdout.print(f"{written:,} problems in {out}")


def reason(path: Path, changes: Sequence[str], refresh: Sequence[str], *, estimate: bool, json: bool) -> None:
    """Ask the teacher, or say what asking would cost."""
    begin(path)
    chosen, home = load(path, changes), Home.beside(path)
    if estimate:
        from flows import estimates

        facts = estimates.reason(chosen, home)
    else:
        summary = _flow(chosen, home, refresh, "reason", changes)
        facts = summary["reason"]
    if json:
        show.emit(facts)
    elif estimate:
        show.asking(facts)
    else:
        show.rationales(facts)


def sql(query: str, recipe: Path | None, *, json: bool) -> None:
    """Ask the warehouse."""
    from storage.warehouse import query as ask

    rows = ask(Home.beside(recipe) if recipe else Home.beside(), query)
    if json:
        show.emit({"rows": rows})
    else:
        show.rows(rows)


def doctor(recipe: Path | None, changes: Sequence[str], *, deep: bool, json: bool) -> int:
    """What this machine and a home can do, and what a recipe's run would come to; the exit code.

    0: all is well, 1: the machine or the home is not, 2: a step of the recipe would fail.
    """
    from flows.cli.doctor import examine

    home = Home.beside(recipe)
    dry: list[Finding] = []
    if recipe is not None:
        from flows.plan import examine as look

        dry = [seen.finding() for seen in look(load(recipe, changes), home, _secret())]
    machine = examine(home, deep=deep)
    code = 2 if not all(f.ok for f in dry) else 0 if all(f.ok for f in machine) else 1
    if json:
        more = {"recipe": [f.dict() for f in dry]} if recipe is not None else {}
        show.emit({"ok": code == 0, "checks": [f.dict() for f in machine], **more})
        return code
    show.findings(machine)
    if dry:
        stdout.print(f"\n[bold]{escape(str(recipe))}[/]")
        show.findings(dry)
    return code


def _secret() -> Secret:
    """Where keys are: the environment, and Prefect's blocks where a server is named."""
    if not os.environ.get("PREFECT_API_URL"):
        return os.environ.get
    from flows.run import secret

    return secret


def _flow(
    chosen: recipes.Recipe, home: Home, refresh: Sequence[str], until: str | None, changes: Sequence[str]
) -> dict[str, Any]:
    from flows import surroundings

    surroundings.require(home.root)
    with in_prefect():
        from flows.finetune import finetune_logic
        from flows.run_names import given

        named = finetune_logic.with_options(flow_run_name=given(chosen.name, changes)) if changes else finetune_logic
        return named(
            chosen,
            home=home.root,
            refresh=cast("list[recipes.StepName]", list(refresh)),
            until=cast("recipes.StepName | None", until),
        )


@contextlib.contextmanager
def in_prefect() -> Iterator[None]:
    """Prefect's surroundings for a flow that runs in this process."""
    from flows import server

    own_server = server.own()
    # the screen tells the story; Prefect's own lines go to its server and, of them, only the gravest here
    os.environ.setdefault("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "CRITICAL")
    from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings

    # a server that ends with the flow watches no heartbeat, and its thread costs a second at the end
    with temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None} if own_server else {}):
        with server.starting() if own_server else contextlib.nullcontext():
            import flows.finetune  # noqa: F401  takes a second or two, while the server starts
        yield


def begin(path: Path) -> None:
    """Say at once that something is done: the libraries of all steps take a second or more to come."""
    stderr.print(f"[dim]reading {escape(str(path))} …[/]", soft_wrap=True)


def load(path: Path, changes: Sequence[str]) -> recipes.Recipe:
    """The recipe at a path with what is set otherwise. UsageError if it is none."""
    from flows import recipe  # brings the libraries of all steps along: not for --help

    return recipe.load(path, list(changes))


def known_steps(names: Iterable[str]) -> None:
    """UsageError for a name that is no step's."""
    from flows.recipe import StepName

    known = get_args(StepName)
    for name in names:
        if name not in known:
            raise UsageError("no such step", seen=name, expected=f"one of {', '.join(known)}")


def mapped(columns: Sequence[str]) -> dict[str, str]:
    """What `--column NAME=COLUMN` says. UsageError for anything else."""
    mapped = dict(column.partition("=")[::2] for column in columns)
    if not all(mapped.values()):
        raise UsageError(
            "--column", seen=", ".join(columns), expected="NAME=COLUMN, such as prompt=ask.text or options=a,b,c,d"
        )
    return mapped
