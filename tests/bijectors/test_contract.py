"""What every bijector promises, checked on all of them."""

import math

import pytest
import torch
from support import BIJECTORS, make_bijector

from rgflow.testing import assert_log_det, assert_round_trip, event_of, flat, random_events

every_bijector = pytest.mark.parametrize("name", BIJECTORS)


def changed(event, function):
    """The event with a function applied to each of its tensors."""
    return function(event) if isinstance(event, torch.Tensor) else tuple(map(function, event))


def dimension(bijector):
    shape = bijector.event_shape
    return sum(map(math.prod, shape if isinstance(shape[0], tuple) else (shape,)))


@every_bijector
def test_round_trip(name):
    assert_round_trip(make_bijector(name), noise=0.0)


@every_bijector
def test_log_det_is_that_of_the_jacobian(name):
    bijector = make_bijector(name)
    assert_log_det(bijector, random_events(bijector, 2), noise=0.0)


@every_bijector
def test_events_of_a_batch_do_not_mix(name):
    bijector = make_bijector(name)
    x = random_events(bijector)
    together, log_det = bijector(x)
    for i in range(len(log_det)):
        alone, alone_log_det = bijector(changed(x, lambda t, i=i: t[i : i + 1]))
        torch.testing.assert_close(flat(alone)[0], flat(together)[i], rtol=0, atol=1e-12)
        torch.testing.assert_close(alone_log_det[0], log_det[i], rtol=1e-12, atol=1e-12)


@every_bijector
def test_input_is_not_written_to_and_types_are_kept(name):
    for dtype in (torch.float32, torch.float64):
        bijector = make_bijector(name).to(dtype)
        event = changed(random_events(bijector, 2), lambda t, dtype=dtype: t.to(dtype))
        kept = flat(event).clone()
        for apply in (bijector, bijector.inverse):
            out, log_det = apply(event)
            assert flat(out).dtype == log_det.dtype == dtype
            assert torch.equal(flat(event), kept)


@every_bijector
def test_all_parameters_get_a_gradient(name):
    bijector = make_bijector(name)
    z, log_det = bijector(changed(random_events(bijector), torch.Tensor.requires_grad_))
    (flat(z).square().sum() + log_det.sum()).backward()
    for key, parameter in bijector.named_parameters():
        assert parameter.grad is not None, key
        assert torch.isfinite(parameter.grad).all(), key
        if not key.endswith(("lower", "upper")):  # triangular by construction
            assert parameter.grad.abs().max() > 0, key


@every_bijector
def test_a_batch_may_be_empty(name):
    bijector = make_bijector(name)
    z, log_det = bijector(changed(random_events(bijector), lambda t: t[:0]))
    back, inverse_log_det = bijector.inverse(z)
    assert flat(z).shape == flat(back).shape == (0, dimension(bijector))
    assert log_det.shape == inverse_log_det.shape == (0,)


@every_bijector
def test_wrong_shape_is_refused(name):
    bijector = make_bijector(name)
    x = random_events(bijector, 2)
    wrong = changed(x, lambda t: t[:, :-1])
    with pytest.raises(ValueError, match="expected"):
        bijector(wrong)
    with pytest.raises(ValueError, match="expected"):
        bijector.inverse(wrong)
    with pytest.raises(ValueError, match="got a NoneType, expected a tensor"):
        bijector(None)
    if isinstance(x, tuple):
        first, *rest = x
        with pytest.raises(ValueError, match="as many samples in all parts"):
            bijector((first[:1], *rest))


@every_bijector
def test_state_is_strict_and_complete(name):
    source, target = make_bijector(name), BIJECTORS[name]().double()
    target.load_state_dict(source.state_dict())
    x = random_events(source, 2)
    assert torch.equal(flat(target(x)[0]), flat(source(x)[0]))
    assert torch.equal(flat(event_of(flat(x), source.event_shape)), flat(x))
    assert flat(x).shape == (2, dimension(source))
