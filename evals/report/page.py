"""One self-contained page that answers a reader's questions about a run, and its core as Markdown.

    Facts ──page──▶ HTML (no network, no other file)      Facts ──markdown──▶ a Prefect artifact

The story stands in the HTML itself. Every question with its samples travels as compressed JSON, which
`report.js` renders row by row; the policy in the page's head lets no other script run and nothing load.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import cache
from itertools import islice
from typing import TYPE_CHECKING, Literal

from evals import corrected
from evals.alarms import risen
from evals.evaluation import Compared, Measure, Subject, subjects
from evals.report import plots, rationales
from evals.report.facts import CourseKey, Facts, StepFacts, ThrownFacts, TrainingFacts
from evals.report.packed import cut, packed
from storage.records import language_of

if TYPE_CHECKING:
    from jinja2 import Environment

TOY = "This is a toy model which proves the pipeline."
TOY_SETTING = "train.base_model"
CHANGES = ("broken", "fixed", "both wrong", "both right")
MEASURES: tuple[tuple[str, Measure], ...] = (
    ("single sample, on average", "single_accuracy"),
    ("greedy reply", "greedy_accuracy"),
    ("letter forced", "forced_accuracy"),
    ("of questions that were answered", "readable_accuracy"),
    ("questions without an answer", "unreadable"),
    ("votes without an answer", "unreadable_samples"),
)
_EXAMPLES = {"broken": 10, "fixed": 10, "both wrong": 4}
_COURSES: tuple[tuple[CourseKey, str], ...] = (
    ("loss", "Loss on the tokens that are learnt"),
    ("learning_rate", "Learning rate"),
    ("tokens_per_second", "Trained tokens a second"),
    ("memory", "Most memory so far, GiB"),
)
_LISTED = 60


def page(facts: Facts) -> str:
    """The report as one HTML document."""
    evaluation, questions = facts["evaluation"], facts["questions"]
    shown = subjects(evaluation)
    table, left_out = packed(questions)
    script = environment().get_template("report.js").render()
    by_change = {change: [q for q in questions if q["change"] == change] for change in CHANGES}
    return (
        environment()
        .get_template("report.html.j2")
        .render(
            facts=facts,
            evaluation=evaluation,
            warnings=warnings(evaluation["warnings"], facts["training"]),
            corrected=corrected.told(evaluation.get("corrections")),
            paired=evaluation["paired"],
            toy_text=TOY,
            toy_setting=TOY_SETTING,
            by_change=by_change,
            listed=_LISTED,
            examples=[q for change, most in _EXAMPLES.items() for q in islice(by_change[change], most)],
            subjects=shown,
            adapters=shown[1:],
            asked=[one for one in shown if one.side["samples"] and one.name in evaluation["consistency"]],
            consistency=[(one, told) for one in shown if (told := evaluation["consistency"].get(one.name))],
            read_by=_busiest(shown, "extractors"),
            abstained=_busiest(shown, "abstentions"),
            plots={
                "accuracy": plots.accuracy(evaluation),
                "votes": plots.curves(evaluation, "vote"),
                "passes": plots.curves(evaluation, "pass"),
                "flips": plots.flips(shown[1:]),
                "training": _courses(facts),
                "slices": [(by, plots.slices(shown[1:], by)) for by in _parted(shown[1])],
                "calibration": [(one, plot) for one in shown if (plot := plots.reliability(one))],
            },
            table_labels=json.dumps([[one.label, one.style] for one in shown]),
            table=table,
            left_out=left_out,
            script=script,
            script_hash=allowed(script),
        )
    )


def warnings(told: Sequence[str], training: TrainingFacts | None) -> list[str]:
    """What an evaluation warns of, and what its training does."""
    losses = [row["loss"] for row in training["rows"] if "loss" in row] if training else []
    return [*told, *(risen(losses[0], losses[-1]) if losses else [])]


def allowed(script: str) -> str:
    """The hash by which a page's policy lets this script run, and no other."""
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def markdown(facts: Facts) -> str:
    """The word, the numbers, the comparisons and their correction, the stages and the way back, as Markdown."""
    evaluation = facts["evaluation"]
    shown, paired = subjects(evaluation), evaluation["paired"]
    lines = [f"# {cell(facts['adapter'])}: {paired['verdict']}", "", cell(paired["reason"]), ""]
    if facts["toy"]:
        lines += [f"> **{TOY}** `{TOY_SETTING}` in the recipe puts a real model in its place.", ""]
    lines += [f"> {cell(warning)}\n" for warning in warnings(evaluation["warnings"], facts["training"])]
    lines += [
        f"{evaluation['questions']} questions in {paired['problems']} problems, {evaluation['votes']} votes each,"
        f" engine {cell(evaluation['engine'])}, temperature {evaluation['temperature']:g}.",
        "",
        f"{corrected.told(evaluation.get('corrections'))}\n",
        line("", (one.label for one in shown)),
        "|---|" + "---:|" * len(shown),
        line("**majority vote**", (f"**{percent(one.side['accuracy'])}**" for one in shown)),
        line("95 % interval", (interval(one.side["ci95"]) for one in shown)),
        *(
            line(name, (percent(one.side[key]) for one in shown))
            for name, key in MEASURES
            if any(one.side[key] is not None for one in shown)
        ),
        "",
        *comparisons(shown[1:]),
        "",
        *stages(facts["steps"], facts["thrown_away"]),
    ]
    if asked := facts["rationales"]:
        lines += ["", f"{asked['kept']} of {asked['requests']} rationales kept. {rationales.told(asked['suspects'])}"]
    return "\n".join([*lines, "", "Get it again:", "", f"    {facts['command']}", ""])


