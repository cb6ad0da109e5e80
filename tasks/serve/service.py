"""serve: base and adapters of a home behind one address, until told to end.

    Service(ServeSpec(), home, ["logic"], "Qwen/Qwen2.5-7B-Instruct").run()

client ──▶ front (this process: `tasks.serve.front`) ──unix socket──▶ engine (a child: `tasks.serve.engines`)
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import logging
import shutil
import signal
import socket
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import uvicorn

from storage.adapters import versions as adapters
from storage.adapters.folder import AdapterFolder
from storage.adapters.peft_config import SERVABLE_RANKS
from storage.adapters.versions import Adapter
from storage.devices import Held, held
from storage.home import Home
from storage.named_locks import Waits, silent
from storage.records import UsageError
from tasks.engines.open import choose
from tasks.models import base_models
from tasks.serve import engines
from tasks.serve.access import LOOPBACK, Limits
from tasks.serve.engine_client import Link
from tasks.serve.front import application
from tasks.serve.model import base as look_at
from tasks.serve.served_models import Catalogue
from tasks.serve.spec import ServeSpec
from tasks.serve.supervisor import Supervisor

log = logging.getLogger("ponens")

_SHELF, _LOCK = "adapters", "lock"
_GRACE_S = 60


@dataclass(frozen=True, slots=True)
class Address:
    """Where clients find the server. `key` is what they must show; none is needed on the loopback address alone."""

    host: str = "127.0.0.1"
    port: int = 8000
    key: str | None = field(default=None, repr=False)


@dataclass
class Service:
    """One server. `names` are the adapters of `home` that it has, `hear` is told its URL once it answers.

    It holds its engine's GPUs for as long as it lives; `waits` hears who holds them before it.
    """

    spec: ServeSpec
    home: Home
    names: Sequence[str]
    base_model: str
    revision: str | None = None
    address: Address = field(default_factory=Address)
    hear: Callable[[str], None] = lambda url: None
    waits: Waits = silent
    _front: uvicorn.Server | None = None

    def run(self) -> None:
        """Serve until `stop`, SIGINT or SIGTERM, then finish what is in flight.

        UsageError for an address that others reach without a key, for a base that is not on this machine, and for
        code that is not the model's own. PonensError if the engine never comes up.
        """
        spec = self.spec
        check(spec, self.base_model, self.revision, self.address)
        gpus = spec.tensor_parallel if self._engine() == "vllm" else 1
        with (
            _folders(self.home) as (work, sockets),
            contextlib.closing(listening(self.address)) as door,
            held(gpus, f"the server of {', '.join(self.names)} on port {door.getsockname()[1]}", self.waits) as devices,
        ):
            asyncio.run(self._serve(work, sockets, door, devices))

    def _engine(self) -> str:
        return choose(
            self.spec.engine, experts=bool(self.names) and base_models.has_experts(self.base_model, self.revision)
        )

    def stop(self) -> None:
        """Have `run` end, from another thread."""
        if self._front:
            self._front.should_exit = True

    async def _serve(self, work: Path, sockets: Path, door: socket.socket, devices: Held) -> None:
        spec, name = self.spec, self._engine()
        place = base_models.snapshot(self.base_model, self.revision)
        public = place.name if base_models.folder(self.base_model) else self.base_model
        identity, small = base_models.identity(self.base_model, self.revision), name == "transformers"
        base = look_at(place, public, identity, spec.max_model_len, small=small)
        rank = engines.ranks(_ranks(self.home, self.names), SERVABLE_RANKS)
        catalogue = Catalogue(self.home, self.names, base, work / _SHELF, most_rank=rank, merges=small)
        start = engines.Start(place, sockets / "engine", rank, bool(spec.trust_remote_code))
        command = (engines.vllm if name == "vllm" else engines.transformers)(start, spec)
        kept = self.home.logs / f"serve-{door.getsockname()[1]}.log"
        supervisor = Supervisor(command, engines.environment(place), start.socket, _fresh(kept), devices)
        limits = Limits(spec.max_body, spec.max_requests)
        app = application(Link(catalogue, supervisor), self.address.key, limits)
        self._front = Front(
            uvicorn.Config(
                app, log_level="warning", access_log=False, server_header=False, lifespan="off",
                timeout_graceful_shutdown=_GRACE_S,
            )
        )  # fmt: skip
        await both(self._front, supervisor, door, lambda: self.hear(url(door)))


def check(spec: ServeSpec, base_model: str, revision: str | None, address: Address) -> None:
    """UsageError for what must not be served so."""
    if address.host not in LOOPBACK and not address.key:
        raise UsageError(
            f"{address.host} can be reached by others",
            expected="a key",
            hint="set one in the environment and name the variable: --api-key-env NAME",
        )
    told = spec.trust_remote_code
    if told and (not revision or told != f"{base_model}@{revision}"):
        raise UsageError(
            "[serve] trust_remote_code names other code than this base model's",
            seen=told,
            expected=f"{base_model}@{revision}" if revision else "a base model pinned by [train] revision",
        )


async def both(server: uvicorn.Server, supervisor: Supervisor, door: socket.socket, ready: Callable[[], None]) -> None:
    """Front and engine; the front ends first, and what it has in flight before it."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError, ValueError, RuntimeError):  # not in the main thread
            loop.add_signal_handler(number, _end, server)
    front = asyncio.create_task(server.serve([door]))
    engine = asyncio.create_task(supervisor.run())
    watch = asyncio.create_task(_first(supervisor, ready))
    await asyncio.wait({front, engine}, return_when=asyncio.FIRST_COMPLETED)
    server.should_exit = True
    try:
        await front
        if engine.done():
            engine.result()
    finally:
        for task in (engine, watch):
            task.cancel()
        await asyncio.gather(engine, watch, return_exceptions=True)
        await supervisor.close()


