"""The generated documents are those of the models."""

import json
from pathlib import Path

import pytest
import yaml

from dev import asyncapi
from shared.events import FACTS, PUBLIC, TYPES

DOCS = Path(__file__).parents[3] / "docs"


def test_the_committed_document_is_current() -> None:
    assert (DOCS / "asyncapi.yaml").read_text() == asyncapi.document_text(), "run `python -m dev.asyncapi docs`"


def test_the_committed_schemas_are_current() -> None:
    committed = {path.name: path.read_text() for path in (DOCS / "schemas").iterdir()}

    assert committed == asyncapi.schema_texts(), "run `python -m dev.asyncapi docs`"


def test_every_type_is_received_or_sent() -> None:
    operations = yaml.safe_load(asyncapi.document_text())["operations"].values()

    found = {
        (operation["action"], operation["channel"]["$ref"].removeprefix("#/channels/")) for operation in operations
    }

    assert found == {*(("receive", name) for name in PUBLIC), *(("send", name) for name in FACTS)}


@pytest.mark.parametrize("name", TYPES)
def test_a_schema_says_what_is_required(name: str) -> None:
    schema = json.loads((DOCS / "schemas" / f"{name}.json").read_text())

    assert schema.get("required", []) == [
        field for field, info in TYPES[name].model_fields.items() if info.is_required()
    ]


def test_the_schema_of_a_removed_type_is_deleted(tmp_path: Path) -> None:
    (tmp_path / "schemas").mkdir()
    (tmp_path / "schemas" / "domain.forgotten.json").write_text("{}")

    asyncapi.write(tmp_path)

    assert {path.stem for path in (tmp_path / "schemas").iterdir()} == set(TYPES)
