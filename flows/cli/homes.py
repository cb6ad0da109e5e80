"""Which home a command works in: `--home`, else PONENS_HOME, else `.ponens/` beside a recipe or here."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import typer

from storage.home import Home
from storage.records import UsageError

RecipeOption = Annotated[
    Path | None, typer.Option("--recipe", help="A recipe: the home beside it is meant, its folder's .ponens.")
]


HomeOption = Annotated[
    str | None,
    typer.Option(
        "--home",
        metavar="FOLDER",
        help="The folder with all that was made; by default PONENS_HOME, else .ponens beside the recipe or here.",
        show_default=False,
    ),
]


def in_home(command: Callable[..., None]) -> Callable[..., None]:
    """The command with `--home`, which stands for PONENS_HOME while it runs, for the processes it starts as well."""

    @wraps(command)
    def inside(*arguments: Any, home: str | None = None, **options: Any) -> None:
        with _as_home(home):
            command(*arguments, **options)

    written = inspect.signature(command, eval_str=True)
    option = inspect.Parameter("home", inspect.Parameter.KEYWORD_ONLY, default=None, annotation=HomeOption)
    signature = written.replace(parameters=[*written.parameters.values(), option])
    inside.__signature__ = signature  # type: ignore[attr-defined]  # what typer reads
    inside.__annotations__ = {**get_type_hints(command, include_extras=True), "home": HomeOption}
    return inside


@contextmanager
def _as_home(home: str | None) -> Iterator[None]:
    if home is None:
        yield
        return
    if not home.strip():
        raise UsageError("--home", seen="an empty text", expected="a folder")
    before = os.environ.get("PONENS_HOME")
    os.environ["PONENS_HOME"] = str(Path(os.path.expanduser(home)).absolute())
    try:
        yield
    finally:
        os.environ.pop("PONENS_HOME")
        if before is not None:
            os.environ["PONENS_HOME"] = before


def elsewhere(home: Home, part: str) -> str:
    """Where else a home with this part, such as adapters, lies below the working directory; how to name one if none.

    For the end of a sentence that says that there is none in `home`.
    """
    near = sorted(p for p in Path().glob(f"*/.ponens/{part}") if p.is_dir() and p.resolve() != home.root / part)
    return f"or --home {near[0].parent}, which has some" if near else "or name another home with --home"