async def _first(supervisor: Supervisor, ready: Callable[[], None]) -> None:
    while not supervisor.ready:
        await asyncio.sleep(0.05)
    ready()


class Front(uvicorn.Server):
    """Leaves signals to `both`: uvicorn would raise them again before the engine has ended."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _end(server: uvicorn.Server) -> None:
    server.force_exit, server.should_exit = server.should_exit, True  # a second time: at once


def _ranks(home: Home, names: Sequence[str]) -> list[int]:
    """The ranks of all versions that say theirs; a damaged one is refused when it is asked for."""
    found = []
    for name in names:
        for number in adapters.versions(home, name):
            folder = Adapter(name, number, home.adapters / name / str(number)).folder
            with contextlib.suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
                found.append(AdapterFolder(folder).rank)
    return found


def _fresh(file: Path) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.unlink(missing_ok=True)
    return file


def listening(address: Address) -> socket.socket:
    """The socket of the front. UsageError if the address is not to be had."""
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    # asyncio sends small packets at once only if the protocol is named: else each reply waits 40 ms for the next
    found = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        found.bind((address.host, address.port))
    except OSError as error:
        found.close()
        raise UsageError(
            f"{address.host}:{address.port} cannot be listened on", seen=error.strerror, hint="choose another --port"
        ) from None
    return found


def url(door: socket.socket) -> str:
    """Where clients find a listening socket."""
    host, port = door.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


@contextlib.contextmanager
def _folders(home: Home) -> Iterator[tuple[Path, Path]]:
    """A folder in the home, of this server alone, and a short-named one for its sockets; both gone afterwards.

    What a killed server left in the home is cleared away first: it holds no lock any more.
    """
    parent = home.root / "work"
    parent.mkdir(parents=True, exist_ok=True)
    for left in parent.glob("serve-*"):
        with contextlib.suppress(OSError), (left / _LOCK).open("r+") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(left, ignore_errors=True)
    work = Path(tempfile.mkdtemp(prefix="serve-", dir=parent))
    sockets = Path(tempfile.mkdtemp(prefix="ponens-"))
    with (work / _LOCK).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            yield work, sockets
        finally:
            shutil.rmtree(sockets, ignore_errors=True)
            shutil.rmtree(work, ignore_errors=True)
