"""A model on this machine as a LangChain chat model: vLLM in this process, all callers in one batch.

Many threads invoke; one thread, the driver, holds the engine, takes in what they ask between two
steps and answers each as it finishes, so that requests are batched continuously.
"""

from __future__ import annotations

import gc
import queue
import re
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, Protocol

from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.outputs import ChatGeneration, ChatResult
from pydantic import PrivateAttr

from storage.records import PonensError, UsageError
from tasks.clients.deadline import left
from tasks.clients.faults import TeacherError
from tasks.engines.interface import Completion, Encoded, Loading, Reader, Request
from tasks.engines.open import surroundings
from tasks.models import base_models
from tasks.teachers.chat_model import DirectChat

_ROLES = {"human": "user", "ai": "assistant", "system": "system"}
_THOUGHT = re.compile(r"\A\s*(?:<think>)?(?P<thought>.*?)</think>(?P<said>.*)\Z", re.DOTALL)


class Steps(Protocol):
    """The part of an engine that the driver uses; `tasks.engines.vllm` says what each does."""

    reader: Reader

    def begin(self, number: str, encoded: Encoded) -> None: ...

    def step(self) -> Iterator[tuple[str, list[int], float | None]]: ...

    def abort(self, number: str) -> None: ...

    def close(self) -> None: ...


@dataclass(eq=False)
class Asked:
    """A request on its way through the driver; `reply` is the completion and the length of the prompt in tokens."""

    request: Request
    given_up: bool = False
    reply: Future[tuple[Completion, int]] = field(default_factory=Future)


class Driver:
    """The one thread that holds the engine. An error of the engine's is everybody's, and its last."""

    def __init__(self, open_: Callable[[], Steps]) -> None:
        self._todo: queue.SimpleQueue[Asked | None] = queue.SimpleQueue()
        self._opened: Future[Reader] = Future()
        self._flight: dict[str, tuple[Asked, Encoded]] = {}
        self._broken: Exception | None = None
        self._thread = threading.Thread(target=self._run, args=(open_,), name="vllm", daemon=True)
        self._thread.start()
        self.reader = self._opened.result()

    def ask(self, request: Request, timeout: float | None = None) -> tuple[Completion, int]:
        """The completion and the prompt's tokens. TimeoutError, or PonensError once the engine is broken."""
        asked = Asked(request)
        self._todo.put(asked)
        try:
            return asked.reply.result(timeout)
        except TimeoutError:
            asked.given_up = True
            raise

    def close(self) -> None:
        """End the thread and give the engine's memory back; what is in flight is dropped."""
        self._todo.put(None)
        self._thread.join()

    def _run(self, open_: Callable[[], Steps]) -> None:
        try:
            engine = open_()
        except BaseException as error:  # raised where the driver is made: this thread has no caller
            self._opened.set_exception(error)
            return
        self._opened.set_result(engine.reader)
        number = 0
        while (asked := self._next()) is not None:
            if isinstance(asked, Asked):
                number += 1
                self._guarded(self._begin, engine, str(number), asked)
            else:
                self._guarded(self._advance, engine)
        engine.close()

    def _next(self) -> Asked | bool | None:
        """Something to begin, True to go a step on, None to end. Waits only if nothing is in flight."""
        try:
            return self._todo.get(block=not self._flight)
        except queue.Empty:
            return True

    def _guarded(self, act: Callable[..., None], engine: Steps, *given: Any) -> None:
        try:
            if self._broken is None:
                act(engine, *given)
        except Exception as error:  # whatever it is, each who waits must hear of it
            self._broken = PonensError("vLLM failed while it wrote rationales", seen=f"{type(error).__name__}: {error}")
        if self._broken:
            waiting = [asked for asked, _ in self._flight.values()] + [a for a in given if isinstance(a, Asked)]
            self._flight.clear()
            for asked in waiting:
                if not asked.reply.done():
                    asked.reply.set_exception(self._broken)

    def _begin(self, engine: Steps, number: str, asked: Asked) -> None:
        (encoded,) = engine.reader.encode([asked.request])
        if encoded.room < 1:
            about = f"a prompt of {len(encoded.ids)} tokens leaves no room in a context of {engine.reader.context}"
            asked.reply.set_exception(TeacherError(about, status=400, code="context_length_exceeded"))
            return
        self._flight[number] = asked, encoded
        engine.begin(number, encoded)

    def _advance(self, engine: Steps) -> None:
        for number in [number for number, (asked, _) in self._flight.items() if asked.given_up]:
            engine.abort(number)
            del self._flight[number]
        for number, ids, _ in engine.step():
            if number in self._flight:
                asked, encoded = self._flight.pop(number)
                asked.reply.set_result((engine.reader.completion(encoded, ids), len(encoded.ids)))


