"""The command line: make groups without Snakemake, check a GPU, and draw samples of a trained model."""

import argparse
import logging
import math
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Any

import torch

from discrete_vae.config.options import Training
from discrete_vae.errors import CorrectableError, InputError
from discrete_vae.evaluation.samples import save_samples
from discrete_vae.evaluation.trained import load_run, load_selected
from discrete_vae.standalone.check import check_device
from discrete_vae.standalone.maker import GroupMaker
from discrete_vae.standalone.plan import Plan
from discrete_vae.training.device import choose_device, environment
from discrete_vae.training.resume_point import heeded_signals

DEFAULT = "(default: %(default)s)"
MOST_SAMPLES = 10_000
MOST_MINUTES = 527_040  # of a year


def parse_arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(prog="python -m discrete_vae", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_train(commands)
    _add_check(commands)
    _add_sample(commands)
    return parser.parse_args()


def _add_train(commands: Any) -> None:
    train = commands.add_parser(
        "train",
        help="train, evaluate and pack the groups of a plan, without Snakemake",
        description="Train, evaluate and pack the groups of a plan, one after the other, in results/ of this folder."
        " SIGTERM, SIGUSR1, SIGHUP, Ctrl-C or the end of the time save a resume point; the same command continues."
        " A group that is trained at the end of the time is still evaluated and packed.",
    )
    train.set_defaults(run=make_groups)
    train.add_argument("plan", type=Path, help="what `snakemake export_plan` wrote")
    train.add_argument(
        "groups", nargs="*", help="only these, such as mnist/K10 or mnist/K10/seed775 (default: all groups)"
    )
    train.add_argument(
        "--minutes",
        type=_minutes,
        help="begin no group that would take longer, and train no longer than this (default: no limit)",
    )
    train.add_argument("--data", type=Path, default=Path("data"), help=f"folder of the binarized datasets {DEFAULT}")
    train.add_argument(
        "--archives", type=Path, default=Path("archives"), help=f"folder for the finished groups {DEFAULT}"
    )
    _add_device(train)


def _add_check(commands: Any) -> None:
    check = commands.add_parser("check", help="compare a GPU with the CPU and time it, in some minutes")
    check.set_defaults(run=check_this_device)
    _add_device(check)


def _add_sample(commands: Any) -> None:
    sample = commands.add_parser("sample", help="draw samples of a trained model from the prior, as a PNG")
    sample.set_defaults(run=draw_samples)
    sample.add_argument("folder", type=Path, help="of a run, or of a group that keeps its models")
    sample.add_argument("--perturbation", help="noise law of the model, for a group")
    sample.add_argument("--out", type=Path, default=Path("samples.png"), help=f"the PNG to write {DEFAULT}")
    sample.add_argument("--count", type=int, default=64, help=f"number of samples, at most {MOST_SAMPLES} {DEFAULT}")
    sample.add_argument("--seed", type=int, default=0, help=f"of the samples {DEFAULT}")


def _add_device(command: argparse.ArgumentParser) -> None:
    command.add_argument("--device", choices=["cuda", "cpu"], default="cuda", help=f"a GPU, or the CPU {DEFAULT}")
    command.add_argument("--no-cuda-graph", action="store_true", help="on a GPU, launch every kernel by itself: slower")
    command.add_argument("--fused-kernels", action="store_true", help="on a GPU, use the Triton kernels")


def _minutes(text: str) -> float:
    try:
        minutes = float(text)
    except ValueError:
        minutes = math.nan
    if not 0 < minutes <= MOST_MINUTES:
        raise argparse.ArgumentTypeError(f"{text} is no number of minutes, expected above 0 and at most {MOST_MINUTES}")
    return minutes


def end(number: int, frame: FrameType | None) -> None:
    """End on a signal, where there is no resume point to save."""
    raise SystemExit(128 + number)


def make_groups(options: argparse.Namespace) -> None:
    """Make the groups that the command line names."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", stream=sys.stdout)
    logging.captureWarnings(True)
    for number in heeded_signals():
        signal.signal(number, end)
    plan = Plan.load(options.plan)
    groups = plan.chosen(options.groups)
    torch.set_num_threads(1)  # as in a job of Snakemake: core-hours and rounding follow from it
    device = choose_device(options.device, gpus=torch.cuda.device_count())
    maker = GroupMaker(
        plan, data=options.data, archives=options.archives, device=device, how_to_train=kernel_options(options)
    )
    seconds = math.inf if options.minutes is None else 60 * options.minutes
    try:
        left = maker.make_groups(groups, seconds=seconds)
    except SystemExit:
        logging.warning("stopped; the same command continues")
        raise
    if left:
        sys.exit(f"{len(left)} of {len(groups)} groups are left; the same command continues")


def kernel_options(options: argparse.Namespace) -> dict[str, bool]:
    """Return what the command line says of a GPU's kernels."""
    return {"cuda_graph": not options.no_cuda_graph, "fused_kernels": options.fused_kernels}


def check_this_device(options: argparse.Namespace) -> None:
    """Print what is found of the device, and fail if anything is not as expected."""
    device = choose_device(options.device, gpus=torch.cuda.device_count())
    print(", ".join(f"{key} {value}" for key, value in environment(device).items()), flush=True)
    faults = 0
    for passed, text in check_device(device, Training(**kernel_options(options))):
        print(f"{'ok   ' if passed else 'FAULT'} {text}", flush=True)
        faults += not passed
    if faults:
        sys.exit(f"checks that failed: {faults}, expected none; do not train on this device")


def draw_samples(options: argparse.Namespace) -> None:
    """Draw samples of the model that the command line names."""
    if not 1 <= options.count <= MOST_SAMPLES:
        raise InputError(f"--count is {options.count}, expected 1 to {MOST_SAMPLES}; correct it")
    if options.out.suffix != ".png":
        raise InputError(f"--out is {options.out}, expected the name of a PNG such as samples.png; correct it")
    law = options.perturbation
    if not law and (options.folder / "selection.csv").exists():
        raise InputError(
            f"{options.folder} is the folder of a group, expected --perturbation with it; name a noise law"
        )
    if law and (options.folder / "summary.json").exists():
        raise InputError(f"{options.folder} is the folder of a run, expected no --perturbation with it; leave it out")
    model = load_selected(options.folder, law) if law else load_run(options.folder)
    save_samples(model.sample(options.count, seed=options.seed).numpy(), options.out)
    print(f"{options.count} samples of {model.cell} are in {options.out}")


def main() -> None:
    """Do what the command line says. What a person can put right is one line."""
    options = parse_arguments()
    try:
        options.run(options)
    except CorrectableError as error:
        sys.exit(f"ERROR: {error}")


if __name__ == "__main__":
    main()
