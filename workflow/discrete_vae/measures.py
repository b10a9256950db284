"""What the selected models are measured by on the test set."""

# The column of each measure and its name in the tables.
MEASURES = {
    "test_loss": "paper loss",
    "negative_elbo": "negative ELBO",
    "importance_weighted_bound": "IWAE bound",
}
# The rows of what is kept for each test image, in the same order.
IMAGE_LOSSES = ("paper_loss", "negative_elbo", "importance_weighted_bound")

ACTIVE_INFORMATION = 0.01  # nats about the image, above which a variable counts as active
