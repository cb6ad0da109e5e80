"""Eight runs at a time over one warehouse and one Prefect server, killed at random: what came of each, what is lost.

    python benchmarks/soak.py --minutes 20 --out FOLDER --database postgresql+asyncpg://NAME@HOST/DATABASE

Eight lanes, each a deployment with a recipe of its own: puzzles in two ways, a paid teacher that misbehaves, SQL,
statements, chats, instructions, and a re-evaluation. A lane's run that ended well is followed by one over other data;
one that was killed is started again as it was. Meanwhile SIGKILL hits the process of a run, one of its children, or
the worker with all that it started. When time is up nobody is killed any more and what is under way may end. Prefect's
SQLite does not answer eight runs in time on two cores, so `--database` names another.

Prints a line an event and writes them to FOLDER/soak.log; then the tables, and exit code 1 if anything is lost: a run
that neither ended nor can go on, an artifact that is not whole, a step done that is not found again, a sample or a
paid reply that stands twice.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from tenacity import retry, retry_if_exception, stop_after_delay, wait_exponential

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT)]  # tests are no installed package

from flows.plan import plan  # noqa: E402
from flows.recipe import Recipe  # noqa: E402
from storage.home import Home  # noqa: E402
from storage.journal import rows  # noqa: E402
from tests.dialogues import ROWS  # noqa: E402
from tests.fakes import TeacherServer, mix  # noqa: E402

BASE = ROOT / "recipes" / "demo_base"
TRAIN = {
    "base_model": str(BASE), "report_to": ["none"], "rank": 4, "learning_rate": 4e-3, "max_steps": 8, "batch_size": 4,
    "gradient_accumulation": 1, "max_length": 512, "save_steps": 2, "max_truncated_share": 0.5,
}  # fmt: skip
EVALUATE = {"engine": "transformers", "votes": 3, "max_tokens": 24, "limit": 8}
ENDS = {"COMPLETED", "FAILED", "CRASHED", "CANCELLED"}
PAUSE_S, PATIENCE_S = (8.0, 25.0), 600.0
_CHILDREN = (b"tasks.train.trainer_main", b"tasks.evaluate.sampler_main", b"tasks.evaluate.loss_main")
FAULTS = {"429": 0.1, "500": 0.1, "wrong": 0.1, "unreadable": 0.05}


def _busy(error: BaseException) -> bool:
    """Nothing answers yet, or the server has too much to do."""
    if isinstance(error, httpx.HTTPStatusError):
        return error.response.is_server_error
    return isinstance(error, httpx.TransportError)


@dataclass
class Lane:
    """A deployment and the recipes that it runs, one after the other."""

    name: str
    deployment: str
    recipe: Callable[[int], dict[str, Any]]
    number: int = 0
    run: str = ""
    done: list[int] = field(default_factory=list)
    ends: Counter[str] = field(default_factory=Counter)
    tries: int = 0


class Soak:
    """The server, the worker, the lanes and the hand that kills."""

    def __init__(self, out: Path, teacher: TeacherServer, seed: int, database: str) -> None:
        self.out, self.home, self.teacher = out, Home(out / "home"), teacher
        self.draw = random.Random(seed)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.api = f"http://127.0.0.1:{port}/api"
        self.env = {k: v for k, v in os.environ.items() if not k.startswith(("PREFECT_", "PONENS_"))} | {
            "PREFECT_HOME": str(out / "prefect"),
            "PREFECT_API_URL": self.api,
            "PREFECT_WORKER_QUERY_SECONDS": "2",
            "OPENAI_API_KEY": "soak",
            "OMP_NUM_THREADS": "1",
            "DO_NOT_TRACK": "1",
            "PYTHONPATH": str(ROOT),
        }
        if database:
            self.env["PREFECT_SERVER_DATABASE_CONNECTION_URL"] = database
        self.log = (out / "soak.log").open("w")
        self.began = time.monotonic()
        self.kills: Counter[str] = Counter()
        self.client = httpx.Client(base_url=self.api, timeout=60)
        self.server = self.start("server", "start", "--host", "127.0.0.1", "--port", str(port))
        self.worker: subprocess.Popen[bytes] | None = None

    def say(self, text: str) -> None:
        line = f"{time.monotonic() - self.began:6.0f} s  {text}"
        print(line, flush=True)
        print(line, file=self.log, flush=True)

    def start(self, *words: str) -> subprocess.Popen[bytes]:
        """One of Prefect's own processes, in a group of its own."""
        sink = (self.out / f"{words[0]}.log").open("ab")
        command = [sys.executable, "-m", "prefect", *words]
        return subprocess.Popen(command, cwd=ROOT, env=self.env, stdout=sink, stderr=sink, start_new_session=True)

    def hire(self) -> None:
        self.worker = self.start("worker", "start", "--pool", "local-process")

    @retry(
        retry=retry_if_exception(_busy),
        stop=stop_after_delay(PATIENCE_S),
        wait=wait_exponential(max=32),
        reraise=True,
    )
    def ask(self, method: str, what: str, body: Any = None) -> Any:
        """The API's answer; a server that is starting or too busy is asked again. HTTPStatusError with its words."""
        reply = self.client.request(method, what, json=body)
        if reply.is_client_error:
            self.say(f"{method} {what}: {reply.text}")
        reply.raise_for_status()
        return reply.json() if reply.content else None

    def ready(self) -> None:
        """Wait for the server, deploy, hire."""
        self.ask("GET", "health")
        deploy = [sys.executable, "-m", "flows.cli", "deploy"]
        subprocess.run(deploy, cwd=ROOT, env=self.env, check=True, stdout=sys.stderr)
        self.hire()

    def begin(self, lane: Lane) -> None:
        """Start the lane's run as it is now."""
        deployment = self.ask("GET", f"deployments/name/{lane.deployment}")["id"]
        parameters = {"recipe": lane.recipe(lane.number), "home": str(self.home.root)}
        if lane.deployment.startswith("reeval"):
            parameters["round"] = f"round {lane.number}"
        made = self.ask("POST", f"deployments/{deployment}/create_flow_run", {"parameters": parameters})
        lane.run, lane.tries = made["id"], lane.tries + 1
        self.say(f"{lane.name} {lane.number}: started, try {lane.tries}")

    def look(self, lane: Lane, *, more: bool) -> bool:
        """Take note of how the lane's run stands, and start what follows; whether one is under way."""
        if not lane.run:
            return False
        found = self.ask("GET", f"flow_runs/{lane.run}")
        if found["state_type"] not in ENDS:
            return True
        lane.ends[found["state_name"]] += 1
        why = " ".join(str(found["state"]["message"]).split())[:160]
        said = "" if found["state_type"] == "COMPLETED" else f": {why}"
        self.say(f"{lane.name} {lane.number}: {found['state_name']}{said}")
        lane.run = ""
        if found["state_type"] == "COMPLETED":
            lane.done.append(lane.number)
            lane.number, lane.tries = lane.number + 1, 0
            if not more:
                return False
        self.begin(lane)
        return True

    def kill(self) -> None:
        """SIGKILL to something of ours."""
        what = self.draw.choices(["run", "child", "worker"], [12, 12, 1])[0]
        if what == "worker" and self.worker:
            os.killpg(self.worker.pid, signal.SIGKILL)
            self.worker.wait()
            self.say("killed the worker's group")
            self.hire()
        else:
            found = self.children() if what == "child" else self.runs()
            if not found:
                return
            hit = self.draw.choice(found)
            with suppress(ProcessLookupError):  # it has just ended
                os.kill(hit, signal.SIGKILL)
            self.say(f"killed a {what}, process {hit}")
        self.kills[what] += 1

    def runs(self) -> list[int]:
        """The processes of flow runs, as the server knows them."""
        asked = {"flow_runs": {"state": {"type": {"any_": ["RUNNING"]}}}}
        told = (run["infrastructure_pid"] for run in self.ask("POST", "flow_runs/filter", asked))
        found = [int(place.rpartition(":")[2]) for place in told if place]
        return [number for number in found if Path(f"/proc/{number}").exists()]  # one may be dead and not yet told so

    def children(self) -> list[int]:
        """The processes that train or sample for this home."""
        found = []
        for entry in Path("/proc").iterdir():
            try:
                words = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if str(self.home.root).encode() in words and any(mark in words for mark in _CHILDREN):
                found.append(int(entry.name))
        return found

    def close(self) -> None:
        for process in (self.worker, self.server):
            if process:
                os.killpg(process.pid, signal.SIGTERM)
                process.wait(60)


