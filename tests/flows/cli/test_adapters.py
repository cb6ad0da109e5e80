"""`ponens adapters`, as a user meets it; no model is loaded."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from flows.cli.app import main
from storage.adapters import versions as adapters
from storage.home import Home
from tests.adapters import base, judged, made, peft, reported
from tests.snapshots import example, snapshot


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.setenv("PONENS_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(tmp_path)
    return Home(tmp_path / "home")


@pytest.fixture
def store() -> Iterator[object]:
    """A store that lives in this process."""
    fsspec = pytest.importorskip("fsspec", reason="fsspec comes with the extra `cloud`")
    memory = fsspec.filesystem("memory")
    yield memory
    memory.rm("/", recursive=True)


def ponens(*arguments: str) -> int:
    with pytest.raises(SystemExit) as done:
        main(["adapters", *arguments])
    assert isinstance(done.value.code, int)
    return done.value.code


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert 0 == ponens(*arguments)
    return capsys.readouterr().out


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict:
    return json.loads(said(capsys, *arguments, "--json"))


def test_an_empty_home_lists_none(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    assert [] == told(capsys, "list")["adapters"]
    assert "" == said(capsys, "list")


def test_adapters_are_listed_and_shown(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    made(home)
    judged(home, made(home))
    said(capsys, "alias", "logic/2", "stable", "--because", "a better word")
    listed, shown = told(capsys, "list")["adapters"], told(capsys, "show", "logic@stable")
    text, page = said(capsys, "list"), said(capsys, "show", "logic/2")

    assert ["logic/2", "logic/1"] == [one["adapter"] for one in listed]
    assert ("logic/2", 0.5, "a better word") == (shown["adapter"], shown["loss"], shown["moves"][0]["because"])
    assert ["logic@stable"] == shown["referred_to_by"]
    for words in ("logic/2", "latest, stable", "me/base", "0.9", "better"):
        assert words in text
    assert "a better word" in page


def test_a_diff_is_told_by_part(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    made(home, settings={"rank": 8})
    made(home, settings={"rank": 16}, digest="j" * 64)

    assert {"rank": [8, 16]} == told(capsys, "diff", "logic/1", "logic/2")["settings"]
    assert "settings  rank: 8 → 16" in said(capsys, "diff", "logic/1", "logic@latest")


def test_what_is_referred_to_is_removed_by_force_alone(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    reported(home, made(home))

    assert 2 == ponens("rm", "logic/1")
    assert "artifacts/reports/r1" in capsys.readouterr().err
    assert {"removed": "logic/1", "referred_to_by": ["artifacts/reports/r1"]} == told(
        capsys, "rm", "logic/1", "--force"
    )
    assert 2 == ponens("show", "logic/1")


def test_an_adapter_goes_to_a_store_and_comes_back_the_same(
    home: Home, store: object, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = base(tmp_path / "model")
    first = made(home, base_model=str(model))
    assert told(capsys, "push", "logic/1", "memory://me/logic")["pushed"]
    assert not told(capsys, "push", "logic/1", "memory://me/logic")["pushed"]
    back = told(capsys, "import", "memory://me/logic", "--name", "copy")

    assert "copy/1" == back["adapter"]
    weights = (Path(back["path"]) / "adapter_model.safetensors").read_bytes()
    assert (first.folder / "adapter_model.safetensors").read_bytes() == weights
    about = adapters.about(adapters.resolve(home, "copy/1"))
    assert ("abc", 3) == (about["snapshot"], about["facts"]["steps"]), "what was known of it came along"
    assert "memory://me/logic" == about["origin"]["imported_from"]


def test_a_store_that_lost_a_part_is_refused(
    home: Home, store: object, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made(home, base_model=str(base(tmp_path / "model")))
    said(capsys, "push", "logic/1", "memory://me/logic")
    store.pipe("/me/logic/chat_template.jinja", b"another")  # type: ignore[attr-defined]

    assert 1 == ponens("import", "memory://me/logic", "--name", "copy")
    assert "not as it was pushed" in capsys.readouterr().err
    assert [] == adapters.versions(home, "copy")


def test_a_foreign_adapter_is_held_against_the_base_it_names(
    home: Home, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model, wider = base(tmp_path / "model"), base(tmp_path / "wider", width=6)
    folder = peft(tmp_path / "foreign", base="somewhere/else")

    assert 2 == ponens("import", str(folder), "--name", "foreign", "--base", str(wider))
    assert "does not fit base model" in capsys.readouterr().err
    made = told(capsys, "import", str(folder), "--name", "foreign", "--base", str(model))
    config = json.loads((Path(made["path"]) / "adapter_config.json").read_text())
    assert str(model) == config["base_model_name_or_path"], "vLLM wants the name that the server is given"
    assert ["foreign"] == adapters.names(home)


def test_an_adapter_of_other_base_weights_is_refused(
    home: Home, store: object, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = base(tmp_path / "model")
    made(home, base_model=str(model), base_identity="f" * 64)
    said(capsys, "push", "logic/1", "memory://me/logic")

    assert 2 == ponens("import", "memory://me/logic", "--name", "copy")
    assert "another base model" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["../up", "a|b", "Exercise|2_1_27", "a/b", ".x"])
def test_a_name_that_is_none_is_refused(home: Home, tmp_path: Path, name: str) -> None:
    assert 2 == ponens("import", str(peft(tmp_path / "f")), "--name", name)
    assert not (home.root / "adapters").exists()


def test_the_card_says_what_is_known_and_no_more(
    home: Home, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = snapshot(home, example("q", "a"), recipe="logic")
    one = made(home, base_model="Qwen/Qwen2.5-7B", snapshot=data.manifest["digest"], settings={"rank": 8, "odd": "a|b"})
    said(capsys, "export", "logic/1", "--out", str(tmp_path / "first"))
    before = (tmp_path / "first" / "README.md").read_text()
    judged(home, one, verdict="worse")
    said(capsys, "export", "logic/1", "--out", str(tmp_path / "second"))
    after = (tmp_path / "second" / "README.md").read_text()

    assert before.startswith("---\nbase_model: Qwen/Qwen2.5-7B\nlibrary_name: peft\n")
    for words in (f"`{data.id}`: 1 examples to train", "Loss 2 at first, 0.5 at last", "not evaluated", "a\\|b"):
        assert words in before
    assert "Verdict: **worse**" in after
    assert "| accuracy | 20.0 % | 90.0 % |" in after
    assert "\n\n\n\n" not in after


def test_an_export_is_a_folder_of_its_own_and_spares_one_that_is_there(
    home: Home, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made(home)
    found = told(capsys, "export", "logic/1", "--base", "other/name")

    assert "logic-1" == found["out"]
    assert ["README.md", "adapter_config.json", "adapter_model.safetensors", "chat_template.jinja"] == found["files"]
    assert "other/name" == json.loads(Path("logic-1/adapter_config.json").read_text())["base_model_name_or_path"]
    assert 2 == ponens("export", "logic/1")
