"""What goes, what stays, and what comes back: gc, backup and restore of real homes."""

import os
import re
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import orjson
import pytest

from storage import runs, warehouse
from storage.artifacts import whole, write_json
from storage.home import Home
from storage.housekeeping import backup, garbage
from storage.journal import Journal, rows
from storage.records import PonensError, Receipt, UsageError
from storage.shared_locks import turn
from storage.tables import lineage
from tasks.runtime.step import Result, Step, Workshop, find, run_step
from tests.adapters import made

ROOT = Path(__file__).resolve().parents[3]
DAY = 86400.0


def verb(name: str, text: str, shelf: str, **inputs: str) -> Step:
    """A step that writes a file."""

    def work(shop: Workshop) -> Result:
        (shop.folder / "text.txt").write_text(text)
        return Result({"rows": 1})

    return Step(name, "storage.home", {"text": text}, inputs, work, shelf)


def chain(home: Home, text: str, run: str = "") -> list[Receipt]:
    """parse and assemble of a source; with `run`, by a run of that id that came to its end."""
    parsed, _ = run_step(verb("parse", text, "questions", source=text), home)
    snapshot, _ = run_step(verb("assemble", text, "snapshots", questions=parsed.digest), home)
    if run:
        steps = [{"name": r.step, "key": r.key} for r in (parsed, snapshot)]
        with runs.going(home, run, "{}") as folder:
            write_json(folder / "outcome.json", {"outcome": "done", "recipe": "r", "steps": steps})
    return [parsed, snapshot]


def age(home: Home, days: float = 30) -> None:
    """As if nothing had been touched for so long."""
    for path in (home.root, *home.root.rglob("*")):
        os.utime(path, (time.time() - days * DAY,) * 2)


def paths(found: list[garbage.Leftover]) -> set[str]:
    return {one.path for one in found}


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


def test_what_anything_refers_to_stays_and_the_rest_goes_with_its_receipts(home: Home) -> None:
    kept = chain(home, "of a run", run="r1")
    trained, latest, reported = chain(home, "of an adapter"), chain(home, "latest"), chain(home, "of a report")
    adapter = made(home, snapshot=trained[1].digest)
    weights = Receipt("train", "t" * 64, "i" * 64, f"adapters/{adapter}", {}, {}, 0.0, "")
    judgement, _ = run_step(verb("evaluate", "judged", "evaluations", adapter=weights.digest), home)
    page, _ = run_step(verb("report", "page", "reports", assemble=reported[1].digest), home)
    with lineage.following(home, "logic", Path(latest[1].artifact).name, 1, {}):
        pass
    lost, gone = chain(home, "of nobody"), chain(home, "gone")
    for receipt in gone:
        shutil.rmtree(home.root / receipt.artifact)
    with Journal(home.ledger) as ledger:
        ledger.append({"key": "paid for"})
    age(home)
    young = chain(home, "young")
    found = garbage.survey(home, 14 * DAY)

    receipts = {str(home.receipt(r.step, r.key).relative_to(home.root)) for r in gone}
    assert {r.artifact for r in lost} | receipts == paths(found)
    assert found == garbage.remove(home, found, 14 * DAY)
    assert [] == garbage.survey(home, 14 * DAY)
    for receipt in (*kept, *trained, *latest, *reported, *young, judgement, page):
        assert whole(home.root / receipt.artifact), receipt
    assert not any(home.receipt(r.step, r.key).exists() for r in (*lost, *gone))
    assert [{"key": "paid for"}] == list(rows(home.ledger))


