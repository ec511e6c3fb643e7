"""The public word lists: every code and state in events, on the command line and in the database.

A word is a string, so JSON and SQL contain it unchanged. The tables of docs/events.md show its *meaning* and *remedy*
and are generated from these files; a test compares them. A release may add words: readers must accept words that they
do not know, and show the message that comes with a code. A word never gets another meaning.
"""

from shared.events.words.errors import ErrorCode
from shared.events.words.reasons import ReasonCode
from shared.events.words.states import OrderState, Standing, UploadState
from shared.events.words.word import Word

__all__ = ["ErrorCode", "OrderState", "ReasonCode", "Standing", "UploadState", "Word"]
