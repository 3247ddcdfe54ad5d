"""A flow beside Monte Carlo: rgflow-compare FLOW_REPORT.json MC_REPORT.json."""

from rgflow.evaluation.comparison import comparison_table
from rgflow.evaluation.report_files import read_report, training_seconds
from rgflow.runtime.command_line import Parser, one_line_errors
from rgflow.runtime.files import write_stdout


def main() -> None:
    parser = Parser(description=__doc__)
    parser.add_argument("flow", help="written by scripts/evaluate.py --json")
    parser.add_argument("chains", help="written by scripts/simulate.py --json")
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--training-seconds", type=float, help="wall time of the flow's training")
    source.add_argument(
        "--run",
        action="append",
        help="run directory whose metrics.json has it; for a grown flow once for each run",
    )
    with one_line_errors():
        args = parser.parse_args()
        flow, chains = read_report(args.flow, "ess"), read_report(args.chains, "method")
        training = training_seconds(*args.run) if args.run else args.training_seconds
        write_stdout(comparison_table(flow, chains, training))
