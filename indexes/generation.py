"""One sealed generation as it lies on disk, and the pointer to the live one."""

import json
import os
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from indexes import durable
from rag.core.errors import Damaged

_NAME = re.compile(r"^g\d{6,}$")
_META = "meta.json"
# The engine writes these anew, by renaming, whenever it opens or closes a shard.
_REWRITTEN = frozenset({"edge_config.json", "segment.json"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Meta:
    """What a generation says of itself.

    Its schema, how far into the revocation log it has come, and its files with their sizes: the
    engine opens a shard with a shortened or missing file without a word and answers wrongly. A file
    that the engine itself rewrites has no size here.
    """

    schema: str
    revocations: int
    files: Mapping[str, int | None]


def write_meta(folder: Path, *, schema: str, revocations: int) -> None:
    """Describe a folder that nobody will write to again."""
    meta = Meta(schema=schema, revocations=revocations, files=_sizes(folder))
    (folder / _META).write_text(json.dumps(asdict(meta)), "utf-8")


def read_meta(generation: Path) -> Meta:
    """What the generation says of itself, when it is true.

    Raises:
        Damaged: it says nothing, or its files are not those that were sealed.
    """
    try:
        meta = Meta(**json.loads((generation / _META).read_text("utf-8")))
        sizes = {name: (generation / name).stat().st_size for name in meta.files}
        changed = [n for n, size in meta.files.items() if size is not None and size != sizes[n]]
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise damaged(generation, "is not complete") from error
    if changed:
        raise damaged(generation, f"is not as it was sealed ({changed[0]})")
    return meta


def damaged(generation: Path, how: str) -> Damaged:
    """The error for a generation that can't be read."""
    others = [name for name in generations(generation.parent) if name != generation.name]
    choice = (
        f"Write one of these into CURRENT: {', '.join(others)}; or delete" if others else "Delete"
    )
    return Damaged(
        f"The generation {generation} {how}.",
        mend=f"{choice} {generation.parent} and run “rag sync”.",
    )


def live_generation(folder: Path) -> str | None:
    """What CURRENT names, or None where nothing was ever published.

    Raises:
        Damaged: CURRENT names no generation.
    """
    try:
        name = (folder / "CURRENT").read_text("utf-8", errors="replace").strip()
    except FileNotFoundError:
        return None
    if not _NAME.match(name):
        raise Damaged(
            f"{folder / 'CURRENT'} does not name a generation.",
            mend=f"Write one of these into it: {', '.join(generations(folder)) or 'none left'}.",
        )
    return name


def generations(folder: Path) -> list[str]:
    """All sealed generations, oldest first."""
    if not folder.is_dir():
        return []
    found = [each.name for each in folder.iterdir() if _NAME.match(each.name)]
    return sorted(found, key=lambda name: int(name[1:]))


def next_name(folder: Path) -> str:
    """A name that no generation has."""
    last = max((int(name[1:]) for name in generations(folder)), default=0)
    return f"g{last + 1:06d}"


def copy_shard(source: Path, meta: Meta, target: Path) -> None:
    """Copy a sealed generation's shard.

    File by file, because a reader that opens or closes it may have temporary files beside them.
    """
    for name in meta.files:
        if name.startswith("shard/"):
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            durable.copy_file(source / name, target / name)


def _sizes(folder: Path) -> dict[str, int | None]:
    """Every file below by its path, with its size if that is fixed."""
    files = [Path(root) / name for root, _, names in os.walk(folder) for name in names]
    return {
        file.relative_to(folder).as_posix(): (
            None if file.name in _REWRITTEN else file.stat().st_size
        )
        for file in files
    }
