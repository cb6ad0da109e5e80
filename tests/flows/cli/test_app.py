"""The command line, as a user meets it: one JSON object on stdout, exit codes, errors that help."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.process
ROOT = Path(__file__).resolve().parents[3]


def ponens(*arguments: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "flows.cli", *map(str, arguments)],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
    )


def answers(path: Path, letters: str) -> Path:
    rows = [
        {"id": f"q{i}", "group": f"g{i}", "gold": "A", "answer": None if letter == "-" else letter}
        for i, letter in enumerate(letters)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def only_object(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    assert 0 == done.returncode, done.stderr
    found = json.loads(done.stdout)
    assert isinstance(found, dict)
    return found


@pytest.fixture
def puzzles(tmp_path: Path) -> Path:
    path = tmp_path / "puzzles.jsonl"
    done = ponens("puzzles", "--count", "20", "--seed", "3", "--out", path, "--json", cwd=tmp_path)
    assert 20 == only_object(done)["problems"]
    return path


def test_generated_puzzles_parse_without_a_reject(puzzles: Path, tmp_path: Path) -> None:
    found = only_object(ponens("parse", puzzles, "--json", cwd=tmp_path))

    assert 20 == found["groups"]
    assert found["questions"] == found["answered"]
    assert [] == found["rejects"]


def test_a_bad_line_is_a_reject_and_fatal_only_with_strict(puzzles: Path, tmp_path: Path) -> None:
    with puzzles.open("a") as file:
        file.write('{"problem": "p"}\n')
    lenient = ponens("parse", puzzles, "--json", cwd=tmp_path)
    strict = ponens("parse", puzzles, "--strict", cwd=tmp_path)

    assert 21 == only_object(lenient)["rejects"][0]["line"]
    assert 2 == strict.returncode
    assert "1 rows" in strict.stderr


def test_a_file_of_chats_is_parsed_and_exported(tmp_path: Path) -> None:
    rows = [{"frage": "Hi", "antwort": "Ho"}, {"frage": "Hi"}]
    (tmp_path / "chats.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    mapped = ["--column", "prompt=frage", "--column", "completion=antwort"]
    parsed = ponens("parse", "chats.jsonl", *mapped, cwd=tmp_path)
    exported = only_object(ponens("export", "chats.jsonl", "--as", "messages", *mapped, "--json", cwd=tmp_path))
    again = ponens("export", "chats.jsonl", "--as", "messages", *mapped, cwd=tmp_path)

    assert "1 rows for instruction in 1 groups (prompt-completion), 1 with answers, 1 rejected" in parsed.stdout
    assert "chats.jsonl:2 antwort: missing field" in parsed.stdout
    assert {"form": "messages", "out": "chats-messages", "rows": {"data": 1}, "rejected": 1} == exported
    assert (tmp_path / "chats-messages" / "data.jsonl").exists()
    assert 2 == again.returncode
    assert "is there already" in again.stderr


def test_a_file_of_no_known_format_is_bad_usage(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"image": "a.png", "caption": "x"}\n')
    (tmp_path / "b.jsonl").write_text('{"x": 1}\n')
    images, unknown = (ponens("parse", name, cwd=tmp_path) for name in ("a.jsonl", "b.jsonl"))

    assert (2, 2) == (images.returncode, unknown.returncode)
    assert "this release is text only" in images.stderr
    assert "no reader knows this format" in unknown.stderr


def test_a_file_of_which_every_row_is_rejected_is_bad_usage_with_the_one_reason(tmp_path: Path) -> None:
    rows = [{"messages": [{"role": "oracle", "content": "x"}]}] * 40
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    done = ponens("parse", "a.jsonl", cwd=tmp_path)

    assert 2 == done.returncode
    assert "messages[0].role: role 'oracle' is none of" in done.stderr and "(40 of 40 rejected rows)" in done.stderr
    assert 1 == done.stdout.count("oracle"), "like rejects are one line"
    assert "(40 rows: 1, 2, 3, …)" in done.stdout


def test_an_empty_file_and_a_missing_one_say_so(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text("")
    empty, missing = (ponens("parse", name, cwd=tmp_path) for name in ("rows.jsonl", "row.jsonl"))

    assert (2, 2) == (empty.returncode, missing.returncode)
    assert "the file is empty" in empty.stderr
    assert "did you mean rows.jsonl?" in missing.stderr


def test_a_plan_of_an_empty_home_runs_every_step(puzzles: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "r.toml"
    recipe.write_text(
        f'name = "r"\n[parse]\npath = "{puzzles.name}"\n[reason]\nteacher = "embedded"\n[train]\nbase_model = "org/model"\n'
    )
    found = only_object(ponens("plan", recipe, "--json", cwd=tmp_path))

    assert ["parse", "reason", "assemble", "train", "evaluate", "report"] == [s["name"] for s in found["steps"]]
    assert {"will_run"} == {s["status"] for s in found["steps"]}
    assert not (tmp_path / ".ponens").exists()


def test_two_files_of_answers_get_a_verdict(tmp_path: Path) -> None:
    base, other = answers(tmp_path / "a.jsonl", "B" * 30), answers(tmp_path / "b.jsonl", "A" * 30)
    found = only_object(ponens("verdict", base, other, "--json", cwd=tmp_path))

    assert "better" == found["paired"]["verdict"]
    assert 30 == found["paired"]["fixed"]


def test_a_missing_recipe_is_bad_usage(tmp_path: Path) -> None:
    done = ponens("plan", "nowhere.toml", cwd=tmp_path)

    assert 2 == done.returncode
    assert "" == done.stdout
    assert "nowhere.toml" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_unknown_option_is_bad_usage(tmp_path: Path) -> None:
    assert 2 == ponens("run", "--nonsense", cwd=tmp_path).returncode


def test_an_unknown_step_is_bad_usage(tmp_path: Path) -> None:
    done = ponens("plan", ROOT / "recipes" / "demo.toml", "--refresh", "trian", cwd=tmp_path)

    assert 2 == done.returncode
    assert "trian" in done.stderr


def test_the_doctor_names_keys_but_never_their_values(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-planted-key")
    done = ponens("doctor", "--json", cwd=tmp_path)

    assert {"name": "OPENAI_API_KEY", "ok": True, "found": "set", "mend": ""} in only_object(done)["checks"]
    assert "sk-planted-key" not in done.stdout + done.stderr


def test_every_command_has_help_and_stands_in_the_readme(tmp_path: Path) -> None:
    from flows.cli.app import app

    readme = (ROOT / "README.md").read_text("utf-8")
    for command in app.registered_commands:
        assert command.callback and command.callback.__doc__
        assert f"ponens {command.name or command.callback.__name__}" in readme
