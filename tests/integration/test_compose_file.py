"""The promises of docker-compose.yml, read from the file: secrets of each service, reachable ports, limits."""

import re
from collections.abc import Iterator, Mapping
from typing import Final

import pytest
import yaml

from certsmith.settings import KeeperSettings, MigrationSettings, OperatorSettings, PublisherSettings
from services.provisioner.settings import AuthoritySettings, ProvisionerSettings
from services.terminator.settings import TerminatorSettings
from services.validator.settings import ValidatorSettings
from shared.settings import LogSettings, Settings, environment_names
from shared.vault import KeyFiles
from tests.rig.compose.file import ROOT, SECRETS, ComposeFile, read_settings
from tests.rig.compose.interpolation import InterpolationError, interpolate

FILE: Final = ROOT / "docker-compose.yml"
COMPOSE: Final = ComposeFile.read(FILE, {})
SERVICES: Final = COMPOSE.services
OURS: Final = {name: each for name, each in SERVICES.items() if each.is_ours}
ONCE: Final = {name for name, each in OURS.items() if each.definition["restart"] == "no"}
LASTING: Final = sorted(OURS.keys() - ONCE)

READS: Final[Mapping[str, tuple[type[Settings], ...]]] = {
    "provisioner": (ProvisionerSettings, AuthoritySettings, KeyFiles, LogSettings),
    "validator": (ValidatorSettings, KeyFiles, LogSettings),
    "terminator": (TerminatorSettings, KeyFiles, LogSettings),
    "second-terminator": (TerminatorSettings, KeyFiles, LogSettings),
    "migrate": (MigrationSettings, LogSettings),
    "keys": (KeyFiles,),
    "keeper": (KeeperSettings, KeyFiles),
    "cli": (OperatorSettings, PublisherSettings, MigrationSettings, KeyFiles),
    "hello": (),
}

VARIABLES: Final = {"SET": "value", "EMPTY": "", "OTHER": "other"}
INTERPOLATED: Final = {
    "plain": "plain",
    "$SET-${SET}": "value-value",
    "$$SET $${SET}": "$SET ${SET}",
    "costs 5$": "costs 5$",
    "${UNSET}": "",
    "${UNSET:-word}": "word",
    "${EMPTY:-word}": "word",
    "${EMPTY-word}": "",
    "${SET:-word}": "value",
    "${UNSET:-${OTHER}}": "other",
    "${UNSET:-${EMPTY:-a b}}/c": "a b/c",
    "${UNSET:-http://x:1}": "http://x:1",
    "${SET:+there}": "there",
    "${EMPTY:+there}": "",
    "${EMPTY+there}": "there",
    "${SET:?must be set}": "value",
}


@pytest.mark.parametrize(("text", "expected"), INTERPOLATED.items())
def test_variables_mean_what_the_specification_says(text: str, expected: str) -> None:
    assert interpolate({text: [text, 1]}, VARIABLES) == {text: [expected, 1]}


@pytest.mark.parametrize(
    ("text", "message"), [("${UNSET:?say why}", "UNSET must be set: say why"), ("${SET", "not closed"), ("${}", "no v")]
)
def test_a_missing_required_variable_is_an_error(text: str, message: str) -> None:
    with pytest.raises(InterpolationError, match=message):
        interpolate([text], VARIABLES)


def test_no_variable_must_be_set() -> None:
    assert ":?" not in FILE.read_text()


def test_every_container_is_restricted() -> None:
    for name, service in SERVICES.items():
        definition = service.definition
        assert definition["read_only"] is True, name
        assert definition["cap_drop"] == ["ALL"], name
        assert "cap_add" not in definition, name
        assert "privileged" not in definition, name
        assert definition["security_opt"] == ["no-new-privileges:true"], name
        assert definition["logging"]["options"].keys() == {"max-size", "max-file"}, name
        assert {"mem_limit", "pids_limit"} <= definition.keys(), name


