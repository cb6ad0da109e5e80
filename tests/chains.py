"""A chain followed to its end in this process."""

from collections.abc import Callable
from typing import TypeVar

from flows.chain import Events, Walk
from storage.records import Receipt
from tasks.runtime.step import Step

T = TypeVar("T")


def follow(events: Events[T], do: Callable[[Step], Receipt]) -> T:
    """Do each step; what the chain returns."""
    walk = Walk(events)
    for step in walk:
        walk.done(do(step))
    return walk.result
