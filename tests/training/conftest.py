import pytest


@pytest.fixture
def small_figures(monkeypatch):
    """Empty figures of fields in place of full ones, which take longer than a tiny run."""
    from matplotlib.figure import Figure

    for module in ("rgflow.evaluation.figure", "rgflow.training.callbacks.field_pictures"):
        monkeypatch.setattr(f"{module}.evaluation_figure", lambda *_: Figure(figsize=(1, 1)))
