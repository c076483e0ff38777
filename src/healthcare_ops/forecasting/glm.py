"""Ridge-penalised Poisson regression with a log link."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_ITERATIONS = 50
_TOLERANCE = 1e-8
_DECIMALS = 9
_LIMIT = 20.0


@dataclass(frozen=True)
class Design:
    """Columns shared by all rows of a cell (one line of `cells`), then columns of their own (one line of `rows`).

    `cell_of_row` names the line of `cells` that a row uses. Years of hours share a few hundred calendar cells,
    so that the Hessian costs what the cells cost, not what the hours do. The first column is the intercept.
    """

    cells: Floats
    cell_of_row: Ints
    rows: Floats

    def linear(self, beta: Floats) -> Floats:
        """Return the linear predictor of every row.

        A row's value does not depend on which rows stand beside it, to the last bit: a matrix product over
        the rows would not promise that, and a forecast could then change with data it must not see.
        """
        shared = self.cells.shape[1]
        out: Floats = (self.cells @ beta[:shared])[self.cell_of_row]
        for column, weight in zip(self.rows, beta[shared:], strict=True):
            out = out + column * weight
        return out

    def gradient(self, residual: Floats) -> Floats:
        """Return Xᵀ·residual."""
        return np.concatenate([self.cells.T @ self._per_cell(residual), self.rows @ residual])

    def hessian(self, weight: Floats) -> Floats:
        """Return Xᵀ·diag(weight)·X."""
        shared = (self.cells.T * self._per_cell(weight)) @ self.cells
        weighted = self.rows * weight
        mixed = np.array([self._per_cell(column) for column in weighted]).reshape(-1, len(self.cells)) @ self.cells
        return np.block([[shared, mixed.T], [mixed, weighted @ self.rows.T]])

    def _per_cell(self, values: Floats) -> Floats:
        return np.asarray(np.bincount(self.cell_of_row, values, minlength=len(self.cells)), dtype=np.float64)


def fit_poisson(
    design: Design, counts: Floats, *, ridge: Floats, offset: Floats | None = None, start: Floats | None = None
) -> Floats:
    """Return coefficients by iteratively reweighted least squares, rounded to nine decimals.

    `ridge` penalises each coefficient's square (1 ÷ prior variance); the intercept's is ignored. `offset` is
    added to the linear predictor; `start` are coefficients to start from. Rounding keeps the result the same
    whatever number of threads the linear algebra runs on.
    Source: McCullagh & Nelder, Generalized Linear Models, 2nd ed., §2.5, with a ridge term.
    """
    base = np.zeros(len(counts)) if offset is None else offset
    # Not quite zero: without a single arrival the intercept would have no bound.
    penalty = np.concatenate([[1e-6], ridge[1:]])
    beta = _first_guess(len(ridge), counts, base) if start is None else start
    for _ in range(_ITERATIONS):
        mean = predict_poisson(design, beta, base)
        hessian = design.hessian(mean)
        hessian[np.diag_indices_from(hessian)] += penalty
        step = np.linalg.solve(hessian, design.gradient(counts - mean) - penalty * beta)
        # A long step from a poor start can overflow the exponential.
        step *= min(1.0, 2.0 / max(float(np.abs(step).max()), 1e-12))
        beta = beta + step
        if float(np.abs(step).max()) < _TOLERANCE:
            break
    return np.round(beta, _DECIMALS)


def predict_poisson(design: Design, beta: Floats, offset: Floats | float = 0.0) -> Floats:
    """Return means; the linear predictor is held within ±20."""
    return np.asarray(np.exp(np.clip(design.linear(beta) + offset, -_LIMIT, _LIMIT)))


def _first_guess(columns: int, counts: Floats, base: Floats) -> Floats:
    beta = np.zeros(columns)
    beta[0] = np.log((counts.mean() + 1e-6) / max(float(np.exp(base).mean()), 1e-12))
    return beta