def test_no_service_runs_as_root() -> None:
    images_own = {"prometheus"}  # its image sets the user nobody

    users = {name: each.definition.get("user", "root") for name, each in SERVICES.items() if name not in images_own}

    assert all(user not in ("root", "0", "0:0") for user in users.values()), users
    assert {users[name] for name in OURS} == {"10001:10001"}


def test_images_are_pinned_to_a_release() -> None:
    for name, service in SERVICES.items():
        tag = service.definition["image"].rpartition(":")[2]
        assert "build" in service.definition or re.match(r"v?\d+", tag), name


def test_every_lasting_service_is_restarted_and_has_a_health_check() -> None:
    assert LASTING == ["hello", "provisioner", "second-terminator", "terminator", "validator"]
    for name in LASTING:
        assert OURS[name].definition["restart"] == "unless-stopped", name
        assert OURS[name].health_check is not None, name
    for name in ("rabbitmq", "postgres"):
        assert SERVICES[name].definition["restart"] == "unless-stopped", name
        assert SERVICES[name].health_check is not None, name


def test_migration_waits_for_the_servers_and_services_wait_for_migration() -> None:
    assert SERVICES["migrate"].depends_on == {"rabbitmq": "service_healthy", "postgres": "service_healthy"}
    for name in ("provisioner", "validator", "terminator", "second-terminator"):
        assert SERVICES[name].depends_on == {"migrate": "service_completed_successfully"}


def test_the_dependencies_of_a_service_are_in_all_its_profiles() -> None:
    for service in SERVICES.values():
        for other in service.depends_on:
            assert not SERVICES[other].profiles or SERVICES[other].profiles >= service.profiles, (service.name, other)


def test_a_container_is_killed_only_after_the_grace_of_its_service() -> None:
    graces = {
        "provisioner": ProvisionerSettings.model_fields["grace_seconds"].default,
        "validator": ValidatorSettings.model_fields["grace_seconds"].default,
        "terminator": TerminatorSettings.model_fields["grace_seconds"].default,
    }

    for name, grace in graces.items():
        assert float(OURS[name].definition["stop_grace_period"].removesuffix("s")) > grace


def test_only_the_terminator_is_reachable_from_outside() -> None:
    published = {name: each.definition["ports"] for name, each in SERVICES.items() if "ports" in each.definition}

    assert published == {
        "terminator": ["80:80", "443:443"],
        "second-terminator": ["8080:80", "8443:443"],
        "prometheus": ["127.0.0.1:9090:9090"],
    }


def test_the_servers_networks_are_internal() -> None:
    assert SERVICES["rabbitmq"].definition["networks"] == ["bus"]
    assert SERVICES["postgres"].definition["networks"] == ["store"]
    for name in ("bus", "store"):
        assert COMPOSE.document["networks"][name]["internal"] is True


def test_containers_that_open_keys_are_never_swapped_to_disk() -> None:
    for name in ("validator", "terminator", "second-terminator", "keeper"):
        assert SERVICES[name].definition["memswap_limit"] == SERVICES[name].definition["mem_limit"], name
        assert SERVICES[name].definition["ulimits"]["core"] == 0, name


def test_the_validator_reaches_no_address_outside() -> None:
    networks = SERVICES["validator"].definition["networks"]

    assert networks == ["bus", "store"]
    assert all(COMPOSE.document["networks"][name]["internal"] for name in networks)


def test_no_upstream_leads_into_the_networks_of_the_servers() -> None:
    compose = ComposeFile.read(FILE, {"CERTSMITH_BUS_SUBNET": "10.9.8.0/24"})

    subnets = [compose.document["networks"][name]["ipam"]["config"][0]["subnet"] for name in ("bus", "store")]

    assert subnets == ["10.9.8.0/24", "172.29.240.128/25"]
    for name in ("terminator", "second-terminator"):
        assert compose.services[name].environment["TERMINATOR_UPSTREAM_DENY"].split(",") == subnets


