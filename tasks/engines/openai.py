"""Any OpenAI-compatible server as an engine: it renders prompts, applies adapters and batches by itself.

requests ──pool of threads, paced, retried──▶ completions, as they finish

One call a reply, so that each is stored by itself and a killed evaluation asks for the rest alone.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import openai

from storage.records import PonensError
from tasks.clients import proxies
from tasks.clients.body import first_choice
from tasks.clients.deadline import timed_client, within
from tasks.clients.faults import Fault, Unfinished, fault, remedy
from tasks.clients.rate_limit import Pace, backoff
from tasks.clients.reply import ending, refusal_in, text_in
from tasks.clients.secrets import guard, unkeyed
from tasks.clients.thread_pool import GRACE, Later, each
from tasks.clients.usage import guess, read
from tasks.engines.interface import Completion, Finish, Loading, Request
from tasks.engines.openai_spec import KEY, ServerSpec

_OVERFLOWS = ("context_length_exceeded", "maximum context length", "context window")
_FINISH: dict[str, Finish] = {"whole": "stop", "cut": "length", "refused": "refused"}


@dataclass(eq=False)
class _Call:
    request: Request
    attempts: int = 0


class _Unanswered(Exception):
    """One reply that could not be had; `why` may be true of all others."""

    def __init__(self, why: Fault) -> None:
        self.why = why
        super().__init__(why.detail)


class OpenAIEngine:
    """A client for all threads. The key is in the environment, never in a file."""

    together = True

    def __init__(self, loading: Loading) -> None:
        told = dict(loading.server or {})
        self._logprobs = bool(told.pop("logprobs", False))
        self.server = ServerSpec.model_validate(told)
        proxies.check(self.server.address)
        key = os.environ.get(KEY, "")
        guard(key)
        self._client = openai.OpenAI(
            api_key=key,
            base_url=self.server.address,
            timeout=self.server.timeout,
            max_retries=0,
            http_client=timed_client(),
        )
        # OpenAI's own models refuse max_tokens, and many other servers ignore its successor
        self._limit = "max_completion_tokens" if "api.openai.com" in self.server.address else "max_tokens"
        self._met = False  # the server answered, whatever it said
        self.calls = 0  # requests that were sent, whatever came of them
        self._lock = threading.Lock()
        self._pace = Pace(self.server.workers, self.server.requests_per_minute)
        self.facts: dict[str, Any] = {
            "engine": "openai",
            "version": openai.__version__,
            "base_url": self.server.address,
            "models": self.server.models,
        }

    def generate(self, requests: Sequence[Request]) -> Iterator[Completion]:
        """Each completion as it comes. PonensError once all that could be had is here, if anything is missing."""
        stop = threading.Event()
        missing: list[Exception] = []
        in_a_row = 0
        calls = map(_Call, requests)
        for _, outcome in each(
            calls,
            self._attempt,
            workers=self.server.workers,
            stop=stop,
            patience=self.server.timeout + GRACE,
            admit=lambda call, in_hand: self._pace.admit(in_hand),
        ):
            if isinstance(outcome, Completion):
                in_a_row = 0
                yield outcome
                continue
            assert isinstance(outcome, Exception)
            missing.append(outcome)
            in_a_row += 1
            if not isinstance(outcome, _Unanswered | TimeoutError) or in_a_row >= max(16, self.server.workers):
                stop.set()
        if missing:
            raise self._incomplete(missing)

    def close(self) -> None:
        """Close its connections."""
        self._client.close()

    def _attempt(self, call: _Call) -> Completion | Later:
        call.attempts += 1
        with self._lock:
            self.calls += 1
        try:
            with within(self.server.timeout):
                raw = self._client.chat.completions.with_raw_response.create(**self._body(call.request))
            done = self._completion(call.request.key, raw.content, raw.headers.get("content-type", ""))
        except Exception as error:  # a client may raise anything; `fault` raises again what is no fault of a call
            why = fault(error)
        else:
            self._pace.finished(answered=True)
            self._met = True
            return done
        self._pace.finished(answered=False, turned_away=why.load)
        self._met = self._met or not (why.unreachable or why.error in ("timeout", "connection"))
        if why.error == "http 400" and any(sign in why.detail for sign in _OVERFLOWS):
            return Completion(call.request.key, "", "overflow", 0)
        if why.refused:
            return Completion(call.request.key, "", "refused", 0)
        if why.unreachable and not self._met:
            raise PonensError(
                f"no server is to be reached at {self.server.address}",
                seen=why.detail[:500],
                expected="a server that answers there",
                hint="see that [evaluate.server] base_url is right and its server runs, and run again",
            )
        if why.stop:
            raise PonensError(
                f"the server turned the request away, and would turn away all others ({why.error})",
                seen=why.detail[:500],
                expected=f"a key and models ({', '.join(self.server.models.values())}) known at {self.server.address}",
                hint=f"{why.hint or 'set the key and [evaluate.server] models right'} and run again: "
                "answers received so far are kept",
            )
        if why.retry and call.attempts < self.server.max_attempts:
            spec = self.server
            return Later(
                backoff(call.attempts, self._pace.in_vain, spec.first_wait, spec.longest_wait, why.retry_after)
            )
        raise _Unanswered(why)

    def _body(self, request: Request) -> dict[str, Any]:
        body: dict[str, Any] = {
            "model": self.server.models[request.subject],
            "messages": [message.dict() for message in request.messages],
            "temperature": request.temperature,
            "extra_body": {self._limit: request.max_tokens},
        }
        if request.temperature > 0:
            body |= {"top_p": request.top_p, "seed": request.seed}
        return body | ({"logprobs": True} if self._logprobs else {})

    def _completion(self, key: str, body: bytes, kind: str) -> Completion:
        """What the server said, whole: a reply is evidence. Unfinished if it broke off, NoAnswer if there is none."""
        choice, told = first_choice(body, kind)
        said, usage = choice["message"], read(told)
        refusal, word = refusal_in(said), str(choice.get("finish_reason") or "")
        text = text_in(said)
        how = "refused" if refusal else ending(word, usage)
        if how is None:
            raise Unfinished("unfinished reply", f"finish_reason {word!r} after {text[-60:]!r}")
        tokens = usage.out if usage.out or not text else round(guess(text))
        return Completion(key, unkeyed(text or refusal), _FINISH[how], tokens or 0, _mean_logprob(choice))

    def _incomplete(self, missing: Sequence[Exception]) -> Exception:
        first = next((e for e in missing if not isinstance(e, _Unanswered | TimeoutError)), missing[0])
        if not isinstance(first, _Unanswered | TimeoutError):
            return first
        seen = first.why.detail if isinstance(first, _Unanswered) else str(first)
        return PonensError(
            f"{len(missing)} replies were not to be had from {self.server.address}",
            seen=seen[:500],
            expected="a server that answers",
            hint=f"{remedy(first.why.error if isinstance(first, _Unanswered) else 'timeout')}, and run again: "
            "answers received so far are kept",
        )


def _mean_logprob(choice: Mapping[str, Any]) -> float | None:
    found = [token["logprob"] for token in (choice.get("logprobs") or {}).get("content") or ()]
    return min(0.0, sum(found) / len(found)) if found else None
