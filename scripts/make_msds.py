"""Draw MSDS1 or MSDS2 into a NumPy file: images (N, 3, L, L) uint8, labels (N, cells, 6)."""

import argparse
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np

from rgflow.cli import one_line_errors
from rgflow.data import generate_msds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "kind", type=int, choices=(1, 2), help="1: a colour per image, 2: an angle"
    )
    parser.add_argument("--count", type=int, default=10_000, help="number of images")
    parser.add_argument("--side", type=int, default=32, help="side in pixels, a multiple of 8")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--split", default="train", help="train, validation or test")
    parser.add_argument("--out", type=Path, required=True, help="the .npz file to write")
    parser.add_argument("--preview", type=Path, help="a .png file with the first 64 images")
    arguments = parser.parse_args()
    with one_line_errors():
        for path, suffix in ((arguments.out, ".npz"), (arguments.preview, ".png")):
            if path is not None and path.suffix != suffix:
                raise ValueError(f"got {path}, expected a name that ends in {suffix}")
        images, labels = generate_msds(
            arguments.kind, arguments.count, arguments.side, arguments.seed, arguments.split
        )
        whole_or_nothing(
            arguments.out,
            lambda path: np.savez_compressed(path, images=images.numpy(), labels=labels.numpy()),
        )
        if arguments.preview is not None:
            from torchvision.utils import save_image

            grid = images[:64].float() / 255
            whole_or_nothing(
                arguments.preview, lambda path: save_image(grid, path, nrow=8, pad_value=0.5)
            )
    print(f"{len(images)} images of {arguments.side}x{arguments.side} in {arguments.out}")


def whole_or_nothing(path: Path, write: Callable[[Path], None]) -> None:
    """Writes through a temporary file beside ``path``, of the same suffix."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
    try:
        write(temporary)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


if __name__ == "__main__":
    main()
