"""What commands print: one JSON object, or tables and lines for people."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from shlex import quote
from typing import TYPE_CHECKING, Any

import orjson
from rich.markup import escape
from rich.table import Table

from flows import tables

if TYPE_CHECKING:
    from storage.housekeeping.checkup import Finding
    from tasks.runtime.forecast import Forecast

stdout = tables.Output(highlight=False)
stderr = tables.Output(stderr=True, highlight=False)
_SHOWN = ("problem", "question", "options", "answer", "chosen", "text")  # of a record
REJECTS = 20  # reasons of them, on a screen
LINES = 3  # of a reason, named on a screen
_VALUE = re.compile(r"\d+|'[^']*'")


def emit(content: Mapping[str, Any]) -> None:
    """Print the one JSON object of `--json`."""
    sys.stdout.buffer.write(orjson.dumps(content, default=str) + b"\n")
    sys.stdout.flush()


def sentence(warning: object) -> str:
    """A warning in words."""
    return str(warning.get("message", warning)) if isinstance(warning, Mapping) else str(warning)


def source(found: Mapping[str, Any]) -> None:
    """Print what a source holds, its first rejects and its warnings."""
    from storage.dialogues import TAKES
    from tasks.kinds.registry import KINDS

    questions = {purpose for kind, work in KINDS.items() if work.letters for purpose in TAKES[kind]}
    what = "questions" if set(found["kinds"]) <= questions else f"rows for {', '.join(found['kinds'])}"
    stdout.print(
        f"{found['questions']:,} {what} in {found['groups']:,} {'problems' if what == 'questions' else 'groups'} "
        f"({found['format']}), {found['answered']:,} with answers, {found['rejected']:,} rejected",
        soft_wrap=True,
    )
    groups = grouped(found["rejects"])
    for group in groups[:REJECTS]:
        stdout.print(f"  [red]✗[/] {escape(group)}", soft_wrap=True)
    if len(groups) > REJECTS:
        stdout.print(f"  … and {len(groups) - REJECTS:,} more reasons; --json lists all rows")
    for warning in found["warnings"]:
        stdout.print(f"  [yellow]![/] {escape(sentence(warning))}", soft_wrap=True)


def planned(forecasts: Sequence[Forecast], told: str, warnings: Sequence[object]) -> None:
    """Print a line a step of a plan, and what it says of references."""
    for ahead in forecasts:
        mark = "[cyan]·[/] cached  " if ahead.status == "cached" else "[yellow]▸[/] will run"
        stdout.print(f"{mark} {ahead.name:<9} {escape(ahead.why)}", soft_wrap=True)
    if told:
        stdout.print(f"  [cyan]·[/] {escape(told)}", soft_wrap=True)
    for warning in warnings:
        stdout.print(f"  [yellow]![/] {escape(sentence(warning))}", soft_wrap=True)


def grouped(rejects: Sequence[Mapping[str, Any]]) -> list[str]:
    """Rejects in words, those of one file and one reason in a line, the most frequent first.

    A number in a field or a reason, and what is quoted there, makes no other reason.
    """
    alike: dict[tuple[str, ...], list[Mapping[str, Any]]] = {}
    for reject in rejects:
        kind = (reject["file"], *(_VALUE.sub("…", reject[part]) for part in ("field", "reason")))
        alike.setdefault(kind, []).append(reject)
    return [_alike(group) for group in sorted(alike.values(), key=len, reverse=True)]


def _alike(rejects: Sequence[Mapping[str, Any]]) -> str:
    first = rejects[0]
    why = f"{first['field']}: {first['reason']}"
    if len(rejects) == 1:
        return f"{first['file']}:{first['line']} {why}"
    lines = list(dict.fromkeys(reject["line"] for reject in rejects))
    named = ", ".join(map(str, lines[:LINES])) + (", …" if len(lines) > LINES else "")
    return f"{first['file']} {why} ({len(rejects):,} rows: {named})"


def _toml(column: str | Sequence[str]) -> str:
    return orjson.dumps(column).decode()  # a text or a list of texts is the same in TOML


def _flag(column: str | Sequence[str]) -> str:
    return column if isinstance(column, str) else ",".join(column)


def suggestion(found: Mapping[str, Any]) -> None:
    """Print the mapping that would read a source, why, what else would, and the first records as they would be read."""
    columns = found["columns"]
    if columns:
        table = ", ".join(f"{name} = {_toml(column)}" for name, column in columns.items())
        flags = " ".join(f"--column {quote(f'{name}={_flag(column)}')}" for name, column in columns.items())
        stdout.print(escape(f"[parse]\ncolumns = {{{table}}}\n\n{flags}\n"), soft_wrap=True)
    how = f", {found['confidence']}" if columns else ", without a mapping"
    stdout.print(f"read as {found['format']}{how}:", soft_wrap=True)
    facts({f"  {name}": why for name, why in found["reasons"].items()})
    for other in found["others"]:
        flags = " ".join(f"--column {quote(f'{name}={_flag(column)}')}" for name, column in other.items())
        stdout.print(escape(f"or: {flags}"), soft_wrap=True)
    stdout.print()
    for record in found["records"]:
        if record["rejected"]:
            stdout.print(f"  [red]✗[/] {escape(record['field'])}: {escape(record['reason'])}", soft_wrap=True)
            continue
        turns = {m["role"]: m["content"] for m in (*record.get("messages", ()), *(record.get("prompt") or ()))}
        told = {name: cell for name, cell in record.items() if name in _SHOWN and cell}
        facts({f"  {name}": cell for name, cell in {**turns, **told}.items()})
        stdout.print()


def facts(found: Mapping[str, Any]) -> None:
    """Print names and values, one a line, the values below one another."""
    tables.facts(stdout, list(found.items()))


def training(found: Mapping[str, Any]) -> None:
    """Print what a training would take: memory by part, steps, tokens, time."""
    table = Table(title=f"{found['base_model']}, {found['method']}: memory on each {found['device']}")
    table.add_column("part")
    table.add_column("GiB", justify="right")
    for part, size in found["memory"].items():
        table.add_row(part, f"{size / 2**30:,.3f}", style="bold" if part == "total" else "")
    tables.put(stdout, table)
    room = found["room"]
    said = f"of {room / 2**30:,.1f} GiB here" if room else "; how much there is here is not known"
    twice = ", activations computed twice" if found["gradient_checkpointing"] else ""
    stdout.print(f"fits:   {'yes' if found['fits'] else 'no' if room else '?'} {said}{twice}", soft_wrap=True)
    stdout.print(
        f"steps:  {found['steps']:,} of {found['rows_a_step']} rows, passes a device: {found['passes_a_step']}\n"
        f"tokens: {found['tokens']:,} in {found['rows']:,} rows, {found['trained_tokens']:,} learnt in all, "
        f"{found['truncated']:,} rows cut{_left_out(found)}",
        soft_wrap=True,
    )
    time = f"{found['seconds']:,.0f} s, by {found['measured_by']}" if found["seconds"] else "unknown: nothing like it"
    stdout.print(f"time:   {time}{'' if found['seconds'] else ' was trained on this machine'}", soft_wrap=True)


def asking(found: Mapping[str, Any]) -> None:
    """Print what asking a teacher would take: what is sure to be asked, and the most that may be."""
    table = Table(title=f"{found['teacher']}, {found['model']}: {found['questions']:,} questions")
    for column in ("", "requests", "tokens in", "tokens out", "cost"):
        table.add_column(column, justify="right" if column else "left")
    for name, part in (("sure", found), ("at most", found["at_most"])):
        cost = "unknown" if part["cost"] is None else f"{part['cost']:,.4f}"
        tokens = part["tokens"]
        table.add_row(name, f"{part['asked']:,}", f"{tokens['in']:,}", f"{tokens['out']:,}", cost)
    tables.put(stdout, table)
    stdout.print(f"ledger: {found['from_ledger']:,} of {found['requests']:,} requests are answered", soft_wrap=True)
    replies = found["learned_from"]
    told = f"learnt from {replies:,} replies" if replies else "guessed from the length of the texts"
    stdout.print(f"tokens: {told}; thinking counts as tokens out", soft_wrap=True)
    if found["cost"] is None:
        price = escape(f'[reason.prices."{found["model"]}"]')
        stdout.print(f"cost:   unknown without {price} in = …, out = … a million tokens", soft_wrap=True)
    else:
        stdout.print("cost:   in the currency of the price that the recipe gives", soft_wrap=True)


def models(found: Mapping[str, Any]) -> None:
    """Print what models behind an API would be asked at most."""
    table = Table("model", *(("requests", "known", "tokens in", "tokens out", "cost")))
    for name, one in found["models"].items():
        cost = "unknown" if one["cost"] is None else f"{one['cost']:,.4f}"
        counts = (one["asked"], one["from_ledger"], one["tokens"]["in"], one["tokens"]["out"])
        table.add_row(escape(name), *(f"{count:,}" for count in counts), cost)
    tables.put(stdout, table)
    if any(one["cost"] is None for one in found["models"].values()):
        price = escape('[evaluate.api.prices."MODEL"]')
        stdout.print(f"a cost is known with {price} in = …, out = … a million tokens", soft_wrap=True)


def rationales(found: Mapping[str, Any]) -> None:
    """Print what asking brought: kept and refused, cost, keys in doubt, the page's path."""
    from evals.report.rationales import cost_told, told

    refused = ", ".join(f"{count:,} {reason}" for reason, count in found["rejected"].items()) or "none"
    stdout.print(
        f"{found['kept']:,} rationales kept of {found['requests']:,} asked for {found['questions']:,} questions; "
        f"{cost_told(found['rationales'])}\nrefused:    {escape(refused)}",
        soft_wrap=True,
    )
    stdout.print(f"keys:       {escape(told(found['rationales']['suspects']))}", soft_wrap=True)
    stdout.print(f"rationales: {found['page']}", soft_wrap=True)


