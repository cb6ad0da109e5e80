"""`ponens explain`, on a home whose source was really parsed and assembled."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from flows.cli.app import main
from storage.adapters import champions
from storage.adapters import versions as adapters
from storage.adapters.versions import Adapter
from storage.artifacts import sha256
from storage.home import Home
from storage.records import Receipt
from tasks.assemble.step import AssembleSpec, step
from tasks.parse import step as parse
from tasks.parse.step import ParseSpec
from tasks.runtime.step import run_step
from tests.adapters import judged, made


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.setenv("PONENS_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    monkeypatch.chdir(tmp_path)
    return Home(tmp_path / "home")


def assembled(home: Home, file: Path, *answers: str) -> Receipt:
    file.write_text("".join(json.dumps({"prompt": f"Say {a}?", "completion": a}) + "\n" for a in answers))
    spec = ParseSpec(path=str(file), valid=0, test=0)
    parsed, _ = run_step(parse.step(spec, parse.source(spec), kind="instruction"), home)
    return run_step(step(AssembleSpec(), parsed, None, "instruction", recipe="logic"), home)[0]


def trained(home: Home, snapshot: Receipt, digest: str) -> Adapter:
    one = made(home, snapshot=snapshot.digest, digest=digest * 64, mlflow={"run_id": "m1", "uri": "sqlite:///x"})
    judged(home, one)
    return one


def explain(capsys: pytest.CaptureFixture[str], what: str | Path) -> dict[str, Any]:
    with pytest.raises(SystemExit) as done:
        main(["explain", str(what), "--json"])
    assert 0 == done.value.code
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def nodes(node: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """By what they are, a node and all on its way back."""
    found = {node["what"]: node}
    for before in node.get("from", []):
        found |= nodes(before)
    return found


def came(found: dict[str, Any]) -> dict[str, list[str]]:
    return {part: [n.get("of", n["name"]) for n in of] for part, of in found["came_of_it"].items()}


def test_an_adapter_is_followed_back_to_its_files_and_on_to_what_else_came_of_them(
    home: Home, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "talk.jsonl"
    snapshot, other = assembled(home, file, "yes", "no"), assembled(home, tmp_path / "other.jsonl", "perhaps")
    one, two, apart = (trained(home, s, d) for s, d in ((snapshot, "a"), (snapshot, "b"), (other, "c")))
    champions.promote(home, two, None, "force", "to see")
    found = explain(capsys, "logic/1")
    back = nodes(found["origin"])

    assert ["adapter", "training", "base model", "snapshot", "rationales", "questions", "source"] == list(back)
    assert ("talk.jsonl", sha256(file)) == (back["source"]["name"], back["source"]["sha256"])
    assert (snapshot.facts["snapshot"], snapshot.facts["rows"]) == (back["snapshot"]["name"], back["snapshot"]["rows"])
    assert [("logic", None)] == [(p["recipe"], p["parent"]) for p in back["snapshot"]["parents"]]
    assert ("m1", 0.5) == (back["training"]["mlflow"]["run_id"], back["training"]["loss_last"])
    assert snapshot.ingredients["code"] == back["snapshot"]["code"]
    assert "missing" in back["training"], "no run of this home trained it"
    assert ["better"] == [e["verdict"] for e in found["evaluations"]]
    assert {
        "snapshots": [],
        "adapters": [str(two)],
        "evaluations": [str(two)],
        "promotions": ["logic@champion"],
    } == came(found)
    of_snapshot = came(explain(capsys, snapshot.facts["snapshot"]))
    assert came(explain(capsys, file)) == of_snapshot | {"snapshots": [snapshot.facts["snapshot"]]}
    assert [str(one), str(two)] == came(explain(capsys, file))["adapters"]
    assert [str(apart)] == came(explain(capsys, "other.jsonl"))["adapters"]

    with pytest.raises(SystemExit):
        main(["explain", "logic/1"])
    page = capsys.readouterr().out
    for words in ("talk.jsonl", sha256(file)[:16], "run_id m1", "the answers are the source's own", "logic/2"):
        assert words in page


def test_what_is_missing_is_said_and_never_made_up(
    home: Home, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "talk.jsonl"
    one = trained(home, assembled(home, file, "yes"), "a")
    shutil.rmtree(home.root / "receipts" / "parse")
    gone = nodes(explain(capsys, str(one))["origin"])
    shutil.rmtree(home.root / "receipts" / "assemble")
    further = nodes(explain(capsys, str(one))["origin"])
    stranger = nodes(explain(capsys, str(made(home, snapshot=None, digest="s" * 64)))["origin"])

    assert "no receipt of this home made them" == gone["questions"]["missing"]
    assert "source" not in gone
    assert "no receipt of this home made it" == further["snapshot"]["missing"]
    assert {"adapter", "training", "base model", "snapshot"} == set(further)
    assert "nothing says which snapshot" in stranger["snapshot"]["missing"]
    assert {"snapshots": [], "adapters": [], "evaluations": [], "promotions": []} == came(explain(capsys, file))
    with pytest.raises(SystemExit) as done:
        main(["explain", "nothing-such"])
    assert 2 == done.value.code
    assert [1, 2] == adapters.versions(home, "logic")
