"""`ponens serve`, `ask` and `chat`: what they are told. The work is imported by the command that does it."""

from __future__ import annotations

import contextlib
import os
import sys
from functools import partial
from typing import Annotated

import typer

import flows.offline  # noqa: F401  neither server nor engine sends anything home
from flows import show
from flows.cli.homes import RecipeOption
from flows.show import stderr

KeyName = Annotated[
    str | None, typer.Option("--api-key-env", metavar="NAME", help="The environment variable that holds the key.")
]
Server = Annotated[str | None, typer.Option("--server", metavar="URL", help="A server, such as http://127.0.0.1:8000.")]


def serve(
    targets: Annotated[
        list[str], typer.Argument(metavar="RECIPE|NAME…", help="Recipes, or names of adapters.", show_default=False)
    ],
    host: Annotated[str, typer.Option(help="The address; any but the loopback's needs a key.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port; 0 takes a free one.")] = 8000,
    api_key_env: KeyName = None,
    changes: Annotated[
        list[str], typer.Option("--set", metavar="KEY=VALUE", help="Change a value, such as serve.max_model_len=4096.")
    ] = [],
    recipe: RecipeOption = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout, once it answers.")] = False,
) -> None:
    """Serve a base and its adapters to OpenAI's, LangChain's and LoRAX's clients; Ctrl-C ends it."""
    from flows.cli import serve_targets
    from flows.screen import Screen
    from tasks.serve.service import Address, Service, listening

    found = serve_targets.offer(targets, changes, recipe)
    with contextlib.ExitStack() as stack:

        def ready(url: str) -> None:
            stack.enter_context(serve_targets.noted(found, url))
            if json:
                show.emit({"url": url, "names": found.names, "base_model": found.base_model, "pid": os.getpid()})
            said = ", ".join(found.names)
            stderr.print(f"serving {found.base_model} and {said}: [bold]{url}/v1[/]", soft_wrap=True)

        address = Address(host, port, serve_targets.key(api_key_env))
        listening(address).close()  # an address in use is said before anything starts
        stderr.print(f"starting an engine for {found.base_model} …", soft_wrap=True)
        served = (found.spec, found.home, found.names, found.base_model, found.revision)
        Service(*served, address, ready, partial(Screen().waits, "serve")).run()


def ask(
    question: Annotated[
        str,
        typer.Argument(metavar="QUESTION", help="The question; - reads it from standard input.", show_default=False),
    ],
    adapter: Annotated[
        list[str], typer.Option(metavar="ADAPTER", help="NAME/N or NAME@ALIAS; the newest of each name by default.")
    ] = [],
    vote: Annotated[int | None, typer.Option(min=1, max=64, help="Draw so many replies and count them.")] = None,
    server: Server = None,
    api_key_env: KeyName = None,
    recipe: RecipeOption = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")] = False,
) -> None:
    """Ask base and adapters one question, side by side."""
    from flows.cli import ask as asking
    from flows.cli import serve_targets

    text = sys.stdin.read().strip() if question == "-" else question
    asking.ask(text, adapter, vote, server, serve_targets.key(api_key_env), recipe, json=json)


def chat(
    adapter: Annotated[
        str | None, typer.Option(metavar="ADAPTER", help="NAME/N or NAME@ALIAS; `base` is the base alone.")
    ] = None,
    web: Annotated[bool, typer.Option("--web", help="In a browser, on the loopback address.")] = False,
    port: Annotated[int, typer.Option(min=1, max=65535, help="The port of --web.")] = 7860,
    server: Server = None,
    api_key_env: KeyName = None,
    recipe: RecipeOption = None,
) -> None:
    """Talk with an adapter; an empty line or Ctrl-D ends it."""
    from flows.cli import ask as asking
    from flows.cli import serve_targets

    asking.chat(adapter, server, serve_targets.key(api_key_env), recipe, web=web, port=port)
