"""Keys in doubt as a page, and a person's word on one of them, kept beside the recipe as by `ponens suspects`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from storage import corrections
from storage.browse import runs, tables
from storage.browse.tables import Wanted
from storage.corrections import AMBIGUOUS, FINE, UNDONE, WORDS, Correction
from storage.records import LETTERS, UsageError
from storage.tables.doubted_keys import SCHEMA, SUSPECTS
from tasks.view.site import Site, ask

_MOST = 2_000  # characters of a reason
_SHOWN = {name: f'"{name}"' for name in SCHEMA} | {"letters": "len(options)"}


@dataclass(frozen=True, slots=True)
class Origin:
    """The recipe whose keys these are, the file beside it; `words` are the last ones, `problem` why there are none."""

    recipe: str
    file: Path | None
    words: Mapping[str, Correction]
    problem: str = ""


def page(site: Site, request: Request, id: str, folder: Path, wanted: Wanted, about: str) -> Response:
    """The suspects of a set of rationales of which nobody has said anything, and what was said of others."""
    origin = _origin(site, folder)
    found = tables.page(site.duck, folder / SUSPECTS, wanted.without("question", origin.words), _SHOWN)
    rows = [{**row, "letters": LETTERS[: int(row["letters"] or 0)]} for row in found.rows]
    columns = [name for name in found.columns if name != "letters"]
    return site.page(
        request, "suspects.html.j2", id=id, by=wanted.by, about=about, found=found, rows=rows, columns=columns,
        origin=origin, value=ask(request, "value"), others=WORDS[:2],
    )  # fmt: skip


def say(site: Site, folder: Path, form: Mapping[str, str], back: str) -> Response:
    """Keep a word on one question and go back to the page. UsageError for a question or a word that is none."""
    origin = _origin(site, folder)
    if origin.file is None or origin.problem:
        raise UsageError("nothing can be said of these keys", seen=origin.problem, hint="ponens suspects RECIPE")
    question, says = form.get("question", ""), form.get("says", "")
    if says == UNDONE:
        if question not in origin.words:
            raise UsageError("nothing was said of this question", seen=repr(question[:80]))
    elif (word := corrections.spelled(says)) not in _may_be_said(site, folder, question):
        raise UsageError("this question has no such option", seen=word)
    corrections.say(origin.file, question, says, form.get("why", "")[:_MOST], origin.recipe)
    return RedirectResponse(back, 303)


def _may_be_said(site: Site, folder: Path, question: str) -> tuple[str, ...]:
    sql = f"select len(options) as n from {tables.parquet(folder / SUSPECTS)} where question = $question"
    rows = site.duck.rows(sql, {"question": question})
    if not rows:
        raise UsageError("no such question is among the suspects", seen=repr(question[:80]))
    return (*LETTERS[: rows[0]["n"]], AMBIGUOUS, FINE)


def _origin(site: Site, folder: Path) -> Origin:
    """The newest run whose rationales these are says which recipe it was, and where it lies."""
    keys = {r.key for r in site.files.receipts("reason") if site.files.inside(r.artifact) == folder}
    for run in runs.listed(site.files):
        if run.key("reason") in keys:
            parse = run.recipe.get("parse")
            file = parse.get("corrections") if isinstance(parse, dict) else None
            return _read(run.name, file) if file else Origin(run.name, None, {}, _OLDER)
    return Origin("", None, {}, "no run of this home says which recipe these are of")


_OLDER = "the run that made them does not say where its recipe lies: run it again"


def _read(recipe: str, file: Any) -> Origin:
    place = Path(str(file))
    if not place.parent.is_dir():
        return Origin(recipe, None, {}, f"{place.parent}, where the recipe lay, is not there")
    try:
        found = corrections.of_recipe(place, recipe)
    except UsageError as error:
        return Origin(recipe, place, {}, str(error))
    return Origin(recipe, place, found.words if found else {})