def comparisons(adapters: Sequence[Compared]) -> list[str]:
    """Each adapter against the base; with several, the correction and both p-values."""
    if len(adapters) == 1 and (paired := adapters[0].paired):
        return [
            f"Difference {points(paired['difference'])} points, 95 % interval {points(paired['ci95'][0])} to"
            f" {points(paired['ci95'][1])} (clustered); exact McNemar p {chance(paired['mcnemar_p'])};"
            f" {paired['fixed']} fixed, {paired['broken']} broken."
        ]
    rows = [(one.label, one.paired) for one in adapters if one.paired]
    return [
        "| against the base | difference | 95 % interval | fixed | broken | p | p, corrected | |",
        "|---|---:|---:|---:|---:|---:|---:|---|",
        *(
            f"| {cell(label)} | {points(p['difference'])} | {points(p['ci95'][0])} to {points(p['ci95'][1])} |"
            f" {p['fixed']} | {p['broken']} | {tabled(p['mcnemar_p'])} | {tabled(p['adjusted_p'])} |"
            f" **{p['verdict']}** |"
            for label, p in rows
        ),
        "",
        f"Exact McNemar, corrected for {len(rows)} comparisons (Holm); the words go by the corrected p.",
    ]


def stages(steps: Sequence[StepFacts], thrown_away: Sequence[ThrownFacts]) -> list[str]:
    """Each step and what was thrown away, as tables of Markdown."""
    lines = [
        "| step | status | time | digest |",
        "|---|---|---:|---|",
        *(f"| {cell(s['name'])} | {s['status']} | {duration(s['seconds'])} | `{s['digest'][:12]}` |" for s in steps),
    ]
    if thrown_away:
        lines += ["", "| thrown away in | reason | rows |", "|---|---|---:|"]
        lines += [f"| {cell(t['where'])} | {cell(t['reason'])} | {t['count']} |" for t in thrown_away]
    return lines


def line(name: str, cells: Iterable[str]) -> str:
    """One row of a table of Markdown."""
    return f"| {name} | " + " | ".join(map(cell, cells)) + " |"


def percent(share: float | None) -> str:
    """A share as per cent with one decimal, a dash for None."""
    return "–" if share is None else f"{100 * share:.1f} %"


def points(share: float) -> str:
    """Percentage points with their sign, none on zero."""
    shown = f"{100 * share:+.1f}"
    return "0.0" if float(shown) == 0 else shown.replace("-", "−")


def chance(p: float) -> str:
    """A p-value with its sign: "= 0.013", "< 0.0001"."""
    return "< 0.0001" if p < 0.0001 else f"= {p:.2g}"


def tabled(p: float) -> str:
    """A p-value in a column of such."""
    return chance(p).removeprefix("= ")


def interval(ends: Iterable[float]) -> str:
    """The ends of an interval of shares, in per cent."""
    return " to ".join(f"{100 * end:.1f}" for end in ends)


def duration(seconds: float) -> str:
    """Seconds as people say them: "0.4 s", "48 s", "3 min 05 s", "2 h 07 min"."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02} min"


def moment(text: str) -> str:
    """An ISO time as "22 November 2026, 01:45 UTC"; text that is no time as it is."""
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        return text
    return f"{when.day} {when:%B %Y, %H:%M} {when.tzname() or ''}".strip()


def amount(value: object) -> str:
    """A fact as text: thousands apart, lists by commas."""
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "–"}[value]
    if isinstance(value, int):
        return f"{value:,}".replace(",", "\u202f")
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, dict):
        return ", ".join(f"{k} {amount(v)}" for k, v in value.items()) or "–"
    if isinstance(value, (list, tuple)):
        return ", ".join(map(amount, value)) or "–"
    return str(value)


def cell(text: str) -> str:
    """Text that stays text inside a Markdown table."""
    for sign, shown in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ("|", "\\|"), ("`", "'"), ("\n", " ")):
        text = text.replace(sign, shown)
    return text


@cache
def environment() -> Environment:
    """The templates of this room: they escape all text, and an unknown name in them is an error."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    made = Environment(
        loader=PackageLoader("evals.report", "."),
        autoescape=lambda name: name is not None and name.endswith(".j2"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        f.__name__: f
        for f in (
            percent,
            points,
            chance,
            tabled,
            interval,
            duration,
            moment,
            amount,
            cut,
            rationales.told,
            rationales.cost_told,
        )
    }
    made.globals |= {"language": language_of, "measures": MEASURES, "letters": "ABCDEFGHIJKLMNOPQRSTUVWXYZ"}
    return made


def _courses(facts: Facts) -> list[tuple[str, str]]:
    rows = facts["training"]["rows"] if facts["training"] else []
    return [(label, plot) for key, label in _COURSES if (plot := plots.course(rows, key, label))]


def _parted(subject: Subject) -> list[str]:
    """What the questions are sliced by; one part alone says nothing and is left out."""
    parts = Counter(part["by"] for part in subject.slices)
    return [by for by, n in parts.items() if n > 1]


def _busiest(shown: Sequence[Subject], what: Literal["extractors", "abstentions"]) -> list[str]:
    """Names of extractors or of classes of abstention, those of most votes first."""
    found = Counter[str]()
    for one in shown:
        for name, counted in one.side[what].items():
            found[name] += counted if isinstance(counted, int) else counted["n"]
    return [name for name, _ in found.most_common()]
