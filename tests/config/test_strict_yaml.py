"""What YAML reads as something else than it says is refused."""

import pytest
from conftest import ROOT
from discrete_vae.config.strict_yaml import check_yaml
from discrete_vae.errors import InputError


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("grid:\n  seed: [0775]", "line 2, has 0775, which YAML reads as 509; write 775 or 509"),
        ("grid: {K: [010]}", "line 1, has 010, which YAML reads as 8; write 10 or 8"),
        ("grid: {seed: [00]}", "line 1, has 00, which YAML reads as 0; write 0"),
        ("training: {epochs: 1:30}", "has 1:30, which YAML reads as 90"),
        ("training: {epochs: 0x1F}", "has 0x1F, which YAML reads as 31; write 31"),
        ("training: {epochs: 1_000}", "has 1_000, which YAML reads as 1000; write 1000"),
        ("grid: {temperature: [1:30.5]}", "has 1:30.5, which YAML reads as 90.5; write 90.5"),
        ("grid: {K: [10]}\ngrid: {K: [30]}", "line 2, has the key 'grid' twice, expected it once; join the two"),
        ('{"grid": {"K": [10], "K": [30]}}', "has the key 'K' twice"),
    ],
)
def test_ambiguous_yaml_is_told_in_one_line(tmp_path, text, expected):
    path = tmp_path / "own.yaml"
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        check_yaml([path])
    assert str(caught.value).startswith(f"{path}, line ")
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_it_reads_as_written_is_accepted(tmp_path):
    path = tmp_path / "own.yaml"
    path.write_text("a: [0, -3, +4, 775, 0.5, 1e-3, .5, 12:30x, '0775', 2026-11-28]\nb: {a: 1}\nc: &x {d: 1}\ne: *x\n")
    (tmp_path / "own.json").write_text('{\n\t"grid": {}}')
    check_yaml(
        [
            path,
            tmp_path / "own.json",
            *ROOT.glob("*.yaml"),
            *(ROOT / "configs").glob("*.yaml"),
            *ROOT.glob("results/*/config.yaml"),
        ]
    )