def test_nothing_goes_that_a_lock_a_run_under_way_or_a_new_use_protects(home: Home) -> None:
    locked, used = chain(home, "locked"), chain(home, "used")
    for name in (f"train-{'a' * 16}", f"train-{'b' * 16}"):
        (home.root / "work" / name / "checkpoint-1").mkdir(parents=True)
    (home.root / "reads" / "left").mkdir(parents=True)
    (home.root / "fetched" / "x").mkdir(parents=True)
    age(home)
    lock = f"assemble-{locked[1].key[:16]}"
    with (
        turn(home.root / "locks" / f"{lock}.lock", shared=False, wait_s=0),
        turn(home.root / "locks" / f"train-{'a' * 16}.lock", shared=False, wait_s=0),
    ):
        found = garbage.survey(home, 0)
        run_step(verb("parse", "used", "questions", source="used"), home)  # a hit, after the survey
        run_step(verb("assemble", "used", "snapshots", questions=used[0].digest), home)
        went = paths(garbage.remove(home, found, 14 * DAY))

    assert {locked[0].artifact, f"work/train-{'b' * 16}", "reads/left", "fetched/x"} == went
    assert {locked[1].artifact, used[0].artifact, used[1].artifact} < paths(found)
    age(home)
    with runs.going(home, "r1", "{}"):
        assert frozenset({"r1"}) == runs.under_way(home)
        age(home)
        run_step(verb("parse", "used", "questions", source="used"), home)  # what the run finds, it needs
        assert used[0].artifact not in paths(garbage.survey(home, 0))
    assert "runs/r1" in paths(garbage.survey(home, 0))  # it ended without a word: it was killed


def test_a_removal_that_is_killed_leaves_a_home_that_works(home: Home) -> None:
    receipt = chain(home, "of nobody")[1]
    code = (
        "import os, shutil; from pathlib import Path; from storage.housekeeping import garbage; from storage.home import Home\n"
        "shutil.rmtree = lambda *a, **k: os.kill(os.getpid(), 9)\n"
        f"h = Home(Path({str(home.root)!r})); garbage.remove(h, garbage.survey(h, 0), 0)"
    )
    killed = subprocess.run([sys.executable, "-c", code], cwd=ROOT)

    assert -9 == killed.returncode
    assert {"trash"} <= {one.what for one in garbage.survey(home, 0)}
    again = chain(home, "of nobody")[1]
    assert (receipt.key, receipt.digest) == (again.key, again.digest)
    assert any(one.what == "trash" for one in garbage.remove(home, garbage.survey(home, 14 * DAY), 14 * DAY))
    assert not list(home.root.glob("trash-*"))
    assert whole(home.root / again.artifact)


@pytest.fixture
def lived(home: Home) -> Home:
    """A home with a bit of everything."""
    chain(home, "one", run="r1")
    made(home)
    warehouse.open_run(home, "r1", "{}", "r")
    with Journal(home.ledger) as ledger, Journal(home.samples) as samples:
        ledger.append({"key": "paid"})
        samples.append({"key": "drawn"})
    home.mlflow.mkdir()
    with sqlite3.connect(home.mlflow / "mlflow.db") as con:
        con.execute("create table runs (artifact_uri text)")
        con.execute("insert into runs values (?)", [f"{home.root}/mlflow/artifacts/1"])
    con.close()
    (home.root / "work" / "half").mkdir(parents=True)
    (home.ledger / "index.sqlite").write_text("made anew")
    return home


def test_a_home_comes_back_whole_while_others_write_and_every_step_is_found_again(lived: Home, tmp_path: Path) -> None:
    stop, wrote = threading.Event(), list[int]()

    def write() -> None:
        with Journal(lived.samples) as journal:
            while not stop.is_set():
                journal.append({"key": f"meanwhile {len(wrote)}"})
                warehouse.open_run(lived, f"w{len(wrote)}", "{}", "w")
                chain(lived, f"meanwhile {len(wrote)}", run=f"w{len(wrote)}")
                wrote.append(1)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        while len(wrote) < 2:
            time.sleep(0.01)
        told = backup.backup(lived, str(tmp_path / "kept"))
    finally:
        stop.set()
        writer.join()
    back = Home(tmp_path / "elsewhere" / "home")
    backup.restore(told["archive"], back)

    for run in runs.runs(back):
        for step in run.outcome["steps"]:
            receipt = run.receipt(step["name"])
            assert receipt and whole(back.root / receipt.artifact)
    assert find(verb("parse", "one", "questions", source="one"), back)
    assert [{"key": "paid"}] == list(rows(back.ledger))
    assert {"key": "meanwhile 0"} in list(rows(back.samples))
    assert {"r1", "w0"} <= {row["run_id"] for row in warehouse.query(back, "select run_id from runs")}
    with sqlite3.connect(back.mlflow / "mlflow.db") as con:
        assert (f"{back.root}/mlflow/artifacts/1",) == con.execute("select artifact_uri from runs").fetchone()
    con.close()
    assert not any((back.root / name).exists() for name in ("work", "ledger/index.sqlite"))
    assert oct((lived.ledger / next(p.name for p in lived.ledger.glob("*.jsonl"))).stat().st_mode) == oct(
        next(back.ledger.glob("*.jsonl")).stat().st_mode
    )
    with pytest.raises(UsageError, match="not empty"):
        backup.restore(told["archive"], back)
    with pytest.raises(UsageError, match="there already"):
        backup.backup(lived, told["archive"])


