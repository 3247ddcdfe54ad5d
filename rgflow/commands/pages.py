"""What commands share that write one HTML page with pictures, and JSON for each of its parts."""

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from rgflow.checkpoint import load_config, load_flow
from rgflow.commands.data_root import data_node
from rgflow.evaluation.study import Part, Setting
from rgflow.plotting.page import Section, write_page
from rgflow.runtime.command_line import add_trust, trusted_modules
from rgflow.runtime.files import check_output, write_stdout
from rgflow.runtime.json_text import write_json
from rgflow.runtime.progress import above_bars, weighted_progress


def add_page_options(parser: argparse.ArgumentParser, effort: str) -> None:
    """Give a command the checkpoint, the folder ``--out`` and what a `Setting` holds.

    Args:
        parser: Parser of the command.
        effort: What ``--effort`` is a factor on.
    """
    parser.add_argument("checkpoint", help="checkpoint of the flow")
    parser.add_argument("--out", required=True, help="folder of the page")
    parser.add_argument(
        "--effort",
        type=float,
        default=1.0,
        help=f"factor on {effort}, above 0: 0.1 for a first look",
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of all random numbers")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    add_trust(parser)


def page_setting(args: argparse.Namespace) -> Setting:
    """The flow, its configuration and the folder of a page, after the options were checked.

    Raises:
        ValueError: If the effort is not positive.
        OSError: If the page cannot be written.
    """
    folder = Path(args.out)
    check_output(folder / "index.html")
    if not 0 < args.effort < float("inf"):
        raise ValueError(f"--effort: got {args.effort:g}, expected a finite number > 0")
    trust = trusted_modules(args)
    config = load_config(args.checkpoint)
    if "data_root" in args:
        config["data"] = data_node(args, config)
    flow = load_flow(args.checkpoint, args.device, trust)
    flow.requires_grad_(False)
    return Setting(flow, config, folder, args.seed, args.effort, trust)


def write_parts(parts: Sequence[Part], setting: Setting, title: str, checkpoint: str) -> None:
    """Writes the page ``index.html`` of the parts that the flow allows, and names the others."""
    folder = setting.folder
    missing = {part.name: part.missing(setting) for part in parts}
    possible = [part for part in parts if missing[part.name] is None]
    tasks = [(part.name.replace("_", " "), part.weight) for part in possible]
    folder.mkdir(parents=True, exist_ok=True)
    sections = [_done(part, setting) for part in weighted_progress(possible, tasks)]
    left_out = [f"Left out: {name}, because {why}." for name, why in missing.items() if why]
    about = [
        f"Checkpoint {checkpoint}, seed {setting.seed}, effort {setting.effort:g}.",
        "Errors (±) are standard errors. A dash stands for what cannot be measured.",
        *left_out,
    ]
    write_page(folder / "index.html", title, about, sections)
    write_stdout("\n".join([*left_out, f"{folder / 'index.html'}"]))


def _done(part: Part, setting: Setting) -> Section:
    """The section of a part, whose pictures and numbers are in the folder."""
    name = part.name.replace("_", " ")
    if not sys.stderr.isatty():  # where no bar says so
        write_stdout(f"{name} ...")
    begin = time.perf_counter()
    section, report = part.write(setting)
    seconds = time.perf_counter() - begin
    file = f"{part.name}.json"
    write_json(setting.folder / file, {"seed": setting.seed, "seconds": seconds, **report})
    with above_bars():
        write_stdout(f"{name}: {seconds:.0f} s")
    text = [*section.text, f"Numbers: {file}. It took {seconds:.0f} s."]
    return section._replace(text=text)
