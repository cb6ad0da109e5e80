"""What a run is called, what is set for one run of a deployment, how a cancelled one ends, an address that is taken."""

import inspect
import logging
import socket

import pytest
from prefect.exceptions import TerminationSignal

from flows import artifacts
from flows.finetune import finetune_logic
from flows.recipe import Recipe
from flows.reeval import reeval
from storage.records import UsageError
from tasks.runtime.settings_diff import differences
from tasks.serve.service import Address, listening


def test_a_run_is_named_by_what_was_set_and_not_by_what_is_absent() -> None:
    before = {"train": {"rank": 16}, "reeval": {"cron": "0 3 * * *", "timezone": "UTC"}}

    assert ["train.rank=8"] == differences(before, {"train": {"rank": 8}, "reeval": None})


def test_a_port_in_use_is_bad_usage() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(UsageError, match="cannot be listened on"):
        listening(Address(port=taken.getsockname()[1]))


def test_a_run_of_a_deployment_takes_changes_as_set_does() -> None:
    recipe = Recipe.model_validate({"name": "r", "parse": {"path": "data.jsonl"}, "train": {"base_model": "m"}})
    other = recipe.with_changes(["train.rank=8", "evaluate.votes=3", "train.report_to=[]"])

    assert (8, 3, []) == (other.training.rank, other.evaluate.votes, other.training.report_to)
    assert "data.jsonl" == other.parse.path
    assert recipe.with_changes([]) is recipe
    with pytest.raises(UsageError, match=r"train\.rnk"):
        recipe.with_changes(["train.rnk=8"])
    for flow in (finetune_logic, reeval):
        assert [] == inspect.signature(flow.fn).parameters["set"].default


def test_a_step_that_is_ended_from_outside_says_so_calmly_first(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "ponens"), pytest.raises(TerminationSignal), artifacts.ended("train"):
        raise TerminationSignal(15)

    assert [
        "train: ended by a termination signal; what it has done stays, and another run of the same recipe goes on "
        "from there"
    ] == caplog.messages
