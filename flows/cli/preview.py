"""`ponens train RECIPE --preview N`: the tokens of N rows on a screen, those that are learnt in colour."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.text import Text

from flows import show
from flows.bases import local
from flows.recipe import Recipe
from storage.home import Home
from storage.tables import snapshot_catalog

LEARNT, GIVEN, CUT = "bold green", "dim", "strike red"


_SAID = {None: "not set", True: "on", False: "off"}


def preview(recipe: Recipe, home: Home, snapshot: str, rows: int, *, json: bool) -> None:
    """Print what training would see of a snapshot of this home; PonensError where it would refuse a row."""
    from tasks.train.preview import preview as look

    found = look(local(recipe, home.root).training, snapshot_catalog.find(home, snapshot).path, rows)
    if json:
        show.emit(found)
        return
    for sample in found["shown"]:
        show.stdout.print(f"[bold]{sample['name']}[/]", soft_wrap=True)
        show.stdout.print(coloured(sample["tokens"]), soft_wrap=True)
    show.stdout.print(counts(found), soft_wrap=True, markup=False)


def coloured(tokens: list[dict[str, Any]]) -> Text:
    """The tokens one after the other with a bar between them; a line break keeps its place and shows as ⏎."""
    text = Text()
    for token in tokens:
        style = CUT if token["cut"] else LEARNT if token["trained"] else GIVEN
        text.append(token["text"].replace("\n", "⏎\n"), style)
        text.append("|", "bright_black")
    return text


def counts(found: Mapping[str, Any]) -> str:
    """What all rows come to, in two lines."""
    rendering = found["rendering"]
    cut = f"{found['truncated']:,} cut at {found['max_length']:,} tokens"
    if found["too_many_truncated"]:
        cut += ", more than [train] max_truncated_share allows"
    if found["left_out"]:
        cut += f", {found['left_out']:,} left out: their prompts alone are so long"
    return (
        f"{found['rows']:,} rows, {found['samples']:,} samples, {found['tokens']:,} tokens, "
        f"{found['trained']:,} to learn; {cut}{': ' * bool(found['cut'])}{'; '.join(found['cut'])}\n"
        f"loss {found['loss']}, template {rendering['template']}, system prompt {rendering['system'] or 'none'}, "
        f"thinking {_SAID[rendering['thinking']]}, tokens added: {' '.join(rendering['added_tokens']) or 'none'}"
    )
