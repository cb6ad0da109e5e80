"""`ponens reason` as people run it: its key from a Secret block, its end by Ctrl-C, its key never seen again."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from storage.home import Home
from storage.journal import rows
from tests.fakes import TeacherServer, always, mix
from tests.flows.conftest import ROOT, environment

pytestmark = [pytest.mark.prefect, pytest.mark.process]
KEY = "planted-0123456789abcdef"  # looks like no key, so that it is taken out because it is known
RECIPE = """\
name = "asks"
[puzzles]
count = 12
[reason]
teacher = "openai"
model = "scripted"
base_url = "{url}"
workers = 4
max_unanswered = 1.0
[train]
base_model = "recipes/demo_base"
"""


def start(env: dict[str, str], folder: Path, server: TeacherServer, **options: Any) -> subprocess.Popen[str]:
    recipe = folder / "asks.toml"
    recipe.write_text(RECIPE.format(url=server.openai_url))
    return subprocess.Popen(
        [sys.executable, "-m", "flows.cli", "reason", str(recipe), "--json"],
        cwd=ROOT,
        env={name: value for name, value in env.items() if not name.endswith("_API_KEY")}
        | {"PONENS_HOME": str(folder / "home")}
        | options,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def keep(env: dict[str, str], key: str) -> None:
    """Put a key into a Secret block, as a user would."""
    code = f"from prefect.blocks.system import Secret; Secret(value={key!r}).save('openai-api-key', overwrite=True)"
    subprocess.run([sys.executable, "-c", code], env=env, check=True, timeout=120)


def holding(folder: Path) -> list[Path]:
    """The files in which the key stands, those of the database and of the warehouse included."""
    return [path for path in folder.rglob("*") if path.is_file() and KEY.encode() in path.read_bytes()]


def test_without_a_key_both_ways_to_give_one_are_named(prefect: dict[str, str], tmp_path: Path) -> None:
    with TeacherServer() as server:
        process = start(prefect, tmp_path, server)
        _, said = process.communicate(timeout=200)

    assert process.returncode == 2
    assert "OPENAI_API_KEY" in said
    assert "'openai-api-key'" in said
    assert "Traceback" not in said
    assert not server.asked


def test_a_key_from_a_secret_block_is_used_and_is_nowhere_afterwards(prefect: dict[str, str], tmp_path: Path) -> None:
    keep(prefect, KEY)
    with TeacherServer(mix({"wrong": 0.3, "500": 0.2}), key=KEY) as server:
        process = start(prefect, tmp_path, server)
        out, said = process.communicate(timeout=200)

    assert process.returncode == 0, said
    assert json.loads(out)["unanswered"] == 0
    assert KEY not in out + said
    assert holding(tmp_path) == []
    assert holding(Path(prefect["PREFECT_HOME"])) == []
    assert list((tmp_path / "home").rglob("*.duckdb"))


def test_a_key_that_the_server_repeats_in_its_error_is_shown_nowhere(prefect: dict[str, str], tmp_path: Path) -> None:
    keep(prefect, KEY)
    with TeacherServer(always("right"), key="another") as server:
        process = start(prefect, tmp_path, server)
        out, said = process.communicate(timeout=200)

    assert process.returncode == 1
    assert "401" in said
    assert "***" in said
    assert KEY not in out + said
    assert holding(tmp_path) == []
    assert holding(Path(prefect["PREFECT_HOME"])) == []


def test_ctrl_c_ends_the_command_in_good_order(tmp_path: Path) -> None:
    """With a server of its own, in the middle of asking, to the whole group as a terminal does it.

    And behind proxies that nobody could use, past which this machine is reached.
    """
    proxies = {"HTTP_PROXY": "http://127.0.0.1:9", "ALL_PROXY": "socks5://127.0.0.1:9", "NO_PROXY": "[::1],fe80::/10"}
    env = environment(PREFECT_HOME=str(tmp_path / "prefect"), **proxies)
    with TeacherServer(delay=0.3) as server:
        process = start(env, tmp_path, server, OPENAI_API_KEY=KEY)
        while sum(server.completed.values()) < 6 and process.poll() is None:
            time.sleep(0.01)
        os.killpg(process.pid, signal.SIGINT)
        _, said = process.communicate(timeout=120)
        done = sum(server.completed.values())

    answered = [row for row in rows(Home(tmp_path / "home").ledger) if row["outcome"] == "answered"]
    assert process.returncode == 130, said
    assert said.strip().splitlines()[-1] == "interrupted; the same command goes on from here"
    assert said.splitlines()[1] == "starting Prefect's server …", "behind the line that says what is read"
    assert "Traceback" not in said
    assert len(answered) == done
    assert holding(tmp_path) == []
