"""What a configuration expects of the machine it runs on: files, folders, variables."""

from collections.abc import Iterator
from pathlib import Path

from rag.core.config_folder import ConfigFolder
from rag.core.definitions.base import Definition
from rag.core.definitions.sources import FilesSource
from rag.core.errors import ConfigError
from rag.core.yaml_document import KeyPath


def missing_surroundings(folder: ConfigFolder) -> Iterator[ConfigError]:
    """Every path that leads nowhere, and every variable without a value.

    Of rag.yaml only what is used: a generator that no bot names may lack its key.
    """
    for name, source in folder.sources.items():
        problem = _no_folder(source.path) if isinstance(source, FilesSource) else _none(source.path)
        yield from _told(folder, ("sources", name, ("path",)), problem)
    for name, evaluation in folder.evaluations.items():
        for i, cases in enumerate(evaluation.cases):
            yield from _told(folder, ("evaluations", name, ("cases", i)), _no_file(cases))
    for path, definition in _used(folder):
        yield from _of_rag(folder, path, definition)


def _used(folder: ConfigFolder) -> Iterator[tuple[KeyPath, Definition]]:
    """The parts of rag.yaml that some command needs."""
    if folder.rag is None:
        return
    yield ("engine",), folder.rag.engine
    yield ("store",), folder.rag.store
    for i, key in enumerate(folder.rag.http.identity.api_keys):
        yield ("http", "identity", "api_keys", i), key
    speakers = {each for bot in folder.bots.values() for each in (bot.generator, *bot.fallbacks)}
    for name, generator in folder.rag.generators.items():
        if name in speakers:
            yield ("generators", name), generator


def _of_rag(folder: ConfigFolder, path: KeyPath, definition: Definition) -> Iterator[ConfigError]:
    for name, value in definition:
        place = ("", "rag", (*path, name))
        if isinstance(value, Path):
            yield from _told(folder, place, _no_file(value))
        elif name.endswith("_env") and value and not folder.variables.get(value):
            variable = folder.written(*place, value)
            message = f"The environment variable {variable} is not set."
            yield folder.mistake(*place, message, f"Set it, for example: export {variable}=…")


def _told(
    folder: ConfigFolder, place: tuple[str, str, KeyPath], problem: str | None
) -> Iterator[ConfigError]:
    if problem is not None:
        written = folder.written(*place, "")
        mend = "Mend the path; it is read from the folder of this file."
        yield folder.mistake(*place, f"“{written}” {problem}.", mend)


def _no_folder(path: Path) -> str | None:
    return _checked(path) or (None if path.is_dir() else "is no folder")


def _no_file(path: Path) -> str | None:
    return _checked(path) or (None if path.is_file() else "is no file")


def _checked(path: Path) -> str | None:
    try:
        path.stat()
    except FileNotFoundError:
        return "does not exist"
    except OSError as error:
        return f"can't be read: {error.strerror}"
    return None


def _none(path: Path) -> str | None:
    """For a file, a folder or a glob."""
    if not any(mark in str(path) for mark in "*?["):
        return _checked(path)
    if _checked(path) is None:
        return None
    top = next(each for each in path.parents if not any(mark in str(each) for mark in "*?["))
    try:
        return None if any(top.glob(str(path.relative_to(top)))) else "matches no file"
    except (OSError, ValueError) as error:
        return f"can't be read as a glob: {error}"
