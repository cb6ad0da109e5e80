"""The ledger: what counts as an answer, what is asked again, and what a torn line costs."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from storage.home import Home
from storage.ledger import Entry, Ledger, Outcome, Tokens, request_key

ROW = Entry(
    "a" * 64, "answered", "openai", "m", "b" * 64, 0, {}, 100, "2026-01-01", "Answer: A", tokens=Tokens(3, 2, 1)
)


def test_an_answer_is_found_by_the_next_process(tmp_path: Path) -> None:
    with Ledger(Home(tmp_path)) as ledger:
        ledger.record(ROW)
        assert ledger.find(ROW.key) == ROW

    with Ledger(Home(tmp_path)) as ledger:
        assert ledger.find(ROW.key) == ROW
        assert ledger.find("c" * 64) is None


@pytest.mark.parametrize(
    ("outcome", "found", "settled", "settled_higher", "settled_again"),
    [
        ("answered", True, True, True, True),
        ("cut", True, True, False, False),
        ("refused", True, True, True, False),
        ("empty", False, False, False, False),
        ("failed", False, False, False, False),
    ],
)
def test_only_an_answer_is_final(
    tmp_path: Path, outcome: Outcome, found: bool, settled: bool, settled_higher: bool, settled_again: bool
) -> None:
    with Ledger(Home(tmp_path)) as ledger:
        ledger.record(replace(ROW, outcome=outcome))

        assert (ledger.find(ROW.key) is not None) == found
        assert ledger.settled(ROW.key, 100) == settled
        assert ledger.settled(ROW.key, 99) == settled
        assert ledger.settled(ROW.key, 101) == settled_higher
        assert ledger.settled(ROW.key, None) == settled_higher
        assert ledger.settled(ROW.key, 100, again=True) == settled_again


def test_a_reply_cut_without_a_limit_of_ours_is_settled_for_any(tmp_path: Path) -> None:
    with Ledger(Home(tmp_path)) as ledger:
        ledger.record(replace(ROW, outcome="cut", max_tokens=None))

        assert ledger.settled(ROW.key, 10**6)
        assert ledger.settled(ROW.key, None)


def test_the_first_answer_stays_and_a_later_one_replaces_what_was_none(tmp_path: Path) -> None:
    with Ledger(Home(tmp_path)) as ledger:
        for row in (replace(ROW, outcome="cut"), ROW, replace(ROW, text="late"), replace(ROW, outcome="refused")):
            ledger.record(row)

    with Ledger(Home(tmp_path)) as ledger:
        assert ledger.find(ROW.key) == ROW


def test_a_torn_last_line_costs_its_own_row_only(tmp_path: Path) -> None:
    other = replace(ROW, key="d" * 64)
    with Ledger(Home(tmp_path)) as ledger:
        ledger.record(ROW)
        ledger.record(other)
    segment = next((tmp_path / "ledger").glob("*.jsonl"))
    segment.write_bytes(segment.read_bytes()[:-20])

    with Ledger(Home(tmp_path)) as ledger:
        assert ledger.find(ROW.key) == ROW
        assert ledger.find(other.key) is None
        ledger.record(other)
    with Ledger(Home(tmp_path)) as ledger:
        assert ledger.find(other.key) == other


def test_another_process_is_seen_after_a_refresh_even_mid_line(tmp_path: Path) -> None:
    with Ledger(Home(tmp_path)) as mine:
        mine.record(replace(ROW, key="e" * 64))
        with Ledger(Home(tmp_path)) as other:
            other.record(ROW)
            line = max((tmp_path / "ledger").glob("*.jsonl")).read_bytes()
        unfinished = tmp_path / "ledger" / "9-9.jsonl"
        unfinished.write_bytes(line.replace(b"a" * 64, b"f" * 64)[:50])
        mine.refresh()
        assert mine.find(ROW.key) == ROW
        assert mine.find("f" * 64) is None

        unfinished.write_bytes(line.replace(b"a" * 64, b"f" * 64))
        mine.refresh()
        found = mine.find("f" * 64)

    assert found is not None
    assert found.text == ROW.text


def test_a_claim_keeps_other_processes_away_until_it_is_released(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from storage.home import Home; from storage.ledger import Ledger;"
        "print(Ledger(Home(Path(sys.argv[1]))).claim(sys.argv[2]))"
    )

    def other(key: str) -> str:
        return subprocess.run(
            [sys.executable, "-c", code, tmp_path, key], capture_output=True, text=True
        ).stdout.strip()

    with Ledger(Home(tmp_path)) as ledger:
        assert ledger.claim(ROW.key)
        assert other(ROW.key) == "False"
        assert other("0" * 64) == "True"
        ledger.release(ROW.key)
        assert other(ROW.key) == "True"


def test_the_key_is_the_request_and_nothing_else() -> None:
    key = request_key("m", "b" * 64, {"temperature": None, "top_p": 0.9}, 0)

    assert key == request_key("m", "b" * 64, {"top_p": 0.9}, 0)
    assert len({
        key,
        request_key("n", "b" * 64, {"top_p": 0.9}, 0),
        request_key("m", "c" * 64, {"top_p": 0.9}, 0),
        request_key("m", "b" * 64, {"top_p": 0.8}, 0),
        request_key("m", "b" * 64, {"top_p": 0.9}, 1),
    }) == 5  # fmt: skip
