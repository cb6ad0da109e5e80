"""Several copies of an engine, each in a process and on devices of its own, behind one face.

requests ──shared out by prompt──▶ copies ──▶ completions, as they finish

Where one device holds the model, copies are faster than sharing it out (`tensor_parallel`): they have
nothing to tell each other. Requests with one prompt go to one copy, whose prefix cache then serves them.
"""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import replace
from multiprocessing.connection import Connection, wait
from typing import Any

from storage.records import PonensError
from tasks.engines.interface import Completion, Engine, Loading, Request

Load = Callable[[Loading], Engine]
_DEVICES = "CUDA_VISIBLE_DEVICES"


class ParallelEngine:
    """`data_parallel` copies; each sees `tensor_parallel` devices and is loaded there by `load`, which is pickled."""

    def __init__(self, load: Load, loading: Loading) -> None:
        spawn = multiprocessing.get_context("spawn")
        alone = replace(loading, data_parallel=1)
        self._copies: list[tuple[Any, Connection]] = []
        for devices in shares(_devices(), loading.data_parallel, loading.tensor_parallel):
            mine, its = spawn.Pipe()
            process = spawn.Process(target=_serve, args=(its, load, alone, devices))
            process.start()
            its.close()
            self._copies.append((process, mine))
        try:
            facts = [self._receive(pipe) for _, pipe in self._copies]
        except PonensError:
            self.close()
            raise
        self.facts: dict[str, Any] = facts[0]["facts"] | {"copies": len(facts)}
        self.together: bool = facts[0]["together"]

    def generate(self, requests: Sequence[Request]) -> Iterator[Completion]:
        """All copies at once; completions come as any of them finishes one."""
        busy: set[Connection] = set()
        for (_, pipe), part in zip(self._copies, spread(requests, len(self._copies)), strict=True):
            if part:
                try:
                    pipe.send(part)
                except OSError:
                    raise _died() from None
                busy.add(pipe)
        while busy:
            for ready in wait(list(busy)):
                assert isinstance(ready, Connection)
                said = self._receive(ready)
                if said is None:
                    busy.remove(ready)
                else:
                    yield said

    def close(self) -> None:
        """End the copies; their devices' memory goes with them."""
        for process, pipe in self._copies:
            pipe.close()
            process.join(10)
            process.kill()

    def _receive(self, pipe: Connection) -> Any:
        try:
            said = pipe.recv()
        except (EOFError, OSError):
            raise _died() from None
        if isinstance(said, PonensError):
            raise said
        return said


def _died() -> PonensError:
    return PonensError("a copy of the engine died", hint="its last words stand in the log")


def spread(requests: Sequence[Request], copies: int) -> list[list[Request]]:
    """The requests shared out: those with one prompt together, each prompt to the copy that has least."""
    by_prompt: dict[str, list[Request]] = {}
    for request in requests:
        by_prompt.setdefault(request.prompt, []).append(request)
    parts: list[list[Request]] = [[] for _ in range(copies)]
    for together in by_prompt.values():
        min(parts, key=len).extend(together)
    return parts


def shares(devices: Sequence[str], copies: int, each: int) -> list[str | None]:
    """The devices of each copy as CUDA_VISIBLE_DEVICES lists them; None, for all alike, without any.

    PonensError if there are too few.
    """
    if not devices:
        return [None] * copies
    if len(devices) < copies * each:
        raise PonensError(
            f"{copies} copies of {each} GPUs each do not fit",
            seen=f"{len(devices)} GPUs",
            hint="lower [evaluate] data_parallel or tensor_parallel",
        )
    return [",".join(devices[n * each : (n + 1) * each]) for n in range(copies)]


def _devices() -> list[str]:
    if listed := os.environ.get(_DEVICES):
        return listed.split(",")
    import torch

    return [str(n) for n in range(torch.cuda.device_count())]


def _serve(pipe: Connection, load: Load, loading: Loading, devices: str | None) -> None:
    """One copy: says what it is, then answers lists of requests until nobody is left to ask."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    if devices is not None:
        os.environ[_DEVICES] = devices
    with suppress(EOFError, BrokenPipeError):
        try:
            with closing(load(loading)) as engine:
                pipe.send({"facts": engine.facts, "together": engine.together})
                while True:
                    for completion in engine.generate(pipe.recv()):
                        pipe.send(completion)
                    pipe.send(None)
        except PonensError as error:
            pipe.send(error)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    wait([parent.sentinel])
    os._exit(1)
