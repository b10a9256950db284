"""What all figures share."""

from discrete_vae.report import style
from matplotlib.figure import Figure


def test_a_layout_that_differs_in_its_last_digits_gives_the_same_bits(tmp_path):
    """As it does between processors."""

    def bits_of(width: float) -> bytes:
        figure = Figure()
        figure.add_axes([0.2, 0.3, width, 0.4]).plot([1, 2])
        style.save(figure, [str(tmp_path / "figure.pdf")])
        return (tmp_path / "figure.pdf").read_bytes()

    assert bits_of(0.5 + 1e-10) == bits_of(0.5)
    assert bits_of(0.51) != bits_of(0.5)
