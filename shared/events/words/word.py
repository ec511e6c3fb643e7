"""A word of a public list."""

from enum import StrEnum
from typing import Self


class Word(StrEnum):
    """A public word with its meaning, and a remedy that names who must do what."""

    meaning: str
    remedy: str

    def __new__(cls, value: str, meaning: str = "", remedy: str = "") -> Self:
        """Return the word *value*, with *meaning* and *remedy*."""
        word = str.__new__(cls, value)
        word._value_ = value
        word.meaning = meaning
        word.remedy = remedy
        return word
