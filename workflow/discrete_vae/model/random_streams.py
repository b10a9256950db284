"""Random streams: one generator for each seed and purpose, never a global state.

Cells of one seed start from the same weights and see the same minibatches and uniform numbers. So noise laws and
temperatures are compared on common random numbers, and a cell does not depend on which other cells run.
"""

import hashlib

import torch


def generator(seed: int, purpose: str, device: torch.device | str = "cpu") -> torch.Generator:
    """Return the generator of a cell's seed for a purpose such as ``"training noise"``."""
    digest = hashlib.sha256(f"{purpose} {seed}".encode()).digest()
    return torch.Generator(device).manual_seed(int.from_bytes(digest[:8]) >> 1)
