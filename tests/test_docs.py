"""Every command on every page: what is cheap is run as it stands, the rest is held against the command line."""

import ast
import io
import json
import os
import random
import re
import shutil
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from types import SimpleNamespace

import pytest

from flows.cli.app import _exit_code
from storage import warehouse
from storage.adapters import champions, registry
from storage.adapters import versions as adapters
from storage.home import Home
from tasks.puzzles.step import PuzzlesSpec, write
from tests import result_files
from tests.adapters import judged, made, peft
from tests.documents import PAGES, ROOT, SHELL, Line, check, lines, mentioned, options_exist, simple
from tests.evaluations import ASKED, ran
from tests.snapshots import example, snapshot

KEYS = [q.answer for q in ASKED]
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]
TUTORIAL = "docs/tutorial.md"  # trains: tests/flows/test_tutorial.py runs it


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A user's folder: the shipped recipes, files of data, and a home with snapshots, runs and adapters."""
    folder = tmp_path_factory.mktemp("docs") / "user"
    shutil.copytree(ROOT / "recipes", folder / "recipes", ignore=shutil.ignore_patterns(".ponens", "__pycache__"))
    write(PuzzlesSpec(count=12, seed=3), folder / "data.jsonl")
    for place in (folder / "data", folder.parent / "data"):
        place.mkdir()
        shutil.copy(folder / "data.jsonl", place / "logic.jsonl")
    rows = [{"id": q.id, "group": q.group, "gold": q.answer, "answer": q.answer} for q in ASKED]
    for name in ("a.jsonl", "b.jsonl"):
        (folder / name).write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    chats = [{"instruction": f"Say {n}.", "input": "", "output": f"{n}!"} for n in range(8)]
    (folder / "alpaca.json").write_text(json.dumps(chats))
    (folder / "tickets.csv").write_text("customer,reply\nIt is broken.,We mend it.\nWhere is it?,On its way.\n")
    _results(folder / "evals")
    home = Home(folder / ".ponens")
    peft(folder / "their-lora", rank=16)
    snapshot(home, example("q", "a"), recipe="logic")
    data = snapshot(home, example("q", "b"), example("r", "b"), recipe="logic")
    for number in "123":
        judged(home, made(home, digest=number * 64, snapshot=data.manifest["digest"]))
    one = made(home, digest="4" * 64)  # nothing refers to it
    registry.set_alias(home, one, "stable")
    champions.promote(home, adapters.resolve(home, "logic/2"), None, "gate", "")
    warehouse.open_run(home, "20261122-080000-bbbb", recipe="{}", name="logic")
    ran(home, "20261121-080000-aaaa", [None] * 20 + KEYS[20:])
    ran(home, "20261122-080000-bbbb", KEYS)
    return folder


def _results(folder: Path) -> None:
    """What other tools wrote of two models: docs/verdict.md compares them."""
    for side, votes in (("base", result_files.A), ("tuned", result_files.B)):
        order = random.Random(1)
        result_files.lm_eval(folder / "lm-eval" / side, votes, order)
        result_files.inspect_eval(folder / "inspect" / side, votes, order)
        result_files.batch(folder / "batch", votes, order).rename(folder / "batch" / f"{side}.jsonl")
        (folder / "sheet").mkdir(exist_ok=True)
        result_files.spreadsheet(folder / side, votes, order).rename(folder / "sheet" / f"{side}.csv")
    result_files.keys(folder / "batch")


@pytest.mark.parametrize("name", NAMES)
def test_every_command_on_a_page_exists(name: str) -> None:
    for line in lines(ROOT / name):
        check(line)
    for line in mentioned(ROOT / name):
        options_exist(line)


def test_every_page_stands_in_the_index_of_the_site() -> None:
    named = set(re.findall(r"^[a-z/*-]+$", (ROOT / "docs" / "index.md").read_text("utf-8"), re.MULTILINE))
    pages = {
        str(page.relative_to(ROOT / "docs").with_suffix("")) for page in PAGES if page.is_relative_to(ROOT / "docs")
    }

    assert set() == {page for page in pages if page != "index" and not any(Path(page).match(n) for n in named)}


@pytest.mark.parametrize(
    "text",
    [
        "ponens fit recipe.toml",
        "ponens adapters lst",
        "ponens run recipe.toml --untill train",
        "ponens ask",
        "ponens serve logic --port many",
        "FOO=1 ponens plan a.toml && ponens explain",
        "make demos",
        "make bench NAME=nothing",
        ".venv/bin/python benchmarks/train.py --factories x",
        "wget http://example.org",
    ],
)
def test_a_command_that_does_not_exist_is_found(text: str) -> None:
    with pytest.raises(ValueError, match=re.escape(text)):
        check(Line("page.md", 1, text))


