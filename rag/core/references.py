"""What one file of a configuration says of another: names that must exist, and agree."""

from collections.abc import Collection, Iterator

from rag.core.config_folder import ConfigFolder
from rag.core.definitions.bots import BotDefinition
from rag.core.definitions.indexes import IndexDefinition
from rag.core.definitions.sources import Facet
from rag.core.errors import ConfigError, nearest
from rag.core.yaml_document import KeyPath

_LANGUAGES = ("de", "en")


def wrong_references(folder: ConfigFolder) -> Iterator[ConfigError]:
    """Every name that leads nowhere, and what contradicts itself across files.

    What leads to a mistaken file is no mistake of its own.
    """
    for name, index in folder.indexes.items():
        yield from _of_index(folder, name, index)
    for name, bot in folder.bots.items():
        yield from _of_bot(folder, name, bot)
        yield from _of_prompt(folder, name, bot)
        yield from _of_egress(folder, name, bot)
    for name, evaluation in folder.evaluations.items():
        place = ("evaluations", name, ("bot",))
        yield from _refer(folder, place, "bot", evaluation.bot, folder.names("bots"))


_Spot = tuple[str, str, KeyPath]


def _of_index(folder: ConfigFolder, name: str, index: IndexDefinition) -> Iterator[ConfigError]:
    embedders = folder.names_in_rag("embedders")
    place: _Spot = ("indexes", name, ("embedder",))
    yield from _refer(folder, place, "embedder", index.embedder, embedders)
    for i, source in enumerate(index.sources):
        place = ("indexes", name, ("sources", i))
        yield from _refer(folder, place, "source", source, folder.names("sources"))
    yield from _of_facets(folder, name, index)


def _of_facets(folder: ConfigFolder, name: str, index: IndexDefinition) -> Iterator[ConfigError]:
    first: dict[str, tuple[str, Facet]] = {}
    for source in (each for each in index.sources if each in folder.sources):
        for facet_name, facet in folder.sources[source].facets.items():
            other, theirs = first.setdefault(facet_name, (source, facet))
            if theirs != facet:
                yield folder.mistake(
                    "sources",
                    source,
                    ("facets", facet_name),
                    f"This facet is {_type(facet)} here and {_type(theirs)} in the source "
                    f"“{other}”; the index “{name}” holds both.",
                    "Give both the same type, or rename one.",
                )


def _type(facet: Facet) -> str:
    return f"a list of {facet.type}" if facet.many else facet.type


def _of_bot(folder: ConfigFolder, name: str, bot: BotDefinition) -> Iterator[ConfigError]:
    generators = folder.names_in_rag("generators")
    for path, speaker in _speakers(bot):
        yield from _refer(folder, ("bots", name, path), "generator", speaker, generators)
    yield from _refer(
        folder, ("bots", name, ("index",)), "index", bot.index, folder.names("indexes")
    )
    yield from _of_bot_sources(folder, name, bot)


def _of_bot_sources(folder: ConfigFolder, name: str, bot: BotDefinition) -> Iterator[ConfigError]:
    sources = folder.names("sources")
    index = folder.indexes.get(bot.index)
    is_sound = index is not None and all(each in sources for each in index.sources)
    for i, source in enumerate(bot.sources):
        place: _Spot = ("bots", name, ("sources", i))
        yield from _refer(folder, place, "source", source, sources)
        if index and is_sound and source in sources and source not in index.sources:
            message = f"The index “{bot.index}” does not hold the source “{source}”."
            mend = "Add it there, or remove it here."
            yield folder.mistake(*place, message, mend)


def _of_prompt(folder: ConfigFolder, name: str, bot: BotDefinition) -> Iterator[ConfigError]:
    files = {file.name for file in folder.prompts.glob("*.j2")}
    wanted = {language: f"{bot.prompt}.{language}.j2" for language in _LANGUAGES}
    missing = [file for file in wanted.values() if file not in files]
    if len(missing) == len(wanted):
        known = {file.rsplit(".", 2)[0] for file in files}
        yield from _refer(folder, ("bots", name, ("prompt",)), "prompt", bot.prompt, known)
    elif missing:
        prompt = folder.written("bots", name, ("prompt",), bot.prompt)
        language = next(each for each, file in wanted.items() if file in missing)
        message = f"There is no file bots/prompts/{prompt}.{language}.j2."
        mend = "Write it; every prompt is there in both languages."
        yield folder.mistake("bots", name, ("prompt",), message, mend)


def _of_egress(folder: ConfigFolder, name: str, bot: BotDefinition) -> Iterator[ConfigError]:
    if bot.egress.allow_external or folder.rag is None:
        return
    for path, speaker in _speakers(bot):
        generator = folder.rag.generators.get(speaker)
        if generator is not None and generator.egress == "external":
            written = folder.written("bots", name, path, speaker)
            message = f"“{written}” sends text off the campus, and this bot does not allow it."
            mend = "Choose another generator, or set egress.allow_external: true here."
            yield folder.mistake("bots", name, path, message, mend)


def _speakers(bot: BotDefinition) -> list[tuple[KeyPath, str]]:
    """The generator and its fallbacks, with the keys that name them."""
    fallbacks: list[tuple[KeyPath, str]] = [
        (("fallbacks", i), each) for i, each in enumerate(bot.fallbacks)
    ]
    return [(("generator",), bot.generator), *fallbacks]


def _refer(
    folder: ConfigFolder, place: _Spot, noun: str, target: str, known: Collection[str] | None
) -> Iterator[ConfigError]:
    if known is not None and target not in known:
        message = f"There is no {noun} “{folder.written(*place, target)}”."
        yield folder.mistake(*place, message, nearest(target, list(known)))
