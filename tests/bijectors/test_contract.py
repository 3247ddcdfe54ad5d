"""What every bijector promises, checked on all of them."""

import pytest
import torch
from support import (
    BIJECTORS,
    dimension,
    flatten,
    is_pair,
    make_bijector,
    random_event,
    unflatten,
)

every_bijector = pytest.mark.parametrize("name", BIJECTORS)


@every_bijector
def test_round_trip(name):
    bijector = make_bijector(name)
    x = random_event(bijector, 4)
    z, log_det = bijector(unflatten(x, bijector))
    back, inverse_log_det = bijector.inverse(z)
    assert log_det.shape == (4,)
    assert (flatten(z) - x).abs().max() > 1e-3  # it does something
    assert (flatten(back) - x).abs().max() <= 1e-9
    assert (log_det + inverse_log_det).abs().max() <= 1e-9


@every_bijector
@pytest.mark.parametrize("direction", ["forward", "inverse"])
def test_log_det_is_that_of_the_jacobian(name, direction):
    bijector = make_bijector(name)
    x = random_event(bijector, 2)
    if direction == "inverse":
        x = flatten(bijector(unflatten(x, bijector))[0]).detach()
    apply = getattr(bijector, direction)
    _, log_det = apply(unflatten(x, bijector))

    def single(v):
        return flatten(apply(unflatten(v[None], bijector))[0])[0]

    for i in range(len(x)):
        jacobian = torch.func.jacrev(single)(x[i])
        expected = torch.linalg.slogdet(jacobian).logabsdet
        assert abs(log_det[i] - expected) <= 1e-8 * max(1.0, abs(expected))


@every_bijector
def test_events_of_a_batch_do_not_mix(name):
    bijector = make_bijector(name)
    x = random_event(bijector, 3)
    together, log_det = bijector(unflatten(x, bijector))
    for i in range(3):
        alone, alone_log_det = bijector(unflatten(x[i : i + 1], bijector))
        torch.testing.assert_close(flatten(alone)[0], flatten(together)[i], rtol=0, atol=1e-12)
        torch.testing.assert_close(alone_log_det[0], log_det[i], rtol=1e-12, atol=1e-12)


@every_bijector
def test_input_is_not_written_to_and_types_are_kept(name):
    for dtype in (torch.float32, torch.float64):
        bijector = make_bijector(name).to(dtype)
        x = random_event(bijector, 2).to(dtype)
        event = unflatten(x.clone(), bijector)
        kept = flatten(event).clone()
        for apply in (bijector, bijector.inverse):
            out, log_det = apply(event)
            assert flatten(out).dtype == log_det.dtype == dtype
            assert torch.equal(flatten(event), kept)


@every_bijector
def test_all_parameters_get_a_gradient(name):
    bijector = make_bijector(name)
    x = random_event(bijector, 3).requires_grad_()
    z, log_det = bijector(unflatten(x, bijector))
    (flatten(z).square().sum() + log_det.sum()).backward()
    for key, parameter in bijector.named_parameters():
        assert parameter.grad is not None, key
        assert torch.isfinite(parameter.grad).all(), key
        if not key.endswith(("lower", "upper")):  # triangular by construction
            assert parameter.grad.abs().max() > 0, key


@every_bijector
def test_a_batch_may_be_empty(name):
    bijector = make_bijector(name)
    x = unflatten(random_event(bijector, 1)[:0], bijector)
    z, log_det = bijector(x)
    back, inverse_log_det = bijector.inverse(z)
    assert flatten(z).shape == flatten(back).shape == (0, dimension(bijector))
    assert log_det.shape == inverse_log_det.shape == (0,)


@every_bijector
def test_wrong_shape_is_refused(name):
    bijector = make_bijector(name)
    x = random_event(bijector, 2)
    wrong = (
        tuple(t[:, :-1] for t in e)
        if isinstance(e := unflatten(x, bijector), tuple)
        else e[:, :-1]
    )
    with pytest.raises(ValueError, match="expected"):
        bijector(wrong)
    with pytest.raises(ValueError, match="expected"):
        bijector.inverse(wrong)
    with pytest.raises(ValueError, match="got a NoneType, expected a tensor"):
        bijector(None)
    if is_pair(bijector):
        first, *rest = unflatten(x, bijector)
        with pytest.raises(ValueError, match="as many samples in all parts"):
            bijector((first[:1], *rest))


@every_bijector
def test_state_is_strict_and_complete(name):
    source, target = make_bijector(name), BIJECTORS[name]().double()
    target.load_state_dict(source.state_dict())
    x = random_event(source, 2)
    expected, got = (flatten(m(unflatten(x, m))[0]) for m in (source, target))
    assert torch.equal(got, expected)
    assert dimension(source) == x.shape[1]
