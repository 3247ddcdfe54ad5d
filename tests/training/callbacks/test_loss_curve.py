"""Which numbers of a run ``loss.png`` shows."""

from unittest import mock

from torch.utils.tensorboard import SummaryWriter

from rgflow.plotting.curves import curves_figure
from rgflow.training.callbacks.loss_curve import draw_loss_curve


def panels(folder, monitor, **values):
    """The panels of the picture of a run with one value of each number, by its tag."""
    with SummaryWriter(folder) as writer:
        for tag, value in values.items():
            writer.add_scalar(tag.replace("__", "/"), value, 1)
    with mock.patch("rgflow.plotting.curves.curves_figure", wraps=curves_figure) as drawn:
        draw_loss_curve(folder, f"validation/{monitor}")
    return drawn.call_args.args[0]


def test_the_monitored_number_has_its_unit(tmp_path):
    values = {"train__free_energy_bound": 2.0, "validation__free_energy_bound": 1.0}
    curves = {"train": [(1, 2.0)], "validation": [(1, 1.0)]}
    found = panels(tmp_path, "free_energy_bound", **values, train__lr=0.1)
    assert found == {"free energy bound (nats)": curves}
    assert (tmp_path / "loss.png").exists()


def test_a_mixture_is_shown_by_its_parts(tmp_path):
    names = ("free_energy_bound", "cross_entropy", "gradient_norm")
    values = {f"train__{name}": 2.0 for name in names}
    values |= {f"validation__{name}": 1.0 for name in ("mixture", "kl_nats", *names[:2])}
    found = panels(tmp_path, "mixture", **values)
    names = ["free energy bound (nats)", "cross-entropy (nats)", "KL(q, p) (nats)"]
    assert list(found) == names


def test_a_number_of_validation_alone_is_shown(tmp_path):
    found = panels(tmp_path, "kl_nats", validation__kl_nats=0.5, train__lr=0.1)
    assert found == {"KL(q, p) (nats)": {"validation": [(1, 0.5)]}}


def test_without_a_finite_value_there_is_no_picture(tmp_path):
    panels(tmp_path, "kl_nats", validation__kl_nats=float("nan"))
    assert not (tmp_path / "loss.png").exists()
