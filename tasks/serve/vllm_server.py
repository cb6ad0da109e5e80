"""vLLM's own OpenAI server as a child process: `python -m tasks.serve.vllm_server ARGUMENTS`, those of `vllm serve`.

It ends with its parent, and its engine's processes with it.
"""

from __future__ import annotations

from tasks.runtime import worker


def main() -> None:
    """Serve until told to end."""
    worker.watch(group=True)
    from vllm.entrypoints.launchers.api_server.entry import main as serve

    serve()


if __name__ == "__main__":
    main()
