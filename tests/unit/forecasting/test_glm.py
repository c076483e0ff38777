from __future__ import annotations

import numpy as np
import pytest

from healthcare_ops.forecasting.glm import Design, fit_poisson, predict_poisson


@pytest.fixture
def design() -> Design:
    rng = np.random.default_rng(3)
    cells = np.concatenate([np.ones((5, 1)), rng.normal(size=(5, 2))], axis=1)
    return Design(cells, rng.integers(0, 5, 4000), rng.normal(size=(2, 4000)))


def dense(design: Design) -> np.ndarray:
    return np.concatenate([design.cells[design.cell_of_row], design.rows.T], axis=1)


def test_cells_give_what_the_full_matrix_gives(design):
    full, weight = dense(design), np.linspace(0.1, 2.0, 4000)
    beta = np.array([0.3, -0.2, 0.1, 0.4, -0.5])

    assert np.allclose(design.linear(beta), full @ beta, atol=1e-12)
    assert np.allclose(design.gradient(weight), full.T @ weight, atol=1e-9)
    assert np.allclose(design.hessian(weight), (full.T * weight) @ full, atol=1e-9)


def test_known_effects_are_found_again(design):
    beta = np.array([1.2, 0.3, -0.2, 0.15, -0.1])
    seen = np.random.default_rng(4).poisson(predict_poisson(design, beta)).astype(np.float64)

    found = fit_poisson(design, seen, ridge=np.full(5, 1e-3))

    assert found.tolist() == pytest.approx(beta.tolist(), abs=0.05)


def test_the_fit_balances_arrivals_and_penalty(design):
    seen = np.random.default_rng(5).poisson(3.0, 4000).astype(np.float64)
    ridge = np.array([0.0, 5.0, 5.0, 50.0, 50.0])

    found = fit_poisson(design, seen, ridge=ridge)

    slope = design.gradient(seen - predict_poisson(design, found)) - ridge * found
    assert np.abs(slope).max() < 1e-3


def test_a_strong_penalty_leaves_the_mean_alone(design):
    seen = np.random.default_rng(6).poisson(2.0, 4000).astype(np.float64)

    found = fit_poisson(design, seen, ridge=np.full(5, 1e9))

    assert found.tolist() == pytest.approx([np.log(seen.mean()), 0, 0, 0, 0], abs=1e-4)


def test_an_offset_is_not_learnt_twice(design):
    offset = np.linspace(-1.0, 1.0, 4000)
    seen = np.random.default_rng(7).poisson(np.exp(0.5 + offset)).astype(np.float64)

    found = fit_poisson(design, seen, ridge=np.full(5, 100.0), offset=offset)

    assert found.tolist() == pytest.approx([0.5, 0, 0, 0, 0], abs=0.05)


def test_a_row_has_the_same_value_whichever_rows_stand_beside_it(design):
    beta = np.array([0.3, -0.2, 0.1, 0.4, -0.5])
    some = Design(design.cells, design.cell_of_row[:1237], design.rows[:, :1237])

    assert predict_poisson(some, beta).tolist() == predict_poisson(design, beta)[:1237].tolist()


def test_a_place_where_nobody_came_has_a_rate_near_zero(design):
    found = fit_poisson(design, np.zeros(4000), ridge=np.full(5, 1.0))

    assert np.isfinite(found).all()
    assert predict_poisson(design, found).max() < 1e-3
