"""`rag serve`: the chat endpoint."""

from pathlib import Path

import click

from rag.app.cli.common import place_of, place_options
from rag.app.serve import serve as run_server


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8000, show_default=True, type=click.IntRange(0, 65535))
@click.option(
    "--allow-open",
    is_flag=True,
    help="Listen beyond this machine although no API key is configured.",
)
@place_options
def serve(
    host: str, port: int, *, allow_open: bool, config: Path | None, data: Path | None
) -> None:
    """Serve the bots: the chat page, the chat API and the OpenAI-compatible API.

    Example: rag serve --port 8080
    """
    run_server(place_of(config, data).campus(), host=host, port=port, allow_open=allow_open)
