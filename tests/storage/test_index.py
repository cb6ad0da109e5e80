"""The ledger's index: lost, damaged or behind, it never hides a row nor invents one."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from storage.home import Home
from storage.index import FILE
from storage.ledger import Entry, Ledger
from storage.records import PonensError

ROW = Entry("a" * 64, "answered", "openai", "m", "b" * 64, 0, {}, 100, "2026-01-01", "Answer: A")


def row(number: int, text: str = "x") -> Entry:
    return replace(ROW, key=f"{number:064x}"[::-1], text=text)


def fill(home: Path, count: int) -> list[Entry]:
    rows = [row(n) for n in range(count)]
    with Ledger(Home(home), durable=False) as ledger:
        for one in rows:
            ledger.record(one)
    return rows


def found(home: Path, rows: list[Entry]) -> int:
    with Ledger(Home(home)) as ledger:
        return sum(ledger.find(one.key) == one for one in rows)


def test_more_rows_than_memory_holds_are_all_found(tmp_path: Path) -> None:
    rows = [row(n) for n in range(2500)]
    with Ledger(Home(tmp_path), durable=False) as ledger:
        for one in rows:
            ledger.record(one)
        assert all(ledger.find(one.key) == one for one in rows)
    assert found(tmp_path, rows) == 2500


@pytest.mark.parametrize("damage", ["gone", "garbage", "empty"])
def test_an_index_that_is_lost_or_damaged_is_made_anew(tmp_path: Path, damage: str) -> None:
    rows = fill(tmp_path, 1500)
    assert found(tmp_path, rows) == 1500
    index = tmp_path / "ledger" / FILE
    for file in index.parent.glob(f"{FILE}*"):
        file.unlink()
    if damage != "gone":
        index.write_bytes(b"no database at all " * 500 if damage == "garbage" else b"")

    assert found(tmp_path, rows) == 1500


def test_a_segment_that_is_gone_or_shorter_is_forgotten(tmp_path: Path) -> None:
    rows = fill(tmp_path, 10)
    assert found(tmp_path, rows) == 10
    segment = next((tmp_path / "ledger").glob("*.jsonl"))
    lines = segment.read_bytes().splitlines(keepends=True)
    segment.write_bytes(b"".join(lines[:4]))
    assert found(tmp_path, rows) == 4
    segment.unlink()

    with Ledger(Home(tmp_path)) as ledger:
        assert not any(ledger.settled(one.key, 100) for one in rows)


def test_a_segment_changed_in_its_middle_is_told_and_not_believed(tmp_path: Path) -> None:
    rows = fill(tmp_path, 3)
    assert found(tmp_path, rows) == 3
    segment = next((tmp_path / "ledger").glob("*.jsonl"))
    segment.write_bytes(segment.read_bytes().replace(rows[1].key.encode(), b"f" * 64))

    with Ledger(Home(tmp_path)) as ledger, pytest.raises(PonensError, match="disagree"):
        ledger.find(rows[1].key)


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_the_first_answer_stays_in_whatever_order_segments_are_read(tmp_path: Path, order: tuple[int, int]) -> None:
    segments = []
    for number in range(2):  # two runs that knew nothing of each other
        apart = tmp_path / str(number)
        with Ledger(Home(apart)) as ledger:
            ledger.record(row(1, f"answer {number}"))
        segments.append(next((apart / "ledger").glob("*.jsonl")))
    for number in order:
        home = tmp_path / "home" / "ledger"
        home.mkdir(parents=True, exist_ok=True)
        segments[number].rename(home / segments[number].name)
        with Ledger(Home(tmp_path / "home")) as ledger:
            entry = ledger.find(row(1).key)

    assert entry is not None
    assert entry.text == "answer 0"


def test_a_process_that_lives_on_is_read_again_and_a_dead_one_is_not(tmp_path: Path) -> None:
    with Ledger(Home(tmp_path)) as writer:
        writer.record(row(1))
        with Ledger(Home(tmp_path)) as reader:
            assert reader.settled(row(1).key, 100)
            writer.record(row(2))
            assert not reader.settled(row(2).key, 100)
            reader.refresh()
            assert reader.settled(row(2).key, 100)
    with Ledger(Home(tmp_path)) as reader:
        assert reader._index._open == {}  # nothing left to look at for each request


def test_who_asked_is_written_down(tmp_path: Path) -> None:
    fill(tmp_path, 1)
    with Ledger(Home(tmp_path)) as ledger:
        entry = ledger.find(row(0).key)

    assert entry is not None
    assert f"process {os.getpid()}" in entry.asked_by


def test_recent_replies_of_a_model_come_latest_first_and_no_more_than_asked_for(tmp_path: Path) -> None:
    fill(tmp_path, 5)
    with Ledger(Home(tmp_path)) as ledger:
        ledger.record(replace(ROW, key="e" * 64, model="other"))
        ledger.record(replace(ROW, key="f" * 64, text="new"))
        latest = list(ledger.recent("m", 3))

    assert len(latest) == 3
    assert latest[0].text == "new"


@pytest.mark.process
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peak memory is read from /proc")
def test_memory_does_not_grow_with_the_ledger(tmp_path: Path) -> None:
    few, many = peak(tmp_path / "few", 1_000), peak(tmp_path / "many", 60_000)

    assert many - few < 8  # MiB; a dict of 60,000 requests takes twice as much


def peak(home: Path, count: int) -> float:
    """Peak memory in MiB of a process that records and finds so many rows."""
    code = (
        "import sys; from pathlib import Path; from tests.storage.test_index import row;"
        "from storage.home import Home; from storage.ledger import Ledger;"
        "home, count = Path(sys.argv[1]), int(sys.argv[2]); ledger = Ledger(Home(home), durable=False)\n"
        "for n in range(count): ledger.record(row(n))\n"
        "assert all(ledger.settled(row(n).key, 100) for n in range(count))\n"
        "print(next(line for line in open('/proc/self/status') if line.startswith('VmHWM')).split()[1])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(home), str(count)], capture_output=True, text=True, check=True
    )
    return float(done.stdout) / 1024
