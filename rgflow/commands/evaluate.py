"""Evaluate a trained flow: bits per dimension of a flow of images, or free energies, weights and
observables of a flow that was trained on an energy.
"""

import argparse

from rgflow.checkpoint import load_config, load_flow
from rgflow.commands.asked_precision import add_precision, asked_precision
from rgflow.commands.data_root import add_data_root, data_node
from rgflow.commands.strict import add_strict, heed_strict
from rgflow.energies.from_config import build_energy
from rgflow.evaluation import evaluate_split, evaluation_figure
from rgflow.evaluation.fields import evaluate_with_samples
from rgflow.evaluation.figure import rarest_figure
from rgflow.evaluation.precision import check_name
from rgflow.evaluation.printed import evaluation_table, images_table
from rgflow.evaluation.to_precision import evaluate_to_precision
from rgflow.montecarlo.reference import reference_samples
from rgflow.plotting.images import save_figure
from rgflow.runtime.command_line import (
    Parser,
    add_trust,
    one_line_errors,
    refuse_options,
    trusted_modules,
)
from rgflow.runtime.files import check_output
from rgflow.runtime.json_text import STDOUT, add_json, check_json, write_report
from rgflow.runtime.package_warnings import said_elsewhere
from rgflow.runtime.progress import progress_bars
from rgflow.statistics import ExactValueWarning, WeightWarning

DRAWN = {"samples": 100_000, "chains": 64, "states": 256}
IMAGE_OPTIONS = ("split", "limit", "data_root")
ENERGY_OPTIONS = (*DRAWN, "no_reference", "out", "rarest", "precision", "max_seconds")


def main() -> None:
    parser = Parser(description=__doc__)
    parser.add_argument("checkpoint", help="checkpoint of the flow")
    parser.add_argument("--seed", type=int, default=0, help="seed of noise and samples")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    add_json(parser)
    add_strict(parser)
    add_trust(parser)
    images = parser.add_argument_group("images")
    splits = ["train", "validation", "test"]
    images.add_argument("--split", choices=splits, help="split of the data, test if not given")
    images.add_argument("--limit", type=int, help="number of images, all if not given")
    add_data_root(images)
    energies = parser.add_argument_group("energies")
    energies.add_argument("--samples", type=int, help="samples of the flow, 100000 if not given")
    add_precision(energies, "m2=0.0005 or log_z=0.001")
    energies.add_argument("--no-reference", action="store_true", help="draw no Monte-Carlo states")
    energies.add_argument("--chains", type=int, help="Monte-Carlo chains, 64 if not given")
    energies.add_argument("--states", type=int, help="states of each chain, 256 if not given")
    energies.add_argument("--out", help="PNG file for the figure")
    energies.add_argument(
        "--rarest", help="PNG file for pictures of the states that the flow makes too rare"
    )
    with one_line_errors(), progress_bars():
        args = parser.parse_args()
        check_json(args)
        heed_strict(args)
        check_output(args.out, ".png")
        check_output(args.rarest, ".png")
        config = load_config(args.checkpoint)
        if config.get("energy"):
            write_report(args, physics(args, config), evaluation_table)
        else:
            write_report(args, bits(args, config), images_table)


def bits(args: argparse.Namespace, config: dict) -> dict:
    refuse_options(args, ENERGY_OPTIONS, "expected a checkpoint of an energy with it")
    if args.limit is not None and args.limit < 2:
        raise ValueError(f"--limit: got {args.limit}, expected at least 2 images")
    trust = trusted_modules(args)
    flow = load_flow(args.checkpoint, args.device, trust)
    if "_target_" not in (config.get("data") or {}):
        raise ValueError(f"{args.checkpoint}: got a config without data or energy")
    node = data_node(args, config)
    counts = {"limit": args.limit, "seed": args.seed}
    return evaluate_split(flow, node, args.split or "test", **counts, trust=trust)


def physics(args: argparse.Namespace, config: dict) -> dict:
    refuse_options(args, IMAGE_OPTIONS, "expected a checkpoint of images with it")
    given = {name: getattr(args, name) for name in DRAWN if getattr(args, name) is not None}
    counts = DRAWN | given | {"seed": args.seed}
    samples = counts.pop("samples")
    if samples < 2:
        raise ValueError(f"--samples: got {samples}, expected at least 2")
    if args.no_reference:
        refuse_options(args, ("chains", "states", "rarest"), "expected none with --no-reference")
    precision = asked_precision(args)
    if precision is not None:
        refuse_options(args, ("samples",), "expected none with --precision")
    trust = trusted_modules(args)
    flow = load_flow(args.checkpoint, args.device, trust)
    energy = build_energy(config["energy"], trust).to(args.device)
    if precision is not None:
        check_name(precision[0], energy, of_flow=True)
    reference = None if args.no_reference else reference_samples(energy, **counts)
    in_table = () if args.json == STDOUT else (WeightWarning, ExactValueWarning)
    with said_elsewhere(*in_table):
        given = {"reference": reference, "seed": args.seed}
        if precision is None:
            report, drawn = evaluate_with_samples(flow, energy, samples=samples, **given)
        else:
            report, drawn = evaluate_to_precision(flow, energy, *precision, **given)
    if args.out:
        save_figure(evaluation_figure(energy, drawn, reference), args.out)
    if args.rarest and reference is not None:
        figure = rarest_figure(energy, reference, report["rarest"]["states"])
        save_figure(figure, args.rarest)
    return report
