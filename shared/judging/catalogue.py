"""Every rule, in the order in which they are checked; a test holds `docs/validation.md` to this list."""

from typing import Final

from shared.judging.certificate import leaf
from shared.judging.chain import bundle, chain
from shared.judging.judge import NOT_JUDGED
from shared.judging.key import accepted_keys, loading, matching, private_key, weakness
from shared.judging.model import Rule

RULES: Final[tuple[Rule, ...]] = (
    *bundle.RULES,
    *private_key.RULES,
    *accepted_keys.RULES,
    *matching.RULES,
    *weakness.RULES,
    *leaf.RULES,
    *chain.RULES,
    *loading.RULES,
    NOT_JUDGED,
)
