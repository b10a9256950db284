"""The command line: ``python -m discrete_vae train PLAN`` makes groups without Snakemake."""

import argparse
import logging
import math
import signal
import sys
from pathlib import Path
from types import FrameType

from discrete_vae.errors import CorrectableError
from discrete_vae.standalone.maker import GroupMaker
from discrete_vae.standalone.plan import Plan
from discrete_vae.training.loop import choose_device
from discrete_vae.training.resume_point import SIGNALS


def parse_arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(prog="python -m discrete_vae", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    train = commands.add_parser(
        "train",
        help="train, evaluate and pack the groups of a plan",
        description="Train, evaluate and pack the groups of a plan, one after the other, in results/ of this folder."
        " SIGTERM, SIGUSR1, Ctrl-C or the end of the time save a resume point; the same command continues.",
    )
    train.add_argument("plan", type=Path, help="what `snakemake export_plan` wrote")
    train.add_argument("groups", nargs="*", help="only these, such as mnist/K10 or mnist/K10/seed775")
    train.add_argument("--minutes", type=float, help="begin no group that would take longer, and end after this time")
    train.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto", help="auto: a GPU if there is one")
    train.add_argument("--data", type=Path, default=Path("data"), help="folder of the binarized datasets")
    train.add_argument("--archives", type=Path, default=Path("archives"), help="folder for the finished groups")
    return parser.parse_args()


def end(number: int, frame: FrameType | None) -> None:
    """End on a signal, where there is no resume point to save."""
    raise SystemExit(128 + number)


def main() -> None:
    """Make the groups that the command line names."""
    options = parse_arguments()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", stream=sys.stdout)
    logging.captureWarnings(True)
    for number in SIGNALS:
        signal.signal(number, end)
    try:
        plan = Plan.load(options.plan)
        groups = plan.chosen(options.groups)
        device = choose_device(options.device)
        maker = GroupMaker(plan, data=options.data, archives=options.archives, device=device)
        if options.minutes is not None:
            signal.setitimer(signal.ITIMER_REAL, 60 * options.minutes)
        left = maker.make_groups(groups, seconds=math.inf if options.minutes is None else 60 * options.minutes)
    except CorrectableError as error:
        sys.exit(f"ERROR: {error}")
    except SystemExit:
        logging.warning("stopped; the same command continues")
        raise
    if left:
        sys.exit(f"{len(left)} of {len(groups)} groups are left; the same command continues")


if __name__ == "__main__":
    main()
