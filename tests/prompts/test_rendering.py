"""What of the rows a template does not know is counted before it is learnt."""

import pytest

from prompts.rendering import unmarked_thoughts


def row(answer: str) -> dict[str, list[dict[str, str]]]:
    return {"prompt": [{"role": "user", "content": "?"}], "completion": [{"role": "assistant", "content": answer}]}


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{{ messages }}", 2),
        ("{% if enable_thinking is defined %}", 0),
        ("{{ content.split('</think>')[-1] }}", 0),
    ],
)
def test_rows_that_think_are_counted_where_the_template_knows_no_thinking(template, expected):
    rows = [row("<think>\nHm.\n</think>\n\n2"), row("Hm.</think>2"), row("2")]

    assert expected == unmarked_thoughts(rows, template)
