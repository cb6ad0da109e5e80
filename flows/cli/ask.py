"""Questions to a server that runs, or to one started for them: side by side, in turns, in a browser."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import httpx
import openai
from rich.columns import Columns
from rich.live import Live
from rich.markup import escape
from rich.panel import Panel

from flows import show
from flows.cli import serve_targets as offers
from flows.cli.homes import elsewhere
from flows.screen import Screen
from flows.show import stderr, stdout
from storage.adapters import aliases
from storage.adapters import versions as adapters
from storage.home import Home
from storage.records import PonensError, UsageError
from tasks.serve.service import Address, Service

if TYPE_CHECKING:
    from openai.types.chat import ChatCompletionMessageParam

BASE = "base"
_PIPE = 80  # columns of panels where there is no terminal
_BETWEEN_S = 0.08  # two looks at what has come


@dataclass
class Column:
    """What one model has said so far."""

    model: str
    text: str = ""
    told: Mapping[str, Any] = field(default_factory=dict)
    wrong: str = ""
    done: bool = False

    def panel(self) -> Panel:
        said = escape(self.text) if self.text else "[dim]…[/]"
        if self.told:
            tally = ", ".join(f"{letter} {count}" for letter, count in self.told["tally"].items()) or "none"
            counted = f"votes: {tally}; abstained: {self.told['abstained']}"
            said += f"\n\n[bold]{self.told['answer'] or '–'}[/]  [dim]{counted}[/]"
        return Panel(f"[red]{escape(self.wrong)}[/]" if self.wrong else said, title=escape(self.model))


def ask(
    text: str, wanted: Sequence[str], vote: int | None, server: str | None, key: str | None, recipe: Path | None,
    *, json: bool,
) -> None:  # fmt: skip
    """Ask base and adapters one question and show what they say as it comes. PonensError if one does not answer."""
    with reached(wanted, server, key, recipe) as (client, chosen):
        columns = [Column(BASE), *(Column(name) for name in chosen)]
        like = {"like": chosen[0]} if chosen else {}
        wishes = [dict(like), *({} for _ in chosen)]
        with ThreadPoolExecutor(len(columns)) as pool:
            for column, wish in zip(columns, wishes, strict=True):
                pool.submit(_say, client, column, text, {**wish, **({"votes": vote} if vote else {})})
            if not json:
                _shown(columns)
    if json:
        found = [{"model": c.model, "text": c.text, "error": c.wrong or None, **_ballot(c)} for c in columns]
        show.emit({"question": text, "replies": found})
    if wrong := [c for c in columns if c.wrong]:
        raise PonensError(f"{wrong[0].model} did not answer", seen=wrong[0].wrong)


def chat(wanted: str | None, server: str | None, key: str | None, recipe: Path | None, *, web: bool, port: int) -> None:
    """Talk with a model in the terminal, or in a browser on the loopback address."""
    page = _page() if web else None
    with reached([wanted] if wanted else [], server, key, recipe) as (client, chosen):
        model = chosen[0] if chosen else BASE
        if page:
            page(client, model, port)
        else:
            _talk(client, model)


def _talk(client: openai.OpenAI, model: str) -> None:
    messages: list[dict[str, str]] = []
    while said := _line():
        messages.append({"role": "user", "content": said})
        reply = ""
        try:
            for piece in pieces(client, model, messages):
                reply += piece
                stdout.print(escape(piece), end="", soft_wrap=True)
        except openai.APIError as error:
            stderr.print(f"[red]error:[/] {escape(_why(error))}", soft_wrap=True)
            messages.pop()
            continue
        stdout.print()
        messages.append({"role": "assistant", "content": reply})


def _line() -> str:
    try:
        return stdout.input("[bold cyan]›[/] ").strip()
    except EOFError:
        return ""


def pieces(client: openai.OpenAI, model: str, messages: Sequence[Mapping[str, Any]], **wish: Any) -> Iterator[str]:
    """The reply as it comes."""
    said = cast("list[ChatCompletionMessageParam]", list(messages))
    stream = client.chat.completions.create(
        model=model, messages=said, stream=True, extra_body={"ponens": wish} if wish else None
    )
    for chunk in stream:
        if chunk.choices and chunk.choices[0].delta.content:
            yield chunk.choices[0].delta.content


def _say(client: openai.OpenAI, column: Column, text: str, wish: Mapping[str, Any]) -> None:
    messages: list[ChatCompletionMessageParam] = [{"role": "user", "content": text}]
    try:
        if "votes" in wish:
            reply = client.chat.completions.create(
                model=column.model, messages=messages, extra_body={"ponens": dict(wish)}
            )
            column.text = reply.choices[0].message.content or ""
            column.told = (reply.model_extra or {})["ponens"]
        else:
            for piece in pieces(client, column.model, messages, **wish):
                column.text += piece
    except openai.APIError as error:
        column.wrong = _why(error)
    finally:
        column.done = True


def _ballot(column: Column) -> dict[str, Any]:
    return {name: column.told[name] for name in ("answer", "votes", "tally", "abstained")} if column.told else {}


def _shown(columns: Sequence[Column]) -> None:
    """Panels that fill as the replies come; where nobody watches, once all are there."""

    def view() -> Columns:
        return Columns([c.panel() for c in columns], equal=True, expand=True)

    pause = threading.Event()
    if not stdout.is_terminal:
        while not all(c.done for c in columns):
            pause.wait(_BETWEEN_S)
        stdout.print(view(), width=_PIPE)
        return
    with Live(view(), console=stdout, auto_refresh=False, vertical_overflow="visible") as live:
        while not all(c.done for c in columns):
            pause.wait(_BETWEEN_S)
            live.update(view(), refresh=True)
        live.update(view(), refresh=True)


def _why(error: openai.APIError) -> str:
    body = error.body
    return str(body["message"]) if isinstance(body, dict) and "message" in body else str(error)


@contextlib.contextmanager
def reached(
    wanted: Sequence[str], server: str | None, key: str | None, recipe: Path | None
) -> Iterator[tuple[openai.OpenAI, list[str]]]:
    """A client of a server that has these adapters, and what they are called."""
    home = Home.beside(recipe)
    if server:
        yield _client(server, key), _named(wanted)
        return
    chosen = _named(wanted) or _newest(home)
    names = list(dict.fromkeys(name.replace("@", "/").split("/")[0] for name in chosen))
    able = (one["url"] for one in offers.running(home) if {*names} <= {*one["names"]})
    if url := next((url for url in able if _up(url)), None):
        yield _client(url, key), chosen
        return
    with _started(names, recipe) as url:
        yield _client(url, None), chosen


def _named(wanted: Sequence[str]) -> list[str]:
    return [name for name in wanted if name != BASE]


def _newest(home: Home) -> list[str]:
    """The champion of each name, or its newest version. UsageError if the home has no adapter."""
    found = [
        f"{name}@{'champion' if 'champion' in aliases.current(home, name) else aliases.LATEST}"
        for name in adapters.names(home)
    ]
    if not found:
        raise UsageError(
            f"there is no adapter in {home.root}",
            hint=f"ponens train RECIPE, name a --server, {elsewhere(home, 'adapters')}",
        )
    return found


def _client(url: str, key: str | None) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{url.rstrip('/').removesuffix('/v1')}/v1", api_key=key or "none", timeout=600)


def _up(url: str) -> bool:
    try:
        return httpx.get(f"{url}/ready", timeout=5).status_code == 200
    except httpx.HTTPError:
        return False


@contextlib.contextmanager
def _started(names: Sequence[str], recipe: Path | None) -> Iterator[str]:
    """A server of this process, for as long as it is needed."""
    found = offers.offer(names, [], recipe)
    news: queue.SimpleQueue[str | BaseException] = queue.SimpleQueue()
    served = (found.spec, found.home, found.names, found.base_model, found.revision)
    service = Service(*served, Address(port=0), news.put, partial(Screen().waits, "serve"))

    def run() -> None:
        try:
            service.run()
        except BaseException as error:
            news.put(error)

    thread = threading.Thread(target=run, name="serve")
    thread.start()
    try:
        with stderr.status(f"starting an engine for {found.base_model} …"):
            said = news.get()
        if isinstance(said, BaseException):
            raise said
        yield said
    finally:
        service.stop()
        thread.join()


def _page() -> Any:
    """Gradio's chat page. UsageError where the extra `web` is not installed."""
    try:
        import gradio
    except ImportError:
        raise UsageError("ponens chat --web needs gradio", hint="pip install 'ponens[web]'") from None

    def show_page(client: openai.OpenAI, model: str, port: int) -> None:
        def reply(message: str, history: list[dict[str, Any]]) -> Iterator[str]:
            said = [{"role": h["role"], "content": _plain(h["content"])} for h in history]
            text = ""
            for piece in pieces(client, model, [*said, {"role": "user", "content": message}]):
                text += piece
                yield text

        stderr.print(f"talk with {model}: http://127.0.0.1:{port}", soft_wrap=True)
        page = gradio.ChatInterface(reply, title=model, analytics_enabled=False)
        page.launch(server_name="127.0.0.1", server_port=port, share=False, quiet=True)

    return show_page


def _plain(content: Any) -> str:
    """What gradio keeps of a message, as text."""
    if isinstance(content, list):
        return "\n".join(str(part.get("text", "")) if isinstance(part, dict) else str(part) for part in content)
    return str(content)
