import pytest
import torch

from rgflow.analysis import ridge


@pytest.fixture
def noisy():
    generator = torch.Generator().manual_seed(0)
    x = 3 + 2 * torch.randn(300, 6, generator=generator).double()
    w = torch.randn(6, 2, generator=generator).double()
    return x, x @ w + 5 + 0.1 * torch.randn(300, 2, generator=generator)


def test_a_target_is_predicted_up_to_its_noise(noisy):
    x, y = noisy
    one, other = ridge.ridge_predictions(x, [y, y[:, :1]], torch.ones(300), 200)
    assert one.shape == (100, 2)
    assert 0.08 < (one - y[200:]).std() < 0.13
    torch.testing.assert_close(other, one[:, :1], atol=0.02, rtol=0)


def test_the_dual_form_is_the_same(noisy):
    x, y = noisy
    x, y = x[:40] - x[:40].mean(0), y[:40] - y[:40].mean(0)
    new = x[:5] + 0.1
    primal = ridge._solutions(x, y, new)
    wide = torch.cat((x, torch.zeros(40, 60).double()), 1)  # more regressors than images
    dual = ridge._solutions(wide, y, torch.cat((new, torch.zeros(5, 60).double()), 1))
    for a, b in zip(primal, dual, strict=True):
        torch.testing.assert_close(a, b)
    strength = ridge.STRENGTHS[2]
    w = torch.linalg.solve(x.T @ x + 40 * strength * torch.eye(6).double(), x.T @ y)
    torch.testing.assert_close(primal[2], new @ w)


def test_noise_is_not_learnt():
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(400, 200, generator=generator).double()
    y = torch.randn(400, 1, generator=generator).double()
    (guess,) = ridge.ridge_predictions(x, [y], torch.ones(400), 300)
    assert guess.std() < 0.2  # a fit without a penalty gives 1.4


def test_images_of_weight_zero_are_left_out(noisy):
    x, y = noisy
    weights = torch.ones(300)
    weights[:50] = 0
    spoilt = y.clone()
    spoilt[:50] = 1e6
    one, other = (ridge.ridge_predictions(x, [t], weights, 200)[0] for t in (y, spoilt))
    assert torch.equal(one, other)
    with pytest.raises(ValueError, match="got 5 images of known factors, expected at least 10"):
        ridge.ridge_predictions(x, [y], weights, 55)


def test_a_regressor_that_never_changes_is_no_trouble(noisy):
    x, y = noisy
    (guess,) = ridge.ridge_predictions(
        torch.cat((x, torch.ones(300, 1).double()), 1), [y], torch.ones(300), 200
    )
    assert guess.isfinite().all()
