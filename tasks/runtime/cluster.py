"""Work in shares on a Ray cluster: one function, its orders, their results.

    with Cluster().crew(gpus=1, most=8) as crew:
        crew.do(work, orders, notes, progress)     work(order, tell) for each, in a process and on GPUs of its own

The cluster is the one at RAY_ADDRESS, else one of this machine alone for as long as it is needed. All machines see
the home at one path. A share whose process dies is begun again, and finds in the home what was done by then: so
results come out of the home's journals or are worth their making anew. Ray comes with the extra `ray`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from storage.artifacts import write_json
from storage.records import PonensError, UsageError, digest

RETRIES = 3  # for a share whose process was killed, ran out of memory, or whose machine went away
GRACE_S = 15.0  # for what is in hand where the work is broken off: a little more than a teacher's
S = TypeVar("S")
R = TypeVar("R")
Tell = Callable[[int, int], None]  # done, of how many


@dataclass(frozen=True, slots=True)
class Cluster:
    """`shards` is in how many shares work is done; by default one a GPU, or a CPU where there are none."""

    shards: int | None = None

    @contextmanager
    def crew(self, *, gpus: int, most: int) -> Iterator[Crew]:
        """Connected as long as the block lasts; `gpus` are a share's own where there are any, `most` caps the shares.

        UsageError without Ray, PonensError if the cluster does not answer.
        """
        ray = _ray()
        address = os.environ.get("RAY_ADDRESS")
        local = {} if address else {"num_cpus": self.shards, "include_dashboard": False}
        try:
            ray.init(address or "local", log_to_driver=False, logging_level="error", **local)
        except (ConnectionError, ValueError, RuntimeError) as error:
            raise PonensError(
                "the Ray cluster cannot be joined",
                seen=error,
                hint="see RAY_ADDRESS, or unset it to work on this machine",
            ) from None
        try:
            have = ray.cluster_resources()
            each = gpus if have.get("GPU", 0) >= gpus else 0
            room = int(have["GPU"] // each if each else have.get("CPU", 1))
            yield Crew(ray, max(1, min(self.shards or room, most)), each)
        finally:
            ray.shutdown()


@dataclass(frozen=True, slots=True)
class Crew:
    """A cluster that is joined: `size` shares at once, each with `gpus` of its own."""

    ray: Any
    size: int
    gpus: int

    def do(self, work: Callable[[S, Tell], R], orders: Sequence[S], notes: Path, progress: Tell) -> list[R]:
        """What `work`, a function of a module, makes of each order. Progress goes through files in `notes`.

        PonensError of the first share that raises one; the others are then told to stop, with time to end in order.
        """
        notes.mkdir(parents=True, exist_ok=True)
        task = self.ray.remote(_member).options(num_cpus=1, num_gpus=self.gpus, max_retries=RETRIES)
        files = [notes / f"{number}.json" for number in range(len(orders))]
        refs = [task.remote(work, order, file) for order, file in zip(orders, files, strict=True)]
        waiting, found = list(refs), dict[Any, Any]()
        try:
            while waiting:
                done, waiting = self.ray.wait(waiting, timeout=0.5)
                progress(*_added(files))
                found |= {ref: self._got(ref) for ref in done}
        except BaseException:
            for ref in waiting:
                self.ray.cancel(ref)
            self.ray.wait(waiting, num_returns=max(1, len(waiting)), timeout=GRACE_S) if waiting else None
            raise
        return [found[ref] for ref in refs]

    def _got(self, ref: Any) -> Any:
        try:
            result = self.ray.get(ref)
        except self.ray.exceptions.RayError as error:
            cause = getattr(error, "cause", None)
            raise PonensError(
                "a share of the work on the Ray cluster failed",
                seen=repr(cause) if cause else str(error).strip().splitlines()[0],
                hint="run the same command again: what was done is kept",
            ) from None
        if isinstance(result, PonensError):
            raise result
        return result


def share_of(id: str, shares: int) -> int:
    """The share that something with this id falls into, by its content alone."""
    return int(digest(id)[:8], 16) % shares


def even(whole: int, parts: int) -> list[int]:
    """A number in whole parts that differ by 1 at most.

    >>> even(8, 3)
    [3, 3, 2]
    """
    return [whole // parts + (n < whole % parts) for n in range(parts)]


def _ray() -> Any:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # what needs no GPU is shown what is there
    try:
        import ray
    except ImportError:
        raise UsageError(
            'runner = "ray" needs Ray', seen="it is not installed", hint="pip install 'ponens[ray]', on every machine"
        ) from None
    return ray


def _member(work: Callable[[S, Tell], R], order: S, note: Path) -> R | PonensError:
    """One share, in a process of the cluster. What went wrong in words is a value: it needs no second try."""
    if not note.parent.is_dir():
        return PonensError(
            "a machine of the Ray cluster does not see the home",
            seen=f"no {note.parent} on {os.uname().nodename}",
            expected="the home at the same path on every machine",
            hint="put PONENS_HOME on a file system that they share",
        )
    try:
        return work(order, lambda done, total: write_json(note, [done, total]))
    except PonensError as error:
        return error


def _added(files: Sequence[Path]) -> tuple[int, int]:
    told = [json.loads(file.read_bytes()) for file in files if file.exists()]
    return sum(done for done, _ in told), sum(total for _, total in told)
