"""`ponens view`: pages over a home, on the loopback address of this machine."""

from __future__ import annotations

import webbrowser
from typing import Annotated

import typer

from flows.cli.homes import RecipeOption, elsewhere
from flows.show import stderr
from storage.browse.address import PORT
from storage.home import Home


def view(
    recipe: RecipeOption = None,
    port: Annotated[
        int | None,
        typer.Option(
            min=1, max=65535, help=f"The port on 127.0.0.1; {PORT} by default, or a free one.", show_default=False
        ),
    ] = None,
    open: Annotated[bool, typer.Option("--open", help="Open a browser as well.")] = False,
) -> None:
    """Open the pages over a home: runs, questions, reports, adapters, snapshots; Ctrl-C ends it."""
    from tasks.serve.service import url
    from tasks.view.app import application
    from tasks.view.server import door, serve

    home = Home.beside(recipe)
    at = door(port or PORT, another=port is None)
    if not (home.root / "runs").is_dir():
        stderr.print(f"no run in {home.root} yet: it appears as it begins, {elsewhere(home, 'runs')}", soft_wrap=True)

    def ready() -> None:
        stderr.print(f"[bold]{url(at)}[/] over {home.root}; Ctrl-C ends it", soft_wrap=True)
        if open:
            webbrowser.open(url(at))

    serve(application(home), at, ready)
