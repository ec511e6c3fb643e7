"""docs/operations.md has every setting, alert, variable and secret, and no other."""

import re
from collections.abc import Iterator
from typing import Any, Final

import yaml
from pydantic_core import PydanticUndefined

from certsmith.settings import MigrationSettings, OperatorSettings, PublisherSettings
from services.provisioner.settings import AuthoritySettings, ProvisionerSettings
from services.terminator.settings import TerminatorSettings
from services.validator.settings import ValidatorSettings
from shared.messaging.inbox.settlement import Outcome
from shared.settings import ConnectionSettings, LogSettings, Settings, environment_names
from shared.vault import KeyFiles
from tests.rig.compose.file import ROOT, ComposeFile

PAGE: Final = (ROOT / "docs/operations.md").read_text()
COMPOSE: Final = ComposeFile.read(ROOT / "docker-compose.yml", {})
ALERTS: Final = (ROOT / "deploy/prometheus/alerts.yml").read_text()
SETTINGS: Final[tuple[type[Settings], ...]] = (
    ConnectionSettings,
    LogSettings,
    KeyFiles,
    ProvisionerSettings,
    AuthoritySettings,
    ValidatorSettings,
    TerminatorSettings,
    OperatorSettings,
    PublisherSettings,
    MigrationSettings,
)


def section(title: str) -> str:
    """Return the part of the page under *title*."""
    return PAGE.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def rows(text: str) -> list[tuple[list[str], list[str]]]:
    """Return the names in the first cell of each table row in *text*, and its other cells."""
    lines = [line.strip("|").split("|") for line in text.splitlines() if line.startswith("| `")]
    return [(re.findall(r"`([^`]+)`", first), [each.strip() for each in rest]) for first, *rest in lines]


def test_the_page_has_every_setting_and_no_other() -> None:
    named = [name for names, _ in rows(section("Settings")) for name in names]
    known = {
        name
        for cls in SETTINGS
        for field, info in cls.model_fields.items()
        for name in environment_names(cls, field, info)
    }

    assert sorted(named) == sorted(known)


def test_defaults_on_the_page_are_the_real_ones() -> None:
    real = dict(defaults())
    said = {name: value for name, value in said_defaults() if name in real}

    assert len(said) >= 30
    assert said == {name: real[name] for name in said}


def defaults() -> Iterator[tuple[str, str]]:
    """Yield each setting with a fixed default, and the default as text for the environment."""
    for cls in SETTINGS:
        for field, info in cls.model_fields.items():
            if info.default is not PydanticUndefined:
                yield environment_names(cls, field, info)[-1], text_of(info.default)


def said_defaults() -> Iterator[tuple[str, str]]:
    """Yield each setting whose default the page shows as a value, and that value."""
    for names, (second, *_) in rows(section("Settings")):
        values = second.split(", ")
        if len(names) == len(values):
            yield from ((name, value.strip("`")) for name, value in zip(names, values, strict=True) if "`" in value)


def text_of(value: Any) -> str:
    """Return *value* as text for the environment."""
    match value:
        case bool():
            return str(value).lower()
        case float():
            return f"{value:g}"
        case tuple():
            return ",".join(map(text_of, value))
        case _ if hasattr(value, "get_secret_value"):
            return str(value.get_secret_value())
        case _:
            return str(value)


def test_every_alert_is_explained() -> None:
    explained = [name for names, _ in rows(section("What to watch")) for name in names]
    alerts = [rule["alert"] for group in yaml.safe_load(ALERTS)["groups"] for rule in group["rules"]]

    assert explained == alerts


def test_alerts_use_outcomes_that_exist() -> None:
    outcomes = re.findall(r'messaging_handled_total\{outcome="(\w+)"\}', ALERTS)

    assert outcomes
    assert {*outcomes} <= {outcome.value for outcome in Outcome}


def test_every_variable_of_the_compose_file_is_explained() -> None:
    defaults = dict(re.findall(r"\$\{(\w+):-([^}]*)\}", (ROOT / "docker-compose.yml").read_text()))
    explained = rows(section("On one machine, with Docker Compose"))
    shown = {
        name: value.strip("`")
        for names, (second, *_) in explained
        for name, value in zip(names, second.split(", "), strict=True)
    }

    assert shown == defaults


def test_every_secret_is_explained() -> None:
    names = {
        name.replace("<service>", service)
        for group, _ in rows(section("Secrets and keys"))
        for name in group
        for service in ("provisioner", "validator", "terminator")
    }
    files = {each["file"].removeprefix("./deploy/secrets/") for each in COMPOSE.document["secrets"].values()}

    assert {name for name in files if not name.startswith("pebble")} == names


def test_the_table_of_contents_links_to_every_section() -> None:
    links = re.findall(r"^\* \[[^\]]+\]\(#([\w-]+)\)", PAGE, re.MULTILINE)
    titles = re.findall(r"^## (.+)$", PAGE, re.MULTILINE)

    assert links == [re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles]
