"""What tests of readers share."""

import signal
from collections.abc import Iterator

import pytest


@pytest.fixture
def bounded() -> Iterator[None]:
    """Fails the test after 30 s of the process's own CPU time: a wait for a busy machine costs none."""

    def spent(signum: int, frame: object) -> None:
        pytest.fail("30 s of CPU time are spent")

    before = signal.signal(signal.SIGVTALRM, spent)
    signal.setitimer(signal.ITIMER_VIRTUAL, 30)
    yield
    signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    signal.signal(signal.SIGVTALRM, before)
