"""Teachers that misbehave on purpose: a local HTTP server in OpenAI's and in DashScope's protocol.

    with TeacherServer(script, gold=gold_of(questions)) as server:
        ... base_url=server.openai_url ...
        server.asked, server.completed     # per prompt: requests seen, replies sent whole

Try it by hand: `python -m tests.fakes --port 8099 --mix wrong=0.2,429=0.2` then
`OPENAI_API_KEY=any OPENAI_BASE_URL=http://127.0.0.1:8099/v1 ponens reason RECIPE`.

What happens to a request follows from its prompt and how often that was asked, so that a run and its
repetition meet the same faults whatever their order. `places` and `limit` turn away for load, as a
server does that has so many places or takes so many requests in so many seconds.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import socket
import struct
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from prompts.choice import body
from storage.records import LETTERS, Question

# Behaviours that end in a reply; all others are faults that a prompt meets `times` times before it is answered.
STATED = {  # ways to state the right answer, or not to
    "two-lines": "At first sight:\nAnswer: {wrong}\nBut no, on checking:\nAnswer: {right}",
    "full-width": "Ａll options were tested.\n答案：{wide}",
    "bold": "Each option was tested in turn.\n**Answer: {right}**",
    "boxed": "Each option was tested in turn, so \\boxed{{{right}}}.",
    "option": "Each option was tested in turn.\nAnswer: {text}",
    "varied": "Way {before} of many: each option was tested in turn.\nAnswer: {right}",
    "betrays": "The given answer is {right}, so it must hold.\nAnswer: {right}",
    "wrong": "Each option was tested in turn.\nAnswer: {wrong}",
    "unreadable": "The text does not allow me to say.",
    "outside": "None of these fits.\nAnswer: Z",
    "empty": "",
    "length": "First, let us consider every single",
    "refusal": "I cannot help with that.",
    "verdict-1": "The first is to the point.\nVerdict: 1",
    "verdict-2": "The second is to the point.\nVerdict: 2",
    "verdict-tie": "Both say the same.\nVerdict: tie",
}
REPLIES = ("right", "thinking", "null", *STATED)
Script = Callable[[str, int], str]  # (prompt, how often it was asked before) -> behaviour


def always(behaviour: str) -> Script:
    return lambda prompt, before: behaviour


def first(*behaviours: str, then: str = "right") -> Script:
    """These, one a request, and then the last for good."""
    return lambda prompt, before: behaviours[before] if before < len(behaviours) else then


def mix(shares: Mapping[str, float], *, times: int = 1, seed: int = 0) -> Script:
    """Each behaviour to its share of the prompts, chosen by their content; the rest are right."""

    def script(prompt: str, before: int) -> str:
        place = share_of(prompt, f"reply{seed}")
        fault = share_of(prompt, f"fault{seed}")
        for name in shares:
            if name not in REPLIES:
                if 0 <= fault < shares[name] and before < times:
                    return name
                fault -= shares[name]
        for name in shares:
            if name in REPLIES:
                if 0 <= place < shares[name]:
                    return name
                place -= shares[name]
        return "right"

    return script


def share_of(text: str, salt: str = "") -> float:
    """A number in [0, 1) from content."""
    return int(hashlib.sha256(f"{salt}\n{text}".encode()).hexdigest()[:12], 16) / 16**12


def gold_of(questions: Iterable[Question]) -> dict[str, str]:
    """The answer to every question by its text as prompts show it."""
    return {body(q): q.answer for q in questions if q.answer is not None}


class TeacherServer:
    """The server and what it has seen. `gold` maps a question's body to its letter."""

    def __init__(
        self,
        script: Script | None = None,
        *,
        gold: Mapping[str, str] | None = None,
        key: str | None = None,
        delay: float = 0.0,
        retry_after: float = 0.0,
        places: int | None = None,
        limit: tuple[int, float] | None = None,
        port: int = 0,
    ) -> None:
        self.script, self.gold, self.key = script or always("right"), gold or {}, key
        self.delay, self.retry_after = delay, retry_after
        self.places, self.limit = places, limit
        self.lock = threading.Lock()
        self.asked: Counter[str] = Counter()
        self.completed: Counter[str] = Counter()
        self.bodies: list[dict[str, Any]] = []
        self.times: list[float] = []
        self.taken: deque[float] = deque()  # when those within `limit` came
        self.open = self.most_open = self.turned_away = 0
        handler = type("Handler", (_Handler,), {"teacher": self})
        self._http = _Server(("127.0.0.1", port), handler)
        self.url = f"http://127.0.0.1:{self._http.server_port}"
        self.openai_url, self.dashscope_url = f"{self.url}/v1", f"{self.url}/api/v1"

    def __enter__(self) -> Self:
        threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._http.shutdown()
        self._http.server_close()

    def serve(self) -> None:
        self._http.serve_forever()

    def overloaded(self) -> bool:
        """Is a request that just came one too many? The lock is held."""
        now = time.monotonic()
        if self.limit:
            while self.taken and self.taken[0] <= now - self.limit[1]:
                self.taken.popleft()
        if (self.places and self.open > self.places) or (self.limit and len(self.taken) >= self.limit[0]):
            self.turned_away += 1
            return True
        self.taken.append(now)
        return False

    def letter(self, prompt: str) -> str:
        """The right letter: from `gold`, else from the key that the prompt itself shows, else A."""
        for text in (prompt.rsplit("\n\n", 1)[0], prompt):
            if text in self.gold:
                return self.gold[text]
        shown = re.search(r"(?:key is|参考答案是)\s*([A-Z])", prompt)
        return shown[1] if shown else "A"


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 1024

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is part of the play."""


class _Handler(BaseHTTPRequestHandler):
    teacher: TeacherServer
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *args: Any) -> None:
        pass

    def do_POST(self) -> None:
        teacher = self.teacher
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        native = "input" in request
        prompt = (request["input"] if native else request)["messages"][-1]["content"]
        with teacher.lock:
            before = teacher.asked[prompt]
            teacher.asked[prompt] += 1
            teacher.bodies.append(request)
            teacher.times.append(time.monotonic())
            teacher.open += 1
            teacher.most_open = max(teacher.most_open, teacher.open)
            overloaded = teacher.overloaded()
        try:
            if overloaded:
                self._error(429, "rate_limit_exceeded", "too many")
                return
            if teacher.delay:
                time.sleep(teacher.delay)
            if teacher.key and self.headers["Authorization"] != f"Bearer {teacher.key}":
                self._error(401, "invalid_api_key", f"Incorrect API key provided: {self.headers['Authorization']}")
            else:
                self._play(teacher.script(prompt, before), prompt, native, request, before)
        finally:
            with teacher.lock:
                teacher.open -= 1

    def _play(self, act: str, prompt: str, native: bool, request: dict[str, Any], before: int) -> None:
        if act.isdigit() or act.endswith("-after"):
            status = int(act.removesuffix("-after"))
            wait = {"Retry-After": f"{self.teacher.retry_after:g}"} if act.endswith("-after") else {}
            self._error(status, {429: "rate_limit_exceeded", 403: "AccessDenied"}.get(status, "error"), "told to", wait)
        elif act == "filtered":
            code = "DataInspectionFailed" if native else "content_filter"
            self._error(400, code, "the request was filtered")
        elif act == "overflow":
            self._error(400, "context_length_exceeded", "this model's maximum context length is 64 tokens")
        elif act == "quota":
            self._error(429, "insufficient_quota", "you exceeded your current quota")
        elif act == "reset":  # half a body, then the connection is reset
            self._head(200, 1000)
            self.wfile.write(b'{"id": "x", "choi')
            self.wfile.flush()
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
            self.close_connection = True
        elif act == "drop":  # no answer at all
            self.connection.close()
            self.close_connection = True
        elif act in ("drip", "drip-head"):  # a socket held open for ever, a byte now and then
            self._head(200, 100000) if act == "drip" else self.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow:")
            with suppress(OSError):
                for _ in range(3000):
                    self.wfile.write(b" ")
                    self.wfile.flush()
                    time.sleep(0.05)
            self.close_connection = True
        elif act == "html":
            self._send(200, b"<html>Bad gateway</html>", "text/html")
        elif act == "torn":
            self._send(200, b'{"id": "x", "choices": [{"mess')
        elif act == "no-choices":
            self._json(
                {"output": {}, "usage": {}} if native else {"id": "x", "object": "chat.completion", "model": "m"}
            )
        elif act == "no-list":
            self._json({"output": {"choices": []}} if native else {"id": "x", "choices": [], "model": "m"})
        else:
            self._reply(act, prompt, native, request, before)

    def _reply(self, act: str, prompt: str, native: bool, request: dict[str, Any], before: int) -> None:
        right = self.teacher.letter(prompt)
        shown = re.search(rf"^{re.escape(right)}\) (.*)$", prompt, re.MULTILINE)
        stated = STATED.get(act, "Each option was tested in turn; only one agrees with the text.\nAnswer: {right}")
        text: str | None = stated.format(
            right=right,
            wrong=next(letter for letter in LETTERS if letter != right),
            wide=chr(ord(right[0]) + 0xFEE0),
            text=shown[1] if shown else right,
            before=before,
        )
        if act == "null":
            text = None
        finish = {"length": "length", "refusal": "content_filter"}.get(act, "stop")
        message: dict[str, Any] = {"role": "assistant", "content": text}
        if act == "thinking":
            message["reasoning_content"] = "Hm. Let me see."
        made, sent = len(text or "") // 4, len(prompt) // 4
        thought = 7 if act == "thinking" else 0
        if native:
            usage = {
                "input_tokens": sent,
                "output_tokens": made + thought,
                "total_tokens": sent + made,
                "output_tokens_details": {"reasoning_tokens": thought},
                "prompt_tokens_details": {"cached_tokens": 3},
            }
            choices = [{"finish_reason": finish, "message": message}]
            whole = {"request_id": "r", "output": {"text": None, "choices": choices}, "usage": usage}
            if self.headers.get("X-DashScope-SSE") == "enable":
                self._stream(message, finish, usage)
            else:
                self._json(whole)
        else:
            usage = {
                "prompt_tokens": sent,
                "completion_tokens": made + thought,
                "total_tokens": sent + made + thought,
                "completion_tokens_details": {"reasoning_tokens": thought},
                "prompt_tokens_details": {"cached_tokens": 3},
            }
            choice = {"index": 0, "finish_reason": finish, "message": message}
            if request.get("logprobs"):
                choice["logprobs"] = {"content": [{"token": t, "logprob": -0.5} for t in (text or "").split()]}
            about = {"id": "x", "object": "chat.completion", "created": 1, "model": request.get("model")}
            self._json({**about, "choices": [choice], "usage": usage})
        with self.teacher.lock:
            self.teacher.completed[prompt] += 1

    def _stream(self, message: dict[str, Any], finish: str, usage: dict[str, Any]) -> None:
        text, thought = message["content"] or "", message.get("reasoning_content", "")
        half = len(text) // 2
        parts = [(thought, "", "null"), ("", text[:half], "null"), ("", text[half:], finish)]
        events = []
        for number, (reasoning, content, end) in enumerate(parts, 1):
            said = {"role": "assistant", "content": content, "reasoning_content": reasoning}
            data = {"output": {"choices": [{"message": said, "finish_reason": end}]}, "usage": usage}
            events.append(f"id:{number}\nevent:result\n:HTTP_STATUS/200\ndata:{json.dumps(data)}\n\n")
        self._send(200, "".join(events).encode(), "text/event-stream")

    def _error(self, status: int, code: str, message: str, headers: Mapping[str, str] = {}) -> None:
        both = {"error": {"message": message, "type": code, "code": code}, "code": code, "message": message}
        self._send(status, json.dumps(both).encode(), headers=headers)

    def _json(self, content: object) -> None:
        self._send(200, json.dumps(content, ensure_ascii=False).encode())

    def _send(self, status: int, data: bytes, kind: str = "application/json", headers: Mapping[str, str] = {}) -> None:
        self._head(status, len(data), kind, headers)
        self.wfile.write(data)
        self.wfile.flush()

    def _head(self, status: int, length: int, kind: str = "application/json", headers: Mapping[str, str] = {}) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(length))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--port", type=int, default=8099)
    parser.add_argument("--delay", type=float, default=0.2, help="seconds before each reply")
    parser.add_argument("--mix", default="", help="shares, such as wrong=0.2,unreadable=0.1,429=0.2,500=0.1")
    parser.add_argument("--key", default=None, help="the one key it accepts; any by default")
    chosen = parser.parse_args()
    shares = {name: float(share) for name, share in (part.split("=") for part in chosen.mix.split(",") if part)}
    server = TeacherServer(mix(shares), port=chosen.port, delay=chosen.delay, key=chosen.key)
    print(f"OPENAI_BASE_URL={server.openai_url}\nDASHSCOPE_HTTP_BASE_URL={server.dashscope_url}", flush=True)
    server.serve()


if __name__ == "__main__":
    main()
