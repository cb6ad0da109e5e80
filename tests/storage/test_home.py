"""Where a home is."""

from pathlib import Path

import pytest

from storage.home import Home


def test_a_home_is_absolute_wherever_its_name_came_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The deployments' PONENS_HOME is relative to the folder of prefect.yaml; links to pages need the whole path."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PONENS_HOME", "recipes/.ponens")
    assert tmp_path / "recipes" / ".ponens" == Home.beside(Path("recipes/demo.toml")).root

    monkeypatch.delenv("PONENS_HOME")
    assert tmp_path / "recipes" / ".ponens" == Home.beside(Path("recipes/demo.toml")).root
    assert tmp_path / ".ponens" == Home.beside().root
