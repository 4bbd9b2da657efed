"""Pages and passages per second into the embedded engine, by the command line itself."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.corpus import PROJECT, Corpus

_SOURCE = """
kind: files
path: ../../corpus
include: ["**/*.md"]
url: https://bench.example/{name}
labels: [{match: "**", labels: [public]}]
"""
_BOT = """
title: {de: Test, en: Test}
index: bench
generator: extractive
refusal: {de: Nichts gefunden., en: Nothing found.}
"""


def configure(folder: Path) -> Path:
    """A configuration over the corpus, with the project's own embedder and prompts."""
    config = folder / "config"
    for name, text in {
        "sources/bench.yaml": _SOURCE,
        "indexes/bench.yaml": "sources: [bench]\n",
        "bots/bench.yaml": _BOT,
    }.items():
        file = config / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, "utf-8")
    for name in ("rag.yaml", "bots/prompts/cited.de.j2", "bots/prompts/cited.en.j2"):
        target = config / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes((PROJECT / "config" / name).read_bytes())
    return config


def measure(corpus: Corpus, folder: Path) -> dict[str, Any]:
    """First sync, a second with nothing changed, a third with 1 % of the pages changed."""
    config = configure(folder)
    pages = len(corpus.pages())
    first = _sync(config, folder / "data")
    again = _sync(config, folder / "data")
    edited = corpus.edit(0.01)
    third = _sync(config, folder / "data")
    assert again["passages"] == 0, "a second sync embedded something"
    assert third["changed"] == edited, third
    return {
        "corpus": corpus.name,
        "pages": pages,
        "passages": first["passages"],
        "first_sync_s": first["seconds"],
        "pages_per_s": round(pages / first["seconds"], 1),
        "passages_per_s": round(first["passages"] / first["seconds"], 1),
        "unchanged_sync_s": again["seconds"],
        "one_percent_pages": edited,
        "one_percent_sync_s": third["seconds"],
        "peak_memory_mb": first["peak_memory_mb"],
    }


def _sync(config: Path, data: Path) -> dict[str, Any]:
    command = [sys.executable, "-m", "rag.app.cli.main", "sync", "--json"]
    command += ["--config", str(config), "--data", str(data)]
    began = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    assert process.stdout is not None
    report = json.loads(process.stdout.read())
    _, status, usage = os.wait4(process.pid, 0)
    assert status == 0, report
    source = report["sources"][0]
    return {
        "seconds": round(time.perf_counter() - began, 2),
        "passages": source["passages"],
        "changed": source["changed"],
        "peak_memory_mb": round(usage.ru_maxrss / 1024),
    }
