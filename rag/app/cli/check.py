"""`rag check`: every YAML file, every reference."""

from pathlib import Path

import click

from rag.app.cli.common import (
    SHORT,
    json_option,
    place_of,
    place_options,
    print_json,
    say,
)
from rag.core.settings import ConfigErrors, Settings
from rag.core.settings import check as check_configuration


@click.command()
@place_options
@json_option
def check(config: Path | None, data: Path | None, *, as_json: bool) -> None:
    """Check every YAML file, every reference, and the files and variables that they name.

    Prints each mistake as file:line: key: what is wrong and how to mend it.

    Example: rag check --config config
    """
    place = place_of(config, data)
    try:
        settings = check_configuration(place.config)
    except ConfigErrors as errors:
        _report(errors, as_json=as_json)
        raise SystemExit(SHORT) from None
    if as_json:
        print_json({"ok": True, "errors": [], **_counts(settings)})
    else:
        counts = ", ".join(f"{count} {name}" for name, count in _counts(settings).items())
        click.echo(f"The configuration in {place.config} is sound: {counts}.")


def _counts(settings: Settings) -> dict[str, int]:
    return {
        "sources": len(settings.sources),
        "indexes": len(settings.indexes),
        "bots": len(settings.bots),
        "evaluations": len(settings.evaluations),
    }


def _report(errors: ConfigErrors, *, as_json: bool) -> None:
    if as_json:
        listed = [
            {
                "file": str(each.file),
                "line": each.line,
                "key": each.key,
                "message": each.message,
                "mend": each.mend,
            }
            for each in errors.errors
        ]
        print_json({"ok": False, "errors": listed})
    say(str(errors))
    say(errors.message)
