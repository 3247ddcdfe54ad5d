import pytest

from rgflow.runtime.config import compose_preset

MISTAKES = {
    "misspelt setting": ("flow.hiden=3", "got no setting flow.hiden, .*; did you mean hidden?"),
    "misspelt node": ("flw.side=8", "got no setting flw, .*; did you mean flow?"),
    "misspelt option": ("flow=cnv", "Could not find 'flow/cnv'.*; did you mean conv?"),
    "sequence": (
        "flow.side=(16,32)",
        r"""as in 'flow.side="\(16,32\)"', or .*flow.side=\[1,2\]""",
    ),
    "special characters": ("data.root=a é", """as in 'data.root="a é"'"""),
    "no value": ("flow.side", "expected a setting such as flow.side=VALUE"),
    "missing target": ("experiment=energy", "got no energy._target_, .* energy._target_=mymodule"),
}


def test_an_argument_of_a_class_of_ones_own_needs_a_plus():
    own = ["experiment=energy", "energy._target_=wells.Wells", "energy.side=8"]
    with pytest.raises(ValueError, match=r"got no setting energy\.side, expected \+energy\.side="):
        compose_preset("config", own)


@pytest.mark.parametrize(("override", "message"), MISTAKES.values(), ids=MISTAKES)
def test_what_hydra_refuses_comes_with_what_is_right(override, message):
    with pytest.raises(ValueError, match=r"(?s)" + message) as caught:
        compose_preset("config", [override])
    assert "search path" not in str(caught.value)


def test_the_quotes_that_are_shown_work():
    config = compose_preset("config", ['data.root="a é"'])
    assert config["data"]["root"] == "a é"
