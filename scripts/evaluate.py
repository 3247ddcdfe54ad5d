"""Bits per dimension of a trained flow on a split of the data it was trained on, as JSON."""

import argparse
import json

from rgflow.checkpoint import load_config, load_flow
from rgflow.cli import one_line_errors
from rgflow.config import build
from rgflow.objectives import evaluate_bits_per_dim


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoint")
    parser.add_argument("--split", choices=["train", "validation", "test"], default="test")
    parser.add_argument("--limit", type=int, help="only the first so many images")
    parser.add_argument("--data-root", help="where the data are, if not where training found them")
    parser.add_argument("--seed", type=int, default=0, help="of the dequantization noise")
    parser.add_argument("--device", default="cpu")
    with one_line_errors():
        evaluate(parser.parse_args())


def evaluate(args: argparse.Namespace) -> None:
    if args.limit is not None and args.limit < 2:
        raise ValueError(f"--limit: got {args.limit}, expected at least 2 images")
    flow = load_flow(args.checkpoint, args.device)
    node = load_config(args.checkpoint).get("data")
    if not node or "_target_" not in node:
        raise ValueError(f"{args.checkpoint}: got a config without data, expected a node 'data'")
    if args.data_root is not None:
        node = node | {"root": args.data_root}
    data = build(node, "data", within=("rgflow.data",))
    data.prepare_data()
    data.setup()
    images = data.images(args.split)[: args.limit]
    result = evaluate_bits_per_dim(flow, images, seed=args.seed)
    print(
        json.dumps(
            {
                "bits_per_dim": result.mean,
                "standard_error": result.standard_error,
                "images": len(images),
                "split": args.split,
                "seed": args.seed,
            }
        )
    )


if __name__ == "__main__":
    main()
