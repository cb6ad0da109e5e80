"""A server in a thread before an engine without a model (`tests.fakes_serving_engine`)."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import orjson
import uvicorn

from storage.home import Home
from tasks.runtime import process
from tasks.serve.access import Limits
from tasks.serve.engine_client import Link
from tasks.serve.front import application
from tasks.serve.model import Base, base
from tasks.serve.served_models import Catalogue
from tasks.serve.service import Address, Front, both, listening, url
from tasks.serve.supervisor import Supervisor
from tests import adapters


@dataclass
class Served:
    """A server in a thread, before a fake engine."""

    home: Home
    url: str
    supervisor: Supervisor
    key: str | None = None
    ended: list[BaseException] = field(default_factory=list)

    def client(self, **more: Any) -> httpx.Client:
        headers = {"Authorization": f"Bearer {self.key}"} if self.key else {}
        return httpx.Client(base_url=self.url, headers=headers, timeout=30, **more)

    def asked(self, content: str = "hi", **body: Any) -> dict[str, Any]:
        """What the engine was asked, for a chat completion of this question."""
        messages = [{"role": "user", "content": content}]
        with self.client() as client:
            reply = client.post("/v1/chat/completions", json={"messages": messages, **body})
        assert reply.status_code == 200, reply.text
        found: dict[str, Any] = orjson.loads(reply.json()["choices"][0]["message"]["content"])
        return found


def small_base(folder: Path) -> Base:
    """A base's folder as far as a front reads it."""
    adapters.base(folder)
    (folder / "chat_template.jinja").write_text("{{ messages }}")
    return base(folder, "small", "i" * 64, 1024)


@contextlib.contextmanager
def served(home: Home, names: list[str], *, key: str | None = None, limits: Limits | None = None) -> Iterator[Served]:
    """A server of these adapters, up."""
    home.root.mkdir(parents=True, exist_ok=True)
    folder = home.root / "base"
    found = base(folder, "small", "i" * 64, 1024) if folder.exists() else small_base(folder)
    sockets = Path(tempfile.mkdtemp(prefix="ponens-"))
    door = listening(Address(port=0))
    up, box = threading.Event(), {}

    async def run() -> None:
        command = [sys.executable, "-m", "tests.fakes_serving_engine", str(sockets / "engine")]
        supervisor = Supervisor(command, process.surroundings({}), sockets / "engine", home.root / "engine.log")
        catalogue = Catalogue(home, names, found, home.root / "work" / "serve-test", most_rank=8)
        app = application(Link(catalogue, supervisor), key, limits or Limits())
        front = Front(uvicorn.Config(app, log_level="warning", lifespan="off", timeout_graceful_shutdown=10))
        box.update(front=front, supervisor=supervisor)
        await both(front, supervisor, door, up.set)

    thread = threading.Thread(target=lambda: asyncio.run(run()))
    thread.start()
    while not up.wait(0.1):
        assert thread.is_alive(), (home.root / "engine.log").read_text()
    try:
        yield Served(home, url(door), box["supervisor"], key)
    finally:
        box["front"].should_exit = True
        thread.join(30)
        assert not thread.is_alive()
