"""The tree of errors at the head of `shared/errors.py` is held to the classes that there are."""

import re

from shared import errors
from tests.unit.maps.source import subclasses_of

_LINE = re.compile(r"^( *)(\w+Error)\b(?: +\((\w+(?:\.\w+)*)\))?")


def drawn() -> dict[str, tuple[str, str]]:
    """Return module and parent of each class in the tree, as it is drawn; a class without a module is of this one."""
    found: dict[str, tuple[str, str]] = {}
    above: list[tuple[int, str]] = []
    for line in (errors.__doc__ or "").splitlines():
        entry = _LINE.match(line)
        if not entry:
            continue
        depth, name, module = len(entry[1]), entry[2], entry[3] or errors.__name__
        above = [each for each in above if each[0] < depth]
        if above:
            found[name] = (module, above[-1][1])
        above.append((depth, name))
    return found


def test_the_tree_shows_every_error_under_its_parent_with_its_module() -> None:
    assert drawn() == subclasses_of("ServiceError")


def test_every_error_says_whether_trying_again_may_help() -> None:
    undecided = [name for name, (_, parent) in subclasses_of("ServiceError").items() if parent == "ServiceError"]

    assert sorted(undecided) == ["PermanentError", "TransientError"]
