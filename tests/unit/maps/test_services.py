"""The five lines at the head of each service are held to its code: what it consumes, publishes and owns."""

import ast
import importlib
import re

import pytest

from services.terminator.handlers import HINTS
from shared.events import FACTS, TYPES, DomainChanged, JsonObject
from shared.messaging.broker.topology import SUBSCRIPTIONS
from shared.messaging.codec.rejections import rejection_of
from tests.unit.maps.source import modules, tables

SERVICES = ("provisioner", "validator", "terminator")
FACT_CLASSES = {cls.__name__: event_type for event_type, cls in FACTS.items()}
MADE_FOR_SERVICES = {"publish_changed": DomainChanged.type}  # functions of `shared.registry.events`


def said(service: str, word: str) -> str:
    """Return the text after *word* in the docstring of *service*, up to the next word or the end of the paragraph."""
    text = importlib.import_module(f"services.{service}").__doc__ or ""
    found = re.search(rf"^{word} +(.*?)(?=^[A-Z]\w+  |\n\n|\Z)", text, re.MULTILINE | re.DOTALL)
    assert found, f"services/{service}/__init__.py has no line that begins with {word}"
    return found[1]


def named(text: str) -> set[str]:
    """Return what *text* has in backticks."""
    return set(re.findall(r"`([^`]+)`", text))


def trees(service: str) -> list[ast.Module]:
    """Return the syntax trees of *service*."""
    return [tree for name, tree in modules() if f"{name}.".startswith(f"services.{service}.")]


def subscribed(service: str) -> set[str]:
    """Return the event types that *service* makes subscriptions to, or listens to as hints."""
    if service == "terminator":
        return set(HINTS)
    requests = {cls.__name__: event_type for event_type, cls in TYPES.items()}
    found = set()
    for tree in trees(service):
        for node in ast.walk(tree):
            match node:
                case ast.Call(
                    func=ast.Name(id="Subscription"), args=[ast.Attribute(value=ast.Name(id=name), attr="type"), *_]
                ):
                    found.add(requests[name])
                case _:
                    continue
    return found


def published(service: str) -> set[str]:
    """Return the types of the facts that *service* makes, or that its consumer makes when it refuses a message."""
    made = {
        FACT_CLASSES[node.func.id]
        for tree in trees(service)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in FACT_CLASSES
    }
    made |= {
        MADE_FOR_SERVICES[node.attr]
        for tree in trees(service)
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and node.attr in MADE_FOR_SERVICES
    }
    data: JsonObject = {"domain": "shop.example.com", "certificate_id": "cert_1"}
    refusals = [rejection_of(each, data, event_id=None, reasons=()) for each in SUBSCRIPTIONS.get(service, ())]
    return made | {fact.type for fact in refusals if fact is not None}


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_says_what_it_consumes(service: str) -> None:
    assert named(said(service, "Consumes")) == subscribed(service)


@pytest.mark.parametrize("service", ["provisioner", "validator"])
def test_a_service_has_a_queue_for_each_event_type_that_it_consumes(service: str) -> None:
    assert subscribed(service) == set(SUBSCRIPTIONS[service])


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_says_what_it_publishes(service: str) -> None:
    assert named(said(service, "Publishes")) == published(service)


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_says_which_tables_it_owns(service: str) -> None:
    owned = {name for name in tables() if name.startswith(f"{service}.")}
    names = named(said(service, "Owns"))

    assert names & (tables().keys() | {service})
    assert service in names or owned <= names


@pytest.mark.parametrize("service", SERVICES)
def test_the_modules_that_a_service_names_exist(service: str) -> None:
    text = importlib.import_module(f"services.{service}").__doc__ or ""
    known = {name for name, _ in modules()}
    reading = named(text.partition("\nRead ")[2])

    assert reading
    assert [name for name in sorted(reading) if f"services.{service}.{name}" not in known and name not in known] == []
