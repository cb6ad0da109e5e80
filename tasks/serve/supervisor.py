"""The engine's process: started, watched, started again when it dies, ended with this one.

    supervisor = Supervisor(command, environment, socket, log)
    await supervisor.run()            until cancelled, or PonensError if it never comes up or ends soon again and again

The engine listens on a unix socket in a folder that only this user may enter, so nobody else on the machine can talk
to it and no port is taken twice. Its standard input is its lifeline (`tasks.runtime.worker`).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import re
import signal
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import aiohttp

from storage.devices import NONE, Held
from storage.records import PonensError

log = logging.getLogger("ponens")

HOST = "http://engine"
_TRIES = 3  # starts without ever being ready
_ALIKE = 5  # short lives, one after the other, that ended with the same words
_LOOK_S = 0.25
_ANSWER_S = 120.0  # a living engine on a busy machine has said by then that it lives
_STEADY_S = 60.0  # an engine that lived so long is started again at once
_LONGEST_WAIT_S = 30.0
_GRACE_S = 10.0
_TAIL = 12
_DIGITS = re.compile(r"0x[0-9a-f]+|[0-9]+")  # times, processes and places, which differ where the reason is the same
_ERROR = re.compile(r"\b\w*(Error|Exception|Killed|Interrupt)\b")


class Supervisor:
    """One engine at a time. `generation` counts those that came up, `ready` is whether one answers now."""

    def __init__(
        self, command: Sequence[str], environment: Mapping[str, str], socket: Path, log: Path, devices: Held = NONE
    ) -> None:
        self.command, self.socket, self.log = command, socket, log
        self.environment, self.files = {**environment, **devices.environment}, devices.files
        self.generation, self.ready, self.pid = 0, False, 0
        self._began, self._took, self._resumes = time.monotonic(), 30.0, 0.0
        self._written = 0  # bytes of the log before this engine's own
        self.why = ""  # the last words of the engine before this one
        self._doubt = asyncio.Event()
        connector = aiohttp.UnixConnector(path=str(socket), limit=0, keepalive_timeout=300)
        patience = aiohttp.ClientTimeout(total=None, sock_connect=5)
        self.session = aiohttp.ClientSession(HOST, connector=connector, timeout=patience, read_bufsize=1 << 16)

    @property
    def after(self) -> int:
        """Seconds until it is likely to answer again, from how long it took the last time."""
        waited = time.monotonic() - self._began
        return max(1, min(60, round(max(self._resumes - time.monotonic(), 0) + self._took - waited)))

    def doubt(self) -> None:
        """Have it looked at now: a request met an error that may be its death."""
        self._doubt.set()

    async def run(self) -> None:
        """Keep an engine alive. PonensError, with the end of its log, if it never comes up, or lives short lives alike.

        Lives of engines that came up are alike if they ended with the same words.
        """
        failures, ends = 0, list[str]()
        while True:
            lived = await self._one()
            failures = 0 if lived > _STEADY_S else failures + 1
            self.why = self._last_words()
            ends = [*ends, _DIGITS.sub("0", self.why)][-_ALIKE:]
            if self.generation == 0 and failures >= _TRIES:
                raise self._given_up("the engine does not start")
            if failures >= _ALIKE and len({*ends}) == 1:
                raise self._given_up(f"the engine ended {failures} times in the same way")
            wait = 0.0 if failures < 2 else min(2.0 ** (failures - 2), _LONGEST_WAIT_S)
            self._resumes = time.monotonic() + wait
            why = f": {self.why}" if self.why else ""
            log.warning("serve: the engine ended%s; starting it again in %.0f s (log: %s)", why, wait, self.log)
            await asyncio.sleep(wait)

    async def close(self) -> None:
        """Let connections go."""
        await self.session.close()

    async def _one(self) -> float:
        """One engine's life; how many seconds it was ready."""
        self.socket.unlink(missing_ok=True)
        self._began = time.monotonic()
        self._written = self.log.stat().st_size if self.log.exists() else 0
        with self.log.open("ab") as sink:
            process = await asyncio.create_subprocess_exec(
                *self.command,
                stdin=asyncio.subprocess.PIPE,
                stdout=sink,
                stderr=sink,
                env=self.environment,
                pass_fds=self.files,
                start_new_session=True,
            )
        self.pid = process.pid
        ended = asyncio.create_task(process.wait())
        try:
            if not await self._up(ended):
                return 0.0
            came = time.monotonic()
            self._took = came - self._began
            self.generation, self.ready = self.generation + 1, True
            await self._watch(ended)
            return time.monotonic() - came
        finally:
            self.ready = False
            self._began = time.monotonic()
            await _end(process, ended)

    async def _up(self, ended: asyncio.Task[int]) -> bool:
        while not ended.done():
            if await self.lives():
                return True
            await asyncio.wait({ended}, timeout=_LOOK_S)
        return False

    async def _watch(self, ended: asyncio.Task[int]) -> None:
        """Return when the process has ended or its engine is dead."""
        while not ended.done():
            doubt = asyncio.create_task(self._doubt.wait())
            await asyncio.wait({ended, doubt}, timeout=1.0, return_when=asyncio.FIRST_COMPLETED)
            doubt.cancel()
            self._doubt.clear()
            if not ended.done() and not await self.lives():
                return

    async def lives(self) -> bool:
        """Whether the engine says that it does."""
        with contextlib.suppress(aiohttp.ClientError, OSError, TimeoutError):
            async with self.session.get("/health", timeout=aiohttp.ClientTimeout(total=_ANSWER_S)) as reply:
                return reply.status == 200
        return False

    def _last_words(self) -> str:
        """The line of this engine's log that says best why it ended: its last error, or its last line; "" if none."""
        with contextlib.suppress(OSError), self.log.open("rb") as file:
            file.seek(self._written)
            lines = [x.strip() for x in file.read().decode(errors="replace").splitlines() if x.strip()]
            return next((x for x in reversed(lines) if _ERROR.search(x)), lines[-1] if lines else "")
        return ""

    def _given_up(self, what: str) -> PonensError:
        lines = [x.rstrip() for x in self.log.read_text("utf-8", errors="replace").splitlines() if x.strip()]
        tail = "\n            ".join(lines[-_TAIL:]) or "nothing printed"
        return PonensError(what, seen=f"the log ends:\n            {tail}", hint=f"read all of {self.log}")


async def _end(process: asyncio.subprocess.Process, ended: asyncio.Task[int]) -> None:
    """Ask the engine to end, then kill its whole group: it has processes of its own.

    Cancelled meanwhile, it is killed at once, and the cancellation goes on.
    """
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    try:
        await asyncio.wait({ended}, timeout=_GRACE_S)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await asyncio.wait({ended}, timeout=_GRACE_S)
