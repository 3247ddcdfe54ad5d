"""Real-space renormalization of the Ising model: rgflow-ising-rg [--out DIR].

Prints exact and sampled results of the block RBM (the map J -> J', its exponent, learned filters)
and of Monte-Carlo RG, and draws them.
"""

import argparse
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import torch

from rgflow.plotting.grids import Panel, grid_figure
from rgflow.plotting.images import save_figure
from rgflow.realspace.report import exact_report as exact
from rgflow.realspace.report import sampling_report as sampling
from rgflow.realspace.report.cutoff_report import cutoff_section
from rgflow.realspace.report.report import Section, format_rows
from rgflow.realspace.samples.zoom import save_film
from rgflow.runtime.command_line import Parser, one_line_errors
from rgflow.runtime.files import make_last_folder, write_atomically, write_stdout
from rgflow.runtime.progress import above_bars, progress, progress_bars
from rgflow.runtime.seeds import generator_for

DEFAULT_FOLDER = Path("outputs/ising_rg")
PARTS = 10  # of the report
MAX_SPINS = 2**31  # in all configurations together, one byte each


def main() -> None:
    parser = Parser(description=__doc__)
    parser.add_argument("--out", default=DEFAULT_FOLDER, help="folder for the table and figures")
    parser.add_argument("--seed", type=int, default=0, help="seed of all random numbers")
    parser.add_argument(
        "--side", type=int, default=64, help="lattice side of the Monte-Carlo part"
    )
    parser.add_argument("--sweeps", type=int, default=6000, help="sweeps of each of its 8 chains")
    parser.add_argument(
        "--zoom-side", type=int, default=1024, help="lattice side of the zoom pictures"
    )
    parser.add_argument("--steps", type=int, default=1000, help="training steps of each filter")
    with one_line_errors(), progress_bars():
        args = parser.parse_args()
        check_range("--side", args.side, 32, 8, 1024)
        check_range("--sweeps", args.sweeps, 200, 1, MAX_SPINS // (4 * args.side**2))
        check_range("--zoom-side", args.zoom_side, 512, 512, 4096)
        check_range("--steps", args.steps, 200, 1, 100_000)  # an untrained filter has no exponent
        prepare_folder(Path(args.out))  # a wrong name is found before any work is done
        report(args)


def check_range(name: str, value: int, least: int, factor: int, most: int) -> None:
    if not least <= value <= most or value % factor:
        kind = f"a multiple of {factor}" if factor > 1 else "a number"
        raise ValueError(f"{name}: got {value}, expected {kind} from {least} to {most}")


def prepare_folder(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"--out: got the file {folder}, expected a folder")
    if folder == DEFAULT_FOLDER:
        folder.parent.mkdir(exist_ok=True)
    make_last_folder(folder)
    tempfile.TemporaryFile(dir=folder).close()  # raises if the folder cannot be written


def report(args: argparse.Namespace) -> None:
    # the tensors are so small that several threads would only wait for each other
    torch.set_num_threads(1)
    start, out, texts = time.perf_counter(), Path(args.out), []
    for section in progress(sections(args), "parts", total=PARTS):
        texts.append(format_rows(section.title, section.rows, section.notes))
        with above_bars():
            write_stdout(f"{texts[-1]}\n")
        for name, figure in section.figures.items():
            save_figure(figure, out / f"{name}.png")
    draw_zoom(args, out)
    table = "\n\n".join(texts) + "\n"
    write_atomically(out / "table.txt", lambda file: file.write(table.encode()))
    write_stdout(f"{out}: table.txt and figures, after {time.perf_counter() - start:.0f} s")


def sections(args: argparse.Namespace) -> Iterator[Section]:
    """The parts of the report, of which there are `PARTS`, each computed when it is asked for."""
    yield exact.rbm_section(generator_for("machine", args.seed))
    yield exact.hidden_units_section(generator_for("hidden", args.seed))
    yield exact.causal_section()
    yield exact.flow_section()
    yield exact.information_section()
    yield exact.decoy_section(generator_for("decoy", args.seed))
    yield cutoff_section(generator_for("field", args.seed))
    generator = generator_for("spins", args.seed)
    yield sampling.check_section(generator, steps=3 * args.steps // 2)
    spins = sampling.critical_configurations(generator, args.side, args.sweeps)
    filters = sampling.learned_filters(spins, generator, args.steps)
    yield sampling.filters_section(filters, args.side)
    yield sampling.exponent_section(spins, filters[2].weights, generator)


def draw_zoom(args: argparse.Namespace, out: Path) -> None:
    """Pictures of configurations at several scales, side by side and as a film."""
    generator = generator_for("zoom", args.seed)
    views, figure, film = sampling.zoom_pictures(generator, args.zoom_side)
    save_figure(figure, out / "zoom.png")
    for name, images in views.items():
        across = ", ".join(str(images.shape[-1] << n) for n in range(len(images)))
        panel = Panel(f"{name}: views {across} spins across", images)
        save_figure(grid_figure([panel], len(images)), out / f"zoom_{name.split(',')[0]}.png")
    save_film(film, out / "zoom.gif")
