"""report: receipts, ballots and samples -> one self-contained page.

    report.html   what a person opens
    report.md     the same core as Markdown
    report.json   the same facts for a program
    recipe.json   the resolved recipe; `ponens run recipe.json` makes it all again

Where adapters that were there already are compared, the receipts are those of parse and evaluate alone, and
the page leaves out what these do not tell. Run alone: `ponens report recipes/demo.toml`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import orjson
from pydantic import BaseModel, ConfigDict, Field

from evals.report.page import markdown, page
from storage.records import Receipt
from tasks.report.gather import gather
from tasks.runtime.step import Result, Step, Workshop, of

_NOT_RUN = ("tasks.models.base_models",)  # which base it was; a report reads what an evaluation said of it


class ReportSpec(BaseModel):
    """How much of the replies a report carries."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    texts: int = Field(
        20_000_000, ge=0, description="Most characters of sampled replies; fixed and broken questions come first."
    )


def step(spec: ReportSpec, recipe: str, receipts: Sequence[Receipt]) -> Step:
    """The step that writes the page. `recipe` is the resolved recipe as JSON."""
    by_name = {receipt.step: receipt for receipt in receipts}
    return Step(
        name="report",
        code=(__name__,),
        settings={**spec.model_dump(), "recipe": json.loads(recipe)},
        inputs={receipt.step: of(receipt) for receipt in receipts},
        work=lambda shop: _work(shop, spec, recipe, by_name),
        shelf="reports",
        apart=_NOT_RUN,
    )


def _work(shop: Workshop, spec: ReportSpec, recipe: str, receipts: Mapping[str, Receipt]) -> Result:
    facts = gather(shop.home, spec.texts, recipe, receipts)
    for name, content in (("report.html", page(facts)), ("report.md", markdown(facts)), ("recipe.json", recipe)):
        (shop.folder / name).write_text(content, "utf-8", errors="replace")
    (shop.folder / "report.json").write_bytes(orjson.dumps(facts, option=orjson.OPT_INDENT_2))
    return Result({"bytes": (shop.folder / "report.html").stat().st_size})
