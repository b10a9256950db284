"""What the selected models are measured by on the test set."""

from discrete_vae.grid.cells import AXES

# The column of each measure and its name in the tables, in the order of what is kept for each test image.
# A new one comes last: older groups lack it.
MEASURES = {
    "paper_loss": "paper loss",
    "negative_elbo": "negative ELBO",
    "importance_weighted_bound": "IWAE bound",
}
# The negative ELBO of the models that it selects itself.
SELECTED_BY_ELBO = "negative ELBO, selected by it"
# The table of the bounds.
PARTS = ("reconstruction", "kl_of_softmax", "kl_of_codes")
USE_OF_CODES = ("active_variables", "perplexity")
# How loose the IWAE bound is: its value with fewer samples, and how many samples carry its weight.
LOOSENESS = ("bound_of_10_samples", "bound_of_100_samples", "effective_samples")
BOUNDS = [*AXES, "samples", *MEASURES, *PARTS, *LOOSENESS, *USE_OF_CODES]

# The total variation distances of a fit to its target, and the name of what each measures.
FIT_ERRORS = {"discrete_error": "codes", "relaxed_error": "mean relaxed sample"}

ACTIVE_INFORMATION = 0.01  # nats about the image, above which a variable counts as active