def lanes(out: Path, teacher: TeacherServer) -> list[Lane]:
    """The eight."""

    def puzzles(name: str, **more: Any) -> Callable[[int], dict[str, Any]]:
        return lambda n: {
            "name": name,
            "puzzles": {"count": 60, "seed": 100 + n, **more},
            "parse": {"valid": 0.1, "test": 0.2},
            "reason": {"teacher": "embedded"},
            "train": TRAIN,
            "evaluate": EVALUATE,
        }

    def paid(n: int) -> dict[str, Any]:
        reason = {
            "teacher": "openai",
            "model": "m",
            "base_url": teacher.openai_url,
            "workers": 4,
            "max_unanswered": 1.0,
        }
        return puzzles("paid")(1000 + n) | {"reason": reason}

    def dialogues(name: str, kind: str, rows_of: str) -> Callable[[int], dict[str, Any]]:
        def recipe(n: int) -> dict[str, Any]:
            file = out / "data" / f"{name}-{n}.jsonl"
            if not file.exists():
                file.parent.mkdir(exist_ok=True)
                text = "".join(json.dumps(row) + "\n" for row in ROWS[rows_of](60 + n))
                file.write_text(text, "utf-8")
            return {
                "name": name,
                "kind": kind,
                "parse": {"path": str(file), "valid": 0.1, "test": 0.2},
                "train": TRAIN,
                "evaluate": EVALUATE,
            }

        return recipe

    return [
        Lane("puzzles", "finetune-logic/finetune-logic", puzzles("puzzles")),
        Lane("compass", "finetune-logic/logic", puzzles("compass", families=["compass"])),
        Lane("paid", "finetune-logic/logic-0.5b", paid),
        Lane("sql", "finetune-sql/finetune-sql", dialogues("sql", "sql", "sql")),
        Lane("statements", "finetune-proofnet/finetune-proofnet", dialogues("statements", "proof", "proof")),
        Lane("chats", "finetune-chat/finetune-chat", dialogues("chats", "chat", "chat")),
        Lane("instructions", "finetune-chat/roleplay", dialogues("instructions", "instruction", "instruction")),
        Lane("again", "reeval/reeval", lambda n: puzzles("again")(0) | {"train": TRAIN}),
    ]