def rows(found: Sequence[Mapping[str, Any]]) -> None:
    """Print the rows of a query as a table; where there is none, say so on stderr."""
    if not found:
        stderr.print("no rows")
        return
    table = Table(*found[0].keys())
    for row in found:
        table.add_row(*(escape(str(value)) for value in row.values()))
    tables.put(stdout, table)


def comparison(summary: Mapping[str, Any]) -> None:
    """Print base and adapters side by side, the verdict on each and the report's path; a base alone has no verdict."""
    from evals.costs import of_models

    found = summary.get("evaluation")
    if found:
        whose = "the base" if found.get("models") else "its base"
        what = f"{summary['adapter']} against {whose}" if "paired" in found else f"{summary['recipe']}: the base"
        table = Table(title=f"{what}, {found['questions']} questions, {found['votes']} votes")
        for column in ("", "accuracy", "95 % interval", "greedy", "unreadable"):
            table.add_column(column, justify="left" if not column else "right")
        for name, side in sides(found).items():
            table.add_row(
                name,
                _share(side.get("accuracy")),
                " … ".join(map(_share, side.get("ci95") or [None])),
                _share(side.get("greedy_accuracy")),
                _share(side.get("unreadable")),
            )
        tables.put(stdout, table)
        for name, paired in verdicts(found):
            who = f"{escape(name)} " if found.get("others") else ""
            reason = escape(str(paired.get("reason", "")))
            stdout.print(f"verdict: {who}[bold]{paired['verdict']}[/]  {reason}", soft_wrap=True)
        for line in of_models(found):
            stdout.print(escape(line), soft_wrap=True)
    if "report" in summary:
        stdout.print(f"report:  {summary['report']}", soft_wrap=True)
    if run := summary.get("run_id"):
        stdout.print(f"run:     {run}  (`ponens runs show {run}`, `ponens diff {run} …`)", soft_wrap=True)
    if found := summary.get("promotion"):
        promotion(found)


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def sides(evaluation: Mapping[str, Any]) -> dict[str, Any]:
    """The figures of the base and of each adapter, by the name that a table gives it."""
    found = {"base": evaluation["base"]}
    if "adapter" in evaluation:
        others = evaluation["others"]
        found |= {evaluation["adapter_name"] if others else "adapter": evaluation["adapter"], **others}
    return found


