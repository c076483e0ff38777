from __future__ import annotations

import ast
import re
import subprocess
import tomllib
from importlib import metadata
from pathlib import Path

import pytest

import healthcare_ops

ROOT = Path(__file__).parents[2]
LOCKS = ("core", "dev", "spark")
PIN = re.compile(r"(?P<name>[a-z0-9][a-z0-9-]*)==(?P<version>[^ ;]+)(?P<marker> ;[^\\]+)? \\")
HASH = re.compile(r"    --hash=sha256:[0-9a-f]{64}( \\)?")


def project():
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


def name_of(requirement):
    return re.match(r"[\w-]+", requirement)[0].lower().replace("_", "-")


def names_in(requirements):
    """Return the distributions named; groups that include others name none for the include itself."""
    return {name_of(requirement) for requirement in requirements if isinstance(requirement, str)}


def direct_dependencies(lock):
    """Return what `pyproject.toml` asks for by name in that lock file."""
    declared = project()
    groups = declared["dependency-groups"]
    names = names_in(declared["project"]["dependencies"]) | names_in(groups["build"])
    if lock != "core":
        names |= names_in(groups["dev"])
    if lock == "spark":
        names |= names_in(declared["project"]["optional-dependencies"]["spark"])
    return names


def lock_lines(lock):
    return (ROOT / "requirements" / f"{lock}.lock").read_text().splitlines()


def pins(lock):
    """Return the pinned versions by distribution; some have one for each kind of machine."""
    found = {}
    for line in lock_lines(lock):
        if match := PIN.fullmatch(line):
            found.setdefault(match["name"], set()).add((match["version"], match["marker"]))
    return found


def test_the_package_exports_what_it_says_and_little():
    assert healthcare_ops.__all__ == ["__version__"]
    assert all(hasattr(healthcare_ops, name) for name in healthcare_ops.__all__)


def test_the_installed_version_is_that_of_the_code():
    assert re.fullmatch(r"\d+\.\d+\.\d+", healthcare_ops.__version__)
    assert metadata.version("healthcare-ops") == healthcare_ops.__version__


def test_every_dependency_is_explained_with_its_licence_and_no_other():
    declared = project()
    wanted = names_in(declared["project"]["dependencies"])
    for group in (*declared["project"]["optional-dependencies"].values(), *declared["dependency-groups"].values()):
        wanted |= names_in(group)

    rows = re.findall(
        r"^\| `([\w-]+)`[^|]*\| ([^|]+) \| ([^|]+) \| ([^|]+) \|$",
        (ROOT / "docs" / "dependencies.md").read_text(),
        re.MULTILINE,
    )

    assert sorted(name for name, *_ in rows) == sorted(wanted)


@pytest.mark.parametrize("lock", LOCKS)
def test_every_line_of_a_lock_is_a_pin_a_hash_or_a_reason(lock):
    strange = [
        line
        for line in lock_lines(lock)
        if not (PIN.fullmatch(line) or HASH.fullmatch(line) or re.fullmatch(r"    # {1,4}[\w\[\] ./:()-]+", line))
    ]

    assert strange == []


@pytest.mark.parametrize("lock", LOCKS)
def test_every_pin_of_a_lock_is_followed_by_a_hash(lock):
    lines = lock_lines(lock)

    unhashed = [
        line for line, after in zip(lines, [*lines[1:], ""], strict=True) if PIN.match(line) and not HASH.match(after)
    ]

    assert unhashed == []


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_names_no_address_and_no_folder_of_a_machine(lock):
    telling = [line for line in lock_lines(lock) if re.search(r"://|--\w*index|find-links|(^|\s)/|\\\w|file:", line)]

    assert telling == []


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_pins_everything_the_project_asks_for(lock):
    assert direct_dependencies(lock) - set(pins(lock)) == set()


def test_tools_are_installed_beside_the_product_without_moving_it():
    core, dev = pins("core"), pins("dev")

    assert {name: dev.get(name) for name in core} == core


def modules_in(package):
    """Return the modules and packages directly in a package, by their full names."""
    folder = ROOT / "src" / package.replace(".", "/")
    parts = [path for path in folder.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()]
    return {f"{package}.{path.stem}" for path in parts if path.stem != "__init__"}


def contract(name):
    (found,) = [c for c in project()["tool"]["importlinter"]["contracts"] if c["name"] == name]
    return found


