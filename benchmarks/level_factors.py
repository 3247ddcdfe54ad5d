"""Which levels of flows of MSDS hold which factor: one table per data set and kind of flow.

Checkpoints of the same data set and kind of flow (levels and prior, or Real NVP) count as seeds of
training: the table gives their mean and its standard error, or with a single one the error of the
images alone.

python benchmarks/level_factors.py CHECKPOINT [...] [--samples 1000] [--images 5000]
    [--out level_factors.json]
"""

from __future__ import annotations

from typing import Any

import torch

from rgflow.analysis.bootstrap import Estimated
from rgflow.analysis.level_table import LevelTable
from rgflow.checkpoint import load_config, load_flow
from rgflow.commands.data_root import add_data_root, data_node
from rgflow.evaluation.level_factors import LevelFactors, level_factors
from rgflow.evaluation.shown_factors import level_factors_text
from rgflow.runtime.command_line import Parser, one_line_errors
from rgflow.runtime.files import check_output
from rgflow.runtime.json_text import plain, write_json
from rgflow.runtime.progress import progress, progress_bars

KINDS = {
    "rgflow.models.conv_flow": "convolutional levels",
    "rgflow.models.block_flow": "block levels",
    "rgflow.models.realnvp_flow": "Real NVP",
}
TABLES = ("redrawn", "informative")


def main() -> None:
    parser = Parser(description=__doc__)
    parser.add_argument("checkpoints", nargs="+", help="checkpoints of flows of MSDS")
    parser.add_argument("--samples", type=int, default=1000, help="images to redraw levels of")
    parser.add_argument("--images", type=int, default=5000, help="test images of the regression")
    add_data_root(parser)
    parser.add_argument("--seed", type=int, default=0, help="seed of the random numbers")
    parser.add_argument("--out", default="level_factors.json")
    args = parser.parse_args()
    check_output(args.out)
    groups: dict[str, list[tuple[str, LevelFactors]]] = {}
    for path in progress(args.checkpoints, "checkpoints"):
        config = load_config(path)
        node = data_node(args, config)
        counts = {"samples": args.samples, "images": args.images, "seed": args.seed}
        report = level_factors(load_flow(path), node, **counts)
        groups.setdefault(f"{report.dataset}, {kind_of(config)}", []).append((path, report))
    rows = {}
    for name, members in groups.items():
        reports = [report for _, report in members]
        mean = combined(reports)
        seeds = "1 seed" if len(reports) == 1 else f"{len(reports)} seeds"
        print(f"## {name}, {seeds} of training\n\n{level_factors_text(mean)}\n")
        rows[name] = {"checkpoints": [path for path, _ in members]} | plain(mean)
    write_json(args.out, {"samples": args.samples, "images": args.images, "rows": rows})


def kind_of(config: dict[str, Any]) -> str:
    """Levels and prior of a flow."""
    flow = config["flow"]
    return f"{KINDS.get(flow['_target_'], flow['_target_'])}, {flow.get('prior', 'default')} prior"


def combined(reports: list[LevelFactors]) -> LevelFactors:
    """The mean over seeds of training, with its standard error."""
    if len(reports) == 1:
        return reports[0]
    return reports[0]._replace(
        **{name: _mean_table([getattr(report, name) for report in reports]) for name in TABLES}
    )


def _mean_table(tables: list[LevelTable]) -> LevelTable:
    first = tables[0]
    if any(table.blocks != first.blocks for table in tables):
        raise ValueError("got flows of one kind with different levels, expected the same levels")
    fields = [name for name in first._fields if isinstance(getattr(first, name), Estimated)]
    means = {}
    for name in fields:
        values = torch.stack([getattr(table, name).value for table in tables])
        means[name] = Estimated(values.mean(0), values.std(0) / len(values) ** 0.5)
    return first._replace(**means)


if __name__ == "__main__":
    with one_line_errors(), progress_bars():
        main()