def test_every_service_sees_only_its_own_secrets() -> None:
    holders: dict[str, set[str]] = {}
    for name, service in SERVICES.items():
        for secret in service.secrets.values():
            holders.setdefault(secret, set()).add(name)
    terminators = {"terminator", "second-terminator"}

    assert holders == {
        "postgres_password": {"postgres"},
        "rabbitmq_administrator": {"rabbitmq"},
        "database_url": {"migrate"},
        "amqp_url": {"migrate", "cli"},
        "provisioner_database_url": {"migrate", "provisioner"},
        "provisioner_amqp_url": {"migrate", "provisioner"},
        "validator_database_url": {"migrate", "validator"},
        "validator_amqp_url": {"migrate", "validator"},
        "terminator_database_url": {"migrate", *terminators},
        "terminator_amqp_url": {"migrate", *terminators},
        "operator_database_url": {"migrate", "cli"},
        "keeper_database_url": {"migrate", "keeper"},
        "publisher_amqp_url": {"migrate", "cli"},
        "intake_public": {"cli"},
        "intake_secret": {"validator"},
        "vault_public": {"provisioner", "validator"},
        "vault_secret": terminators,
        "verify": terminators,
        "provisioner_signing": {"provisioner"},
        "validator_signing": {"validator"},
        "provisioner_secret": {"provisioner"},
        "autocert_eab_mac_key": {"provisioner"},
        "autocert_trusted_ca": {"provisioner"},
        "default_certificate": terminators,
        "default_key": terminators,
        "pebble_certificate": {"pebble"},
        "pebble_key": {"pebble"},
    }
    assert holders.keys() == COMPOSE.document["secrets"].keys()


def test_no_password_is_in_the_file() -> None:
    for service in SERVICES.values():
        for name, value in service.environment.items():
            assert "@" not in value, name
            assert "PASSWORD" not in name or value.startswith(SECRETS), name
    assert "guest" not in FILE.read_text()


@pytest.mark.parametrize("name", sorted(OURS))
def test_every_variable_is_a_setting_that_its_service_reads(name: str) -> None:
    known = {one for cls in READS[name] for one in _names(cls)}

    given = OURS[name].environment

    assert not [one for one in given if one.removesuffix("_FILE") not in known and one not in known]
    for path in (value for value in given.values() if value.startswith(SECRETS)):
        assert path in OURS[name].files, path


@pytest.mark.parametrize("name", ["dev.env", "example.env"])
def test_every_variable_of_an_example_is_a_setting(name: str) -> None:
    text = (ROOT / "deploy" / name).read_text()
    known = {one for group in READS.values() for cls in group for one in _names(cls)}
    offered = re.findall(r"^#? ?([A-Z][A-Z0-9_]+)=(.*)$", text, re.MULTILINE)

    assert len(offered) >= 4
    for variable, value in offered:
        assert variable in known or variable.removesuffix("_FILE") in known, variable
        if value.startswith(SECRETS):
            assert value.removeprefix(f"{SECRETS}/") in COMPOSE.document["secrets"], value
    assert read_settings(ROOT / "deploy" / name).items() <= dict(offered).items()


def test_every_mounted_file_exists() -> None:
    for service in SERVICES.values():
        for target, path in service.files.items():
            assert target in service.secrets or service.name in ("keys", "keeper") or path.exists(), path


def test_the_document_has_no_key_twice() -> None:
    document = yaml.compose(FILE.read_text())
    assert document is not None

    assert list(_repeated(document)) == []


def _names(cls: type[Settings]) -> list[str]:
    return [name for field, info in cls.model_fields.items() for name in environment_names(cls, field, info)]


def _repeated(node: yaml.Node) -> Iterator[str]:
    """Yield the keys that *node* or a node in it has more than once: a parser silently takes the last one."""
    match node:
        case yaml.MappingNode():
            keys = [key.value for key, _ in node.value]
            yield from (key for key in {*keys} if keys.count(key) > 1)
            for _, value in node.value:
                yield from _repeated(value)
        case yaml.SequenceNode():
            for value in node.value:
                yield from _repeated(value)
