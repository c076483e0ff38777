from __future__ import annotations

import re
from pathlib import Path

import healthcare_ops
from healthcare_ops.entrypoints.reference import cli_reference


def test_every_variable_of_the_environment_that_the_product_reads_is_explained():
    sources = Path(healthcare_ops.__file__).parent.rglob("*.py")
    read = {name for path in sources for name in re.findall(r'"(HOPS_[A-Z]+)"', path.read_text(encoding="utf-8"))}

    explained = set(re.findall(r"^\| `(HOPS_[A-Z]+)` \|", cli_reference(), re.MULTILINE))

    assert read == explained == {"HOPS_STATE", "HOPS_LOG"}
