"""Pairs of MSDS images mixed at every cut-off level, with the factors of the results measured."""

import argparse
from functools import partial

from torch import Tensor

from rgflow import Flow
from rgflow.analysis.encoding import latents_of_images
from rgflow.analysis.mixed_factors import mix_pairs
from rgflow.checkpoint import load_config, load_flow
from rgflow.commands.data_root import add_data_root, data_node
from rgflow.evaluation.msds_factors import measured_factors, msds_kind, msds_test_images
from rgflow.evaluation.shown_factors import mixed_figure, mixed_text
from rgflow.plotting.images import save_figure
from rgflow.runtime.command_line import refuse_options, trusted_modules
from rgflow.runtime.files import check_output
from rgflow.runtime.json_text import add_json, check_json, plain, write_report
from rgflow.runtime.seeds import generator_for

OPTIONS = ("of", "seed", "data_root", "json")
"""Options that only pairs have."""


def add_pairs(parser: argparse.ArgumentParser) -> None:
    """Gives a parser the options of pairs."""
    group = parser.add_argument_group("pairs of MSDS, with the factors measured")
    group.add_argument(
        "--of", choices=["images", "samples"], help="of test images, the default, or samples"
    )
    group.add_argument("--seed", type=int, help="seed of all random numbers, 0 if not given")
    add_data_root(group)
    add_json(group)


def mix_many(args: argparse.Namespace) -> None:
    """Prints and writes which factors come from which image, and draws the first pairs."""
    check_output(args.out, ".png")
    check_json(args)
    refuse_options(args, ["level"], "expected none with --pairs, which takes every level")
    if args.pairs < 2:
        raise ValueError(f"--pairs: got {args.pairs}, expected at least 2")
    trust = trusted_modules(args)
    flow = load_flow(args.checkpoint, trust=trust)
    flow.known_hierarchy()
    node = data_node(args, load_config(args.checkpoint))
    kind, seed = msds_kind(node), args.seed or 0
    # with the digits of float32, some images would not come back from their latents
    z = latents(flow.double(), node, args, seed, trust)
    mixed = mix_pairs(flow, *z.chunk(2), partial(measured_factors, kind=kind), seed=seed)
    what = "samples" if args.of == "samples" else "test images"
    save_figure(mixed_figure(mixed, what), args.out)
    report = {"dataset": f"msds{kind}", "of": what, "seed": seed} | plain(mixed.factors)
    write_report(args, report, lambda _: mixed_text(mixed.factors, what))


def latents(
    flow: Flow, node: dict, args: argparse.Namespace, seed: int, trust: list[str]
) -> Tensor:
    """Latents of all images A, then of all B."""
    count = 2 * args.pairs
    if args.of == "samples":
        temperature = 1.0 if args.temperature is None else args.temperature
        return flow.prior.sample(count, temperature, generator_for("pairs", seed))
    refuse_options(args, ["temperature"], "expected it only with samples")
    return latents_of_images(flow, msds_test_images(node, count, trust).images, seed)
