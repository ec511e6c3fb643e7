"""All rules, in the order in which they are checked; `docs/validation.md` lists them."""

from typing import Final

from shared.judging import bundle, chain, keys, leaf, loading, matching, taken, weakness
from shared.judging.judge import NOT_JUDGED
from shared.judging.model import Rule

RULES: Final[tuple[Rule, ...]] = (
    *bundle.RULES,
    *keys.RULES,
    *taken.RULES,
    *matching.RULES,
    *weakness.RULES,
    *leaf.RULES,
    *chain.RULES,
    *loading.RULES,
    NOT_JUDGED,
)
