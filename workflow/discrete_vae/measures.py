"""What the selected models are measured by on the test set."""

from discrete_vae.cells import AXES

# The column of each measure and its name in the tables.
MEASURES = {
    "test_loss": "paper loss",
    "negative_elbo": "negative ELBO",
    "importance_weighted_bound": "IWAE bound",
}
# The rows of what is kept for each test image, in the same order.
IMAGE_LOSSES = ("paper_loss", "negative_elbo", "importance_weighted_bound")
# The table of the bounds.
PARTS = ("reconstruction", "kl_of_softmax", "kl_of_codes")
USE_OF_CODES = ("active_variables", "perplexity")
BOUNDS = [*AXES, "samples", *IMAGE_LOSSES, *PARTS, *USE_OF_CODES]

ACTIVE_INFORMATION = 0.01  # nats about the image, above which a variable counts as active
