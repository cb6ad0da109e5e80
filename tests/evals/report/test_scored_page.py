"""The page of scored dialogues: every number and reply is on it, and no text of a model is markup."""

from __future__ import annotations

import base64
import hashlib
import re
from typing import Any

from evals.report.facts import ScoredFacts, ScoredReply
from evals.report.page import markdown, page
from evals.scored import GREEDY, Scored, compare
from evals.scorers.base import Score

HOSTILE = "</pre><script>alert(1)</script>"

UNTOLD = ("steps", "trainable", "trained_tokens", "tokens_per_second", "seconds", "device")


def reply(text: str, outcome: str, index: int = GREEDY, *, wins: bool = True) -> ScoredReply:
    return {"index": index, "text": text, "outcome": outcome, "value": 0.25, "reason": "because", "wins": wins}


def facts(**more: Any) -> ScoredFacts:
    def side(outcomes: list[str]) -> dict[str, list[Scored]]:
        return {
            str(n): [Scored(str(n), str(n), "s", GREEDY, "t", "stop", Score(o, 0.5, "", {"chrf": 0.5}))]  # type: ignore[arg-type]
            for n, o in enumerate(outcomes)
        }

    compared = compare(side(["wrong"] * 9 + ["undecided"]), side(["right"] * 10), ("base", "x/1"))
    about = {"right": "is the reference", "value": "chrF", "questions": 10, "votes": 3, "engine": "vllm"}
    about |= {"adapter_name": "x/1", "others": {}, "warnings": []}
    return ScoredFacts(
        form="scored",
        name="toy",
        adapter="x/1",
        base_model="base",
        toy=True,
        made_at="2026-11-22T01:45:00+00:00",
        command="ponens run recipe.json",
        recipe='{"kind": "instruction"}',
        evaluation={**about, **compared, **more},
        questions=[
            {
                "id": "b0",
                "source_id": "",
                "before": [{"role": "system", "content": "Be brief."}],
                "asked": HOSTILE,
                "reference": "REFERENCE",
                "base": [reply("GREEDY-REPLY", "wrong", wins=False), reply("VOTED", "wrong", 0)],
                "adapter": [reply(HOSTILE, "right")],
                "others": [],
                "change": "fixed",
            },
            {
                "id": "a0",
                "source_id": "row 7",
                "before": [],
                "asked": "Left?",
                "reference": "y",
                "base": [reply("x", "undecided")],
                "adapter": [reply("y", "right")],
                "others": [],
                "change": None,
            },
        ],
        texts_left_out=4,
        costs=None,
        steps=[
            {
                "name": "parse",
                "status": "ran",
                "seconds": 1.0,
                "key": "k",
                "digest": "d" * 64,
                "artifact": "a",
                "facts": {"dialogues": 3},
            }
        ],
        thrown_away=[{"where": "evaluate", "reason": "undecided", "count": 1}],
        training={"rows": [], "parameters": 1000, **dict.fromkeys(UNTOLD)},
        lineage=[{"what": "scorer", "name": "instruction", "digest": ""}],
    )


def test_the_page_shows_the_word_every_reply_and_what_was_left_out() -> None:
    text = page(facts())

    for shown in ("Better.", "GREEDY-REPLY", "VOTED", "REFERENCE", "Be brief.", "undecided 1", "4 replies are left out",
                  "vote 1", "chrf", "left out", "row 7", "9 of 10 questions count"):  # fmt: skip
        assert shown in text, shown


def test_no_text_of_a_model_is_markup_and_only_the_page_s_own_script_may_run() -> None:
    text = page(facts())
    allowed = re.search(r"script-src 'sha256-([^']+)'", text)[1]
    own = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)

    assert [base64.b64encode(hashlib.sha256(own[0].encode()).digest()).decode()] == [allowed]
    assert (1, 1) == (len(own), text.count("<script"))
    assert "default-src 'none'" in text
    assert "http://" not in text.replace("http://www.w3.org", "")


def test_a_judge_is_spoken_of_where_there_was_one() -> None:
    told = {"model": "JUDGE", "base": 1, "adapter": 2, "tie": 3, "moved": 4, "unreadable": 5, "errors": 6}

    assert "JUDGE" in page(facts(judge=told))
    assert 2 == page(facts(judge={"x/1": told, "x/2": told})).count("6 raised an error")
    assert "The judge" not in page(facts())


def test_changed_questions_come_first() -> None:
    text = page(facts())

    assert text.index("q-b0") < text.index("q-a0")


def test_markdown_holds_the_core() -> None:
    text = markdown(facts())

    assert "# x/1: better" in text
    assert "| right by the vote of 3 | 0.0 % | 100.0 % |" in text
    assert "| evaluate | undecided | 1 |" in text


def test_several_adapters_have_a_column_and_a_corrected_word_each() -> None:
    told = facts()
    one = dict(told["evaluation"]["adapter"]) | {"accuracy": 0.123}
    paired = dict(told["evaluation"]["paired"]) | {"adjusted_p": 0.04321, "comparisons": 2, "verdict": "worse"}
    told["evaluation"]["others"] = {"x/2": one | {"paired": paired}}
    told["questions"] = [q | {"others": [[reply("OTHER", "wrong")]]} for q in told["questions"]]
    text, lines = page(told), markdown(told)

    for shown in ("12.3 %", "0.043", "corrected for all 2 comparisons (Holm)", "OTHER", "x/1", "x/2"):
        assert shown in text, shown
    assert "| right by the vote of 3 | 0.0 % | 100.0 % | 12.3 % |" in lines
    assert "| 0.043 | **worse** |" in lines


def test_without_a_training_there_is_still_a_page() -> None:
    assert "Better." in page({**facts(), "training": None})


def test_a_page_of_sql_says_where_queries_ran_and_what_decides() -> None:
    sql = {
        "dialect": "sqlite",
        "engine": "SQLite 3.40.1",
        "metric": "ex",
        "databases": 6,
        "real": {"pets": 4},
        "text": 2,
    }
    said = (
        "Queries were run by SQLite 3.40.1 on 6 generated databases a question, 4 questions on the real one as well"
        " (1: pets); 2 have no schema to run on and were compared as text. Right is decided by ex; the published metrics"
        " stand beside, taken on the real databases."
    )

    assert said in page(facts(sql=sql))
    assert said in markdown(facts(sql=sql))
    assert "generated databases, not on the published" in page(facts(sql=sql | {"real": {}}))
    assert "Queries were run" not in page(facts())
