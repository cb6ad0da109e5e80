"""The teacher of `benchmarks/reason.py`: answers every prompt after a fixed time, and counts.

    python server.py --latency 0.2 [--faults]

Prints its address, and `first` when the first prompt arrives. `GET /counts` says what it saw.
With --faults a share of requests goes wrong. Which ones follows from the prompt and how often it
was asked, so every client meets the same faults whatever its order. One loop, no framework: it
must cost far less than the client it measures.
"""

from __future__ import annotations

import argparse
import asyncio
import functools
import hashlib
import json
import re
import resource
import socket
import struct
from collections import Counter
from contextlib import suppress
from typing import cast

FAULTS = {"429": 0.10, "429 Retry-After": 0.10, "500": 0.10, "reset": 0.02, "empty": 0.02, "null": 0.02, "html": 0.02}
_RATIONALE = "Each statement is taken in turn and held against the text; what the text does not say is false. " * 10
_LENGTH = re.compile(rb"content-length:\s*(\d+)", re.IGNORECASE)
_KEY = re.compile(r"(?:key is|参考答案是)\s*([A-Z])")
_RESET = struct.pack("ii", 1, 0)  # linger 0: closing sends RST in place of FIN


def tag(prompt: str) -> str:
    """What the reply to a prompt, and no other, contains."""
    return hashlib.blake2b(prompt.encode(), digest_size=8).hexdigest()


def fate(prompt: str, before: int) -> str:
    """What happens to a prompt that was asked `before` times: a fault's name, or "right"."""
    share = int(hashlib.blake2b(f"{before}\n{prompt}".encode(), digest_size=6).hexdigest(), 16) / 16**12
    for name, width in FAULTS.items():
        if share < width:
            return name
        share -= width
    return "right"


def _http(status: str, body: bytes, *more: str) -> bytes:
    head = "\r\n".join((f"HTTP/1.1 {status}", "Content-Type: application/json", f"Content-Length: {len(body)}", *more))
    return head.encode() + b"\r\n\r\n" + body


def _error(status: str, *more: str) -> bytes:
    return _http(status, b'{"error": {"message": "told to", "type": "error", "code": "error"}}', *more)


def _chat(content: str | None, prompt: str) -> bytes:
    sent, out = len(prompt) // 4, len(content or "") // 4
    reply = {
        "id": "x",
        "object": "chat.completion",
        "created": 1,
        "model": "mock",
        "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": content}}],
        "usage": {"prompt_tokens": sent, "completion_tokens": out, "total_tokens": sent + out},
    }
    return _http("200 OK", json.dumps(reply).encode())


def _right(prompt: str) -> bytes:
    key = _KEY.search(prompt)
    return _chat(f"Case {tag(prompt)}. {_RATIONALE}\nAnswer: {key[1] if key else 'A'}", prompt)


_WRONG = {
    "429": lambda prompt: _error("429 Too Many Requests"),
    "429 Retry-After": lambda prompt: _error("429 Too Many Requests", "Retry-After: 1"),
    "500": lambda prompt: _error("500 Internal Server Error"),
    "empty": lambda prompt: _chat("", prompt),
    "null": lambda prompt: _chat(None, prompt),
    "html": lambda prompt: _http("200 OK", b"<html>Bad gateway</html>"),
}


class Teacher:
    """What all connections share."""

    def __init__(self, latency: float, faults: bool) -> None:
        self.latency, self.faults = latency, faults
        self.asked: Counter[str] = Counter()
        self.completed: Counter[str] = Counter()
        self.calls = self.open = self.most_open = 0
        self.first = self.last = 0.0

    def counts(self) -> bytes:
        used = resource.getrusage(resource.RUSAGE_SELF)
        seen = {
            "calls": self.calls,
            "seconds": self.last - self.first,
            "most_open": self.most_open,
            "cpu": used.ru_utime + used.ru_stime,
            "asked": self.asked,
            "completed": self.completed,
        }
        return _http("200 OK", json.dumps(seen).encode())


class Connection(asyncio.Protocol):
    """One keep-alive connection. Only usable replies, sent whole, count as completed."""

    def __init__(self, teacher: Teacher) -> None:
        self.teacher, self.data = teacher, bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self.data += data
        while (end := self.data.find(b"\r\n\r\n")) >= 0:
            length = _LENGTH.search(self.data, 0, end)
            whole = end + 4 + (int(length[1]) if length else 0)
            if len(self.data) < whole:
                return
            body = bytes(self.data[end + 4 : whole])
            asked = self.data.startswith(b"POST")
            del self.data[:whole]
            if asked:
                self.ask(json.loads(body)["messages"])
            else:
                self.transport.write(self.teacher.counts())

    def ask(self, messages: list[dict[str, str]]) -> None:
        if not messages:  # some clients look for rate limits in the headers of a reply to nothing
            self.transport.write(_error("400 Bad Request"))
            return
        teacher, loop = self.teacher, asyncio.get_running_loop()
        if not teacher.first:
            teacher.first = loop.time()
            print("first", flush=True)
        teacher.open += 1
        teacher.most_open = max(teacher.most_open, teacher.open)
        prompt = messages[-1]["content"]
        name = tag(prompt)
        what = fate(prompt, teacher.asked[name]) if teacher.faults else "right"
        teacher.asked[name] += 1
        reply = b"" if what == "reset" else _WRONG.get(what, _right)(prompt)
        loop.call_later(teacher.latency, self.answer, name, what, reply)

    def answer(self, name: str, what: str, reply: bytes) -> None:
        teacher = self.teacher
        teacher.open -= 1
        teacher.calls += 1
        teacher.last = asyncio.get_running_loop().time()
        if self.transport.is_closing():
            return
        if what == "reset":
            self.transport.write(b'HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{"id": "x", "choi')
            self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            asyncio.get_running_loop().call_later(0.005, self.transport.abort)  # once the half body is out
            return
        self.transport.write(reply)
        teacher.completed[name] += what == "right"


def fast_loop() -> asyncio.AbstractEventLoop:
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


async def serve(teacher: Teacher) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(functools.partial(Connection, teacher), "127.0.0.1", 0, backlog=1024)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--latency", type=float, default=0.2, help="seconds from a whole request to its reply")
    parser.add_argument("--faults", action="store_true")
    given = parser.parse_args()
    with suppress(KeyboardInterrupt):
        fast_loop().run_until_complete(serve(Teacher(given.latency, given.faults)))


if __name__ == "__main__":
    main()