def test_only_the_outside_may_know_engines_clouds_and_frameworks():
    outside = {f"healthcare_ops.{name}" for name in ("adapters", "bootstrap", "entrypoints")}

    inside = set(contract("Only the outside knows engines, clouds and frameworks")["source_modules"])

    assert inside == modules_in("healthcare_ops") - outside


def test_every_stage_is_a_stranger_to_the_others():
    shared = {"healthcare_ops.pipeline.civil"}

    stages = set(contract("Stages are strangers to each other")["modules"])

    assert stages == modules_in("healthcare_ops.pipeline") - shared


def test_the_licence_is_there_in_full():
    text = (ROOT / "LICENSE").read_text()

    assert project()["project"]["license"] == "Apache-2.0"
    assert text.lstrip().startswith("Apache License\n                           Version 2.0, January 2004")
    assert "9. Accepting Warranty or Additional Liability." in text
    assert "APPENDIX: How to apply the Apache License to your work." in text


@pytest.mark.parametrize("file", ["NOTICE", "src/healthcare_ops/samples/ATTRIBUTION.md"])
def test_the_sample_data_is_credited(file):
    text = (ROOT / file).read_text()

    missing = [word for word in ("Andre Johansson", "TriEff", "CC BY 4.0", "Changes:") if word not in text]

    assert missing == []


def test_the_changelog_has_room_for_the_next_change():
    headings = re.findall(r"^## (.+)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)

    assert headings[0] == "[Unreleased]"


def test_every_make_target_in_the_documents_exists():
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))

    documents = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")]
    named = {
        name for path in documents for name in re.findall(r"(?:`|^    )make ([a-z-]+)", path.read_text(), re.MULTILINE)
    }

    assert {"demo", "test", "full"} <= named
    assert named - targets == set()


def test_make_help_shows_every_target_that_says_what_it_does_in_a_column_of_its_own():
    # Also within `make test`, which would have it say where it is.
    command = ["make", "--no-print-directory", "help"]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    makefile = (ROOT / "Makefile").read_text()

    shown = [line.split()[1] for line in said.splitlines() if line.startswith("  make ")]

    assert shown == list(dict.fromkeys(re.findall(r"^([a-z-]+):.*?## ", makefile, re.MULTILINE)))
    assert len({re.match(r"  make \S+ +", line).end() for line in said.splitlines()[1:]}) == 1


def is_no_check(test):
    """Tell whether an asserted expression is true whatever the code does."""
    if isinstance(test, ast.Constant | ast.Tuple | ast.JoinedStr | ast.Lambda):
        return True
    if isinstance(test, ast.BoolOp):
        decisive = any if isinstance(test.op, ast.Or) else all
        return decisive(is_no_check(value) for value in test.values)
    if isinstance(test, ast.Compare):
        sides = [ast.dump(side) for side in (test.left, *test.comparators)]
        return len(set(sides)) == 1
    return False


@pytest.mark.parametrize("line", ["True", "1", "x == x", "x or True", "('a', 'b')", "1 == 1"])
def test_a_check_that_cannot_fail_is_seen(line):
    assert is_no_check(ast.parse(line, mode="eval").body)


@pytest.mark.parametrize("line", ["x", "x == 1", "x or y", "x and True", "f(x) == x", "not x"])
def test_a_check_that_can_fail_is_let_through(line):
    assert not is_no_check(ast.parse(line, mode="eval").body)


def test_every_check_in_the_tests_can_fail():
    asserts = [
        (f"{path.relative_to(ROOT)}:{node.lineno}", node.test)
        for path in sorted((ROOT / "tests").rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Assert)
    ]

    assert len(asserts) > 100
    assert [place for place, test in asserts if is_no_check(test)] == []


def checks_something(function):
    """Tell whether a test asserts, or expects an error or a warning."""
    return any(
        isinstance(node, ast.Assert)
        or (isinstance(node, ast.Attribute) and node.attr in {"raises", "warns", "fail"})
        or (isinstance(node, ast.Name) and node.id.startswith("assert_"))
        for node in ast.walk(function)
    )


def test_every_test_checks_something():
    idle = [
        f"{path.relative_to(ROOT)}:{node.lineno} {node.name}"
        for path in sorted((ROOT / "tests").rglob("test_*.py"))
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_") and not checks_something(node)
    ]

    assert idle == []
