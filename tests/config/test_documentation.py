"""What is made from the configuration's types is in step with them."""

import json

import jsonschema
import pytest
import yaml
from conftest import ROOT
from discrete_vae.config.documentation import documented, json_schema

SCHEMA = json_schema()


def test_the_documentation_is_that_of_the_code():
    """Otherwise run `make docs`."""
    page = (ROOT / "docs" / "configuration.md").read_text()
    assert documented(page) == page
    assert json.loads((ROOT / "docs" / "config.schema.json").read_text()) == SCHEMA


def test_editors_take_the_configuration_and_find_its_errors():
    config = yaml.safe_load((ROOT / "config.yaml").read_text())

    def law(distribution):
        return {"perturbations": {"x": {"distribution": distribution, "loc": 0, "scale": 1}}}

    for right in ({}, law("Normal")):
        jsonschema.validate({**config, **right}, SCHEMA)
    for wrong in ({"sede": 1}, {"training": {"epochs": "many"}}, law("Norml")):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate({**config, **wrong}, SCHEMA)
