"""The templates of pages and cards: HTML escapes all text, and an unknown name is an error.

rendered("report_voted.html.j2", script="report.js", facts=facts, …)     one self-contained document
"""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from typing import TYPE_CHECKING, Any

from evals.report import rationales
from evals.report.packed import cut
from evals.report.text import amount, cell, chance, duration, fenced, interval, moment, percent, points, tabled
from storage.records import language_of

if TYPE_CHECKING:
    from jinja2 import Environment


def rendered(template: str, script: str | None = None, **values: Any) -> str:
    """A page as one document. Its policy lets its own script run and no other, and nothing load."""
    if script:
        values["script"] = environment().get_template(script).render()
        values["script_hash"] = base64.b64encode(hashlib.sha256(values["script"].encode()).digest()).decode()
    return environment().get_template(template).render(**values)


@cache
def environment() -> Environment:
    """The templates of this room."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    made = Environment(
        loader=PackageLoader("evals.report", "."),
        autoescape=lambda name: name is not None and name.endswith(".html.j2"),
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
            cell,
            cut,
            fenced,
            rationales.told,
            rationales.cost_told,
        )
    }
    made.globals |= {"language": language_of, "letters": "ABCDEFGHIJKLMNOPQRSTUVWXYZ"}
    return made
