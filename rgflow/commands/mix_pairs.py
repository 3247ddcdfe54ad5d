"""Pairs of MSDS images mixed at every cut-off level, with the factors of the results measured."""

import argparse

from rgflow.checkpoint import load_config, load_flow
from rgflow.commands.data_root import add_data_root, data_node
from rgflow.evaluation.mixed_ellipses import mixed_ellipses
from rgflow.evaluation.shown_factors import mixed_figure, mixed_text
from rgflow.plotting.images import save_figure
from rgflow.runtime.command_line import refuse_options, trusted_modules
from rgflow.runtime.files import check_output
from rgflow.runtime.json_text import add_json, check_json, plain, write_report

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
    of, seed = args.of or "images", args.seed or 0
    if of == "images":
        refuse_options(args, ["temperature"], "expected it only with samples")
    flow = load_flow(args.checkpoint, trust=trust)
    node = data_node(args, load_config(args.checkpoint))
    temperature = 1.0 if args.temperature is None else args.temperature
    settings = {"of": of, "temperature": temperature, "seed": seed, "trust": trust}
    mixed = mixed_ellipses(flow, node, args.pairs, **settings)
    what = "samples" if of == "samples" else "test images"
    save_figure(mixed_figure(mixed, what), args.out)
    report = {"dataset": node["dataset"], "of": what, "seed": seed} | plain(mixed.factors)
    write_report(args, report, lambda _: mixed_text(mixed.factors, what))
