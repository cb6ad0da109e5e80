"""What orchestration costs: the demo as a Prefect flow and bare, a run that is all cached, the start of a command.

    make bench NAME=overhead                                    # two cold demos, ten minutes or more, and the rest
    python benchmarks/overhead.py --parts start cached earlier --home HOME    # over a home whose demo is done
    python benchmarks/overhead.py --recipe small.toml --cold 3 --rounds 7

All ways take turns, each in a process of its own; medians. "Bare" is `flows.chain` with every step's own work and
bookkeeping and no Prefect. An "empty flow" is a script of three lines with `@flow` on a function that does nothing.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
PONENS = [sys.executable, "-m", "flows.cli"]
BARE = [sys.executable, str(Path(__file__).resolve()), "--bare"]
EMPTY = [sys.executable, "-c", "from prefect import flow\n@flow\ndef empty() -> None: ...\nempty()"]
PARTS = ("cold", "start", "cached", "earlier")
Environment = Mapping[str, str]


class Took(NamedTuple):
    """Seconds by the wall, and of processor time in the process and all that it waited for."""

    wall: float
    cpu: float


def timed(command: Sequence[str], env: Environment, *, first_line: bool = False) -> Took:
    """How long a command takes, or until its first line of output. RuntimeError if it fails."""
    before, start = os.times(), time.perf_counter()
    process = subprocess.Popen(command, cwd=ROOT, env=dict(env), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout
    if first_line:
        process.stdout.readline()
        wall = time.perf_counter() - start
        process.communicate()
    else:
        _, said = process.communicate()
        wall = time.perf_counter() - start
    if process.returncode:
        raise RuntimeError(f"{command[:4]}: {process.returncode}\n{said.decode()[-2000:] if not first_line else ''}")
    after = os.times()
    cpu = sum(after[2:4]) - sum(before[2:4])
    return Took(wall, cpu)


def environment(folder: Path, home: Path, **more: str) -> dict[str, str]:
    """A user's, with a Prefect of its own in `folder`."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT_", "PONENS_"))}
    kept.pop("PYTHONDONTWRITEBYTECODE", None)  # without bytecode every start compiles the house anew
    own = {"PREFECT_HOME": str(folder), "PONENS_HOME": str(home), "PYTHONPATH": str(ROOT), "DO_NOT_TRACK": "1"}
    return {**kept, **own, "PREFECT_SERVER_ANALYTICS_ENABLED": "false", **more}


@contextlib.contextmanager
def server(env: Environment) -> Iterator[dict[str, str]]:
    """The environment in which a Prefect server answers."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    with open(os.devnull, "wb") as nowhere:
        process = subprocess.Popen(command, env=dict(env), stdout=nowhere, stderr=nowhere)
    url = f"http://127.0.0.1:{port}/api"
    try:
        _await(f"{url}/health")
        yield {**env, "PREFECT_API_URL": url}
    finally:
        process.terminate()
        process.wait(60)


def _await(url: str, seconds: float = 180) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with contextlib.suppress(urllib.error.URLError, OSError), urllib.request.urlopen(url, timeout=5):
            return
        time.sleep(0.3)
    raise RuntimeError(f"no Prefect server at {url}")


def many(home: Path, env: Environment, count: int) -> None:
    """As many earlier runs in the home, its warehouse and on the server, each a copy of the home's last."""
    import duckdb

    folders = sorted((home / "runs").iterdir())
    for number in range(count):
        shutil.copytree(folders[-1], home / "runs" / f"20200101-000000-{number:04x}")
    with duckdb.connect(str(home / "warehouse.duckdb")) as con:
        con.execute(
            "insert into runs by name select r.* replace ('20200101-' || n as run_id) "
            f"from (select * from runs limit 1) as r, range({count}) as t(n)"
        )
    script = (
        "from prefect import flow, get_client\nfrom prefect.states import Completed\n"
        "@flow\ndef earlier() -> None: ...\nclient = get_client(sync_client=True)\n"
        f"for n in range({count}): client.create_flow_run(earlier, state=Completed())"
    )
    timed([sys.executable, "-c", script], env)


def bare(recipe: Path, home: Path) -> None:
    """The steps of a recipe, called one after the other."""
    from flows.chain import Walk, chain
    from flows.recipe import load
    from storage.home import Home
    from tasks.runtime.step import run_step

    place = Home(home.resolve())
    walk = Walk(chain(load(recipe), place.root))
    for step in walk:
        walk.done(run_step(step, place)[0])


def row(name: str, takes: Sequence[Took], against: Sequence[Took] | None = None, aim: str = "") -> None:
    """Print a row: medians, and the median of the ratios to what was timed in the same round."""
    walls, cpus = ([t[i] for t in takes] for i in (0, 1))
    ratio = statistics.median(a.wall / b.wall for a, b in zip(takes, against, strict=True)) if against else None
    spread = f"{min(walls):.2f}–{max(walls):.2f}"
    cells = [name, f"{statistics.median(walls):.2f}", spread, f"{statistics.median(cpus):.2f}"]
    print(f"| {' | '.join([*cells, '' if ratio is None else f'{ratio:.3f}', aim])} |", flush=True)


