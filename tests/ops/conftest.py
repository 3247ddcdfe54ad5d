import pytest

from rgflow.ops import choice


@pytest.fixture(autouse=True)
def _faster_ways():
    """The faster ways are what these tests are about, also where RGFLOW_PLAIN is set."""
    token = choice._SWITCHED_OFF.set(False)
    yield
    choice._SWITCHED_OFF.reset(token)
