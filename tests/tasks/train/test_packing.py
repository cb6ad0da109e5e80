import random

from tasks.train.packing import best, fold, lay, lines, order, unfold


def row(first: int, count: int) -> dict[str, list[int]]:
    ids = list(range(first, first + count))
    return {"input_ids": ids, "labels": ids}


def test_rows_share_a_line_the_longest_first() -> None:
    assert lines([90, 40, 35, 60], 90) == [[0], [3], [1, 2]]
    assert lines([5], 5) == [[0]]


def test_lines_are_as_long_as_pays() -> None:
    lengths = [100, 60, 60, 60, 60, 60, 60, 60]

    assert len(best(lengths, weight=10_000)) == 3, "wide layers: fewer cells pay, however long the lines"
    assert len(best(lengths, weight=10)) == 8, "narrow ones: attention over long lines costs more than padding"
    assert best([50, 50], weight=100) == [[0], [1]]


def test_every_row_lies_on_one_line_and_no_line_overflows() -> None:
    draw = random.Random(0)
    for _ in range(200):
        lengths = [draw.randint(1, 60) for _ in range(draw.randint(1, 24))]
        laid = lines(lengths, max(lengths))

        assert sorted(row for line in laid for row in line) == list(range(len(lengths)))
        assert all(sum(lengths[row] for row in line) <= max(lengths) for line in laid)


def test_positions_restart_with_each_row_and_its_first_label_is_nobodys_to_predict() -> None:
    laid = lay([row(10, 5), row(20, 2), row(30, 3)], 0, 10.0)

    assert laid.ids == [[10, 11, 12, 13, 14], [30, 31, 32, 20, 21]]
    assert laid.positions == [[0, 1, 2, 3, 4], [0, 1, 2, 0, 1]]
    assert laid.labels == [[-100, 11, 12, 13, 14], [-100, 31, 32, -100, 21]]


def test_padding_teaches_nothing_and_goes_on_counting() -> None:
    laid = lay([row(10, 4), row(20, 2)], 0, None)

    assert laid.ids[1] == [20, 21, 0, 0]
    assert laid.labels[1] == [-100, 21, -100, -100]
    assert laid.positions[1] == [0, 1, 2, 3]


def test_a_step_takes_as_few_passes_as_its_longest_rows_allow() -> None:
    assert fold([100] * 64, 4, 4, 400) == (16, 1)
    assert fold([100] * 64, 4, 4, 200) == (8, 2)
    assert fold([100] * 64, 4, 4, 100) == (4, 4)
    assert fold([2000, *[50] * 63], 1, 16, 2048) == (1, 16), "one long row and another would not fit beside each other"


def test_a_pass_holds_so_many_tokens_at_most_as_far_as_rows_can_be_dealt_evenly() -> None:
    assert unfold([100] * 64, 8, 2, 800) == (8, 2)
    assert unfold([100] * 64, 8, 2, 799) == (4, 4)
    assert unfold([100] * 64, 6, 1, 250) == (2, 3)
    assert unfold([100] * 63 + [500], 8, 1, 512) == (2, 4), "two of the longest take no more than twice as many"
    assert unfold([900, 100], 4, 1, 512) == (1, 4), "a row is never cut"
    assert unfold([900], 1, 4, 512) == (1, 4)


def test_a_step_keeps_its_rows_and_deals_them_out_by_length() -> None:
    lengths = [5, 9, 1, 7, 3, 8]

    assert order([0, 1, 2, 3, 4, 5], lengths, 3) == [1, 0, 2, 5, 3, 4]
