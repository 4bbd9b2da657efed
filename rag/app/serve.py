"""Runs the chat endpoint on uvicorn."""

import uvicorn

from rag.app.http.app import create_app
from rag.app.http.identity import KeyIdentity, check_binding
from rag.app.wiring import Campus


def serve(campus: Campus, *, host: str, port: int, allow_open: bool) -> None:
    """Serve until the process is told to stop.

    Raises:
        BadInput: an address beyond this machine, and nobody would be identified; or a key that
            can't be one.
    """
    definition = campus.settings.rag.http.identity
    check_binding(host, definition, allow_open=allow_open)
    app = create_app(campus, identity=KeyIdentity(definition))
    uvicorn.run(
        app,
        host=host,
        port=port,
        log_level="info",
        server_header=False,
        # An answer that is being spoken may end; one that hangs must not keep the process.
        timeout_graceful_shutdown=5,
    )
