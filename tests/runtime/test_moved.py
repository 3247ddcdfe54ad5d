import pytest

from rgflow.runtime.config import build
from rgflow.runtime.moved import OBJECTIVES, present_config, refuse_moved_settings


@pytest.mark.parametrize("name", OBJECTIVES)
def test_an_objective_of_before_is_built_as_an_object(name):
    old = {"flow": {}, "training": {"objective": name, "forward_weight": 0.3, "lr": 0.1}}
    config = present_config(old)
    objective = build(config["objective"], "objective", within=("rgflow.objectives",))
    assert type(objective).__name__ == OBJECTIVES[name]
    assert getattr(objective, "forward_weight", 0.3) == 0.3
    assert config["training"] == {"lr": 0.1}
    assert old["training"]["objective"] == name  # the old one is left as it is
    assert present_config(config) == config


@pytest.mark.parametrize("training", [None, "text", {"objective": ["path"]}, {"objective": None}])
def test_what_is_no_objective_of_before_stays(training):
    assert present_config({"training": training}) == {"training": training}


def test_settings_that_have_moved_are_told():
    refuse_moved_settings(["objective=path", "training.lr=1"])
    with pytest.raises(ValueError, match=r"got \+training.forward_weight=1, expected objective\."):
        refuse_moved_settings(["+training.forward_weight=1"])
