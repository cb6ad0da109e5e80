"""What every engine is asked and answers: prompts as text in, completions as text out, each as it finishes.

    for completion in engine.generate(requests): ...

An engine holds one base model and any number of adapters ("subjects"). Prompts are rendered by the
chat template before they come here; an engine tokenizes them with `Reader`, so that all engines see
the same tokens, end at the same tokens and decode alike.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

from storage.records import Message, PonensError

Finish = Literal["stop", "length", "overflow", "refused"]
Applied = Literal["merged", "on_the_fly"]
SMALL_BYTES = 256 << 20  # below this, a second thread waits more than it works


@dataclass(frozen=True, slots=True)
class Request:
    """One reply wanted of one subject.

    `letters` are the only continuations allowed, such as (" A", " B"); the reply is then one of them.
    Temperature 0 is greedy, and `seed` is not used. A server that renders prompts by itself is sent `messages`.
    """

    key: str
    subject: str
    prompt: str
    max_tokens: int
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int = 0
    letters: tuple[str, ...] | None = None
    messages: tuple[Message, ...] = ()


@dataclass(frozen=True, slots=True)
class Completion:
    """The reply to a request. "overflow" (the prompt left no room in the context) and "refused" are no reply.

    `logprob` is the mean log-probability of its tokens, the one that ends it among them, at temperature 1, in
    nats; None where the engine gives none, and for a forced letter.
    """

    key: str
    text: str
    finish: Finish
    tokens: int
    logprob: float | None = None


@dataclass(frozen=True, slots=True)
class Loading:
    """What to load and how: None is the engine's own choice. `adapters` maps a subject to its PEFT folder.

    `data_parallel` copies of the engine share the requests. `server` is what a server's engine is told of it.
    """

    model: str
    adapters: Mapping[str, Path] = field(default_factory=dict)
    revision: str | None = None
    dtype: str = "auto"
    max_model_len: int | None = None
    gpu_memory_utilization: float | None = None
    tensor_parallel: int = 1
    data_parallel: int = 1
    applied: Applied | None = None
    scratch: Path = Path(".")
    server: Mapping[str, Any] | None = None

    @property
    def small(self) -> bool:
        """True for a local folder whose weights are so few that one thread serves them best."""
        folder = Path(self.model)
        return folder.is_dir() and sum(p.stat().st_size for p in folder.glob("*.safetensors")) < SMALL_BYTES


class Engine(Protocol):
    """A loaded engine. `facts` says what it is (version, device, how adapters are applied).

    `together` is True if requests to several subjects run at once at no cost; otherwise a caller
    should ask for one subject's replies after the other's.
    """

    @property
    def facts(self) -> dict[str, Any]: ...

    @property
    def together(self) -> bool: ...

    def generate(self, requests: Sequence[Request]) -> Iterator[Completion]:
        """Every request's completion, in the order in which they finish."""
        ...

    def close(self) -> None:
        """Give memory and scratch files back."""
        ...


@dataclass(frozen=True, slots=True)
class Encoded:
    """A request in tokens. `allowed` maps the tokens of a forced decode to its letters."""

    request: Request
    ids: list[int]
    room: int
    allowed: dict[int, str] | None = None


class Reader:
    """One tokenizer for all engines: text to tokens, tokens to text, and where a reply ends."""

    def __init__(self, tokenizer: Any, context: int, stops: Iterable[int] = ()) -> None:
        self.tokenizer, self.context = tokenizer, context
        self.stops = sorted({*stops} | ({tokenizer.eos_token_id} - {None}))

    def encode(self, requests: Sequence[Request]) -> list[Encoded]:
        """Requests in tokens, in order. PonensError if letters cannot be told apart by one token."""
        ids = self._ids([r.prompt for r in requests])
        forced = [(i, letter) for i, r in enumerate(requests) for letter in r.letters or ()]
        longer = iter(self._ids([requests[i].prompt + letter for i, letter in forced]))
        encoded = []
        for request, prompt in zip(requests, ids, strict=True):
            allowed = None
            if request.letters:
                paths = {letter: next(longer) for letter in request.letters}
                # a letter may have grown together with the sign before it, and its neighbour not
                prompt, allowed = fork(paths) or fork({x: prompt + self._ids([x])[0] for x in paths}) or _no_fork(paths)
            room = min(request.max_tokens, self.context - len(prompt))
            encoded.append(Encoded(request, prompt, room, allowed))
        return encoded

    def completion(self, encoded: Encoded, ids: Sequence[int], total: float | None = None) -> Completion:
        """The text of the generated tokens, which may end in a stop token; `total` is their log-probability."""
        key, count = encoded.request.key, len(ids)
        if encoded.allowed is not None:
            return Completion(key, encoded.allowed[ids[0]], "stop", count)
        finish: Finish = "stop" if ids and ids[-1] in self.stops else "length"
        body = ids[:-1] if finish == "stop" else ids
        return Completion(
            key, self.tokenizer.decode(body, skip_special_tokens=True), finish, count, _mean(total, count)
        )

    def _ids(self, texts: list[str]) -> list[list[int]]:
        if not texts:
            return []
        # the template has written the special tokens already
        ids: list[list[int]] = self.tokenizer(texts, add_special_tokens=False, return_attention_mask=False)["input_ids"]
        return ids


def _mean(total: float | None, count: int) -> float | None:
    # numbers of half precision may add up to a little more than certainty
    return None if total is None or not count else min(0.0, total / count)


def overflow(encoded: Encoded) -> Completion:
    """The recorded outcome of a prompt that fills the whole context."""
    return Completion(encoded.request.key, "", "overflow", 0)


def fork(paths: Mapping[str, Sequence[int]]) -> tuple[list[int], dict[int, str]] | None:
    """The tokens that all texts begin with, and the token by which each goes its own way; None if one token cannot say.

    A letter may be one token (" A") or the end of several (" ", "A").

    >>> fork({" A": [1, 2, 7], " B": [1, 2, 8]})
    ([1, 2], {7: ' A', 8: ' B'})
    """
    shared: list[int] = []
    for tokens in zip(*paths.values(), strict=False):
        if len(set(tokens)) > 1:
            break
        shared.append(tokens[0])
    allowed = {tokens[len(shared)]: letter for letter, tokens in paths.items() if len(tokens) == len(shared) + 1}
    return (shared, allowed) if shared and len(allowed) == len(paths) else None


def _no_fork(paths: Mapping[str, Sequence[int]]) -> tuple[list[int], dict[int, str]]:
    raise PonensError(
        "the letters cannot be forced: the tokenizer does not tell them apart by one token",
        seen={letter: list(tokens)[-3:] for letter, tokens in paths.items()},
        expected="continuations that differ in one token",
    )
