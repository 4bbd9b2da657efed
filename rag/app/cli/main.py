"""The console script `rag`."""

import sys
from pathlib import Path

import click

from rag.app.cli.common import fail, root_options
from rag.core.errors import RagError

_COMMANDS = {
    "check": "rag.app.cli.check:check",
    "sync": "rag.app.cli.sync:sync",
    "search": "rag.app.cli.search:search",
    "ask": "rag.app.cli.ask:ask",
    "evaluate": "rag.app.cli.evaluate:evaluate",
    "serve": "rag.app.cli.serve:serve",
}


class _Lazy(click.Group):
    """A group whose commands are imported when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(_COMMANDS)

    def get_command(
        self,
        ctx: click.Context,  # noqa: ARG002 - click's signature
        cmd_name: str,
    ) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        module, name = _COMMANDS[cmd_name].split(":")
        command = getattr(__import__(module, fromlist=[name]), name)
        assert isinstance(command, click.Command)
        return command


@click.command(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@root_options
@click.version_option(package_name="campus-rag")
def cli(config: Path | None, data: Path | None) -> None:
    """Bots over a campus's own tickets, wiki pages and courses.

    Example: rag ask it-support "How do I connect my phone to eduroam?"
    """


def main() -> None:
    """Run the command; no error of the framework ends in a traceback."""
    try:
        cli()
    except RagError as error:
        fail(error, as_json="--json" in sys.argv)
    except BrokenPipeError:
        # Whoever read our output has gone: `rag search … | head`.
        sys.stderr.close()
        raise SystemExit(1) from None


if __name__ == "__main__":
    main()
