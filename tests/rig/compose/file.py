"""Reads docker-compose.yml as Compose does: anchors, variables, files of settings, secrets, dependencies."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

import yaml

from tests.rig.compose.interpolation import interpolate

ROOT: Final = Path(__file__).parents[3]
SECRETS: Final = "/run/secrets"


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A service of the file; *definition* is its part of the file."""

    name: str
    definition: Mapping[str, Any]
    environment: Mapping[str, str]
    """Its environment, that of its files of settings included."""
    files: Mapping[str, Path]
    """The mounts: the path in the container, and the file or folder on the host."""
    secrets: Mapping[str, str]
    """The mounted secrets: the path in the container, and the secret's name."""

    @property
    def command(self) -> tuple[str, ...]:
        """The program and arguments that the file sets; empty if the image's own command runs."""
        words = [*self.definition.get("entrypoint", ()), *self.definition.get("command", ())]
        return tuple(map(str, words))

    @property
    def health_check(self) -> tuple[str, ...] | None:
        """The health check's program and arguments; None without a health check."""
        check = self.definition.get("healthcheck")
        if check is None:
            return None
        kind, *words = check["test"]
        assert kind == "CMD", f"{self.name}: a health check needs no shell"
        return tuple(words)

    @property
    def depends_on(self) -> Mapping[str, str]:
        """The conditions for its start, by the name of the other service."""
        return {name: each["condition"] for name, each in self.definition.get("depends_on", {}).items()}

    @property
    def profiles(self) -> frozenset[str]:
        """Its profiles, one of which must be requested; empty if it always runs."""
        return frozenset(self.definition.get("profiles", ()))

    @property
    def is_ours(self) -> bool:
        """Whether it runs the image of Certsmith."""
        return str(self.definition["image"]).startswith("certsmith:")


@dataclass(frozen=True, slots=True, kw_only=True)
class ComposeFile:
    """The whole file."""

    document: Mapping[str, Any]
    services: Mapping[str, Service]

    @classmethod
    def read(cls, path: Path, variables: Mapping[str, str]) -> Self:
        """Return the file at *path* with *variables* in it."""
        document = interpolate(yaml.safe_load(path.read_text()), variables)
        services = {name: _service(name, document, path.parent) for name in document["services"]}
        return cls(document=document, services=services)

    def selected(self, profiles: Sequence[str]) -> Iterator[Service]:
        """Yield the services that run with *profiles*, each after its dependencies."""
        wanted = {name for name, each in self.services.items() if not each.profiles or each.profiles & {*profiles}}
        done: set[str] = set()
        while ready := [name for name in wanted - done if wanted & self.services[name].depends_on.keys() <= done]:
            for name in sorted(ready):
                done.add(name)
                yield self.services[name]
        assert done == wanted, f"{wanted - done} depend on each other"


def _service(name: str, document: Mapping[str, Any], folder: Path) -> Service:
    definition = document["services"][name]
    secrets = {target: source for source, target in map(_grant, definition.get("secrets", ()))}
    files = {target: _path(folder, document["secrets"][source]["file"]) for target, source in secrets.items()}
    for volume in definition.get("volumes", ()):
        source, target, *_ = str(volume).split(":")
        if "/" in source:
            files[target] = _path(folder, source)
    environment = {key: str(value) for key, value in definition.get("environment", {}).items()}
    return Service(
        name=name,
        definition=definition,
        environment=_settings(definition.get("env_file", ()), folder) | environment,
        files=files,
        secrets=secrets,
    )


def _grant(secret: str | Mapping[str, str]) -> tuple[str, str]:
    """Return a secret's name and mount path, from the short or the long form."""
    if isinstance(secret, str):
        return secret, f"{SECRETS}/{secret}"
    target = secret.get("target", secret["source"])
    return secret["source"], target if target.startswith("/") else f"{SECRETS}/{target}"


def _settings(files: Sequence[Mapping[str, Any]], folder: Path) -> dict[str, str]:
    found: dict[str, str] = {}
    for file in files:
        path = _path(folder, file["path"])
        if path.exists() or file.get("required", True):
            found |= read_settings(path)
    return found


def read_settings(path: Path) -> dict[str, str]:
    """Return the variables of a file of `NAME=value` lines."""
    lines = [line for line in path.read_text().splitlines() if line and not line.startswith("#")]
    return {name: value for name, _, value in (line.partition("=") for line in lines)}


def _path(folder: Path, text: str) -> Path:
    return folder / text
