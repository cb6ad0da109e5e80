"""Tables and facts in terminals of any width, and in a pipe."""

import io

import pytest
from rich.table import Table

from flows import show, tables

CELLS = ["20261130-101010-abcd", "better", "一二三四五六七八九十", "Qwen/Qwen2.5-7B-Instruct"]


def table(**more: object) -> Table:
    made = Table("run", "verdict of it all", "题目", "base model", **more)  # type: ignore[arg-type]
    made.add_row(*CELLS)
    made.add_row("20261130-111111-abcd", "cannot tell", "–", "[bold]me/base[/]")
    return made


def printed(width: int | None, monkeypatch: pytest.MonkeyPatch, **more: object) -> str:
    if width:
        monkeypatch.setenv("COLUMNS", str(width))
    else:
        monkeypatch.delenv("COLUMNS", raising=False)
    out = io.StringIO()
    tables.put(tables.Output(file=out), table(**more))
    return out.getvalue()


@pytest.mark.parametrize("width", [None, 30, 60, 80, 100, 200])
def test_no_cell_is_cut_at_any_width(width: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    for box in ({}, {"box": None}, {"title": "two runs of it"}):
        text = printed(width, monkeypatch, **box)
        assert [] == [cell for cell in CELLS if cell not in text], text
        assert "me/base" in text and "[bold]" not in text
        assert "…" not in text


def test_a_terminal_that_was_made_wider_or_narrower_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    console = tables.Output()
    monkeypatch.setenv("COLUMNS", "60")

    assert 60 == console.width


def test_a_pipe_has_a_line_a_row_and_a_narrow_terminal_a_line_a_cell(monkeypatch: pytest.MonkeyPatch) -> None:
    assert 3 == len(printed(None, monkeypatch, box=None).splitlines())
    narrow = printed(40, monkeypatch, box=None).splitlines()

    assert "run               20261130-101010-abcd" == narrow[0]
    assert "verdict of it all better" == narrow[1], "the values stand below one another"
    assert "题目              一二三四五六七八九十" == narrow[2]
    assert "" == narrow[4]


def test_the_values_of_facts_are_aligned_after_long_names_and_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    out = io.StringIO()
    tables.facts(tables.Output(file=out), [("rank", 8), ("gradient_accumulation", 4), ("uri", "x" * 90)])

    assert ["rank                  8", "gradient_accumulation 4", f"uri                   {'x' * 90}"] == (
        out.getvalue().splitlines()
    )


def test_figures_that_another_build_did_not_write_are_dashes(capsys: pytest.CaptureFixture[str]) -> None:
    show.comparison({"recipe": "old", "evaluation": {"questions": 3, "votes": 1, "base": {"accuracy": 0.5}}})

    cells = [
        cell.strip() for line in capsys.readouterr().out.splitlines() if "base" in line for cell in line.split("│")
    ]
    assert ["base", "0.500", "–", "–", "–"] == [cell for cell in cells if cell][-5:]