@pytest.mark.parametrize("text", ["ponens fit RECIPE", "ponens adapters show A --jason", "ponens adapters lst"])
def test_one_in_running_text_is_found_as_well(text: str) -> None:
    with pytest.raises(ValueError, match=re.escape(text)):
        options_exist(Line("page.md", 1, text))


@pytest.mark.parametrize(
    "name", [n for n in NAMES if n != TUTORIAL and any(not line.why_not for line in lines(ROOT / n))]
)
def test_the_commands_of_a_page_run_as_they_stand(
    name: str, prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "user"
    shutil.copytree(prepared.parent, tmp_path, dirs_exist_ok=True)
    for variable in ("PONENS_HOME", "PREFECT_API_URL", "MLFLOW_TRACKING_URI"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(folder)
    for line in lines(ROOT / name):
        if not line.why_not:
            _run(line)


def _run(line: Line) -> None:
    if line.file:
        Path(line.file).write_text(line.text, "utf-8")
        return
    commands = simple(line.text)
    if [words[0] for words in commands] == ["ponens"]:
        said = io.StringIO()
        with redirect_stdout(said), redirect_stderr(said):
            code = _exit_code([*commands[0][1:], *line.added])
        assert 0 == code, f"{line}\n{said.getvalue()}"
        return
    assert {words[0] for words in commands} <= SHELL, f"{line}: say why it is not run"
    done = subprocess.run(["bash", "-c", line.text], capture_output=True, text=True, env=os.environ, check=False)
    assert 0 == done.returncode, f"{line}\n{done.stderr}"


def test_each_promise_of_the_readme_names_tests_that_are_run_and_check_something() -> None:
    text = (ROOT / "README.md").read_text("utf-8")
    promises = re.findall(r"^- \*\*.+$", text.partition("## What it promises")[2].partition("\n## ")[0], re.MULTILINE)
    held = [re.findall(r"\[(test_\w+)\]\((tests/[\w/]+\.py)\)", promise) for promise in promises]

    assert len(promises) > 5
    assert [] == [promise for promise, tests in zip(promises, held, strict=True) if not tests]
    assert [] == [f"{file}::{name}" for tests in held for name, file in tests if not checks(ROOT / file, name)]


def checks(file: Path, name: str) -> bool:
    """Whether a file has a test of that name which asserts something, and which no mark skips or lets fail."""
    module = ast.parse(file.read_text("utf-8"))
    found = next((node for node in module.body if isinstance(node, ast.FunctionDef) and node.name == name), None)
    if found is None:
        return False
    marks = [ast.unparse(node) for node in found.decorator_list]
    marks += [ast.unparse(node.value) for node in module.body if _assigns(node, "pytestmark")]  # type: ignore[attr-defined]
    asserts = any(
        isinstance(node, ast.Assert) or (isinstance(node, ast.Attribute) and node.attr == "raises")
        for node in ast.walk(found)
    )
    return asserts and not any(re.search(r"mark\.(skip|xfail|gpu)\b", mark) for mark in marks)


def _assigns(node: ast.stmt, name: str) -> bool:
    return isinstance(node, ast.Assign) and any(isinstance(one, ast.Name) and one.id == name for one in node.targets)


@pytest.mark.parametrize(
    ("text", "does"),
    [
        ("def test_a():\n    assert x", True),
        ("def test_a():\n    with pytest.raises(E):\n        f()", True),
        ("@pytest.mark.parametrize('x', [1])\ndef test_a(x):\n    assert x", True),
        ("def test_a():\n    f()", False),
        ("def test_ab():\n    assert x", False),
        ("@pytest.mark.skip\ndef test_a():\n    assert x", False),
        ("@pytest.mark.xfail(strict=True)\ndef test_a():\n    assert x", False),
        ("pytestmark = pytest.mark.gpu\ndef test_a():\n    assert x", False),
    ],
)
def test_a_promise_is_held_by_a_test_that_can_fail(tmp_path: Path, text: str, does: bool) -> None:
    (tmp_path / "test_x.py").write_text(text)

    assert does == checks(tmp_path / "test_x.py", "test_a")


def test_the_loop_over_lorax_s_stream_leaves_out_tokens_that_are_no_text(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tokens = [SimpleNamespace(text=text, special=text[0] == "<") for text in ("Mia", ".", "<|im_end|>")]

    class Client:
        def __init__(self, url: str) -> None: ...

        def generate(self, prompt: str, **settings: object) -> SimpleNamespace:
            return SimpleNamespace(generated_text="")

        def generate_stream(self, prompt: str, **settings: object) -> list[SimpleNamespace]:
            return [SimpleNamespace(token=token) for token in tokens]

    monkeypatch.setitem(sys.modules, "lorax", SimpleNamespace(Client=Client))  # type: ignore[arg-type]
    page = (ROOT / "docs" / "serving.md").read_text("utf-8")
    exec(page.partition("**LoRAX**")[2].partition("```python\n")[2].partition("```")[0], {})

    assert "Mia." == capsys.readouterr().out