def rounds(count: int, ways: Mapping[str, Callable[[], Took]]) -> dict[str, list[Took]]:
    """Each way once a round, all in turn; another one first in each round."""
    takes: dict[str, list[Took]] = {name: [] for name in ways}
    for number in range(count):
        names = list(ways)
        for name in names[number % len(names) :] + names[: number % len(names)]:
            takes[name].append(ways[name]())
    return takes


def cold(recipe: Path, count: int, folder: Path, env: Environment) -> None:
    """The recipe in new homes, as a flow on a server that runs and bare."""
    new = (folder / f"cold-{number}" for number in range(2 * count))
    run, plain = [*PONENS, "run", str(recipe)], [*BARE, "--recipe", str(recipe), "--home"]

    def fresh(command: Sequence[str]) -> Took:
        home = next(new)
        return timed([*command, *([str(home)] if command is plain else [])], {**env, "PONENS_HOME": str(home)})

    takes = rounds(count, {"flow": lambda: fresh(run), "bare": lambda: fresh(plain)})
    row("bare, cold", takes["bare"])
    row("`ponens run`, cold", takes["flow"], takes["bare"], "≤ 1.05")


def warm(recipe: Path, count: int, envs: Mapping[str, Environment], said: str = "") -> None:
    """A run that finds all steps done, beside an empty flow on the same server."""
    run = [*PONENS, "run", str(recipe)]
    ways: dict[str, Callable[[], Took]] = {}
    for where, env in envs.items():
        ways[f"empty {where}"] = partial(timed, EMPTY, env)
        ways[f"run {where}"] = partial(timed, run, env)
    takes = rounds(count, ways)
    for where in envs:
        row(f"empty flow, {where}{said}", takes[f"empty {where}"])
        row(f"`ponens run`, all cached, {where}{said}", takes[f"run {where}"], takes[f"empty {where}"], "≤ 1.3")


def start(recipe: Path, count: int, env: Environment, said: str = "") -> None:
    """Until the first line of output."""
    shown = {"`ponens --help`": ["--help"], "`ponens plan`": ["plan", str(recipe)]}
    commands = {"`python -c pass`": [sys.executable, "-c", "print()"]}
    commands |= {name: [*PONENS, *words] for name, words in shown.items()}
    ways = {name: partial(timed, command, env, first_line=True) for name, command in commands.items()}
    takes = rounds(count, ways)
    aims = {"`ponens --help`": "< 0.5 s", "`ponens plan`": "< 2 s"}
    for name in commands:
        row(f"{name}{said}", takes[name], None, aims.get(name, ""))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recipe", type=Path, default=ROOT / "recipes" / "demo.toml")
    parser.add_argument("--home", type=Path, help="a home in which the recipe is done; it is copied")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--cold", type=int, default=1, help="pairs of cold runs")
    parser.add_argument("--rounds", type=int, default=5, help="of everything else")
    parser.add_argument("--earlier", type=int, default=1000, help="earlier runs, measured beside none")
    parser.add_argument("--bare", action="store_true", help="run the steps without Prefect, and nothing else")
    given = parser.parse_args()
    if given.bare:
        bare(given.recipe, given.home)
        return
    folder = Path(tempfile.mkdtemp(prefix="ponens-overhead-"))
    own = environment(folder / "prefect-own", folder / "home")
    print("| | median s | least–most | CPU s | ratio | aim |\n|---|---:|---:|---:|---:|---|", flush=True)
    with server(environment(folder / "prefect", folder / "home")) as env:
        if "cold" in given.parts:
            cold(given.recipe, given.cold, folder, env)
        if set(given.parts) == {"cold"}:
            return
        shutil.copytree(given.home or folder / "cold-0", folder / "home", ignore=shutil.ignore_patterns("locks"))
        timed([*PONENS, "run", str(given.recipe)], env)  # what the first run of a home or a server does, is done
        if "start" in given.parts:
            start(given.recipe, given.rounds, env)
        if "cached" in given.parts:
            timed([*PONENS, "run", str(given.recipe)], own)
            warm(given.recipe, given.rounds, {"a server that runs": env, "a server of its own": own})
        if "earlier" in given.parts:
            beside = ", {:,} earlier runs".format
            for count in (0, given.earlier):
                many(folder / "home", env, count)
                start(given.recipe, given.rounds, env, beside(count))
                warm(given.recipe, given.rounds, {"a server that runs": env}, beside(count))
    print(json.dumps({"recipe": given.recipe.name, "rounds": given.rounds, "cores": os.cpu_count()}), file=sys.stderr)


if __name__ == "__main__":
    main()
