"""Study a trained flow: what its scales know, as pictures, tables and one HTML page.

The folder --out gets index.html, which opens without a network, its pictures, and one JSON file
for each part: samples, temperatures of the levels, walks, receptive fields, levels and factors (of
MSDS), mixing, restoration, and the independence of the latents.
"""

import argparse
import time
from pathlib import Path

from rgflow.checkpoint import load_config, load_flow
from rgflow.commands.data_root import add_data_root, data_node
from rgflow.evaluation.study import PARTS, Part, Setting
from rgflow.plotting.page import Section, write_page
from rgflow.runtime.command_line import Parser, add_trust, one_line_errors, trusted_modules
from rgflow.runtime.files import check_output, write_stdout
from rgflow.runtime.json_text import write_json
from rgflow.runtime.progress import above_bars, progress_bars, weighted_progress


def main() -> None:
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", help="checkpoint of the flow")
    parser.add_argument("--out", required=True, help="folder of the page")
    names = [part.name for part in PARTS]
    parser.add_argument("--parts", nargs="+", choices=names, default=names, help="parts to do")
    parser.add_argument(
        "--effort", type=float, default=1.0, help="factor on the numbers of samples and images"
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of all random numbers")
    parser.add_argument("--device", default="cpu")
    add_data_root(parser)
    add_trust(parser)
    with one_line_errors(), progress_bars():
        study(parser.parse_args())


def study(args: argparse.Namespace) -> None:
    folder = Path(args.out)
    check_output(folder / "index.html")
    if not 0 < args.effort < float("inf"):
        raise ValueError(f"--effort: got {args.effort:g}, expected a finite number > 0")
    trust = trusted_modules(args)
    config = load_config(args.checkpoint)
    config["data"] = data_node(args, config)
    flow = load_flow(args.checkpoint, args.device, trust)
    flow.requires_grad_(False)
    setting = Setting(flow, config, folder, args.seed, args.effort, trust)
    if setting.is_of_images and "_target_" not in setting.data:
        raise ValueError(f"{args.checkpoint}: got no data set, expected one of a training on data")
    if not setting.is_of_images and not config.get("energy"):
        raise ValueError(f"{args.checkpoint}: got no energy, expected one of a training on one")
    chosen = [part for part in PARTS if part.name in args.parts]
    missing = {part.name: part.missing(setting) for part in chosen}
    possible = [part for part in chosen if missing[part.name] is None]
    tasks = [(part.what, part.weight) for part in possible]
    folder.mkdir(parents=True, exist_ok=True)
    sections = [done(part, setting) for part in weighted_progress(possible, tasks)]
    left_out = [f"Left out: {name}, because {why}." for name, why in missing.items() if why]
    write_page(folder / "index.html", "What the scales know", about(args, left_out), sections)
    write_stdout("\n".join([*left_out, f"{folder / 'index.html'}"]))


def done(part: Part, setting: Setting) -> Section:
    """The section of a part, whose pictures and numbers are in the folder."""
    begin = time.perf_counter()
    section, report = part.write(setting)
    seconds = time.perf_counter() - begin
    file = f"{part.name}.json"
    write_json(setting.folder / file, {"seed": setting.seed, "seconds": seconds, **report})
    with above_bars():
        write_stdout(f"{part.what}: {seconds:.0f} s")
    text = [*section.text, f"Numbers: {file}. It took {seconds:.0f} s."]
    return section._replace(text=text)


def about(args: argparse.Namespace, left_out: list[str]) -> list[str]:
    made = [f"Checkpoint {args.checkpoint}, seed {args.seed}, effort {args.effort:g}."]
    return [*made, "Errors (+-) are standard errors.", *left_out]
