"""What the paper (arXiv 2406.02180) ran, for telling apart what was run here."""

from collections.abc import Mapping
from typing import Any

from discrete_vae.config.definitions import PAPER_LAWS

# Its datasets, and where their images come from.
PAPER_IMAGES = {
    "mnist": "torchvision's MNIST files",
    "fashion-mnist": "torchvision's FashionMNIST files",
    "omniglot": "chardata.mat of the IWAE repository, 28x28",
}
# A dataset that counts as one of the paper, where that one was not run. A note names its images.
STANDS_FOR = {"omniglot-resized": "omniglot"}
# Those whose runs count for the paper's claims.
STUDIED_IMAGES = PAPER_IMAGES | {"omniglot-resized": "torchvision's Omniglot archives, 105x105 resized to 28x28"}
PAPER_CATEGORIES = (10, 30, 50)
PAPER_TEMPERATURES = (0.01, 0.03, 0.07, 0.1, 0.25, 0.4, 0.5, 0.67, 0.85, 1.0)
# Its claim about convergence is about one dataset at one temperature.
CONVERGENCE_DATASET, CONVERGENCE_TEMPERATURE = "omniglot", 1.0
# Runs count for the claims only with the paper's options, except these. Other values of these are noted.
NOTED_TRAINING = ("epochs", "patience", "matmul_precision")
PAPER_OPTIONS = {
    "model": {"variables": 10, "hidden": 300},
    "training": {
        "epochs": 300,
        "patience": None,
        "batch_size": 100,
        "learning_rate": 0.001,
        "kl": "softmax",
        "annealing": None,
        "matmul_precision": "highest",
    },
    "evaluation": {"validation_samples": 100, "selection_samples": 100, "importance_samples": 100},
}


def paper_laws(definitions: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Return which of some noise laws are the paper's: their names in PAPER_LAWS, by the names that they have here."""
    return {
        name: law for name, definition in definitions.items() for law, own in PAPER_LAWS.items() if definition == own
    }
