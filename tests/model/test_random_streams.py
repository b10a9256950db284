"""The random streams of a seed stay what they are: cells that are added to published groups must share them."""

import pytest
from discrete_vae.model.random_streams import generator


@pytest.mark.parametrize(
    ("purpose", "seed"),
    [
        ("weights", 5296778146800133939),
        ("minibatches", 6386413446164673756),
        ("training noise", 3550080213629947673),
        ("validation noise", 6534143067186588873),
        ("final validation noise", 2058112674737090329),
        ("bound noise", 1057099178045585216),
    ],
)
def test_the_streams_of_a_seed_are_those_of_the_published_results(purpose, seed):
    assert generator(775, purpose).initial_seed() == seed