def cut(archive: bytes) -> bytes:
    return archive[: len(archive) // 2]


def ended(archive: bytes) -> bytes:
    """A whole stream of zstd that ends after the first members."""
    packed = subprocess.run(["zstd", "-dc"], input=archive, capture_output=True, check=True).stdout
    return subprocess.run(["zstd", "-c"], input=packed[:10240] + bytes(1024), capture_output=True, check=True).stdout


@pytest.mark.parametrize("harm", [cut, ended, lambda archive: b"no archive", lambda archive: b""])
def test_a_torn_archive_is_an_error_that_leaves_nothing_behind(
    lived: Home, tmp_path: Path, harm: Callable[[bytes], bytes]
) -> None:
    if harm is ended and not shutil.which("zstd"):
        pytest.skip("the program zstd is not installed")
    archive = Path(backup.backup(lived, str(tmp_path / "x.tar.zst"))["archive"])
    archive.write_bytes(harm(archive.read_bytes()))
    (tmp_path / "new").mkdir()

    with pytest.raises(PonensError, match="torn or damaged"):
        backup.restore(str(archive), Home(tmp_path / "new" / "home"))
    assert [] == list((tmp_path / "new").iterdir())


def test_an_archive_goes_to_a_store_and_comes_back(lived: Home, tmp_path: Path) -> None:
    fsspec = pytest.importorskip("fsspec", reason="fsspec comes with the extra `cloud`")
    told = backup.backup(lived, "memory://bucket/kept/")
    store = fsspec.filesystem("memory")
    try:
        assert [told["archive"].removeprefix("memory:/")] == store.find("/bucket")
        assert told["files"] == backup.restore(told["archive"], Home(tmp_path / "back"))["files"]
    finally:
        store.rm("/", recursive=True)
    with pytest.raises(UsageError, match="no such archive"):
        backup.restore("memory://bucket/none.tar.zst", Home(tmp_path / "none"))


FULL = """
import resource, signal
from pathlib import Path
from storage.housekeeping import backup, garbage
from storage.home import Home
from storage.records import PonensError

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (LIMIT, LIMIT))
home, tmp = Home(Path(HOME)), Path(TMP)
for what in (lambda: backup.backup(home, str(tmp / "full.tar.zst")), lambda: backup.restore(ARCHIVE, Home(tmp / "full"))):
    try:
        what()
    except PonensError as error:
        print(str(error))
print("removed", len(garbage.remove(home, garbage.survey(home, 0), 0)))
"""


def test_a_full_disk_is_named_leaves_nothing_half_and_hinders_no_removal(lived: Home, tmp_path: Path) -> None:
    big = lived.root / "samples" / "1.jsonl"
    big.write_bytes(orjson.dumps({"key": os.urandom(200_000).hex()}) + b"\n")
    archive = backup.backup(lived, str(tmp_path / "x.tar.zst"))["archive"]
    chain(lived, "of nobody")
    words = {"LIMIT": 100_000, "HOME": str(lived.root), "TMP": str(tmp_path), "ARCHIVE": archive}
    lived.warehouse.unlink()  # else its copy is the first that finds no room
    code = FULL
    for name, value in words.items():
        code = re.sub(rf"(?<=[( ]){name}(?=[,)])", repr(value), code)
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)

    assert "full.tar.zst cannot be written" in done.stdout, done.stderr
    assert "x.tar.zst cannot be restored" in done.stdout
    assert 2 == done.stdout.count("make room and run the same command")
    assert "removed 2" in done.stdout
    assert {"home", "x.tar.zst"} == {path.name for path in tmp_path.iterdir()}
