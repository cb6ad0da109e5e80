"""reason and evaluate on a Ray cluster of two machines, each a process here, against the same work in one process."""

import os
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from storage.artifacts import write_json
from storage.home import Home
from storage.journal import rows
from storage.records import PonensError, Question, Receipt, UsageError
from storage.tables.questions import Stored, write
from tasks.assemble import step as assemble
from tasks.assemble.step import AssembleSpec
from tasks.engines.openai_spec import ServerSpec
from tasks.evaluate.candidates import Candidate
from tasks.evaluate.spec import EvaluateSpec
from tasks.evaluate.step import step
from tasks.reason.step import ReasonSpec
from tasks.reason.step import step as reason_step
from tasks.runtime.cluster import Cluster, even, share_of
from tasks.runtime.step import run_step
from tasks.teachers.cluster_shares import _cut
from tests.fakes import TeacherServer, gold_of, mix
from tests.tasks.asking import everything

KEY = "sk-planted-0123456789abcdef"
QUESTIONS = [
    Question(f"Lamp {n} is red.", "Colour?", ("red", "blue"), "A", split="test" if n % 4 == 0 else "train")
    for n in range(60)
]
MIX = {"wrong": 0.25, "unreadable": 0.1, "429": 0.1}


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Two machines of one processor each, as far as Ray can tell."""
    pytest.importorskip("ray", reason="Ray is not installed")
    from ray.cluster_utils import Cluster as Machines

    machines = Machines(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    machines.add_node(num_cpus=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_ADDRESS", machines.address)
        yield machines
    machines.shutdown()


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)


def parsed(root: Path) -> tuple[Home, Receipt]:
    home = Home(root)
    (root / "artifacts" / "q").mkdir(parents=True)
    write(root / "artifacts" / "q", QUESTIONS, lambda group: "test" if int(group[0], 16) < 4 else "train")
    for number in ("1", "2"):
        write_json(home.adapters / "logic" / number / "adapter.json", {})
    return home, Receipt("parse", "k", "d", "artifacts/q", {}, {}, 0.0, "")


def spec(server: TeacherServer, **changes: Any) -> ReasonSpec:
    return ReasonSpec(
        **{"model": "m", "base_url": server.openai_url, "workers": 4, "first_wait": 0.01, "keep": 1, **changes}
    )


def made(root: Path, server: TeacherServer, cluster: Cluster | None) -> tuple[Receipt, Receipt, Receipt]:
    """Rationales, snapshot and evaluation of a home."""
    home, questions = parsed(root)
    rationales, _ = run_step(reason_step(spec(server), questions), home, cluster=cluster)
    snapshot, _ = run_step(assemble.step(AssembleSpec(), questions, rationales, "choice"), home, cluster=cluster)
    served = ServerSpec(base_url=server.openai_url, models={"base": "m"}, first_wait=0.01, workers=4)
    adapters = [Candidate(f"logic/{n}", f"adapters/logic/{n}", n) for n in "12"]
    wanted = EvaluateSpec(engine="openai", votes=3, adaptive="exact", server=served)
    compared = step(wanted, SimpleNamespace(base_model="org/m", revision=None), questions, *adapters)
    return rationales, snapshot, run_step(compared, home, cluster=cluster)[0]


@pytest.mark.process
def test_two_machines_come_to_the_snapshot_and_the_verdict_of_one_process(cluster: Any, tmp_path: Path) -> None:
    with TeacherServer(mix(MIX), gold=gold_of(QUESTIONS)) as server:
        alone = made(tmp_path / "alone", server, None)
    port = int(server.url.rsplit(":", 1)[1])
    with TeacherServer(mix(MIX), gold=gold_of(QUESTIONS), port=port) as server:
        shared = made(tmp_path / "shared", server, Cluster())

    assert [r.digest for r in alone] == [r.digest for r in shared]
    assert [r.key for r in alone] == [r.key for r in shared]
    assert alone[2].facts["paired"] == shared[2].facts["paired"]
    apart = ("seconds", "work")
    for one, two in zip(alone, shared, strict=True):
        assert {k: v for k, v in one.facts.items() if k not in apart} == {
            k: v for k, v in two.facts.items() if k not in apart
        }
    assert 2 == shared[2].facts["work"]["shares"]
    assert 2 == len({row["asked_by"] for row in rows(Home(tmp_path / "shared").ledger)})
    assert KEY not in everything(tmp_path / "shared")
    assert KEY not in everything(Path(cluster.head_node.get_session_dir_path()) / "logs")


@pytest.mark.process
def test_a_killed_worker_s_share_is_taken_over_and_nothing_is_paid_twice(cluster: Any, tmp_path: Path) -> None:
    home, questions = parsed(tmp_path)
    price = {"prices": {"m": {"in": 1.0, "out": 2.0}}, "max_cost": 1.0, "prompt": "explain"}
    victims: list[int] = []

    with TeacherServer(delay=0.1) as server:

        def kill() -> None:
            while len(asked := list(rows(home.ledger))) < 10:
                time.sleep(0.02)
            victims.append(int(asked[0]["asked_by"].rpartition(" ")[2]))
            os.kill(victims[0], signal.SIGKILL)

        killer = threading.Thread(target=kill, daemon=True)
        killer.start()
        receipt, _ = run_step(reason_step(spec(server, **price), questions), home, cluster=Cluster())
        killer.join()

    entries = list(rows(home.ledger))
    wanted = sum(q.split == "train" for q in Stored(home, questions))
    assert len(victims) == 1
    assert [1] * wanted == list(Counter(e["key"] for e in entries).values())
    assert 3 == len({e["asked_by"] for e in entries}), "two shares, and one more that took over"
    assert (wanted, 0) == (receipt.facts["asked"], receipt.facts["from_ledger"])
    assert receipt.facts["cost"] == pytest.approx(sum(e["cost"] for e in entries))


@pytest.mark.process
def test_what_ends_one_share_ends_all_with_its_own_words(cluster: Any, tmp_path: Path) -> None:
    home, questions = parsed(tmp_path)
    with TeacherServer(key="another") as server, pytest.raises(PonensError, match="turned the request away") as caught:
        run_step(reason_step(spec(server), questions), home, cluster=Cluster())

    assert sum(server.asked.values()) <= 4
    assert KEY not in str(caught.value)


def test_shares_together_keep_every_limit() -> None:
    settings = ReasonSpec(
        model="m", workers=5, requests_per_minute=7, max_requests=31, max_cost=2.0, prices={"m": {"in": 1, "out": 1}}
    )
    parts = _cut(settings, QUESTIONS, lambda question: 1, 3)

    for name, whole in (("workers", 5), ("requests_per_minute", 7), ("max_requests", 31)):
        assert whole == sum(getattr(part, name) for part in parts), name
    assert 2.0 == pytest.approx(sum(part.max_cost or 0 for part in parts))
    assert all(part.workers and part.requests_per_minute for part in parts)
    assert [1, 1, 1, 0] == even(3, 4)


def test_a_share_is_what_a_thing_is_and_not_where_it_stands() -> None:
    before = {q.id: share_of(q.id, 3) for q in QUESTIONS}

    assert before == {q.id: share_of(q.id, 3) for q in reversed(QUESTIONS)}
    assert {0, 1, 2} == set(before.values())


def test_without_ray_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)

    with pytest.raises(UsageError, match=r"ponens\[ray\]"), Cluster().crew(gpus=0, most=2):
        pass
