"""A server that answers each request with given bytes, or breaks off where it is told to, and counts what it gets.

    with AnswerServer([Answer(body=b"..."), Break("mid body")]) as server:   # the last is repeated
        ... server.openai_url, server.dashscope_url, server.requests

Sockets and no HTTP library, so that every way to break is one that it chose.
"""

from __future__ import annotations

import json
import socket
import struct
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Self


@dataclass(frozen=True)
class Answer:
    """A whole response."""

    body: bytes = b""
    status: int = 200
    kind: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)

    def head(self) -> bytes:
        more = "".join(f"{name}: {value}\r\n" for name, value in self.headers.items())
        return (
            f"HTTP/1.1 {self.status} X\r\nContent-Type: {self.kind}\r\nContent-Length: {len(self.body)}\r\n{more}\r\n"
        ).encode()


@dataclass(frozen=True)
class Break:
    """Where a connection ends: "before headers", "after headers", "mid body", "reset", or never ("silence")."""

    where: str
    answer: Answer = Answer(b'{"id": "x", "choices": [], "output": ' + b" " * 400)


def chat(**choice: Any) -> Answer:
    """A chat completion: of the choice `finish_reason`, `message` or, for its content, `text`; `usage` of the whole."""
    usage = choice.pop("usage", {"prompt_tokens": 40, "completion_tokens": 9, "total_tokens": 49})
    message = {"role": "assistant", "content": choice.pop("text", "Each was tested.\nAnswer: A"), **choice.pop("message", {})}  # fmt: skip
    whole = {"id": "x", "object": "chat.completion", "created": 1, "model": "m"}
    whole["choices"] = [{"index": 0, "finish_reason": "stop", "message": message, **choice}]  # type: ignore[assignment]
    return Answer(json.dumps(whole | ({} if usage is None else {"usage": usage})).encode())


def native(output: object = None, **more: Any) -> Answer:
    """DashScope's reply with this output."""
    said = {"role": "assistant", "content": "Each was tested.\nAnswer: A"}
    whole = {"choices": [{"finish_reason": "stop", "message": said}]} if output is None else output
    usage = {"input_tokens": 40, "output_tokens": 9}
    return Answer(json.dumps({"request_id": "r", "output": whole, "usage": usage, **more}).encode())


def stream(*pieces: str, end: str = "stop", error: tuple[str, str] | None = None) -> Answer:
    """DashScope's stream of these pieces; with an `error` (code, message) in place of its end."""
    events = []
    for number, piece in enumerate(pieces, 1):
        finish = end if number == len(pieces) and error is None else "null"
        said = {"role": "assistant", "content": piece, "reasoning_content": ""}
        data = {
            "output": {"choices": [{"message": said, "finish_reason": finish}]},
            "usage": {"input_tokens": 40, "output_tokens": number},
        }
        events.append(f"id:{number}\nevent:result\n:HTTP_STATUS/200\ndata:{json.dumps(data)}\n\n")
    if error:
        data = {"code": error[0], "message": error[1], "request_id": "r"}
        events.append(f"id:9\nevent:error\n:HTTP_STATUS/429\ndata:{json.dumps(data)}\n\n")
    return Answer("".join(events).encode(), kind="text/event-stream")


class AnswerServer:
    """Listens on the loopback address. `bodies` are the requests that came, by whatever path and connection."""

    def __init__(self, answers: Sequence[Answer | Break]) -> None:
        self.answers, self.bodies, self.lock = list(answers), [], threading.Lock()
        self._door = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.url = f"http://127.0.0.1:{self._door.getsockname()[1]}"
        self.openai_url, self.compatible_url = f"{self.url}/v1", f"{self.url}/compatible-mode/v1"
        self.dashscope_url = f"{self.url}/api/v1"
        self.bodies: list[dict[str, Any]]

    @property
    def requests(self) -> int:
        return len(self.bodies)

    def __enter__(self) -> Self:
        threading.Thread(target=self._listen, daemon=True).start()
        return self

    def __exit__(self, *exc: object) -> None:
        with suppress(OSError):
            self._door.shutdown(socket.SHUT_RDWR)  # else it listens for as long as somebody waits at it
        self._door.close()

    def _listen(self) -> None:
        with suppress(OSError):
            while True:
                line, _ = self._door.accept()
                threading.Thread(target=self._serve, args=(line,), daemon=True).start()

    def _serve(self, line: socket.socket) -> None:
        with suppress(OSError), line, line.makefile("rb") as read:
            while head := _head(read):
                body = read.read(int(head.get("content-length", "0")))
                with self.lock:
                    self.bodies.append(json.loads(body) if body else {})
                    answer = self.answers[min(self.requests, len(self.answers)) - 1]
                if isinstance(answer, Break):
                    _broken(line, answer)
                    return
                line.sendall(answer.head() + answer.body)


def _head(read: Any) -> dict[str, str]:
    lines = []
    while (line := read.readline().decode("latin-1").strip()) or not lines:
        if not line:
            return {}
        lines.append(line)
    return {"": lines[0]} | {n.lower(): v.strip() for n, _, v in (one.partition(":") for one in lines[1:])}


def _broken(line: socket.socket, how: Break) -> None:
    if how.where == "silence":
        time.sleep(20)
    if how.where in ("after headers", "mid body", "reset"):
        line.sendall(how.answer.head())
    if how.where in ("mid body", "reset"):
        line.sendall(how.answer.body[: len(how.answer.body) // 2])
        time.sleep(0.02)
    if how.where == "reset":
        line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    with suppress(OSError):
        line.shutdown(socket.SHUT_RDWR) if how.where != "reset" else line.close()
