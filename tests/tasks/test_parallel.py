import pytest

from storage.records import PonensError
from tasks.engines.base import Request
from tasks.engines.parallel import shares, spread


def test_requests_with_one_prompt_go_to_one_copy_and_copies_get_as_much() -> None:
    asked = [Request(f"{prompt}{n}", "base", prompt, 8) for n in range(3) for prompt in "abcd"]

    parts = spread(asked, 2)

    assert [6, 6] == [len(part) for part in parts]
    assert not {r.prompt for r in parts[0]} & {r.prompt for r in parts[1]}
    assert sorted(r.key for r in asked) == sorted(r.key for part in parts for r in part)


def test_each_copy_has_devices_of_its_own() -> None:
    assert ["0,1", "2,3"] == shares(["0", "1", "2", "3", "4"], 2, 2)
    assert [None, None] == shares([], 2, 1)
    with pytest.raises(PonensError, match="2 copies of 2 GPUs"):
        shares(["0", "1", "2"], 2, 2)
