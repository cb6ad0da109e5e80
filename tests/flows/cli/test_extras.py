"""A plain install reads and compares; what else there is says by which extra it comes."""

import ast
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from flows.cli import extras
from storage.records import UsageError
from tests import result_files as files

ROOT = Path(__file__).resolve().parents[3]
ROOMS = ("flows", "tasks", "prompts", "puzzles", "storage", "evals")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
OTHERWISE = {
    "backports.zstd": "backports",
    "huggingface-hub": "huggingface_hub",
    "langchain-openai": "langchain_openai",
}
ELSEWHERE = {
    "markupsafe",
    "sentencepiece",
    "urllib3",
    "gradio",
    "langchain_core",
    "requests",
    "yaml",
    "safetensors",
    "tokenizers",
    "pyspark",
    "pandas",
}


def packages(requirements: list[str]) -> set[str]:
    names = {re.split(r"[\[<>=!;~ ]", one)[0].lower().replace("_", "-") for one in requirements}
    return {OTHERWISE.get(name, name) for name in names - {"ponens"}}


def imported() -> set[str]:
    """The top-level packages that any file of the rooms imports."""
    found = set()
    for path in (path for room in ROOMS for path in (ROOT / room).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                found.add(node.module.partition(".")[0])
    return found - set(sys.stdlib_module_names) - {*ROOMS, "recipes"}


def test_every_package_that_is_imported_comes_by_the_plain_install_or_by_an_extra_that_is_named() -> None:
    named = {module for modules in extras._MODULES.values() for module in modules}

    assert set() == imported() - packages(PROJECT["dependencies"]) - named - ELSEWHERE


@pytest.mark.parametrize("extra", ["run", "train", "gpu", "ray", "cloud"])
def test_a_missing_package_is_told_with_its_extra(extra: str) -> None:
    brought = packages(EXTRAS[extra])
    for module in set(extras._MODULES[extra]) & brought:
        told = extras.lacking(ModuleNotFoundError(f"No module named '{module}.x'", name=f"{module}.x"))
        assert isinstance(told, UsageError)
        assert f"pip install 'ponens[{extra}]'" in str(told)
    assert set(extras._MODULES[extra]) & brought
    assert extras.lacking(ModuleNotFoundError("No module named 'mine'", name="mine")) is None
    assert extras.lacking(KeyError("prefect")) is None


def test_whoever_trains_can_run() -> None:
    assert "ponens[run]" in EXTRAS["train"]
    assert {"ponens[train]"} <= {*EXTRAS["cpu"]} & {*EXTRAS["gpu"]}
    assert set() == packages(EXTRAS["run"]) & packages(PROJECT["dependencies"])


@pytest.mark.process
def test_a_plain_install_parses_judges_and_draws(tmp_path: Path) -> None:
    for side, scores in (("a", [0, 1] * 4), ("b", [1] * 8)):
        files.lines(tmp_path / f"{side}.jsonl", [{"id": n, "score": score} for n, score in enumerate(scores)])
    (tmp_path / "q.jsonl").write_text('{"question": "Which?", "options": ["a jar", "a lid"], "answer": "A"}\n')
    script = f"""
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {sorted(m for of in extras._MODULES.values() for m in of)!r}:
            raise ModuleNotFoundError("No module named " + name, name=name)
sys.meta_path.insert(0, Absent())
from flows.cli.app import _exit_code
for words in ("parse q.jsonl", "verdict a.jsonl b.jsonl --html v.html", "ask jars", "parse q.jsonl --json"):
    print(words, _exit_code(words.split()))
"""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "200"}
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )

    for line in ("parse q.jsonl 0", "verdict a.jsonl b.jsonl --html v.html 0", "ask jars 2", "parse q.jsonl --json 0"):
        assert line in done.stdout, done.stderr
    assert "pip install 'ponens[run]'" in done.stderr
    assert (tmp_path / "v.html").is_file()
