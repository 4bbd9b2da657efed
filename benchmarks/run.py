"""`make bench`: a repeatable benchmark, as JSON and as a table, under benchmarks/out."""

import argparse
import json
import os
import platform
import tempfile
from pathlib import Path
from typing import Any

from benchmarks import ingest, query
from benchmarks.corpus import PROJECT, copied_to

SIZES = (1_000, 50_000)


def main() -> None:
    """Measure, print the table, keep the JSON."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--out", type=Path, default=PROJECT / "benchmarks" / "out")
    options.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    arguments = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="campus-rag-bench-") as name:
        report = _measure(Path(name), arguments.sizes)
    arguments.out.mkdir(parents=True, exist_ok=True)
    (arguments.out / "bench.json").write_text(json.dumps(report, indent=2) + "\n", "utf-8")
    table = _table(report)
    (arguments.out / "bench.md").write_text(table, "utf-8")
    print(table)


def _measure(folder: Path, sizes: tuple[int, ...]) -> dict[str, Any]:
    corpus = copied_to(folder)
    return {
        "machine": {"cores": os.cpu_count(), "processor": platform.machine()},
        "ingest": ingest.measure(corpus, folder),
        "query": query.measure(corpus, folder, sizes),
    }


def _table(report: dict[str, Any]) -> str:
    lines = ["| Ingest | |", "|---|---|"]
    lines += [f"| {name} | {value} |" for name, value in report["ingest"].items()]
    names = list(report["query"][0])
    lines += ["", f"| {' | '.join(names)} |", "|" + "---|" * len(names)]
    lines += [f"| {' | '.join(str(row[n]) for n in names)} |" for row in report["query"]]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
