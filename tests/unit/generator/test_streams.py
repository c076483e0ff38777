"""Random numbers that are the same on every machine, with every numpy."""

from __future__ import annotations

import ast
import hashlib
import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy._core import _multiarray_umath  # nothing public tells what can be dispatched

import same_bytes
from healthcare_ops.generator.streams import exponential, random_numbers
from same_bytes import fitted_month, month_with_faults

GENERATOR = Path(__file__).parents[3] / "src" / "healthcare_ops" / "generator"
# What a fit computes is rounded to four digits of a file, and read back from there.
OF_A_FIT = {"calibration.py", "estimates.py", "history.py"}
# The functions of which libraries and processors have different last bits; where they are used, see the next line.
INEXACT = {"exp", "exp2", "expm1", "log", "log10", "log1p", "log2", "sin", "cos", "tan", "tanh", "power", "float_power"}
ROUNDED = {("arrivals.py", "cos"), ("durations.py", "exp")}
LAST_BITS = [
    *((np, name) for name in ("exp", "expm1", "log", "log1p", "cos", "sin", "power")),
    *((math, name) for name in ("exp", "log", "log1p", "cos", "sin", "pow")),
]

# Of numpy 2.0 to 2.5 on Python 3.11 to 3.13, with and without vectors.
RECORDED_BITS = [665194259, 2915433067, 869644504, 878616701]
RECORDED_BELOW = [775, 422, 280, 986]
RECORDED_CHANCES = ["0x1.9da2bbbc2c3efp-1", "0x1.f6f620b9565dap-2"]
RECORDED_NORMAL = [-0.235352362, -1.824690385, -0.642010696]
RECORDED_POISSON = [[0, 0], [3, 873]]
RECORDED_MONTH = "33837d51a035f096"
RECORDED_FIT = "e9f3699445e35427 a4aea6d383d622d7"


def numpy_names(tree):
    """Yield `exp` for `np.exp`, `random.PCG64` for `np.random.PCG64`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            if isinstance(node.value, ast.Name) and node.value.id == "np" and node.attr != "random":
                yield node.attr
            elif ast.unparse(node.value) == "np.random":
                yield f"random.{node.attr}"


def test_no_distribution_and_no_inexact_function_of_numpy_decides_about_what_is_written():
    used = {
        (file.name, name)
        for file in GENERATOR.glob("*.py")
        if file.name not in OF_A_FIT
        for name in numpy_names(ast.parse(file.read_text(encoding="utf-8")))
    }

    of_random = {(file, name) for file, name in used if name.startswith("random.")}
    assert of_random == {("streams.py", "random.PCG64"), ("streams.py", "random.SeedSequence")}
    assert {(file, name) for file, name in used if name in INEXACT} == ROUNDED


def test_matrices_are_multiplied_by_libraries_that_add_up_as_they_like():
    inexact = [
        file.name
        for file in GENERATOR.glob("*.py")
        if file.name not in OF_A_FIT
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.MatMult)
    ]

    # The staff's load, which is rounded before it is counted in people.
    assert inexact == ["staff.py"]


def test_the_bits_are_those_recorded():
    random = random_numbers(2025, "test", "h", 7)

    assert random.bits(4).tolist() == RECORDED_BITS
    assert random.below(1000, 4).tolist() == RECORDED_BELOW
    assert [chance.hex() for chance in random.chances(2).tolist()] == RECORDED_CHANCES
    assert random.normal(3).tolist() == RECORDED_NORMAL
    assert random.poisson(np.array([[0.0, 0.3], [4.0, 900.0]])).tolist() == RECORDED_POISSON


def test_an_odd_number_of_bits_is_the_beginning_of_an_even_one():
    odd, even = (random_numbers(1, "test").bits(count).tolist() for count in (5, 6))

    assert odd == even[:5]
    assert random_numbers(1, "test").bits(0).tolist() == []


@pytest.mark.parametrize("mean", [0.02, 0.7, 5.0, 60.0, 255.9])
def test_counts_are_those_of_poisson(mean):
    counts = random_numbers(1, "poisson", str(mean)).poisson(np.full(200_000, mean))

    largest = int(mean + 10 * math.sqrt(mean) + 20)
    logs = np.arange(largest) * math.log(mean) - mean - np.array([math.lgamma(k + 1) for k in range(largest)])
    expected = 200_000 * np.exp(logs)
    is_common = expected >= 10
    found = np.bincount(counts, minlength=largest)[:largest]
    chi_square = ((found - expected) ** 2 / expected)[is_common].sum()
    degrees = is_common.sum()
    assert chi_square < degrees + 4 * math.sqrt(2 * degrees) + 2


def test_large_means_are_drawn_in_parts():
    counts = random_numbers(1, "poisson").poisson(np.full(20_000, 3_000.0))

    assert counts.mean() == pytest.approx(3_000, abs=2)
    assert counts.var() == pytest.approx(3_000, rel=0.05)


def test_normal_numbers_are_normal():
    drawn = random_numbers(1, "normal").normal(100_000)

    assert (drawn.mean(), drawn.std()) == (pytest.approx(0, abs=0.01), pytest.approx(1, abs=0.01))
    assert (drawn > 1.959964).mean() == pytest.approx(0.025, abs=0.002)


def test_the_exponential_has_twelve_digits():
    values = np.linspace(-256, 5, 10_001)

    assert exponential(values) == pytest.approx(np.exp(values), rel=3e-12)
    assert exponential(np.zeros(1)).tolist() == [1.0]


def test_a_seed_gives_the_same_files_on_every_machine():
    assert month_with_faults() == RECORDED_MONTH


@pytest.mark.slow
def test_a_seed_and_a_history_give_the_same_files_on_every_machine():
    assert fitted_month() == RECORDED_FIT


@pytest.mark.parametrize("direction", [0.0, math.inf])
def test_no_last_bit_of_a_library_decides_about_a_byte(monkeypatch, direction):
    for module, name in LAST_BITS:
        monkeypatch.setattr(module, name, moved(getattr(module, name), direction, module))
    assert math.exp(1.0) != math.e

    assert month_with_faults() == RECORDED_MONTH


def moved(function, direction, module):
    """Return a function whose results are off by their last bit."""
    step = np.nextafter if module is np else math.nextafter
    return lambda *values: step(function(*values), direction)


@pytest.mark.parametrize("what", ["month_with_faults", pytest.param("fitted_month", marks=pytest.mark.slow)])
def test_a_processor_without_vectors_writes_the_same_bytes(what):
    vectorless = {
        "NPY_DISABLE_CPU_FEATURES": " ".join(_multiarray_umath.__cpu_dispatch__),
        "OPENBLAS_CORETYPE": "Prescott",
        "PYTHONPATH": str(Path(same_bytes.__file__).parent),
    }

    found = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", f"import same_bytes; print(same_bytes.{what}())"],
        env={**os.environ, **vectorless},
        capture_output=True,
        text=True,
        check=True,
    )

    assert found.stdout.strip() == {"month_with_faults": RECORDED_MONTH, "fitted_month": RECORDED_FIT}[what]


def test_names_of_purposes_have_streams_of_their_own():
    drawn = {
        hashlib.sha256(random_numbers(*name).bits(8).tobytes()).hexdigest()
        for name in [(1, "a"), (2, "a"), (1, "b"), (1, "a", 1), (1, "a", "1"), (2**63, "a"), (2**64 + 1, "a"), (0, "a")]
    }

    assert len(drawn) == 8