def examine(soak: Soak, all_lanes: list[Lane]) -> list[str]:
    """What is lost, in words."""
    lost = [f"{lane.name} {lane.number} is still under way" for lane in all_lanes if lane.run]
    for lane in all_lanes:
        for number in lane.done if not lane.deployment.startswith("reeval") else []:
            forecasts = plan(Recipe.model_validate(lane.recipe(number)), soak.home)
            gone = [one.name for one in forecasts if one.status != "cached"]
            lost += [f"{lane.name} {number}: {', '.join(gone)} not found again"] if gone else []
    env = soak.env | {"PONENS_HOME": str(soak.home.root)}
    command = [sys.executable, "-m", "flows.cli", "doctor", "--deep", "--json"]
    health = json.loads(subprocess.run(command, cwd=ROOT, env=env, capture_output=True).stdout)
    ill = [one for one in health["checks"] if not one["ok"]]
    soak.say(f"doctor --deep: {ill or 'all well'}")
    lost += [f"doctor: {one['name']}: {one['found']}" for one in ill]
    for name, folder in (("ledger", soak.home.ledger), ("samples", soak.home.root / "samples")):
        times = Counter(row["key"] for row in rows(folder) if row.get("outcome", "answered") == "answered")
        twice = [key for key, often in times.items() if often > 1]
        soak.say(f"{name}: {len(times)} keys, {len(twice)} of them twice")
        lost += [f"{name}: {len(twice)} keys stand twice"] if twice else []
    return lost


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--out", type=Path, required=True, help="a new folder")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--database", default="", help="Prefect's database, an SQLAlchemy URL; its SQLite if left out")
    given = parser.parse_args()
    given.out.mkdir(parents=True)
    out = given.out.resolve()
    with TeacherServer(mix(FAULTS), delay=0.05) as teacher:
        soak = Soak(out, teacher, given.seed, given.database)
        try:
            soak.ready()
            found = lanes(out, teacher)
            soak.began = time.monotonic()
            for lane in found:
                soak.begin(lane)
            end, next_kill = soak.began + 60 * given.minutes, soak.began + 30
            while sum(soak.look(lane, more=time.monotonic() < end) for lane in found):
                now = time.monotonic()
                if next_kill <= now < end:
                    soak.kill()
                    next_kill = now + soak.draw.uniform(*PAUSE_S)
                if now > end + PATIENCE_S:
                    break
                time.sleep(1)  # between two looks at eight runs
            lost = examine(soak, found)
        finally:
            soak.close()
    print("\n| lane | runs that ended well | other ends |\n|---|---:|---|")
    for lane in found:
        others = ", ".join(f"{n} {name}" for name, n in lane.ends.items() if name != "Completed")
        print(f"| {lane.name} | {len(lane.done)} | {others or '–'} |")
    killed = ", ".join(f"{n} of a {what}" for what, n in soak.kills.items())
    print(f"\nSIGKILL: {killed}. Paid replies sent whole: {sum(teacher.completed.values())}.")
    print("\nLost: " + ("; ".join(lost) or "nothing"))
    raise SystemExit(bool(lost))


if __name__ == "__main__":
    main()
