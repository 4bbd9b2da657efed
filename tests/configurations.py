"""A small configuration that is sound, written to a folder so that a test can spoil it."""

from collections.abc import Mapping
from pathlib import Path

RAG = """\
engine:
  kind: server
  url: https://qdrant.example:6333
  api_key_env: QDRANT_KEY
embedders:
  default: {}
generators:
  quotes:
    kind: extractive
  llama:
    kind: tgi
    url: http://tgi.example:8080
    egress: campus
    api_key_env: TGI_KEY
    sampling:
      temperature: 0.2
  cloud:
    kind: openai
    url: https://api.example/v1
    egress: external
    api_key_env: CLOUD_KEY
    model: gpt
http:
  identity:
    api_keys:
      - name: helpdesk
        key_env: DESK_KEY
        labels: [public, staff]
store:
  url_env: STORE_URL
"""

WIKI = """\
kind: files
path: ../data/wiki
url: https://wiki.example/{name}
labels:
  - match: "**"
    labels: [public]
facets:
  level:
    type: keyword
"""

COURSES = """\
kind: catalogue
path: ../data/courses.csv
key: "{Nummer}"
title: "{Titel}"
text:
  de: "{Beschreibung}"
  en: "{Description}"
labels: [public]
facets:
  ects:
    type: integer
columns:
  ects:
    column: ECTS
"""

TICKETS = """\
kind: records
path: ../data/*.jsonl
allowed_labels: [public, staff]
"""

INDEX = """\
sources:
  - wiki
  - courses
  - tickets
chunking:
  max_tokens: 180
"""

BOT = """\
title:
  de: IT-Hilfe
  en: IT support
index: campus
sources: [wiki, tickets]
generator: llama
fallbacks:
  - quotes
retriever:
  limit: 5
  dense_weight: {de: 0.2, en: 0.6}
refusal:
  de: Dazu habe ich nichts gefunden.
  en: I found nothing about this.
"""

EVALUATION = """\
bot: it-support
cases:
  - ../data/cases.jsonl
"""

SOUND: Mapping[str, str] = {
    "rag.yaml": RAG,
    "sources/wiki.yaml": WIKI,
    "sources/courses.yaml": COURSES,
    "sources/tickets.yaml": TICKETS,
    "indexes/campus.yaml": INDEX,
    "bots/it-support.yaml": BOT,
    "bots/prompts/cited.de.j2": "",
    "bots/prompts/cited.en.j2": "",
    "evaluations/it-support.yaml": EVALUATION,
    "data/wiki/vpn.md": "# VPN",
    "data/courses.csv": "Nummer;Titel",
    "data/tickets.jsonl": "{}",
    "data/cases.jsonl": "{}",
}

VARIABLES: Mapping[str, str] = dict.fromkeys(
    ("QDRANT_KEY", "TGI_KEY", "DESK_KEY", "STORE_URL"), "set"
)


def write(root: Path, changes: Mapping[str, str | bytes | None] | None = None) -> Path:
    """The sound configuration with some files changed; None leaves one out."""
    for name, content in {**SOUND, **(changes or {})}.items():
        if content is not None:
            file = root / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content.encode() if isinstance(content, str) else content)
    return root
