"""Public corpora from outside the project go in through YAML alone; found by RAG_TEST_DATA."""

from pathlib import Path

import pytest

from connectors.catalogue import CatalogueConnector
from connectors.files import FilesConnector
from connectors.records import RecordsConnector
from rag.core.contracts import Source
from rag.core.definitions.sources import CatalogueSource, FilesSource
from rag.core.records import Change, Checkpoint, Record, Unreadable, Upsert
from rag.core.settings import load

pytestmark = pytest.mark.outside_data

USER_GUIDE = """
kind: files
path: {root}/csc_user_guide_en
include: ["docs/**/*.md"]
url: https://docs.example/{{name}}
labels:
  - {{match: "**", labels: [public]}}
languages:
  - {{match: "**", language: en}}
"""

COURSES = """
kind: catalogue
path: {root}/umd_courses_en
format: json
key: "{{course_id}}@{{semester}}"
url: https://courses.example/{{semester}}/{{course_id}}
partition: "{{semester}}"
language: en
title: "{{course_id}} {{name}}"
text: |
  {{description}}

  - **Department:** {{department}}
  - **Credits:** {{credits}}
  - **General education:** {{gen_ed}}
  - **Grading:** {{grading_method}}
  - **Prerequisites:** {{relationships.prereqs}}
  - **Corequisites:** {{relationships.coreqs}}
  - **Restrictions:** {{relationships.restrictions}}
  - **Formerly:** {{relationships.formerly}}
  - **Also offered as:** {{relationships.also_offered_as}}
  - **Credit only for:** {{relationships.credit_granted_for}}
  - **More:** {{relationships.additional_info}}
  - **Instructors:** {{sections.instructors}}
labels: [public]
facets:
  course: {{}}
  semester: {{}}
  department: {{}}
  credits: {{type: number}}
  gen_ed: {{many: true}}
  instructors: {{many: true}}
  days: {{many: true}}
columns:
  course: {{column: course_id}}
  semester: {{column: semester}}
  department: {{column: dept_id}}
  credits: {{column: credits}}
  gen_ed: {{column: gen_ed}}
  instructors: {{column: sections.instructors}}
  days: {{column: sections.meetings.days}}
"""

TUNING = """
kind: records
path: {root}/tuning/{name}/records.jsonl
allowed_labels: [public]
"""


def source(text: str, root: Path, folder: Path, name: str = "") -> Source:
    (folder / "rag.yaml").touch()
    (folder / "sources").mkdir()
    file = folder / "sources" / "outside.yaml"
    file.write_text(text.format(root=root, name=name), "utf-8")
    definition = load(folder).sources["outside"]
    match definition:
        case FilesSource():
            return FilesConnector("outside", definition)
        case CatalogueSource():
            return CatalogueConnector("outside", definition)
        case _:
            return RecordsConnector("outside", definition)


def records(changes: list[Change]) -> dict[str, Record]:
    assert not [change for change in changes if isinstance(change, Unreadable)]
    return {change.record.key: change.record for change in changes if isinstance(change, Upsert)}


def nothing_is_new(again: Source, changes: list[Change]) -> bool:
    assert isinstance(changes[-1], Checkpoint)
    return not [c for c in again.changes(changes[-1].cursor) if not isinstance(c, Checkpoint)]


def test_the_user_guide_goes_in_whole(outside_data: Path, tmp_path: Path) -> None:
    guide = source(USER_GUIDE, outside_data, tmp_path)
    changes = list(guide.changes(None))
    found = records(changes)
    assert len(found) == 697
    assert sorted(guide.keys() or ()) == sorted(found)
    page = found["docs/computing/running/getting-started.md"]
    assert page.title == "Getting started"
    assert page.url == "https://docs.example/docs/computing/running/getting-started"
    assert page.text.startswith("# Getting started\n")
    assert nothing_is_new(guide, changes)


def test_the_course_catalogue_goes_in_whole(outside_data: Path, tmp_path: Path) -> None:
    catalogue = source(COURSES, outside_data, tmp_path)
    changes = list(catalogue.changes(None))
    found = records(changes)
    assert len(found) == 3792
    assert sorted(catalogue.keys() or ()) == sorted(found)
    course = found["AASP100@201805"]
    assert course.title == "AASP100 Introduction to African American Studies"
    assert course.partition == "201805"
    assert course.facets["credits"] == 3.0
    assert course.facets["instructors"] == ("Jason Nichols",)
    assert course.facets["days"] == ("TuWTh",)
    assert "Prerequisites" not in course.text
    assert "- **General education:** DSHS, DVUP" in course.text
    assert nothing_is_new(catalogue, changes)


@pytest.mark.parametrize("name", ["csc_headings", "faq_pairs_de", "gnome_help_de"])
def test_the_tuning_sets_go_in_whole(outside_data: Path, tmp_path: Path, name: str) -> None:
    lines = source(TUNING, outside_data, tmp_path, name)
    changes = list(lines.changes(None))
    assert len(records(changes)) == len(list(lines.keys() or ())) > 100
    assert nothing_is_new(lines, changes)
