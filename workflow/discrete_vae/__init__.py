"""The discrete-VAE experiment of arXiv 2406.02180: what the workflow's rules compute, without Snakemake.

What the Snakefile imports needs no torch, so Snakemake plans quickly and in an environment of its own. The other
modules do the work.
"""

from typing import Any


def __getattr__(name: str) -> Any:
    """Import `load_run` and `load_selected` on first use: they need torch."""
    if name in ("load_run", "load_selected"):
        from discrete_vae.evaluation import trained  # noqa: PLC0415

        return getattr(trained, name)
    raise AttributeError(f"module 'discrete_vae' has no attribute {name!r}")
