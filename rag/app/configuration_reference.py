"""docs/configuration.md: every YAML file with every key, made from the definitions.

`python -m rag.app.configuration_reference > docs/configuration.md`; a test holds the file to the
definitions and loads its examples.
"""

import inspect
import json
import re
import sys
from collections.abc import Iterator
from typing import Any, get_args, get_origin

from pydantic.fields import FieldInfo

from rag.core.definitions.base import Definition
from rag.core.definitions.bots import BotDefinition
from rag.core.definitions.campus import RagDefinition
from rag.core.definitions.evaluations import EvaluationDefinition
from rag.core.definitions.indexes import IndexDefinition
from rag.core.definitions.sources import SourceDefinition
from rag.core.wording import annotation_of, bare, in_words, is_definition, kinds, members

INTRO = """\
# Configuration

This page is made from the code by `python -m rag.app.configuration_reference`; don't edit it.

A configuration is a folder, `config` unless `--config` or `RAG_CONFIG` names another:

    rag.yaml           what all others share: engine, embedders, generators, the chat endpoint
    sources/           one file for each source system: what is read, and who may see it
    indexes/           one file for each index: which sources are searched together
    bots/              one file for each bot: what it searches, and what speaks for it
    bots/prompts/      the bots' prompts, as Jinja templates in German and English
    evaluations/       one file for each evaluation: a bot and the cases that judge it

A file's name without its ending (`.yaml` or `.yml`) is the name by which others refer to it:
`index: courses` in a bot leads to `indexes/courses.yaml`. Names have lower-case letters, digits and
hyphens.

**Check it.** `rag check` reads everything and tells every mistake at once, with file, line, key and
what to do:

    config/bots/it-support.yaml:5: generator: There is no generator “lama”. Did you mean “llama”?

It also tells which paths lead nowhere and which variables are not set, though of generators only
those that a bot uses. Other commands refuse a configuration with mistakes, but ask for paths and
variables only when they need them: a sync runs without the generators' keys.

**Paths** are read from the folder of the file that names them; `~` is the home folder.

**Variables.** `${NAME}` inside of a text is replaced by the environment variable NAME, and
`${NAME:-value}` by the value after `:-` where NAME is not set or empty. `$${` stands for the two
characters `${`. Secrets never stand in a file: keys that end in `_env` hold the *name* of the
variable that holds the secret. What a variable holds is never shown in a message.

**YAML.** Unknown keys, keys that stand twice, tags such as `!!set`, and merge keys (`<<`) are
mistakes. Put a text in quotes if it begins with `{`, `[`, `*`, `&`, `!`, `%`, `@` or a quote, if it
holds a colon and a space, or if it reads like a number or like yes or no.

**Editors** that know YAML language servers complete keys and mark mistakes while you type, if the
first line names the schema: `# yaml-language-server: $schema=../schemas/bot.schema.json`.
"""

RAG = """\
The one file that must be there. An empty one takes every default: the embedded engine, the small
model that the demo uses, and the generator that quotes.

`rag.yaml`:

```yaml
engine:
  kind: server
  url: ${QDRANT_URL:-http://localhost:6333}
  api_key_env: QDRANT_API_KEY
  shards: 2
  replicas: 2

embedders:
  default:
    model: /models/multilingual-e5-base
    query_prefix: "query: "
    passage_prefix: "passage: "

generators:
  extractive:
    kind: extractive
  llama:
    kind: tgi
    url: http://tgi.example:8080
    egress: campus
    sampling:
      temperature: 0.2
      max_tokens: 600
  gpt:
    kind: openai
    url: https://api.example/v1
    egress: external
    model: gpt-4o
    api_key_env: GPT_API_KEY

http:
  identity:
    anonymous: [public]
    api_keys:
      - name: helpdesk
        key_env: HELPDESK_API_KEY
        labels: [public, staff]
```
"""

SOURCES = """\
A source is of one of three kinds. Whatever its kind, a record that no rule gives a label to is seen
by nobody; `public` is everybody.

`sources/it-wiki.yaml`:

```yaml
kind: files
path: ../../export/wiki
url: https://wiki.example/{name}
labels:
  - match: "intern/**"
    labels: [staff]
  - match: "**"
    labels: [public]
languages:
  - match: "en/**"
    language: en
facets:
  topic:
    type: keyword
```

`sources/it-tickets.yaml`:

```yaml
kind: records
path: ../../export/tickets/*.jsonl
allowed_labels: [public, staff]
```

`sources/courses.yaml`:

```yaml
kind: catalogue
path: ../../export/courses.csv
delimiter: ";"
key: "{Nummer}@{Semester}"
partition: "{Semester}"
title:
  de: "{Titel}"
  en: "{Titel_en}"
text:
  de: |
    {Beschreibung}

    - **ECTS:** {ECTS}
  en: |
    {Beschreibung_en}

    - **ECTS credits:** {ECTS}
labels:
  column: Zielgruppe
  map:
    alle: [public]
    intern: [staff]
facets:
  ects:
    type: number
columns:
  ects:
    column: ECTS
    decimal: ","
```
"""

INDEXES = """\
An index is what a bot searches. Its sources must agree about the type of every facet that they
share.

`indexes/it-support.yaml`:

```yaml
sources: [it-wiki, it-tickets]
```

`indexes/courses.yaml`:

```yaml
sources: [courses]
chunking:
  max_tokens: 180
```
"""

