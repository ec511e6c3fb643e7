"""The tables of public words in docs/events.md, made from `shared.events.words`; `make docs` writes them.

A table stands between a comment that names its list and a comment that ends it::

    <!-- words: ErrorCode -->
    <!-- end of words -->
"""

import re
from typing import Final

from shared.events import ErrorCode, OrderState, ReasonCode, Standing, UploadState, Word

LISTS: Final[dict[str, type[Word]]] = {
    each.__name__: each for each in (ErrorCode, ReasonCode, Standing, OrderState, UploadState)
}
_TABLE: Final = re.compile(r"(<!-- words: (\w+) -->\n).*?(<!-- end of words -->\n)", re.DOTALL)


def filled(page: str) -> str:
    """Return *page* with each of its tables of words as the lists have them."""
    return _TABLE.sub(lambda match: f"{match[1]}{_table(LISTS[match[2]])}{match[3]}", page)


def _table(words: type[Word]) -> str:
    rows = [f"| `{word}` | {word.meaning} | {word.remedy} |" for word in words]
    return "\n".join(["", "| word | means | who must do what |", "| --- | --- | --- |", *rows, "", ""])
