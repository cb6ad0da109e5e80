"""How fast to ask: limits a minute that the user knows, and a width that is found by asking.

The width is the number of calls at once. It starts at `workers`, and after each window of as many
finished calls as it is wide (8 at least) it is multiplied by

    9/8 - s/2,    s = the share of the window that was turned away for load,

between 1 and `workers`. The decrease in proportion to the share is DCTCP's (Alizadeh et al., "Data
Center TCP", SIGCOMM 2010); that both halves are linear in s makes the balance independent of chance:
the width stands still where a quarter is turned away. A server with so many places and no more is
therefore used to nine tenths at least and turns a quarter away at most, while one that turns away a
fifth at random, whatever the load, keeps the full width. With a threshold in place of the constant
growth the latter fell from 32 to 8, as windows of few calls often pass it by chance.
"""

from __future__ import annotations

import math
import random
import threading
import time
from collections.abc import Callable

BURST_S = 1.0
_SLACK_S = 0.1
_SHORTEST = 8  # calls in a window: of fewer, one turned away would be a large share


class Limit:
    """So many units in any minute, evenly spaced: at once at most what a second allows.

    The generic cell rate algorithm (ITU-T I.371): `due` is when the units taken so far will have
    been worth their time. A unit is worth (60 + burst) / limit seconds, and a little more for clocks
    and networks that are not exact, so that no window of a minute holds more than the limit.
    """

    def __init__(self, a_minute: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.each, self.clock, self.due = (60.0 + BURST_S + _SLACK_S) / a_minute, clock, -math.inf

    def wait(self) -> float:
        """Seconds until more may be taken; 0 if now."""
        return max(0.0, self.due - self.clock() - BURST_S)

    def take(self, units: float) -> None:
        """Take units, more than there are if need be: the next one waits until they are paid off.

        Negative units give back.
        """
        self.due = max(self.due, self.clock()) + units * self.each


class Pace:
    """Says when the next call may begin; told how each one went. Safe to use from many threads."""

    def __init__(
        self,
        workers: int,
        requests_per_minute: int | None = None,
        tokens_per_minute: int | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.workers, self.width = workers, float(workers)
        self.tokens = Limit(tokens_per_minute, clock) if tokens_per_minute else None
        self._requests = Limit(requests_per_minute, clock) if requests_per_minute else None
        self._lock = threading.Lock()
        self._finished = self._away = 0
        self.in_vain = 0  # calls since the last that was answered

    def admit(self, in_hand: int, tokens: float = 0.0) -> float:
        """0 if a call may begin beside those in hand, and it counts from now on; else seconds to wait.

        Infinity means until one in hand is finished. `tokens` is what the call will likely be billed for.
        """
        with self._lock:
            if in_hand >= int(self.width):
                return math.inf
            wait = max((limit.wait() for limit in (self._requests, self.tokens) if limit), default=0.0)
            if wait == 0:
                self._take(1, tokens)
            return wait

    def correct(self, reserved: float, billed: float) -> None:
        """A call that was admitted for `reserved` tokens was billed for so many."""
        with self._lock:
            self._take(0, billed - reserved)

    def unused(self, reserved: float) -> None:
        """A call that was admitted was not made."""
        with self._lock:
            self._take(-1, -reserved)

    def finished(self, *, answered: bool, turned_away: bool = False) -> None:
        """A call came back: with an answer, or not, be it turned away for load or otherwise."""
        with self._lock:
            self.in_vain = 0 if answered else self.in_vain + 1
            self._finished += 1
            self._away += turned_away
            if self._finished >= max(_SHORTEST, int(self.width)):
                share = self._away / self._finished
                self.width = min(float(self.workers), max(1.0, self.width * (9 / 8 - share / 2)))
                self._finished = self._away = 0

    def _take(self, requests: int, tokens: float) -> None:
        if self._requests:
            self._requests.take(requests)
        if self.tokens:
            self.tokens.take(tokens)


def backoff(attempts: int, in_vain: int, first: float, longest: float, retry_after: float | None = None) -> float:
    """Seconds until the next attempt: exponential with full jitter, a server's Retry-After obeyed.

    Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015. Waits grow while nobody is answered
    (`in_vain` calls on end). Where others are, the server is up, and the fault was this call's.
    """
    doublings = min(attempts - 1, in_vain)
    jitter = random.uniform(0, min(longest, first * 2.0**doublings))
    # all workers were told the same moment
    return jitter if retry_after is None else retry_after + min(jitter, 1.0)
