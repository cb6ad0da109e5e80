"""What one has to know of who a teacher is provided by, as data, so that nobody asks for a provider by its name.

    PROVIDERS["vllm"].local      True: it runs in this process, without an address, a key and a price

A new one is a file with its chat model, an entry here, its name in `TeacherSpec` and a line in `build.OPEN`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Provider:
    """Who answers, and what that takes.

    `key` is the environment variable of its key, `address` where it is asked unless one of `variables` or the recipe
    says otherwise, `socks` the package by which its client goes through a SOCKS proxy. `weights` are loaded in this
    process and named by what they are; a `solver` needs no model and is not shown the answer.
    """

    key: str | None = None
    address: str | None = None
    variables: tuple[str, ...] = ()
    socks: str = "socksio"
    weights: bool = False
    solver: bool = False

    @property
    def local(self) -> bool:
        """Whether it runs in this process: nothing is sent and nobody is paid."""
        return self.weights or self.solver

    @property
    def gpus(self) -> int:
        """How many GPUs it takes of this process, where there are some."""
        return int(self.weights)

    @property
    def seeded(self) -> bool:
        """Whether each reply is drawn by a seed, be one asked for or not."""
        return self.weights

    @property
    def free(self) -> bool:
        """Whether asking again costs nothing, not even time."""
        return self.solver


PROVIDERS: Mapping[str, Provider] = {
    "openai": Provider("OPENAI_API_KEY", "https://api.openai.com/v1", ("OPENAI_BASE_URL", "OPENAI_API_BASE")),
    "dashscope": Provider(
        "DASHSCOPE_API_KEY",
        "https://dashscope.aliyuncs.com/api/v1",
        ("DASHSCOPE_HTTP_BASE_URL",),
        socks="socks",  # its SDK asks by requests
    ),
    "vllm": Provider(weights=True),
    "embedded": Provider(solver=True),
}
