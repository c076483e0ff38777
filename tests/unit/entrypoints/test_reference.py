from __future__ import annotations

import re
from itertools import groupby
from pathlib import Path

import pytest

import healthcare_ops
from healthcare_ops.entrypoints.reference import DOCUMENTS, cli_reference


def test_every_variable_of_the_environment_that_the_product_reads_is_explained():
    sources = Path(healthcare_ops.__file__).parent.rglob("*.py")
    read = {name for path in sources for name in re.findall(r'"(HOPS_[A-Z]+)"', path.read_text(encoding="utf-8"))}

    explained = set(re.findall(r"^\| `(HOPS_[A-Z]+)` \|", cli_reference(), re.MULTILINE))

    assert read == explained == {"HOPS_STATE", "HOPS_LOG"}


@pytest.mark.parametrize("name", [name for name in DOCUMENTS if name.endswith(".md")])
def test_every_row_of_a_table_has_as_many_cells_as_its_head(name):
    lines = DOCUMENTS[name]().splitlines()
    tables = [list(rows) for is_table, rows in groupby(lines, lambda line: line.startswith("|")) if is_table]

    cells = [{len(re.findall(r"(?<!\\)\|", row)) for row in rows} for rows in tables]

    assert len(tables) > 10
    assert [counts for counts in cells if len(counts) != 1] == []
