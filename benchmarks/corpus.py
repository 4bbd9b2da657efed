"""What is measured on: a real corpus where RAG_TEST_DATA names one, else the sample campus."""

import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
_SENTENCE = re.compile(r"(?<=[.!?:])\s+|\n+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Corpus:
    """A folder of Markdown pages, copied to where it may be changed."""

    name: str
    folder: Path

    def pages(self) -> list[Path]:
        """All pages, sorted."""
        return sorted(self.folder.rglob("*.md"))

    def edit(self, share: float) -> int:
        """Add a sentence to that share of the pages, at least one; how many were changed."""
        pages = self.pages()
        step = max(1, round(1 / share))
        for page in pages[::step]:
            text = page.read_text("utf-8")
            page.write_text(f"{text}\n\nThis sentence is new.\n", "utf-8")
        return len(pages[::step])

    def texts(self) -> Iterator[str]:
        """Distinct sentences of at least five words, each also together with the one before it."""
        seen: set[str] = set()
        for page in self.pages():
            former = ""
            for sentence in _SENTENCE.split(page.read_text("utf-8", "replace")):
                text = " ".join(sentence.split())
                if len(text.split()) < 5:
                    continue
                for each in (text, f"{former} {text}".strip()):
                    if each not in seen:
                        seen.add(each)
                        yield each
                former = text


def copied_to(folder: Path) -> Corpus:
    """The corpus, copied below the folder."""
    outside = os.environ.get("RAG_TEST_DATA")
    origin = Path(outside) / "csc_user_guide_en" / "docs" if outside else None
    if origin is None or not origin.is_dir():
        origin = PROJECT / "config" / "sample" / "wiki"
    target = folder / "corpus"
    shutil.copytree(origin, target)
    for path in (target, *target.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    return Corpus(name=origin.parent.name, folder=target)
