"""Vectors by sentence-transformers: the only user of sentence_transformers and of torch."""

import math
import os
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

from indexes.model_folder import ModelFolder, locate
from rag.core.definitions.embedders import EmbedderDefinition
from rag.core.errors import Damaged, Unavailable
from rag.core.records import Vector, digest

if TYPE_CHECKING:
    import torch
    from sentence_transformers import SentenceTransformer


class SentenceTransformerEmbedder:
    """An Embedder. Counting tokens reads one file; the model is loaded by the first vector.

    Calls from several threads are safe: they take turns batch by batch, because the model's
    tokenizer is not, and one forward pass uses every core anyway.
    """

    def __init__(self, definition: EmbedderDefinition) -> None:
        self._definition = definition
        self._lock = Lock()
        self._loaded: SentenceTransformer | None = None

    @property
    def key(self) -> str:
        """Readable, and cheap: names the model, its revision or digest, prefixes and precision.

        A model is the same wherever its folder lies, if `sha256` pins it. Of two machines that
        `precision: auto` treats differently the vectors agree to a cosine of .9999, and share a
        key.
        """
        d = self._definition
        name = Path(d.model.removeprefix("package:")).name
        identity = (name, d.sha256) if d.sha256 else (d.model, d.revision or "")
        return f"{name}-{digest(*identity, d.query_prefix, d.passage_prefix, d.precision)[:12]}"

    @property
    def dimension(self) -> int:
        """Length of a vector, from the model's files."""
        return self._folder.dimension

    @property
    def max_tokens(self) -> int:
        """Tokens that the model reads, from its files."""
        return self._folder.max_tokens

    def count_tokens(self, text: str) -> int:
        """Tokens of the text as a passage, special tokens and prefix included."""
        whole = _readable(self._definition.passage_prefix + text)
        return len(self._folder.tokenizer.encode(whole).ids)

    def embed_passages(self, texts: Sequence[str]) -> Sequence[Vector]:
        """One unit vector a text. Texts of like length share a batch, so that little is padding."""
        order = sorted(range(len(texts)), key=lambda place: len(texts[place]), reverse=True)
        vectors: list[Vector] = [()] * len(texts)
        for start in range(0, len(order), self._definition.batch_size):
            places = order[start : start + self._definition.batch_size]
            batch = [texts[place] for place in places]
            made = self._embed(batch, self._definition.passage_prefix)
            for place, vector in zip(places, made, strict=True):
                vectors[place] = vector
        return vectors

    def embed_query(self, text: str) -> Vector:
        """The unit vector of a question."""
        return self._embed([text], self._definition.query_prefix)[0]

    def warm(self) -> None:
        """Load the model and run it once: seconds now instead of in the first answer.

        Raises:
            Unavailable: the model or a package is missing.
            Damaged: the model is there, but can't be loaded.
        """
        self.embed_query("warm")

    def ping(self) -> None:
        """Return when a question can be embedded; the first call may take the loading's seconds.

        Raises:
            Unavailable: the model or a package is missing.
            Damaged: the model is there, but can't be loaded.
        """
        with self._lock:
            self._model()

    @cached_property
    def _folder(self) -> ModelFolder:
        return ModelFolder(locate(self._definition))

    def _embed(self, texts: Sequence[str], prefix: str) -> list[list[float]]:
        readable = [_readable(text) for text in texts]
        with self._lock:
            vectors = _run(self._model(), readable, prefix)
        if not all(math.isfinite(sum(vector)) for vector in vectors):
            raise Damaged(
                f"The embedding model {self._folder.path} gives vectors that are no numbers.",
                mend="Set precision: float32 for it, or get the model again.",
            )
        return vectors

    def _model(self) -> "SentenceTransformer":
        """The loaded model; the caller holds the lock."""
        if self._loaded is None:
            if self._definition.sha256:
                self._folder.verify(self._definition.sha256)
            self._loaded = _load(self._folder, self._definition)
        return self._loaded


def _readable(text: str) -> str:
    """The text with half surrogate pairs, which no tokenizer takes, replaced."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _run(model: "SentenceTransformer", texts: list[Any], prefix: str) -> list[list[float]]:
    # What SentenceTransformer.encode does for one batch; its own bookkeeping would cost a query
    # 2 ms of 7. The norm is taken in float32: a bfloat16 vector is off by up to 0.2 %.
    import torch  # noqa: PLC0415
    from sentence_transformers.util import batch_to_device  # noqa: PLC0415

    with torch.inference_mode():
        features = batch_to_device(model.preprocess(texts, prompt=prefix or None), model.device)
        vectors = model(features)["sentence_embedding"].to(torch.float32)
        unit = torch.nn.functional.normalize(vectors, dim=1)
    numbers: list[list[float]] = unit.cpu().tolist()
    return numbers


def _load(folder: ModelFolder, definition: EmbedderDefinition) -> "SentenceTransformer":
    if definition.offline:
        _forbid_the_hub()
    try:
        # Five seconds of imports, which most commands do without.
        import sentence_transformers  # noqa: PLC0415
        import torch  # noqa: PLC0415
    except ImportError as error:
        raise Unavailable(
            f"Embedding needs a package that is not installed: {error.name}.",
            mend="Run: pip install sentence-transformers",
        ) from error
    if definition.threads:
        torch.set_num_threads(definition.threads)
    _demand_device(definition.device)
    try:
        model: SentenceTransformer = sentence_transformers.SentenceTransformer(
            str(folder.path),
            device=definition.device,
            local_files_only=True,
            model_kwargs={"dtype": _precision(definition)},
        ).eval()
    except Exception as error:
        # A broken folder raises whatever its reader happens to raise, SafetensorError to KeyError.
        raise Damaged(
            f"The embedding model in {folder.path} can't be loaded: {error}.",
            mend="Get the model again, or name another one in rag.yaml, under embedders.",
        ) from error
    _demand_dimension(model, folder)
    return model


def _demand_device(device: str) -> None:
    import torch  # noqa: PLC0415

    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise Unavailable(
            f"The device “{device}”, on which to embed, is not there: {error}.",
            mend="Set device: cpu in rag.yaml, under embedders.",
        ) from error


def _demand_dimension(model: "SentenceTransformer", folder: ModelFolder) -> None:
    made = model.get_embedding_dimension()
    if made != folder.dimension:
        raise Damaged(
            f"The embedding model in {folder.path} makes vectors of another length ({made}) "
            f"than its files say ({folder.dimension}).",
            mend="Get the model again.",
        )


def _forbid_the_hub() -> None:
    """Both libraries read this once, at their import; `local_files_only` is the second lock."""
    os.environ["HF_HUB_OFFLINE"] = "1"
    os.environ["TRANSFORMERS_OFFLINE"] = "1"


def _precision(definition: EmbedderDefinition) -> "torch.dtype":
    # Measured with MiniLM on two cores, passages of 127 tokens: with AMX 159/s in bfloat16 and
    # 38–55/s in float32; without AMX bfloat16 is emulated and slower, down to 7/s on AVX2.
    import torch  # noqa: PLC0415

    if definition.precision == "auto":
        fast = definition.device == "cpu" and torch.cpu.get_capabilities().get("amx_bf16", False)
        return torch.bfloat16 if fast else torch.float32
    return torch.bfloat16 if definition.precision == "bfloat16" else torch.float32
