"""Machines as people have them: what a command line says of an environment in which it cannot work, and where it can."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from flows import server, show, surroundings
from storage.records import PonensError, UsageError
from tests.fakes_answers import Answer, AnswerServer
from tests.flows.conftest import ROOT

ROW = '{"problem": "一盏灯亮着。", "question": "哪一盏？", "options": ["红", "蓝"], "answer": "A"}\n'


def told(environment: dict[str, str]) -> dict[str, tuple[bool, str]]:
    return {f.found: (f.ok, f.mend) for f in surroundings.examine(environment) if f.name == "proxy"}


def test_doctor_tells_of_proxies_without_their_passwords() -> None:
    found = told({"HTTPS_PROXY": "http://me:word@corp:3128", "ALL_PROXY": "socks://h:1", "NO_PROXY": ".corp,fe80::/10"})

    assert found["HTTPS_PROXY=http://…@corp:3128; this machine is reached past it"][0]
    assert not found["ALL_PROXY=socks://h:1: socks:// is no proxy that is known here"][0]
    assert found["NO_PROXY: fe80::/10 cannot be read and is left out"][0]
    assert {} == told({})


def test_a_prefect_server_that_does_not_answer_is_named_before_anything_is_loaded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PREFECT_API_URL", "http://me:word@127.0.0.1:9/api")
    with pytest.raises(PonensError, match="the Prefect server does not answer") as caught:
        server.own()

    assert "http://…@127.0.0.1:9/api" in str(caught.value)
    assert "word" not in str(caught.value)
    assert "prefect server start" in str(caught.value)


@pytest.mark.parametrize("status", [200, 401, 404])
def test_a_prefect_server_that_answers_is_left_to_prefect(status: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    with AnswerServer([Answer(b"true", status)]) as there:
        monkeypatch.setenv("PREFECT_API_URL", f"{there.url}/api")

        assert not server.own()


def test_a_folder_that_cannot_be_written_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path / "file" / "prefect"))
    with pytest.raises(UsageError, match="set PREFECT_HOME"):
        server.own()

    assert surroundings.writable(tmp_path / "not" / "there")
    assert not surroundings.writable(tmp_path / "file" / "home")
    with pytest.raises(UsageError, match="the home cannot be written"):
        surroundings.require(tmp_path / "file" / "home")


@pytest.mark.process
def test_letters_and_signs_go_in_and_out_in_a_locale_without_them(tmp_path: Path) -> None:
    """ASCII stands for every locale that is not UTF-8: GBK's tables are not on each machine."""
    (tmp_path / "题[1].jsonl").write_text(ROW, "utf-8")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("LC_", "LANG", "PYTHON"))}
    env = {**kept, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "flows.cli", "parse"]
    done = subprocess.run([*command, "题[1].jsonl"], cwd=tmp_path, env=env, capture_output=True, timeout=120)
    raw = subprocess.run([*command, b"\xcc\xe2.jsonl"], cwd=tmp_path, env=env, capture_output=True, timeout=120)

    assert (0, b"1 questions") == (done.returncode, done.stdout[:11]), done.stderr
    assert 2 == raw.returncode
    assert b"is not UTF-8" in raw.stderr


@pytest.mark.parametrize(("cost", "said"), [(None, 'unknown without [reason.prices."m"]'), (1.5, "1.5000")])
def test_an_estimate_is_a_small_table(cost: float | None, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    tokens = {"in": 2996, "out": 20000, "reasoning": 0, "cached": 0}
    part: dict[str, Any] = {"asked": 75, "tokens": tokens, "cost": cost}
    show.asking(
        {"teacher": "openai", "model": "m", "questions": 25, "requests": 75, "from_ledger": 0, "learned_from": 0}
        | part
        | {"at_most": part}
    )
    out = capsys.readouterr().out

    assert "20,000" in out
    assert said in out
    assert "None" not in out
    assert max(map(len, out.splitlines())) <= 80
