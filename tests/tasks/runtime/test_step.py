"""Steps keyed by content: what is a hit, what runs again, what a plan says."""

import ast
import multiprocessing
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from storage.home import Home
from tasks.runtime.code_key import ROOMS, Memory, _imports, code_version
from tasks.runtime.forecast import forecast
from tasks.runtime.step import Result, Step, Workshop, run_step


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


def greeting(home: Home, text: str = "hello", *, settings: dict[str, object] | None = None) -> Step:
    """A step that writes `text` and counts how often it worked, outside its artifact."""

    def work(shop: Workshop) -> Result:
        worked = home.root / "worked"
        with worked.open("a") as file:
            file.write("x")
        (shop.folder / "greeting.txt").write_text(text)
        return Result({"letters": len(text)})

    return Step(
        "greet", ("tasks.runtime.step",), settings or {"text": text}, {"source": "0" * 64}, work, shelf="greetings"
    )


def times(home: Home) -> int:
    return len((home.root / "worked").read_text())


def test_the_second_run_is_cached_and_works_no_more(home: Home) -> None:
    first, did = run_step(greeting(home), home)
    second, found = run_step(greeting(home), home)

    assert (did, found) == ("ran", "cached")
    assert first == second
    assert times(home) == 1


def test_a_changed_setting_is_another_key(home: Home) -> None:
    run_step(greeting(home), home)
    _, did = run_step(greeting(home, "hello again"), home)

    assert did == "ran"


def test_a_deleted_artifact_is_made_again_with_the_same_digest(home: Home) -> None:
    first, _ = run_step(greeting(home), home)
    shutil.rmtree(home.root / first.artifact)
    second, did = run_step(greeting(home), home)

    assert did == "ran"
    assert first.digest == second.digest
    assert (home.root / second.artifact / "greeting.txt").exists()


def test_a_damaged_artifact_is_no_hit(home: Home) -> None:
    first, _ = run_step(greeting(home), home)
    (home.root / first.artifact / "greeting.txt").write_text("hellO")
    again, did = run_step(greeting(home), home)

    assert did == "ran"
    assert (home.root / again.artifact / "greeting.txt").read_text() == "hello"


def test_refresh_works_again(home: Home) -> None:
    run_step(greeting(home), home)
    _, did = run_step(greeting(home), home, refresh=True)

    assert did == "ran"
    assert times(home) == 2


def test_a_failed_work_keeps_its_folder_for_the_next_try(home: Home) -> None:
    def fail(shop: Workshop) -> Result:
        (shop.folder / "half").write_text("half")
        raise RuntimeError("no")

    step = replace(greeting(home), work=fail)
    with pytest.raises(RuntimeError, match="no"):
        run_step(step, home)

    assert (home.work("greet", str(step.key)) / "half").read_text() == "half"


def test_a_step_with_an_unknown_input_has_no_key(home: Home) -> None:
    step = replace(greeting(home), inputs={"source": None})

    assert step.key is None
    assert "waits for source" in forecast(step, home).why


def test_a_plan_names_the_setting_that_changed(home: Home) -> None:
    run_step(greeting(home, "a"), home)
    found = forecast(greeting(home, "b"), home)

    assert found.status == "will_run"
    assert found.why == 'text changed from "a" to "b"'


def test_a_plan_changes_nothing(home: Home) -> None:
    forecast(greeting(home), home)

    assert not home.root.exists()


def test_a_plan_still_knows_the_digest_of_a_deleted_artifact(home: Home) -> None:
    receipt, _ = run_step(greeting(home), home)
    shutil.rmtree(home.root / receipt.artifact)
    found = forecast(greeting(home), home)

    assert found.status == "will_run"
    assert found.receipt is not None
    assert receipt.digest == found.receipt.digest


def _run_in_child(root: str) -> None:
    home = Home(Path(root))
    run_step(greeting(home), home)


@pytest.mark.process
def test_two_processes_at_once_work_once(home: Home) -> None:
    home.root.mkdir(parents=True)
    context = multiprocessing.get_context("spawn")
    children = [context.Process(target=_run_in_child, args=(str(home.root),)) for _ in range(3)]
    for child in children:
        child.start()
    for child in children:
        child.join()

    assert [child.exitcode for child in children] == [0, 0, 0]
    assert times(home) == 1


def test_what_comments_and_docstrings_say_does_not_change_a_code_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    versions = []
    for name, body in {
        "plain": '"""Says."""\nX = 1\n',
        "commented": '"""Says\n\nmore."""\n# why\nX = 1\n',
        "changed": '"""Says."""\nX = 2\n',
    }.items():
        room = tmp_path / name / "tasks"
        room.mkdir(parents=True)
        (room / "verb.py").write_text(body)
        monkeypatch.setattr("tasks.runtime.code_key._source", lambda module, room=room: room / "verb.py")
        code_version.cache_clear()
        versions.append(code_version("tasks.verb"))
    code_version.cache_clear()

    assert versions[0] == versions[1]
    assert versions[0] != versions[2]


def test_what_a_file_came_to_is_remembered_for_its_very_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.dont_write_bytecode", False)
    file, path = tmp_path / "__pycache__" / "code.json", tmp_path / "verb.py"
    path.touch()
    first = Memory(file)
    first.note(path, b"X = 1", "abc", ["storage.home"], ["page.css"])
    first.note(tmp_path / "gone.py", b"X = 1", "abc", [], [])
    first.keep()

    assert Memory(file).recall(path, b"X = 1") == ("abc", ["storage.home"], ["page.css"])
    assert Memory(file).recall(path, b"X = 2") is None
    assert [str(path)] == list(Memory(file).held)
    changed = Memory(file)
    changed.rule = b"another"
    assert changed.recall(path, b"X = 1") is None
    file.write_text("{torn")
    assert Memory(file).recall(path, b"X = 1") is None


def test_where_python_keeps_no_bytecode_nothing_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.dont_write_bytecode", True)
    memory = Memory(tmp_path / "code.json")
    memory.note(tmp_path / "verb.py", b"X = 1", "abc", [], [])
    memory.keep()

    assert list(tmp_path.iterdir()) == []


def test_what_a_file_imports_is_what_its_syntax_tree_says() -> None:
    root = Path(__file__).resolve().parents[3]
    for path in (path for room in ROOMS for path in (root / room).rglob("*.py")):
        nodes = list(ast.walk(ast.parse(path.read_bytes())))
        said = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
        for node in nodes:
            if isinstance(node, ast.ImportFrom):
                assert node.module and not node.level, path
                said |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}

        assert said == set(_imports(path.read_bytes())), path
