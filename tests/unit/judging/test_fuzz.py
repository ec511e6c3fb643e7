"""No input causes an error or costs more than a second of CPU. `make fuzz` tries far more, guided by coverage."""

from typing import Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.judging import judge
from tests.builders.judging import der
from tests.builders.judging.certificates import AT
from tests.fuzz import targets

RUNS: Final = 6 * settings().max_examples  # of each target; 600 in `make test`


@pytest.fixture(scope="module", params=targets.TARGETS)
def target(request: pytest.FixtureRequest) -> str:
    """Return the name of a target that has been run before, so that one-time work is not counted as an input's cost."""
    name: str = request.param
    targets.run(name, b"")
    return name


@settings(
    max_examples=RUNS,
    deadline=None,  # targets limit the CPU time themselves; wall time depends on what else the machine does
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.binary(min_size=8, max_size=120))
def test_no_altered_upload_breaks_a_target(target: str, data: bytes) -> None:
    targets.run(target, data)


@settings(max_examples=RUNS, deadline=None, derandomize=True, database=None)
@given(bundle=st.text(max_size=400), key=st.text(max_size=400))
def test_random_texts_are_refused_without_an_error(bundle: str, key: str) -> None:
    assert not judge(bundle.encode(errors="replace"), key.encode(errors="replace"), at=AT).is_accepted


EMPTY_EC_KEY: Final = "301c020100301306072a8648ce3d020106082a8648ce3d03010704023000"

# Found by fuzzing; each is fixed.
FOUND: Final = {
    "a certificate of nothing": ("scanner", b"R-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n"),
    "an EC key of nothing": ("key_loader", b"R\0" + der.pem("PRIVATE KEY", bytes.fromhex(EMPTY_EC_KEY)).encode()),
    "carriage returns and a letter": ("scanner", b"R" + b"\r" * 262_000 + b"x"),
}


@pytest.mark.parametrize("name", FOUND)
def test_an_input_that_once_broke_a_target_no_longer_does(name: str) -> None:
    targets.run(*FOUND[name])
