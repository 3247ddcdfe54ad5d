"""The factors of MSDS images as tables of values, measured from pictures or out of the labels."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from rgflow.analysis.factors import Factor
from rgflow.data.ellipse_fit import Ellipses, labelled_ellipses, measure_ellipses
from rgflow.data.msds import CELL
from rgflow.runtime.config import build, with_trusted

SHARED = {1: "colour", 2: "orientation"}
"""The factor of MSDS1 and MSDS2 that the ellipses of an image have in common."""


class KnownImages(NamedTuple):
    """Images of MSDS1 or MSDS2, ``kind`` 1 or 2, and their labels, see `MSDS`."""

    kind: int
    images: Tensor
    labels: Tensor


def is_msds(node: Mapping[str, Any] | None) -> bool:
    """Whether a node ``data`` of a configuration is MSDS, whose factors are known."""
    return (node or {}).get("dataset") in ("msds1", "msds2")


def msds_kind(node: Mapping[str, Any] | None) -> int:
    """1 or 2, for data of MSDS1 or MSDS2.

    Args:
        node: The node ``data`` of a checkpoint's configuration.

    Raises:
        ValueError: For any other data, whose factors are not known.
    """
    name = (node or {}).get("dataset")
    if not is_msds(node):
        raise ValueError(f"data: got {name or 'none'}, expected msds1 or msds2, of known factors")
    return int(name[-1])


def msds_test_images(
    node: Mapping[str, Any] | None, limit: int, trust: str | Sequence[str] = ()
) -> KnownImages:
    """The first test images of the data of a checkpoint.

    Args:
        node: The node ``data`` of its configuration.
        limit: Number of images.
        trust: Names of users' own modules that may be imported and called.

    Raises:
        ValueError: If the data are neither MSDS1 nor MSDS2, whose factors are known, or have
            fewer test images.
    """
    kind = msds_kind(node)
    data = build(node, "data", within=with_trusted(["rgflow.data"], trust))
    data.prepare_data()
    data.setup("test")
    images, labels = data.images("test"), data.labels["test"]
    if limit > len(images):
        raise ValueError(f"got a test set of {len(images)} images, expected at least {limit}")
    return KnownImages(kind, images[:limit], labels[:limit])


def measured_factors(images: Tensor, kind: int) -> dict[str, Factor]:
    """The factors of `ellipse_factors`, measured from uint8 images ``(N, 3, L, L)``."""
    return ellipse_factors(measure_ellipses(images), kind)


def labelled_factors(labels: Tensor, kind: int) -> dict[str, Factor]:
    """The factors of `ellipse_factors`, out of the labels ``(N, cells, 6)`` of `MSDS`."""
    return ellipse_factors(labelled_ellipses(labels), kind)


def ellipse_factors(ellipses: Ellipses, kind: int) -> dict[str, Factor]:
    """Orientation, colour and position of each ellipse, and what its image has in common.

    An orientation is the unit vector ``(cos 2a, sin 2a)``, since an ellipse turned by 180 degrees
    is the same. A position is that of the centre within the cell, in pixels; it is visible, other
    than the shift by which the ellipse was moved, and a quarter of its variance comes with the
    angle, about which the centre turns. Colours are in units of 255 shades. Orientation and
    position count where they can be seen, see `Ellipses.is_clear`.

    For MSDS1 the base colour is the mean over the image, and an ellipse's own colour is its
    difference from that. For MSDS2 the base orientation is the direction of the mean of
    ``(cos 2a, sin 2a)``, and an ellipse's own orientation is that relative to the base.

    Args:
        ellipses: Ellipses of N images.
        kind: 1 or 2.

    Returns:
        ``orientation``, ``colour``, ``position``, and ``base ...`` and ``own ...`` of the factor
        of `SHARED`.
    """
    if kind not in SHARED:
        raise ValueError(f"MSDS kind: got {kind!r}, expected 1 or 2")
    clear = ellipses.is_clear.to(ellipses.colour)  # (N, cells)
    seen = torch.ones_like(clear)
    turn = ellipses.angle * (math.pi / 90)
    orientation = torch.stack((turn.cos(), turn.sin()), -1)  # (N, cells, 2)
    colour = ellipses.colour / 255
    across = round(clear.shape[1] ** 0.5)
    cell = torch.arange(across**2)
    corner = CELL * torch.stack((cell % across, cell // across), -1)
    factors = {
        "orientation": Factor(orientation, clear),
        "colour": Factor(colour, seen),
        "position": Factor(ellipses.centre - corner, clear),
    }
    if kind == 1:
        base = colour.mean(1, keepdim=True)
        known = seen[:, :1]
        own = Factor(colour - base, seen)
    else:
        base = F.normalize((orientation * clear[..., None]).sum(1, keepdim=True), dim=-1)
        known = (clear.sum(1, keepdim=True) > 0).to(clear)
        cos, sin = orientation.unbind(-1)
        along, across_base = base.unbind(-1)
        own = Factor(
            torch.stack((cos * along + sin * across_base, sin * along - cos * across_base), -1),
            clear,
        )
    name = SHARED[kind]
    return factors | {f"base {name}": Factor(base, known), f"own {name}": own}
