"""Ridge-penalised Poisson regression with a log link."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
_ITERATIONS = 30
_TOLERANCE = 1e-9


def fit_poisson(design: Floats, counts: Floats, *, ridge: float, offset: Floats | None = None) -> Floats:
    """Return coefficients by iteratively reweighted least squares.

    The first column is the intercept and is not penalised. `offset` is added to the linear predictor.
    Source: McCullagh & Nelder, Generalized Linear Models, 2nd ed., §2.5, with a ridge term.
    """
    base = np.zeros(len(counts)) if offset is None else offset
    penalty = np.full(design.shape[1], ridge)
    penalty[0] = 1e-8
    beta = np.zeros(design.shape[1])
    beta[0] = np.log((counts.mean() + 1e-6) / max(float(np.exp(base).mean()), 1e-12))
    for _ in range(_ITERATIONS):
        mean = predict_poisson(design, beta, base)
        gradient = design.T @ (counts - mean) - penalty * beta
        hessian = (design.T * mean) @ design
        hessian[np.diag_indices_from(hessian)] += penalty
        step = np.linalg.solve(hessian, gradient)
        # A long step from a poor start can overflow the exponential.
        step *= min(1.0, 2.0 / max(float(np.abs(step).max()), 1e-12))
        beta += step
        if float(np.abs(step).max()) < _TOLERANCE:
            break
    return beta


def predict_poisson(design: Floats, beta: Floats, offset: Floats) -> Floats:
    """Return means; the linear predictor is held within ±20."""
    return np.asarray(np.exp(np.clip(design @ beta + offset, -20.0, 20.0)))
