"""The experiment as anyone would write it, with nn.Modules, a DataLoader and autograd: the trainer's yardstick."""

import time

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

VARIABLES, HIDDEN, BATCH = 10, 300, 100


def gumbel_like(logits: torch.Tensor) -> torch.Tensor:
    """Draw standard Gumbel noise of the shape of the logits."""
    return -torch.empty_like(logits).exponential_().log()


def time_on(device: torch.device) -> float:
    """Return the time at which the device has done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()


def measure(
    images: dict[str, torch.Tensor], categories: int, *, epochs: int, warm_up: int, device: torch.device
) -> dict[str, float]:
    """Train, with 100 samples an image on validation and test after each epoch; return mean seconds of both.

    The epochs to warm up, before the others, do not count.
    """
    pixels = images["train"].shape[1]
    encoder = nn.Sequential(nn.Linear(pixels, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, VARIABLES * categories)).to(device)
    decoder = nn.Sequential(nn.Linear(VARIABLES * categories, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, pixels)).to(device)
    optimizer = torch.optim.Adam([*encoder.parameters(), *decoder.parameters()], lr=1e-3)
    loaders = {
        split: DataLoader(TensorDataset(values.float()), batch_size=BATCH, shuffle=split == "train")
        for split, values in images.items()
    }
    seconds = {"training": 0.0, "evaluation": 0.0}
    for epoch in range(-warm_up, epochs):
        started = time_on(device)
        for (batch,) in loaders["train"]:
            x = batch.to(device)
            logits = encoder(x).view(-1, VARIABLES, categories)
            codes = F.softmax(logits + gumbel_like(logits), dim=-1)
            reconstruction = F.binary_cross_entropy_with_logits(decoder(codes.flatten(1)), x, reduction="sum")
            q = F.softmax(logits, dim=-1)
            loss = (reconstruction + (q * (q * categories + 1e-20).log()).sum()) / len(x)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        trained = time_on(device)
        with torch.no_grad():
            for split in ("validation", "test"):
                for (batch,) in loaders[split]:
                    x = batch.to(device)
                    logits = encoder(x).view(-1, VARIABLES, categories)
                    for _ in range(100):
                        codes = F.one_hot((logits + gumbel_like(logits)).argmax(-1), categories).float()
                        F.binary_cross_entropy_with_logits(decoder(codes.flatten(1)), x, reduction="sum")
        if epoch >= 0:
            seconds["training"] += (trained - started) / epochs
            seconds["evaluation"] += (time_on(device) - trained) / epochs
    return seconds
