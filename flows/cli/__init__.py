"""The command line `ponens`: a file a verb, `app` puts them together."""


def main() -> None:
    """Run the command line; nothing of it is loaded before."""
    from flows.cli.app import main as run

    run()
