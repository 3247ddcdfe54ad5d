"""Products with tiles, against numpy."""

import numpy as np
import pytest

from rgflow.kernels.products import add_outer, add_product, add_sums

SAMPLES, START = 21, 3


@pytest.mark.parametrize("rows", [1, 2, 5])
@pytest.mark.parametrize("columns", [1, 2, 7, 8, 19])
def test_products_and_their_gradients(rows, columns):
    rng = np.random.default_rng(0)
    numbers = rng.standard_normal(START + rows * columns).astype(np.float32)
    matrix = numbers[START:].reshape(rows, columns).astype(float)
    h, g, out, back = (
        rng.standard_normal((n, SAMPLES + 2)).astype(np.float32)
        for n in (columns, rows, rows, columns)
    )
    wanted, wanted_back = out.copy(), back.copy()
    wanted[:, :SAMPLES] += matrix @ h[:, :SAMPLES]
    wanted_back[:, :SAMPLES] += matrix.T @ g[:, :SAMPLES]
    add_product(numbers, START, columns, 1, rows, columns, h, out, SAMPLES)
    add_product(numbers, START, 1, columns, columns, rows, g, back, SAMPLES)
    np.testing.assert_allclose(out, wanted, atol=1e-5)
    np.testing.assert_allclose(back, wanted_back, atol=1e-5)

    total, sums = np.ones(START + rows * columns, np.float32), np.ones(rows + 1, np.float32)
    add_outer(g, h, rows, columns, total, START, SAMPLES)
    add_sums(g, rows, sums, 1, SAMPLES)
    outer = g[:, :SAMPLES].astype(float) @ h[:, :SAMPLES].T
    np.testing.assert_allclose(total[START:] - 1, outer.ravel(), atol=1e-5)
    np.testing.assert_allclose(sums[1:] - 1, g[:, :SAMPLES].sum(1), atol=1e-5)
    assert (total[:START] == 1).all()
    assert sums[0] == 1
