"""What a run is called, and an address that is taken."""

import socket

import pytest

from flows.names import differences
from storage.records import UsageError
from tasks.serve import Address, listening


def test_a_run_is_named_by_what_was_set_and_not_by_what_is_absent() -> None:
    before = {"train": {"rank": 16}, "reeval": {"cron": "0 3 * * *", "timezone": "UTC"}}

    assert ["train.rank=8"] == differences(before, {"train": {"rank": 8}, "reeval": None})


def test_a_port_in_use_is_bad_usage() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(UsageError, match="cannot be listened on"):
        listening(Address(port=taken.getsockname()[1]))
