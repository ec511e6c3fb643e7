"""A bounded cache that finds its entries under a domain."""

from collections import OrderedDict

from hypothesis import given
from hypothesis import strategies as st

from services.terminator.name_cache import NameCache
from shared.names import parent_wildcard

NAMES = st.sampled_from(["a.x.y", "b.x.y", "*.x.y", "x.y", "*.y", "a.b.x.y", "y"])
STEPS = st.lists(st.tuples(st.sampled_from(["put", "get", "drop"]), NAMES), max_size=60)


def test_a_wildcard_covers_itself_and_names_one_label_below() -> None:
    cache: NameCache[int] = NameCache(10)
    for name in ("a.x.y", "b.x.y", "*.x.y", "a.b.x.y", "x.y"):
        cache.put(name, 1)

    assert sorted(cache.covered("*.x.y")) == ["*.x.y", "a.x.y", "b.x.y"]
    assert cache.covered("a.x.y") == ["a.x.y"]
    assert cache.covered("c.x.y") == []


@given(STEPS, st.integers(1, 4))
def test_the_least_recently_used_name_is_evicted_and_the_index_agrees(steps: list[tuple[str, str]], size: int) -> None:
    cache: NameCache[int] = NameCache(size)
    model: OrderedDict[str, int] = OrderedDict()
    for number, (step, name) in enumerate(steps):
        match step:
            case "put":
                model[name] = number
                model.move_to_end(name)
                gone = model.popitem(last=False)[0] if len(model) > size else None
                assert cache.put(name, number) == gone
            case "get":
                if name in model:
                    model.move_to_end(name)
                assert cache.get(name) == model.get(name)
            case "drop":
                assert cache.drop(name) == model.pop(name, None)
        assert cache.items() == list(model.items())
        for wildcard in ("*.x.y", "*.y"):
            about = {item for item in model if item == wildcard or parent_wildcard(item) == wildcard}
            assert sorted(cache.covered(wildcard)) == sorted(about)
