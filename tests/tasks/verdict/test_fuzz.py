"""Damaged result files end in a verdict or in an error of ours, never in a traceback."""

from itertools import islice

from tests.fuzz_results import rounds


def test_damaged_files_are_judged_or_refused(tmp_path):
    outcomes = [(tool, outcome) for tool, outcome, _ in islice(rounds(3, tmp_path / "round"), 60)]

    assert [] == [one for one in outcomes if one[1] not in ("judged", "refused")]
    assert {"judged", "refused"} == {outcome for _, outcome in outcomes}
