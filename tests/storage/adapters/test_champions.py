"""Who is champion, who was it before, and that alias and history are never apart."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from storage.adapters import aliases, champions, registry
from storage.adapters import versions as adapters
from storage.home import Home
from storage.records import UsageError
from tests.adapters import made

# promote N: "N"; roll back: "<"; remove version N: "-N"
WAYS = [
    ("1 2 3", [1, 2, 3]),
    ("1 2 3 <", [1, 2]),
    ("1 2 3 < <", [1]),
    ("1 2 3 < 4", [1, 2, 4]),
    ("1 2 3 2", [1, 2, 3, 2]),
    ("1 2 3 2 <", [1, 2, 3]),
    ("1 2 3 -2", [1, 3]),
    ("1 2 3 -2 <", [1]),
    ("1 2 -2", [1]),
    ("1 2 -2 <", [1]),
    ("1 2 -2 3", [1, 3]),
]


def walk(home: Home, steps: str) -> None:
    for step in steps.split():
        if step == "<":
            champions.rollback(home, "logic", "it was worse in use")
        elif step.startswith("-"):
            registry.remove(home, adapters.resolve(home, f"logic/{step[1:]}"), force=True)
        else:
            one = adapters.resolve(home, f"logic/{step}")
            champions.promote(home, one, champions.champion(home, "logic"), "gate", "")


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path / "home")
    for _ in range(4):
        made(home)
    return home


@pytest.mark.parametrize(("steps", "line"), WAYS)
def test_the_way_to_the_champion_follows_promotions_rollbacks_and_removals(
    steps: str, line: list[int], home: Home
) -> None:
    walk(home, steps)

    assert line == champions.line(home, "logic")
    if not steps.endswith("-2"):
        assert f"logic/{line[-1]}" == str(champions.champion(home, "logic"))
    assert [m.before for m in champions.moves(home, "logic")][1:] == [m.after for m in champions.moves(home, "logic")][
        :-1
    ]


@pytest.mark.parametrize("steps", ["", "1", "1 2 <", "1 2 -1"])
def test_there_is_no_way_back_past_the_first(steps: str, home: Home) -> None:
    walk(home, steps)
    before = champions.moves(home, "logic")

    with pytest.raises(UsageError, match="no champion of 'logic' to go back to"):
        champions.rollback(home, "logic")
    assert before == champions.moves(home, "logic")


def test_who_was_overtaken_moves_nothing(home: Home) -> None:
    one, two, three = (adapters.resolve(home, f"logic/{n}") for n in (1, 2, 3))
    champions.promote(home, one, None, "gate", "")
    champions.promote(home, two, one, "gate", "")

    with pytest.raises(registry.Overtaken):
        champions.promote(home, three, one, "gate", "")
    assert two == champions.champion(home, "logic")
    assert [(1, "gate"), (2, "gate")] == [(move.after, move.how) for move in champions.moves(home, "logic")]
    assert all("@" in move.by for move in champions.moves(home, "logic"))


@pytest.mark.process
def test_after_a_kill_alias_and_history_agree(home: Home) -> None:
    """SIGKILL to a process that does nothing but promote: the alias is where the last move says."""
    code = f"""
from pathlib import Path
from storage.adapters import champions
from storage.adapters import versions as adapters
from storage.home import Home
home = Home(Path({str(home.root)!r}))
pair = [adapters.resolve(home, f"logic/{{n}}") for n in (1, 2)]
while True:
    for one in pair:
        champions.promote(home, one, champions.champion(home, "logic"), "force", "to and fro")
"""
    process = subprocess.Popen([sys.executable, "-c", code])
    while len(champions.moves(home, "logic")) < 20:
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    moves = champions.moves(home, "logic")

    assert moves[-1].after == aliases.current(home, "logic")["champion"]
    assert [move.after for move in moves[:-1]] == [move.before for move in moves[1:]]
    champions.rollback(home, "logic", "the lock is free")
