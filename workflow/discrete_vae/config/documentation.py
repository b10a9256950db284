"""Write what is made from the configuration's types: the table of keys in docs/configuration.md, and the JSON schema.

`make docs` runs this; a test keeps both in step.
"""

import json
import sys
from collections.abc import Iterator
from dataclasses import MISSING, Field, is_dataclass
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from discrete_vae.config.configuration import ADAPTER, Block, Configuration
from discrete_vae.config.reading import keys_of, sections_in

BEGIN, END = "<!-- keys: begin -->", "<!-- keys: end -->"


def table_of_keys() -> str:
    """List every key of the configuration with its default and meaning, in Markdown."""
    rows = [("key", "default", "meaning"), ("---", "---", "---"), *_rows(Configuration, "")]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _rows(kind: type, prefix: str) -> Iterator[tuple[str, str, str]]:
    for name, key in keys_of(kind).items():
        sections = [section for section in sections_in(key.type) if section is not Block]
        meaning = key.metadata.get("description") or sections[0].__doc__
        yield f"`{prefix}{name}`", _spell_default(key), meaning.replace("|", r"\|")
        if len(sections) == 1:
            yield from _rows(sections[0], f"{prefix}{name}.")
        else:
            yield from ((f"`{prefix}{name}.NAME`", "", _spell_kind(section)) for section in sections)


def _spell_kind(section: type) -> str:
    """Spell the keys of a definition, such as ``family: poisson; rate: mean before truncation; K: ...``."""
    (tag, first), *others = keys_of(section).items()
    words = [f"`{tag}: {' or '.join(get_args(first.type))}`"]
    for name, key in others:
        values = " or ".join(get_args(key.type)) if get_origin(key.type) is Literal else ""
        meaning = ", ".join(filter(None, (key.metadata.get("description"), values)))
        words.append(f"`{name}`{f': {meaning}' if meaning else ''}")
    return "; ".join(words)


def _spell_default(key: Field) -> str:
    default = key.default_factory() if key.default_factory is not MISSING else key.default
    if default is MISSING:
        return "none: it must be given"
    if is_dataclass(default) or isinstance(default, dict):
        return ""
    return f"`{json.dumps(default)}`"


def json_schema() -> dict[str, Any]:
    """Return the JSON schema of the configuration, for editors."""
    schema = ADAPTER.json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "Configuration", **schema}


def documented(page: str) -> str:
    """Return a page with the table of keys between its two marks."""
    before, _, rest = page.partition(BEGIN)
    return f"{before}{BEGIN}\n{table_of_keys()}\n{END}{rest.partition(END)[2]}"


def write(docs: Path) -> None:
    """Write the table into configuration.md of a folder, and config.schema.json beside it."""
    page = docs / "configuration.md"
    page.write_text(documented(page.read_text(encoding="utf-8")), encoding="utf-8")
    (docs / "config.schema.json").write_text(json.dumps(json_schema(), separators=(",", ":")) + "\n", encoding="utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
