"""Every code block of README.md and conf/README.md runs, with small settings for trainings."""

import re
import shlex
import subprocess
from itertools import chain
from pathlib import Path

import pytest
from PIL import Image
from script_calls import call_script
from tiny_run import train

REPOSITORY = Path(__file__).parents[1]
README = (REPOSITORY / "README.md").read_text()
CONF_README = (REPOSITORY / "conf/README.md").read_text()

SMALL = ["debug=fast", "quick.samples=64", "max_steps=4", "validation_every=4"]
"""Settings for every training of the README."""
SMALL_FLOW = ["flow.couplings=[1]", "flow.hidden=[4]", "flow.top_couplings=1", "flow.top_hidden=4"]
SMALL_BLOCKS = ["flow.couplings=1", "flow.hidden=[4]", "data.test_size=200"]
SMALL_SCRIPTS = {
    "study": ["--effort", "0.02", "--parts", "samples", "temperatures"],
    "inpaint": ["--search", "4", "--warmup", "2", "--trajectories", "2"],
    "evaluate": ["--samples", "10000", "--chains", "4", "--states", "8"],
    "simulate": ["--chains", "4", "--states", "16"],
}


def sections() -> dict[str, list[tuple[str, str]]]:
    """Language and content of all code blocks, by the heading above them."""
    found = {}
    parts = (re.split(r"^## ", text, flags=re.MULTILINE)[1:] for text in (README, CONF_README))
    for part in chain(*parts):
        title, _, body = part.partition("\n")
        blocks = re.findall(r"^```(\w+)\n(.*?)^```$", body, flags=re.MULTILINE | re.DOTALL)
        if blocks:
            found[title] = blocks
    return found


@pytest.fixture(autouse=True)
def _folder(tmp_path, monkeypatch):
    """An empty folder as a newcomer has it, with some photographs."""
    (tmp_path / "photos").mkdir()
    for i in range(100):
        Image.effect_noise((9, 8 + i), 64).convert("RGB").save(tmp_path / f"photos/{i}.png")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))


def run_line(line: str) -> None:
    """One command of the README, in this process where it is one of ours."""
    words = shlex.split(line, comments=True)
    if not words:
        return
    if words[:3] == ["python", "-m", "rgflow.train"]:
        has_own_flow = any(word.startswith("flow._target_=") for word in words)
        is_default = not any(word.startswith(("experiment=", "flow=")) for word in words)
        small = [] if has_own_flow else SMALL_BLOCKS if is_default else SMALL_FLOW
        small = [*SMALL, *small]
        assert train(*words[3:], *small, tiny=False) == 0
    elif words[0] == "python" and words[1].startswith("scripts/"):
        name = Path(words[1]).stem
        is_of_images = "photos" in line
        small = [] if is_of_images else SMALL_SCRIPTS.get(name, [])
        assert call_script(name, *words[2:], *small) == 0
    elif words[0] == "make":
        command = ["make", "--dry-run", *words[1:]]
        subprocess.run(command, cwd=REPOSITORY, check=True, capture_output=True)
    else:
        assert words == ["pip", "install", "-e", "."], f"no test knows how to run {line!r}"
        assert (REPOSITORY / "pyproject.toml").is_file()


def run_block(language: str, content: str) -> None:
    if language == "bash":
        for line in content.splitlines():
            run_line(line)
    elif language == "python":
        name = re.match(r"# (\w+\.py)\n", content)
        if name:
            Path(name[1]).write_text(content)
        else:
            few_steps = content.replace("range(300)", "range(3)")
            exec(compile(few_steps, "README.md", "exec"), {})
    else:
        assert language == "text", f"a block in {language} runs in no test"


def trains(blocks: list[tuple[str, str]]) -> bool:
    return any("rgflow.train" in content for _, content in blocks)


@pytest.mark.parametrize(
    "title",
    [
        pytest.param(title, marks=pytest.mark.trains if trains(blocks) else ())
        for title, blocks in sections().items()
    ],
)
def test_the_code_of_a_section_runs_from_top_to_bottom(title):
    for language, content in sections()[title]:
        run_block(language, content)


def test_the_map_of_the_rooms_is_the_one_that_is_enforced():
    import tomllib

    settings = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["tool"]["importlinter"]
    layers = settings["contracts"][0]["layers"]
    ((_, drawn),) = [block for block in sections()["Rooms"] if block[0] == "text"]
    rooms = [re.split(r"  +", line)[0] for line in drawn.splitlines()]
    assert rooms == layers


def test_it_is_short_and_names_every_preset_and_script():
    assert len(README.splitlines()) < 180
    assert max(map(len, README.splitlines())) <= 400
    names = [p.stem for p in (REPOSITORY / "conf/experiment").glob("*.yaml")]
    names += [p.name for p in (REPOSITORY / "scripts").glob("*.py")]
    assert not [name for name in names if name not in README]