class LocalChat(DirectChat):
    """One model, loaded when this is made; `close` gives its memory back. UsageError for settings it cannot keep."""

    model: str
    revision: str | None = None
    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    thinking: bool | None = None
    thinking_budget: int | None = None
    _driver: Any = PrivateAttr(default=None)
    _own: dict[str, float] = PrivateAttr(default_factory=dict)

    def model_post_init(self, context: Any) -> None:
        super().model_post_init(context)
        if self.thinking_budget is not None:
            raise UsageError("vLLM knows no thinking_budget", seen=self.thinking_budget, hint="max_tokens bounds both")
        loading = Loading(model=str(base_models.folder(self.model) or self.model), revision=self.revision)
        surroundings(loading)
        self._driver = Driver(lambda: _open(loading))
        self._own = _own_sampling(loading)

    @property
    def _llm_type(self) -> str:
        return "vllm"

    def close(self) -> None:
        """End the engine."""
        self._driver.close()

    def reply(self, messages: list[BaseMessage], stop: list[str] | None = None, **kwargs: Any) -> ChatResult:
        """What the engine makes of the model's own template; `seed` makes samples differ."""
        prompt = self._prompt(messages)
        own = self._driver.reader.tokenizer
        request = Request(
            key="",
            subject="base",
            prompt=prompt,
            max_tokens=self.max_tokens or self._driver.reader.context,
            temperature=self._own["temperature"] if self.temperature is None else self.temperature,
            top_p=self._own["top_p"] if self.top_p is None else self.top_p,
            seed=kwargs.get("seed", 0),
        )
        completion, sent = self._driver.ask(request, left())
        thought, said = parted(completion.text, thinking=prompt.rstrip().endswith("<think>"))
        usage = UsageMetadata(
            input_tokens=sent,
            output_tokens=completion.tokens,
            total_tokens=sent + completion.tokens,
            output_token_details={"reasoning": min(completion.tokens, len(own.encode(thought))) if thought else 0},
        )
        message = AIMessage(
            content=said,
            additional_kwargs={"reasoning_content": thought} if thought else {},
            response_metadata={"finish_reason": completion.finish},
            usage_metadata=usage,
        )
        return ChatResult(generations=[ChatGeneration(message=message)])

    def _prompt(self, messages: list[BaseMessage]) -> str:
        """The conversation by the model's own template, up to where it is to speak."""
        thinking = {} if self.thinking is None else {"enable_thinking": self.thinking}
        text: str = self._driver.reader.tokenizer.apply_chat_template(
            [{"role": _ROLES[m.type], "content": str(m.text)} for m in messages],
            tokenize=False,
            add_generation_prompt=True,
            **thinking,
        )
        return text


def parted(text: str, *, thinking: bool) -> tuple[str, str]:
    """What was thought and what was said; `thinking` if the prompt itself has opened the thought.

    >>> parted("<think>Hm.</think>Answer: B", thinking=False)
    ('Hm.', 'Answer: B')
    """
    if found := _THOUGHT.match(text):
        return found["thought"].strip(), found["said"].strip()
    if thinking or text.lstrip().startswith("<think>"):  # cut in the middle of its thought
        return text.strip().removeprefix("<think>").strip(), ""
    return "", text


def _open(loading: Loading) -> Steps:
    from tasks.engines.vllm import VllmEngine

    return _Local(VllmEngine(loading))


def _own_sampling(loading: Loading) -> dict[str, float]:
    """How the model's makers would sample; as it is, where they do not say."""
    from transformers import GenerationConfig

    try:
        own = GenerationConfig.from_pretrained(loading.model, revision=loading.revision)
    except OSError:
        return {"temperature": 1.0, "top_p": 1.0}
    return {"temperature": own.temperature or 1.0, "top_p": own.top_p or 1.0}


class _Local:
    """An engine that gives its memory back while the process goes on."""

    def __init__(self, engine: Any) -> None:
        self._engine: Any = engine
        self.reader: Reader = engine.readers["base"]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    def close(self) -> None:
        from vllm.distributed.parallel_state import cleanup_dist_env_and_memory

        self._engine.close()
        self._engine = None
        gc.collect()
        cleanup_dist_env_and_memory()