BOTS = """\
`bots/it-support.yaml`:

```yaml
title:
  de: IT-Hilfe
  en: IT support
index: it-support
generator: llama
fallbacks: [extractive]
refusal:
  de: Dazu habe ich nichts gefunden. Bitte wenden Sie sich an den Helpdesk.
  en: I found nothing about this. Please ask the help desk.
examples:
  de: ["Wie verbinde ich mein Handy mit eduroam?"]
  en: ["How do I connect my phone to eduroam?"]
```

A bot that may ask a service outside of the campus says so, and what that service may read:

`bots/courses.yaml`:

```yaml
title:
  de: Kursberatung
  en: Course advice
index: courses
retriever:
  limit: 8
generator: gpt
fallbacks: [extractive]
egress:
  allow_external: true
  external_labels: [public]
refusal:
  de: Dazu habe ich keine Lehrveranstaltung gefunden.
  en: I found no course about this.
```
"""

EVALUATIONS = """\
What a case is, and what is measured: [evaluation.md](evaluation.md).

`evaluations/it-support.yaml`:

```yaml
bot: it-support
cases:
  - ../../cases/it-support.jsonl
k: 5
```
"""

# Heading, what such a file holds, and the words before its keys.
FILES: tuple[tuple[str, Any, str], ...] = (
    ("rag.yaml", RagDefinition, RAG),
    ("sources/NAME.yaml", SourceDefinition, SOURCES),
    ("indexes/NAME.yaml", IndexDefinition, INDEXES),
    ("bots/NAME.yaml", BotDefinition, BOTS),
    ("evaluations/NAME.yaml", EvaluationDefinition, EVALUATIONS),
)

# Where the name of the class is not what people would call it.
_TITLES = {
    "RagDefinition": "Keys of the file",
    "OpenAiSampling": "Sampling of kind openai",
    "ApiKey": "API key",
    "HttpSettings": "HTTP settings",
    "ByLanguage": "Text by language",
}


def reference() -> str:
    """The whole page as Markdown."""
    seen: set[type[Definition]] = set()
    parts = [INTRO]
    for heading, annotation, words in FILES:
        parts += [f"## {heading}\n", words]
        parts += [_section(each) for each in _models(annotation, seen)]
    return "\n".join(parts)


def _models(annotation: Any, seen: set[type[Definition]]) -> Iterator[type[Definition]]:
    """The definitions in an annotation, each before those that it holds, and only once."""
    for member in members(annotation):
        if not is_definition(member):
            for inner in get_args(member):
                yield from _models(inner, seen)
        elif member not in seen:
            seen.add(member)
            yield member
            for field in member.model_fields.values():
                yield from _models(field.annotation, seen)


def _section(model: type[Definition]) -> str:
    fields = sorted(model.model_fields.items(), key=lambda each: each[0] != "kind")
    rows = [_row(model, name, field) for name, field in fields]
    table = ["| Key | Value | Default | Meaning |", "|---|---|---|---|", *rows]
    return "\n".join([f"### {_title(model)}\n", f"{inspect.getdoc(model)}\n", *table, ""])


def _title(model: type[Definition]) -> str:
    """From the name of the class: FilesSource is “Source of kind files”."""
    if model.__name__ in _TITLES:
        return _TITLES[model.__name__]
    words = re.findall(r"[A-Z][a-z]+", model.__name__.removesuffix("Definition"))
    if (chosen := kinds(model)) and len(words) > 1:
        return f"{words[-1]} of kind {chosen[0]}"
    return " ".join([words[0], *(word.lower() for word in words[1:])])


def _row(model: type[Definition], name: str, field: FieldInfo) -> str:
    cells = (f"`{name}`", in_words(annotation_of(field), _links), _default(field))
    meaning = _meaning(model, name, field)
    return "| " + " | ".join(each.replace("|", "\\|") for each in (*cells, meaning)) + " |"


def _links(models: list[type[Definition]]) -> tuple[str, str]:
    """Links to what the definitions are, as one and as many."""
    if len(models) > 1:
        links = ", ".join(_link(each, kinds(each)[0]) for each in models)
        return f"one of these kinds: {links}", f"entries of these kinds: {links}"
    return (_link(models[0], _title(models[0])),) * 2


def _link(model: type[Definition], text: str) -> str:
    return f"[{text}](#{_title(model).lower().replace(' ', '-')})"


def _meaning(model: type[Definition], name: str, field: FieldInfo) -> str:
    plain = bare(field.annotation)
    if field.description:
        return field.description
    if is_definition(plain):
        return (inspect.getdoc(plain) or "").partition("\n")[0]
    assert name == "kind", f"{model.__name__}.{name} needs a description"
    return "Chooses this kind."


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    if isinstance(value, Definition):
        return f"kind {kinds(type(value))[0]}" if kinds(type(value)) else "its defaults"
    if get_origin(bare(field.annotation)) is dict and value:
        return ", ".join(f"`{name}`" for name in value)
    return "none" if value is None else f"`{json.dumps(value, ensure_ascii=False)}`"


if __name__ == "__main__":
    sys.stdout.write(reference())