def verdicts(evaluation: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    """Each adapter with its comparison with the base; none where the base was measured by itself."""
    if "paired" not in evaluation:
        return []
    return [
        (evaluation["adapter_name"], evaluation["paired"]),
        *((name, side["paired"]) for name, side in evaluation["others"].items()),
        *((f"{one['child']} against {one['parent']}", one["paired"]) for one in evaluation.get("stages", [])),
    ]


def promotion(found: Mapping[str, Any]) -> None:
    """Print what came of a promotion, and whom it could not be told to."""
    stdout.print(escape(found["why"]), soft_wrap=True)
    for warning in found["warnings"]:
        stderr.print(f"[yellow]![/] {escape(warning)}", soft_wrap=True)


def findings(found: Sequence[Finding]) -> None:
    """A line a finding, with what to do next below those that are not well."""
    for one in found:
        mark = "[red]✗[/]" if not one.ok else "[cyan]·[/]" if one.mend else "[green]✓[/]"
        stdout.print(f"{mark} {one.name:<17} {escape(one.found)}", soft_wrap=True)
        if one.mend:
            stdout.print(f"  {'':<17} [dim]next: {escape(one.mend)}[/]", soft_wrap=True)


def _left_out(found: Mapping[str, Any]) -> str:
    many = found.get("left_out")
    return f", {many:,} left out: their prompts alone fill max_length" if many else ""
