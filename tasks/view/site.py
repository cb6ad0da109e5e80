"""What every page needs: the home, its tables, the templates, and a request's questions made safe."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from jinja2 import ChoiceLoader, Environment, PackageLoader
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from evals.report import templates as reports
from storage.adapters.provenance import Provenance
from storage.browse.diffs import Diffs
from storage.browse.files import Files
from storage.browse.pairs import Pairs
from storage.browse.tables import Duck
from storage.home import Home
from tasks.clients.secrets import redact
from tasks.runtime.redaction import public

_STATIC = {"report.css": "text/css", "view.css": "text/css", "view.js": "text/javascript", "walk.js": "text/javascript"}
_LONGEST = 300  # characters of a question


@dataclass
class Site:
    """One home, looked at."""

    home: Home
    files: Files = field(init=False)
    duck: Duck = field(default_factory=Duck)
    pairs: Pairs = field(init=False)
    diffs: Diffs = field(init=False)
    changes: dict[tuple[str, str], tuple[Any, Any, list[str]]] = field(default_factory=dict)  # by run before and run
    _origins: tuple[object, Provenance] | None = None

    def __post_init__(self) -> None:
        self.files, self.pairs, self.diffs = Files(self.home), Pairs(self.duck), Diffs(self.duck)

    def provenance(self) -> Provenance:
        """Where things came from, read anew only when a receipt or an adapter came or went."""
        root = self.home.root
        folders = [root / "receipts", *(root / "receipts").glob("*"), root / "adapters", *(root / "adapters").glob("*")]
        stamp = tuple((str(folder), folder.stat().st_mtime_ns) for folder in folders if folder.exists())
        if self._origins is None or self._origins[0] != stamp:
            self._origins = (stamp, Provenance(self.home))
        return self._origins[1]

    def page(self, request: Request, template: str, code: int = 200, **values: Any) -> Response:
        """A template as a reply; it knows the request as `at`."""
        at = {"path": request.url.path, "query": dict(request.query_params)}
        return HTMLResponse(templates().get_template(template).render(at=at, home=self.home.root, **values), code)


def ask(request: Request, name: str) -> str:
    """A word of the request's query, without space around it and no longer than is sensible."""
    return request.query_params.get(name, "").strip()[:_LONGEST]


def number(request: Request, name: str, otherwise: int = 1) -> int:
    """A whole number from 1 on of the request's query; `otherwise` where it is none."""
    text = request.query_params.get(name, "")
    return max(1, int(text)) if text.isascii() and text.isdecimal() and len(text) < 10 else otherwise


@cache
def templates() -> Environment:
    """Our templates beside those of the reports, with their filters; all text is escaped."""
    theirs = reports.environment()
    assert theirs.loader is not None
    made = theirs.overlay(loader=ChoiceLoader([PackageLoader("tasks.view", "templates"), theirs.loader]))
    made.filters = {**theirs.filters, "ago": ago, "public": public, "redact": redact, "short": short}
    made.globals = {**theirs.globals, "with_query": with_query, "version": version()}
    return made


def static(name: str) -> tuple[str, str] | None:
    """The text and the type of a style sheet or script, of this room or of the reports'; None for any other name."""
    if name not in _STATIC:
        return None
    places = (Path(__file__).with_name("templates"), Path(reports.__file__).parent)
    file = next(place / name for place in places if (place / name).is_file())
    return file.read_text("utf-8"), _STATIC[name]


@cache
def version() -> str:
    """12 hex digits that change when a style sheet or script does, so that a browser may keep them."""
    texts = [found[0] for name in _STATIC if (found := static(name))]
    return hashlib.sha256("".join(texts).encode()).hexdigest()[:12]


def with_query(at: Mapping[str, Any], **changes: object) -> str:
    """The address of this page with some of its query set otherwise; None and "" take a part away."""
    query = {**at["query"], **{name: str(value) for name, value in changes.items() if value not in (None, "")}}
    query = {name: value for name, value in query.items() if changes.get(name, value) not in (None, "")}
    return f"{at['path']}?{urlencode(query)}" if query else str(at["path"])


def ago(when: datetime | str | None) -> str:
    """A time as people say it: "12 min ago", "3 h ago", "22 Nov 2026"; a dash for None, what is no time as it is."""
    if when is None or when == "":
        return "–"
    try:
        when = datetime.fromisoformat(when) if isinstance(when, str) else when
    except ValueError:
        return str(when)
    seconds = (datetime.now(UTC) - when.astimezone(UTC)).total_seconds()
    if seconds < 60:
        return "just now"
    if seconds < 3600:
        return f"{seconds // 60:.0f} min ago"
    if seconds < 24 * 3600:
        return f"{seconds // 3600:.0f} h ago"
    return f"{when.day} {when:%b %Y}"


def short(value: object, most: int = 60) -> str:
    """A value as text, its end cut."""
    text = str(value)
    return text if len(text) <= most else f"{text[: most - 1]}…"
