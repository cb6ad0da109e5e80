"""What `ponens doctor` finds in a home: each thing with its next step, and nothing in a sound one."""

import os
from pathlib import Path

from storage import warehouse
from storage.adapters import registry
from storage.home import Home
from storage.housekeeping import checkup
from storage.shared_locks import turn
from tests.adapters import made
from tests.storage.housekeeping.test_housekeeping import chain


def found(home: Home, *, deep: bool = False) -> dict[str, checkup.Finding]:
    return {one.name: one for one in checkup.examine(home, deep=deep)}


def test_a_sound_home_is_well_and_every_harm_is_named_with_its_next_step(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    assert {} == found(home)
    parsed, _ = chain(home, "one", run="r1")
    adapter = made(home)
    registry.set_alias(home, adapter, "champion")
    warehouse.open_run(home, "r1", "{}", "r")
    sound = found(home, deep=True)

    (home.root / "work" / f"train-{'a' * 16}").mkdir(parents=True)
    (home.root / "runs" / "r2").mkdir()
    (home.root / "runs" / "r2" / "recipe.json").write_text("{}")
    (home.root / parsed.artifact / "text.txt").write_text("One")
    (home.root / "receipts" / "parse" / "torn.json").write_text('{"artifact": "art')
    (adapter.folder / "manifest.json").unlink()
    home.mlflow.mkdir()
    (home.mlflow / "mlflow.db").write_bytes(b"no database" * 1000)
    with turn(home.root / "locks" / "train-b.lock", shared=False, wait_s=0):
        quick, deep = found(home), found(home, deep=True)
    home.warehouse.write_bytes(b"no database" * 1000)

    assert all(one.ok for one in sound.values())
    assert {"warehouse", "receipts", "artifacts"} == sound.keys()
    assert quick["artifacts"].ok
    assert parsed.artifact in deep["artifacts"].found
    assert {"receipts", "aliases", "mlflow"} == {one.name for one in quick.values() if not one.ok}
    assert {"receipts", "aliases", "mlflow", "artifacts"} == {one.name for one in deep.values() if not one.ok}
    assert "receipts/parse/torn.json" in quick["receipts"].found
    assert "logic@champion points at logic/1, which is gone" == quick["aliases"].found
    assert f"train-b is held by process {os.getpid()}" == quick["lock"].found
    assert "train-aaaa" in quick["work"].found
    assert "1 were killed: r2" == quick["runs"].found
    assert not found(home)["warehouse"].ok
    assert "move it away" in found(home)["warehouse"].mend
    assert all(one.mend for one in deep.values() if not one.ok)
