"""One YAML file with the line of every key in it: with `yaml_problems`, the only user of PyYAML.

Keys and unquoted dates are text. Variables are replaced inside of text values; what a variable
holds never appears in a message.
"""

import re
import stat
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml

from rag.core.errors import BadInput, ConfigError
from rag.core.variables import expand
from rag.core.yaml_problems import problem_of

MAX_FILE_BYTES = 1_000_000
MAX_DEPTH = 40
MAX_NODES = 20_000
# A number of more characters is none that anybody would write, and costs time to read.
MAX_NUMBER_CHARS = 64

_SHOWN = 60
_TAG = "tag:yaml.org,2002:"
_TEXTS = {_TAG + name for name in ("str", "timestamp", "merge", "value")}
_UNUSABLE = re.compile("[\0\ud800-\udfff]")

KeyPath = tuple[str | int, ...]


def shown(text: str) -> str:
    r"""The text in one line of at most 60 printable characters.

    >>> shown("a\nb")
    'a\\nb'
    """
    line = "".join(c if c.isprintable() else repr(c)[1:-1] for c in text[: _SHOWN + 1])
    return line if len(line) <= _SHOWN else f"{line[: _SHOWN - 1]}…"


def dotted(path: KeyPath) -> str:
    """The path as people write it.

    >>> dotted(("sources", 0))
    'sources.0'
    """
    return ".".join(shown(str(part)) for part in path)


