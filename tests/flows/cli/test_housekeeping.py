"""`ponens gc | backup | restore`, as a user meets them."""

import json
from pathlib import Path

import pytest

from flows.cli.app import main
from storage.home import Home
from tests.storage.housekeeping.test_housekeeping import age, chain


def test_gc_shows_before_it_removes_and_a_backup_comes_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    home = Home(tmp_path / "home")
    monkeypatch.setenv("PONENS_HOME", str(home.root))
    lost, kept = chain(home, "lost")[1], chain(home, "kept", run="r1")[1]
    age(home)

    def ponens(*arguments: str, code: int = 0) -> str:
        with pytest.raises(SystemExit) as done:
            main(list(arguments))
        assert code == done.value.code
        return capsys.readouterr().out

    shown = ponens("gc")
    assert lost.artifact in shown
    assert kept.artifact not in shown
    assert (home.root / lost.artifact).exists()  # nobody was there to say yes
    ponens("gc", "--older-than", "2w", code=2)
    assert lost.artifact in json.loads(ponens("gc", "--yes", "--json"))["removed"]
    assert not (home.root / lost.artifact).exists()
    archive = json.loads(ponens("backup", str(tmp_path), "--json"))["archive"]
    ponens("restore", archive, code=2)
    assert str(tmp_path / "back") in ponens("restore", archive, "--home", str(tmp_path / "back"))
    assert (tmp_path / "back" / kept.artifact / "text.txt").read_text() == "kept"
    ponens("gc", "--yes")
