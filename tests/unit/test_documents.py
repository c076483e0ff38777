from __future__ import annotations

import re
from pathlib import Path

import pytest

from healthcare_ops.core.tables import TABLES
from healthcare_ops.entrypoints.reference import DOCUMENTS, TABLED_PAGES, TABLES_OF_PAGES, with_tables
from healthcare_ops.jobs import JOB_NAMES

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), ROOT / "src" / "healthcare_ops" / "pipeline" / "README.md"]
)
WRITTEN = [page for page in PAGES if page.name not in DOCUMENTS]


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_generated_document_is_not_stale(name):
    written = (ROOT / "docs" / name).read_text(encoding="utf-8")

    assert written == DOCUMENTS[name](), "run `make docs`"


@pytest.mark.parametrize(("name", "table"), list(zip(TABLED_PAGES, TABLES_OF_PAGES, strict=True)))
def test_the_tables_of_alarms_and_actions_say_what_their_files_say(name, table):
    page = (ROOT / "docs" / name).read_text(encoding="utf-8")

    assert TABLES_OF_PAGES[table]() in page
    assert page == with_tables(page), "run `make docs`"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_of_a_page_leads_to_a_file(page):
    targets = re.findall(r"\]\((?!https?://|#|mailto:)([^)#]+)", page.read_text(encoding="utf-8"))

    missing = [target for target in targets if not (page.parent / target).exists()]

    assert missing == []


@pytest.mark.parametrize("page", WRITTEN, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_that_a_page_names_exists(page):
    commands = re.findall(r"^## hops (.+)$", DOCUMENTS["cli.md"](), re.MULTILINE)

    named = re.findall(r"\bhops ([a-z]+)(?: ([a-z]+))?", page.read_text(encoding="utf-8"))

    known = {(first, second) for first, _, second in (command.partition(" ") for command in commands)}
    known |= {(group, "") for group, command in known if command}
    assert [name for name in named if name not in known and (name[0], "") not in known] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_make_target_that_a_page_names_exists(page):
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))

    named = set(re.findall(r"`make ([a-z-]+)", page.read_text(encoding="utf-8")))

    assert named <= targets


def test_the_pipeline_s_readme_lists_its_modules():
    folder = ROOT / "src" / "healthcare_ops" / "pipeline"
    text = (folder / "README.md").read_text(encoding="utf-8")
    modules = {path.name for path in folder.glob("*.py")} | {
        f"{path.parent.name}/" for path in folder.glob("*/__init__.py")
    }

    missing = [name for name in modules - {"__init__.py"} if f"`{name}`" not in text]

    assert missing == []


def test_the_architecture_names_every_job_and_table():
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")

    missing = [name for name in (*JOB_NAMES, *(table.id for table in TABLES)) if f"`{name}`" not in text]

    assert missing == []
