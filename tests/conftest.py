import pytest


@pytest.fixture
def small_figures(monkeypatch):
    """Replace figures of fields by empty ones: drawing them takes longer than a tiny run."""
    from matplotlib.figure import Figure

    for module in ("rgflow.evaluation.figure", "rgflow.training.callbacks.field_pictures"):
        monkeypatch.setattr(f"{module}.evaluation_figure", lambda *_: Figure(figsize=(1, 1)))
