"""What the published studies show together: a figure of all differences, and the verdicts on the paper's claims."""

import sys
from pathlib import Path

import pandas as pd

from discrete_vae.analysis import claims
from discrete_vae.analysis.comparisons import read_comparisons
from discrete_vae.errors import CorrectableError, InputError
from discrete_vae.files import write_csv
from discrete_vae.report import style
from discrete_vae.report.forest import draw_claims

DRAWN = [
    claim.name
    for claim in (claims.BEST, claims.FEWER_TEMPERATURES, claims.CONVERGENCE, claims.CONVERGENCE_OF_VALIDATION)
]


def draw_published(folder: str, *tables: str) -> None:
    """Write claims.png and verdicts.csv in a folder, given the claims.csv of each study, which lies in its tables/.

    Raises:
        InputError: no table, a damaged one, or two studies with a claim at the same dataset and K.
    """
    if not tables:
        raise InputError("no study has tables/claims.csv, expected those of the published studies; restore results/")
    read = pd.concat(read_comparisons(table).assign(study=Path(table).parents[1].name) for table in tables)
    verdicts = claims.summarize_verdicts(claims.pool(read))  # before anything is written
    style.save(draw_claims(read[read["claim"].isin(DRAWN)]), [f"{folder}/claims.png"])
    write_csv(Path(folder, "verdicts.csv"), verdicts)


def main() -> None:
    """Draw what the command line names, and end what a person can put right in one line."""
    try:
        draw_published(*sys.argv[1:])
    except CorrectableError as error:
        sys.exit(f"ERROR: {error}")


if __name__ == "__main__":
    main()
