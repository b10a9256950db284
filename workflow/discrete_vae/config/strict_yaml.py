"""Refuse what YAML reads silently as something else: numbers such as 0775 and 1:30, and a key that stands twice."""

import re
from collections.abc import Iterable
from pathlib import Path

import yaml

from discrete_vae.errors import InputError

PLAIN_INTEGER = r"[-+]?(0|[1-9][0-9]*)"


class _StrictLoader(yaml.SafeLoader):
    """A loader that raises a ConstructorError for such numbers and keys."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"has the key {key.value!r} twice, expected it once; join the two", key.start_mark
                )
            seen.add(key.value if isinstance(key, yaml.ScalarNode) else "")
        return super().construct_mapping(node, deep)

    def construct_yaml_int(self, node: yaml.ScalarNode) -> int:
        return self._as_written(node, super().construct_yaml_int(node), PLAIN_INTEGER)

    def construct_yaml_float(self, node: yaml.ScalarNode) -> float:
        return self._as_written(node, super().construct_yaml_float(node), "[^:]*")

    def _as_written(self, node: yaml.ScalarNode, value: float, pattern: str) -> float:
        if not re.fullmatch(pattern, node.value):
            meant = dict.fromkeys([*([int(node.value)] if node.value.isdigit() else []), value])
            written = " or ".join(map(str, meant))
            raise yaml.constructor.ConstructorError(
                None, None, f"has {node.value}, which YAML reads as {value}; write {written}", node.start_mark
            )
        return value


_StrictLoader.add_constructor("tag:yaml.org,2002:int", _StrictLoader.construct_yaml_int)
_StrictLoader.add_constructor("tag:yaml.org,2002:float", _StrictLoader.construct_yaml_float)


def check_yaml(paths: Iterable[Path | str]) -> None:
    """Check configuration files. JSON is YAML, too, unless it has tabs. Snakemake reports a file that is neither.

    Raises:
        InputError: the first ambiguous number or double key, with its file and line.
    """
    for path in paths:
        try:
            yaml.load(Path(path).read_text(encoding="utf-8"), _StrictLoader)
        except yaml.constructor.ConstructorError as error:
            raise InputError(f"{path}, line {error.problem_mark.line + 1}, {error.problem}") from None
        except yaml.YAMLError:
            continue
