"""One name of a dataset is one definition in every study."""

import numpy as np
import pytest
from discrete_vae.config.definitions import source_of
from discrete_vae.data.binarization import binarize
from discrete_vae.data.dataset import SPLITS, BinarizedDataset
from discrete_vae.data.shared import check_datasets, check_definition
from discrete_vae.errors import InputError


@pytest.fixture
def own_dataset(tmp_path) -> dict[str, str]:
    """A binarized dataset of the user's, made of my.npz."""
    path = tmp_path / "my.npz"
    definition = {"source": "npz", "path": str(path)}
    images = np.random.default_rng(0).integers(0, 2, (3, 3, 4, 4)).astype(np.uint8)
    np.savez(path, **dict(zip(SPLITS, images, strict=True)))
    dataset = binarize(source_of(definition), [path])
    (tmp_path / "data").mkdir()
    dataset.save(tmp_path / "data" / "mine.npz")
    return definition


def test_a_name_of_a_dataset_is_one_definition_in_every_study(tmp_path, own_dataset):
    data = tmp_path / "data"
    check_datasets(data, {"mine": own_dataset, "not-made": {"source": "sklearn"}})
    with pytest.raises(InputError) as caught:
        check_datasets(data, {"mine": {"source": "sklearn"}})
    message = str(caught.value)
    assert message.startswith('datasets.mine is {"source": "sklearn"}, expected {"source": "npz"')
    assert message.endswith(f"give the dataset another name, or remove {data}/mine.npz")


def test_a_changed_file_of_ones_own_is_told(tmp_path, own_dataset):
    np.savez(tmp_path / "my.npz", **dict.fromkeys(SPLITS, np.zeros((3, 4, 4), dtype=np.uint8)))
    with pytest.raises(InputError, match=rf"{tmp_path}/my.npz has other content .*; give the dataset another name"):
        check_datasets(tmp_path / "data", {"mine": own_dataset})


def test_a_file_of_ones_own_may_move(tmp_path, own_dataset):
    """Its content tells it from others."""
    moved = tmp_path / "moved.npz"
    (tmp_path / "my.npz").rename(moved)
    check_datasets(tmp_path / "data", {"mine": {**own_dataset, "path": str(moved)}})
    moved.write_bytes(b"other images")
    with pytest.raises(InputError, match=r"moved.npz has other content"):
        check_datasets(tmp_path / "data", {"mine": {**own_dataset, "path": str(moved)}})


@pytest.mark.parametrize("content", [b"", b"PK", b"{}"])
def test_a_damaged_dataset_is_told(tmp_path, own_dataset, content):
    (tmp_path / "data/mine.npz").write_bytes(content)
    with pytest.raises(InputError, match=r"mine.npz is not readable .*, expected a binarized dataset; remove it"):
        check_datasets(tmp_path / "data", {"mine": own_dataset})


@pytest.mark.parametrize("manifest", [{}, [], {"definition": {}}])
def test_a_manifest_that_lacks_something_is_told(tmp_path, own_dataset, manifest):
    made = BinarizedDataset.load(tmp_path / "data/mine.npz")
    BinarizedDataset(made.splits, manifest).save(tmp_path / "data/mine.npz")
    with pytest.raises(
        InputError, match=r"mine.npz is not readable .*, expected a binarized dataset with its definition"
    ):
        check_datasets(tmp_path / "data", {"mine": own_dataset})


def test_what_a_job_loads_is_checked_as_a_plan_checks_it(tmp_path, own_dataset):
    """A plan does not see a dataset beyond the grid."""
    made = BinarizedDataset.load(tmp_path / "data/mine.npz").manifest
    check_definition(tmp_path / "data/mine.npz", made, own_dataset)
    with pytest.raises(
        InputError, match=r'datasets.digits is {"source": "sklearn"}, expected {"source": "npz".*remove'
    ):
        check_definition(tmp_path / "data/digits.npz", made, {"source": "sklearn"})
    (tmp_path / "my.npz").write_bytes(b"other images")
    with pytest.raises(InputError, match=r"my.npz has other content"):
        check_definition(tmp_path / "data/mine.npz", made, own_dataset)
    (tmp_path / "my.npz").unlink()
    check_definition(tmp_path / "data/mine.npz", made, own_dataset)
