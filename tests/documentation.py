"""The pages of the documentation, and what can be found wrong with them without running them.

Every check gives its findings as lines that begin with `page:line`; none means that all is well.
"""

import os
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from unittest.mock import patch

import click
import yaml

from rag.app.cli.main import cli
from rag.core.definitions.campus import RagDefinition
from rag.core.settings import ConfigErrors, check

PROGRAMS = ("make", "rag", "curl", "export")
# Other programs' files, which nobody here can check beyond their being YAML.
FOREIGN = ("# LiteLLM: ",)

_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_CODE = re.compile(r"`([^`\n]+)`")
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)
_PATH = re.compile(
    r"(?:benchmarks|bots|config|connectors|deploy|docs|evaluation|indexes|rag|tests)/"
)
_SECRET = re.compile(r"_env: *(\w+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A fenced block of code; `place` is where it begins."""

    place: str
    language: str
    text: str

    def commands(self) -> Iterator[str]:
        """The commands of a console block, each in one line; such a block shows no output."""
        for command in re.split(r"^\$ ", self.text, flags=re.MULTILINE)[1:]:
            yield command.replace("\\\n", " ").strip()


@dataclass(frozen=True, kw_only=True)
class Page:
    """One Markdown file."""

    path: Path
    text: str

    @classmethod
    def read(cls, path: Path) -> "Page":
        return cls(path=path, text=path.read_text("utf-8"))

    @cached_property
    def blocks(self) -> tuple[Block, ...]:
        """The fenced blocks, in order."""
        return tuple(
            Block(place=self.place(found.start()), language=found[1], text=found[2])
            for found in _BLOCK.finditer(self.text)
        )

    @cached_property
    def prose(self) -> str:
        """The text with its blocks blanked out, so that places stay where they are."""
        return _BLOCK.sub(lambda found: re.sub(r"[^\n]", " ", found[0]), self.text)

    @cached_property
    def anchors(self) -> frozenset[str]:
        """The fragments that lead to headings, as GitHub makes them."""
        headings = (found[1].lower() for found in _HEADING.finditer(self.prose))
        return frozenset(re.sub(r"[^\w\- ]", "", each).replace(" ", "-") for each in headings)

    def place(self, position: int) -> str:
        """Where in which file a character stands."""
        return f"{self.path}:{self.text.count(chr(10), 0, position) + 1}"

    def codes(self) -> Iterator[tuple[str, str]]:
        """What stands between backticks in the prose, with its place."""
        for found in _CODE.finditer(self.prose):
            yield self.place(found.start()), found[1]

    def links(self) -> Iterator[tuple[str, str]]:
        """The targets of all links, with their places."""
        for found in _LINK.finditer(_CODE.sub(lambda code: " " * len(code[0]), self.prose)):
            yield self.place(found.start()), found[1]

    def commands(self) -> Iterator[tuple[str, str]]:
        """All commands, in blocks and in the prose, with their places."""
        for block in self.blocks:
            if block.language == "console":
                yield from ((block.place, command) for command in block.commands())
        for place, code in self.codes():
            if code.split()[0] in PROGRAMS:
                yield place, code


def broken_links(page: Page) -> Iterator[str]:
    """Relative links that lead to no file or no heading."""
    for place, target in page.links():
        if re.match(r"\w+:", target):
            continue
        name, _, anchor = target.partition("#")
        file = page.path.parent / name if name else page.path
        if not file.exists():
            yield f"{place}: there is no {target}"
        elif anchor and anchor not in (page if not name else Page.read(file)).anchors:
            yield f"{place}: there is no heading for {target}"


def missing_paths(page: Page, root: Path) -> Iterator[str]:
    """Paths of the project, between backticks, that lead nowhere."""
    for place, code in page.codes():
        if _PATH.match(code) and " " not in code and not (root / code).exists():
            yield f"{place}: there is no {code}"


def wrong_commands(page: Page, makefile: str) -> Iterator[str]:
    """Programs that nobody checks, targets that make does not know, options that rag has not."""
    targets = set(re.findall(r"^([\w-]+):", makefile, re.MULTILINE))
    for place, command in page.commands():
        program, *words = shlex.split(command, comments=True)
        if program not in PROGRAMS:
            yield f"{place}: nobody checks {program}"
        elif program == "make":
            wrong = [word for word in words if "=" not in word and word not in targets]
            yield from (f"{place}: make has no target {word}" for word in wrong)
        elif program == "rag":
            yield from (f"{place}: {wrong}" for wrong in _unknown_to_rag(words))


def _unknown_to_rag(words: list[str]) -> Iterator[str]:
    assert isinstance(cli, click.Group)
    context = click.Context(cli)
    name = next((word for word in words if not word.startswith("-")), "")
    command = cli.get_command(context, name) if name else cli
    if command is None:
        yield f"rag has no command {name}"
        return
    options = {option for each in command.get_params(context) for option in each.opts}
    for word in words:
        if word.startswith("-") and word.partition("=")[0] not in options:
            yield f"rag {name} has no option {word}"


def wrong_yaml(page: Page, config: Path) -> Iterator[str]:
    """What is wrong with the page's YAML, put in its place in a copy of the configuration."""
    for block in page.blocks:
        if block.language in {"yaml", "yml"}:
            yield from (f"{block.place}: {wrong}" for wrong in _wrong_block(block.text, config))
    keys = "|".join(RagDefinition.model_fields)
    for place, code in page.codes():
        if re.match(rf"({keys}): \S", code):
            yield from (f"{place}: {wrong}" for wrong in _wrong_file("rag.yaml", code, config))


def _wrong_block(text: str, config: Path) -> Iterator[str]:
    named = re.match(r"# config/([\w/-]+\.yaml)\b", text)
    if named:
        yield from _wrong_file(named[1], text, config)
    elif text.startswith(FOREIGN):
        yaml.safe_load(text)
    else:
        yield "the first line must name the file, as in “# config/rag.yaml”"


def _wrong_file(name: str, text: str, config: Path) -> Iterator[str]:
    """Of rag.yaml, pages show parts, which are merged with what is there."""
    file = config / name
    before = file.read_text("utf-8") if file.exists() else None
    if name == "rag.yaml":
        text = merged(before or "", text)
    secrets = dict.fromkeys(_SECRET.findall(text), "documented-0123456789")
    try:
        file.write_text(text, "utf-8")
        with patch.dict(os.environ, secrets):
            check(config)
    except ConfigErrors as errors:
        yield str(errors)
    finally:
        file.write_text(before, "utf-8") if before is not None else file.unlink()


def merged(before: str, fragment: str) -> str:
    """A YAML file with a part of it put in."""
    return yaml.safe_dump(_merged(yaml.safe_load(before) or {}, yaml.safe_load(fragment)))


def _merged(old: Any, new: Any) -> Any:
    if not isinstance(old, Mapping) or not isinstance(new, Mapping):
        return new
    if "kind" in new and new["kind"] != old.get("kind"):
        return new
    return {**old, **{key: _merged(old.get(key), value) for key, value in new.items()}}
