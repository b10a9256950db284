"""The discrete-VAE experiment of arXiv 2406.02180: what the workflow's rules compute, without Snakemake.

What the Snakefile imports, such as ``configuration``, ``cells`` and ``sources``, plans the experiment and imports no
torch, so that Snakemake plans quickly and in an environment of its own; the other modules do the work.
"""

from typing import Any


def __getattr__(name: str) -> Any:
    """Import what `from discrete_vae import load_run` asks for when it is asked for: it needs torch."""
    if name in ("load_run", "load_selected"):
        from discrete_vae.evaluation import trained  # noqa: PLC0415

        return getattr(trained, name)
    raise AttributeError(f"module 'discrete_vae' has no attribute {name!r}")
