"""The GPUs that this process may use, and whose they are just now: one holder each, on the whole machine.

    with held(1, "train of logic, run 20261122-…", waits=print) as mine:
        subprocess.Popen(command, env={**os.environ, **mine.environment}, pass_fds=mine.files)

A GPU is a lock file in the user's cache, named by its UUID, so that homes, servers and commands meet there whatever
they share else. CUDA_VISIBLE_DEVICES says which GPUs are meant; without one nothing is held, and nobody waits: see
`docs/decisions/0015-gpu.md`.
"""

from __future__ import annotations

import os
import random
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from storage.named_locks import Waits, holder, silent, take
from storage.records import PonensError

VISIBLE = "CUDA_VISIBLE_DEVICES"
_LISTED = re.compile(r"^GPU \d+: .*\(UUID: (?P<uuid>[^)]+)\)", re.MULTILINE)
_PAUSE_S = 0.5


@dataclass(frozen=True, slots=True)
class Device:
    """One GPU: as CUDA_VISIBLE_DEVICES lists it, and what it is called everywhere on the machine."""

    listed: str
    uuid: str


@dataclass(frozen=True, slots=True)
class Held:
    """What a child process needs of the GPUs that are held for it: its environment, and their files to keep open."""

    environment: dict[str, str] = field(default_factory=dict)
    files: tuple[int, ...] = ()


NONE = Held()


class Devices(Protocol):
    """Holds so many GPUs for a block; `first`: the first ones that this process sees, for it uses them itself."""

    def __call__(self, count: int, /, *, first: bool = False) -> AbstractContextManager[Held]: ...


def visible() -> list[Device]:
    """The GPUs that this process may use; none on a machine without NVIDIA's driver."""
    if (tool := shutil.which("nvidia-smi")) is None:
        return []
    try:
        said = subprocess.run([tool, "-L"], capture_output=True, text=True, timeout=60).stdout
    except (OSError, subprocess.SubprocessError):
        return []
    known = _LISTED.findall(said)
    listed = os.environ.get(VISIBLE)
    named = [str(n) for n in range(len(known))] if listed is None else [word.strip() for word in listed.split(",")]
    found: list[Device] = []
    for name in named:
        if not known or (uuid := _uuid(name, known)) is None:
            break  # CUDA's own rule: what stands behind a name that it does not know is not seen
        found.append(Device(name, uuid))
    return found


@contextmanager
def held(count: int, who: str, waits: Waits = silent, *, first: bool = False) -> Iterator[Held]:
    """Hold `count` of the GPUs that are visible, any that are free, for the block; wait until there are so many.

    Nothing is held where no GPU is visible. PonensError where there are some, and fewer than `count`.
    """
    among = visible() if count else []
    if not among:
        yield NONE
        return
    if len(among) < count:
        raise PonensError(f"{count} GPUs are needed", seen=f"{len(among)}", hint=f"{VISIBLE} says which may be used")
    with ExitStack() as stack:
        mine, files = _wait(among[:count] if first else among, count, who, waits, stack)
        yield Held({VISIBLE: ",".join(device.listed for device in mine)}, tuple(files))


def _wait(
    among: Sequence[Device], count: int, who: str, waits: Waits, stack: ExitStack
) -> tuple[list[Device], list[int]]:
    told = None
    while True:
        with ExitStack() as tried:
            mine, files, others = list[Device](), list[int](), list[str]()
            for device in among:
                if file := take(_file(device), who):
                    mine.append(device)
                    files.append(tried.enter_context(file).fileno())
                else:
                    others.append(f"GPU {device.listed} is held by {holder(_file(device))}")
                if len(mine) == count:
                    stack.push(tried.pop_all())
                    if told:
                        waits(None)
                    return mine, files
        # what it got it has let go by now: two that each hold a part would wait for each other
        said = "; ".join(others) if count == 1 else f"{count} GPUs: {'; '.join(others)}"
        if said != told:
            told = said
            waits(said)
        time.sleep(random.uniform(_PAUSE_S / 2, _PAUSE_S))


def _uuid(listed: str, known: Sequence[str]) -> str | None:
    if listed.isdecimal():
        return known[int(listed)] if int(listed) < len(known) else None
    if listed.startswith("MIG-"):
        return listed
    return next((uuid for uuid in known if listed and uuid.startswith(listed)), None)


def _file(device: Device) -> Path:
    return _place() / f"{device.uuid.replace('/', '-')}.lock"


def _place() -> Path:
    """A folder that is the same for all processes of this user, whatever session they belong to."""
    try:
        place = Path.home() / ".cache" / "ponens" / "gpus"
        place.mkdir(parents=True, exist_ok=True)
    except (RuntimeError, OSError):  # no home, or one that is read-only
        place = Path(tempfile.gettempdir()) / f"ponens-{os.getuid()}" / "gpus"
        place.mkdir(parents=True, exist_ok=True, mode=0o700)
    return place
