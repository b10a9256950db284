"""The three measures of a selected model on the test set: the column of each and its name in the tables."""

MEASURES = {
    "test_loss": "paper loss",
    "negative_elbo": "negative ELBO",
    "importance_weighted_bound": "IWAE bound",
}
# The rows of what is kept for each test image, in the same order.
IMAGE_LOSSES = ("paper_loss", "negative_elbo", "importance_weighted_bound")