class YamlDocument:
    """A parsed file: `data`, and by key path `lines` and, of single values, what is `written`.

    `mistakes` are those that leave the rest readable; at their paths `data` holds None.

    Raises:
        ConfigError: not readable, not YAML, nested or grown beyond the limits.
    """

    def __init__(self, file: Path, variables: Mapping[str, str]) -> None:
        self.file = file
        self.lines: dict[KeyPath, int] = {}
        self.written: dict[KeyPath, str] = {}
        self.mistakes: list[ConfigError] = []
        self._mistaken: set[KeyPath] = set()
        self._variables = variables
        self._nodes = self._chars = 0
        text = self._read()
        try:
            self._loader = _Loader(text)
            root = self._loader.get_single_node()
        except (yaml.YAMLError, ValueError, OverflowError) as error:
            raise self._unparsed(error, text) from None
        self.is_empty = root is None
        self.data = {} if root is None else self._build(root, (), 0)

    def error(self, message: str, path: KeyPath = (), mend: str = "") -> ConfigError:
        """A mistake at the key."""
        return self._at(self.line(path), message, path, mend)

    def line(self, path: KeyPath) -> int:
        """The line of the key, or of the nearest key above that stands in the file."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)

    def is_mistaken(self, path: KeyPath) -> bool:
        """Whether `mistakes` tells already that what stands here can't be used."""
        return any(path[:end] in self._mistaken for end in range(len(path) + 1))

    def _at(self, line: int, message: str, path: KeyPath = (), mend: str = "") -> ConfigError:
        return ConfigError(message, file=self.file, line=line, key=dotted(path), mend=mend)

    def _read(self) -> str:
        try:
            if not stat.S_ISREG(self.file.stat().st_mode):
                raise self.error("This is no regular file.", mend="Put a text file in its place.")
            with self.file.open("rb") as handle:
                data = handle.read(MAX_FILE_BYTES + 1)
            if len(data) > MAX_FILE_BYTES:
                raise self.error(
                    f"The file is larger than {MAX_FILE_BYTES:,} bytes.",
                    mend="Keep data out of the configuration.",
                )
            return data.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            # The position counts from behind a byte order mark, which holds no line break.
            line = error.object[: error.start].count(b"\n") + 1
            message = f"The byte 0x{error.object[error.start]:02X} in this line is not UTF-8."
            raise self._at(line, message, mend="Save the file as UTF-8.") from None
        except OSError as error:
            raise self.error(
                f"The file can't be read: {error.strerror}.", mend="Check that it may be read."
            ) from None

    def _unparsed(self, error: Exception, text: str) -> ConfigError:
        if isinstance(error, yaml.MarkedYAMLError):
            problem = problem_of(error)
            return self._at(problem.line, problem.message, mend=problem.mend)
        if isinstance(error, yaml.reader.ReaderError):
            line = text[: error.position].count("\n") + 1
            message = f"This line holds the control character {error.character:#04x}."
            return self._at(line, message, mend="Remove it, or save the file as UTF-8 text.")
        # PyYAML hands "\UFFFFFFFF" to chr() unchecked.
        line = self._loader.get_mark().line + 1
        return self._at(line, "There is no such character.", mend="\\U goes up to \\U0010FFFF.")

    def _build(self, node: yaml.Node, path: KeyPath, depth: int) -> Any:
        self.lines.setdefault(path, node.start_mark.line + 1)
        self._grow(1, 0, path)
        if depth > MAX_DEPTH:
            message = "The file is nested too deeply."
            raise self.error(message, path[:3], "An anchor can't hold itself.")
        if isinstance(node, yaml.MappingNode) and node.tag == _TAG + "map":
            return dict(self._pairs(node, path, depth))
        if isinstance(node, yaml.SequenceNode) and node.tag == _TAG + "seq":
            return [self._build(n, (*path, i), depth + 1) for i, n in enumerate(node.value)]
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, path)
        self._note(_refused(node.tag), path, "Remove the tag.")
        return None

    def _grow(self, nodes: int, chars: int, path: KeyPath) -> None:
        """Count what anchors and variables multiply."""
        self._nodes += nodes
        self._chars += chars
        if self._nodes > MAX_NODES or self._chars > MAX_FILE_BYTES:
            raise self.error(
                f"With anchors and variables written out, the file has more than {MAX_NODES:,} "
                f"values or {MAX_FILE_BYTES:,} characters.",
                path,
                "Keep data out of the configuration.",
            )

    def _pairs(
        self, node: yaml.MappingNode, path: KeyPath, depth: int
    ) -> Iterator[tuple[str, Any]]:
        seen: dict[str, int] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if (key := self._key(key_node, path, line)) is None:
                continue
            here = (*path, key)
            if key in seen:
                message = f"This key stands here twice, first in line {seen[key]}."
                self.mistakes.append(self._at(line, message, here, "Keep one of the two."))
                continue
            seen[key] = self.lines[here] = line
            yield key, self._build(value_node, here, depth + 1)

    def _key(self, node: yaml.Node, path: KeyPath, line: int) -> str | None:
        """The key as it is written; None is a mistake."""
        if not isinstance(node, yaml.ScalarNode):
            mend = "Put a text that begins with { or [ in quotes."
            self.mistakes.append(self._at(line, "A key must be a text.", path, mend))
        elif node.tag == _TAG + "merge":
            message, mend = "Keys can't be merged with <<.", "Write them out."
            self.mistakes.append(self._at(line, message, path, mend))
        elif _UNUSABLE.search(node.value):
            message, mend = "The key holds a character that is no text.", "Remove it."
            self.mistakes.append(self._at(line, message, path, mend))
        else:
            self._grow(0, len(node.value), path)
            return str(node.value)
        return None

    def _scalar(self, node: yaml.ScalarNode, path: KeyPath) -> Any:
        self.written[path] = node.value
        try:
            value = self._text(node.value) if node.tag in _TEXTS else self._number(node)
        except BadInput as error:
            self._note(error.message, path, error.mend)
            return None
        self._grow(0, len(str(value)), path)
        return value

    def _text(self, text: str) -> str:
        expanded = expand(text, self._variables)
        if _UNUSABLE.search(expanded):
            raise BadInput(
                "The text holds a character that is no text.",
                mend="Check its escapes, and the variables in it.",
            )
        return expanded

    def _number(self, node: yaml.ScalarNode) -> Any:
        """A number, true, false or nothing; what is not written as one may not be tagged as one."""
        if node.style is not None or not self._loader.is_implied(node):
            raise BadInput(_refused(node.tag), mend="Remove the tag.")
        # 0b_ looks like a number to YAML, and is none to Python.
        with suppress(ValueError):
            if len(node.value) <= MAX_NUMBER_CHARS:
                return self._loader.construct_object(node)
        raise BadInput("This number can't be read.", mend="Put it in quotes if it is a text.")

    def _note(self, message: str, path: KeyPath, mend: str) -> None:
        self._mistaken.add(path)
        self.mistakes.append(self.error(message, path, mend))


class _Loader(yaml.SafeLoader):
    """Stops at the limits while it reads, before anything costs memory."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._nodes = 0
        self._depth = 0

    def is_implied(self, node: yaml.ScalarNode) -> bool:
        """Whether the node would have its tag also without quotes and without a tag."""
        implied: str = self.resolve(yaml.ScalarNode, node.value, (True, False))  # type: ignore[no-untyped-call]
        return node.tag == implied

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """The next node."""
        self._nodes += 1
        if self._nodes > MAX_NODES or self._depth > MAX_DEPTH:
            problem = "nested too deeply" if self._depth > MAX_DEPTH else "too many values"
            raise yaml.composer.ComposerError(problem=problem, problem_mark=self.get_mark())
        self._depth += 1
        try:
            return super().compose_node(parent, index)
        finally:
            self._depth -= 1


def _refused(tag: str) -> str:
    return f"The tag {shown(tag.replace(_TAG, '!!'))} is not allowed here."
