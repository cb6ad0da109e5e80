"""Text-to-SQL whose queries no database runs: from rows to a verdict and a report, replies planted question by question.

PYTHONPATH=. python tests/tasks/evaluate/test_text_verdict.py FOLDER QUESTIONS RIGHT    the same over rows of yours
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from evals.scored import GREEDY
from storage.home import Home
from storage.records import Receipt
from storage.tables.dialogue_files import Dialogues
from tasks.evaluate.generation import Decoding, Drawn, Order, Reply, Subject
from tasks.evaluate.scoring import Contest, chosen
from tasks.parse import reference_queries
from tasks.parse import step as parse
from tasks.parse.step import ParseSpec
from tasks.report import step as report
from tasks.report.step import ReportSpec
from tasks.runtime.step import Step, Workshop, of, run_step

BASE, ADAPTER = "me/base", "sql/1"
WRONG = "SELECT nothing FROM nowhere"


@dataclass(frozen=True)
class Planted(Order):
    """An order whose replies are known, each by its subject and question."""

    replies: Mapping[tuple[str, str], str] = field(default_factory=dict)

    def draw(self, scratch: Path, shop: Workshop) -> Drawn:
        scratch.mkdir(parents=True)
        found = [Reply(subject, id, GREEDY, text, "stop", 9, None) for (subject, id), text in self.replies.items()]
        return Drawn(found, {"votes": 0, "warnings": []})


def judged(source: Path, home: Home, questions: int, right: int, **shares: float) -> tuple[Receipt, Receipt, str]:
    """What parse and evaluate came to, and the report in Markdown: so many test questions, so many right word for word.

    The base is never right, the adapter gives the first `right` references, re-spaced and in capitals where SQL
    takes no notice, and nonsense otherwise.
    """
    spec = ParseSpec(path=str(source), **shares)  # type: ignore[arg-type]
    parsed, _ = run_step(parse.step(spec, parse.source(spec), kind="sql"), home)
    reference_queries.require(parsed.facts["references"])
    asked = chosen(list(Dialogues(home, parsed, "test")), questions)
    assert questions == len(asked)
    keys = {d.id: d.messages[-1].content for d in asked}
    known = {id: f"  {key.replace('SELECT', 'select').replace(' = ', '=')} ;" for id, key in list(keys.items())[:right]}
    replies = {("base", id): WRONG for id in keys} | {(ADAPTER, id): known.get(id, WRONG) for id in keys}
    order = Planted(
        "fake", {}, [Subject("base", "b"), Subject(ADAPTER, "a")], [], Decoding(1, 0.0, 1.0, 64, 0), replies=replies
    )
    contest = Contest("sql", order, questions)
    evaluate = Step(
        name="evaluate",
        code=("tasks.evaluate.scoring",),
        settings={"max_tokens": 64},
        inputs={"parse": of(parsed), "base_model": "b" * 64, "adapter": "a" * 64},
        work=lambda shop: contest.work(list(Dialogues(home, parsed, "test")), shop),
        shelf="evaluations",
    )
    verdict, _ = run_step(evaluate, home)
    recipe = json.dumps({
        "name": "sql", "parse": {"path": str(source)}, "train": None, "evaluate": {"base_model": BASE}
    })  # fmt: skip
    page, _ = run_step(report.step(ReportSpec(), recipe, [parsed, verdict]), home)
    return parsed, verdict, (home.root / page.artifact / "report.md").read_text("utf-8")


def rows(folder: Path, count: int) -> Path:
    """Tables whose names and columns hold blanks, dashes and brackets that no query quotes."""
    told = []
    for n in range(count):
        columns = f"No., Pilot (crew), Years in {n}, School/Club Team"
        asked = f"Who flew number {n}?"
        query = f"SELECT Pilot (crew) FROM 2-77{n}-1 WHERE Years in {n} = 'Mia {n}' AND No. = '{n}'"
        told.append({"text": f"table: 2-77{n}-1\ncolumns: {columns}\nQ: {asked}\nA: {query}"})
    folder.mkdir()
    (folder / "train.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in told))
    return folder


@pytest.mark.process
def test_queries_that_cannot_be_run_are_judged_by_their_text_and_the_report_says_so(tmp_path: Path) -> None:
    parsed, verdict, page = judged(rows(tmp_path / "data", 60), Home(tmp_path / "home"), 60, 18, valid=0.0, test=1.0)
    paired = verdict.facts["paired"]

    assert (60, 0, 60) == tuple(parsed.facts["references"][name] for name in ("tried", "run", "text"))
    assert any("compared as text" in one["message"] for one in parsed.facts["warnings"])
    assert (0.0, 18 / 60) == (verdict.facts["base"]["accuracy"], verdict.facts["adapter"]["accuracy"])
    assert ("better", 18, 0) == (paired["verdict"], paired["fixed"], paired["broken"])
    assert "No query was run" in page and "all 60 were compared as text" in page
    assert "better" in page


@pytest.mark.process
def test_none_right_is_no_difference_there_either(tmp_path: Path) -> None:
    _, verdict, _ = judged(rows(tmp_path / "data", 20), Home(tmp_path / "home"), 20, 0, valid=0.0, test=1.0)

    assert "cannot tell" == verdict.facts["paired"]["verdict"]
    assert 0.0 == verdict.facts["adapter"]["accuracy"]


def by_hand(source: str, questions: str, right: str) -> dict[str, Any]:
    """What a verdict on somebody's rows would be."""
    with tempfile.TemporaryDirectory() as folder:
        parsed, verdict, page = judged(
            Path(source), Home(Path(folder)), int(questions), int(right), valid=0.1, test=0.2
        )
    told = next((line for line in page.splitlines() if "compared as text" in line), "")
    sides = {side: verdict.facts[side]["accuracy"] for side in ("base", "adapter")}
    paired = {name: value for name, value in verdict.facts["paired"].items() if not name.endswith("_ids")}
    return {"references": parsed.facts["references"], **sides, "paired": paired, "report": told}


if __name__ == "__main__":
    sys.stdout.write(f"{json.dumps(by_hand(*sys.argv[1:]), indent=2)}\n")
