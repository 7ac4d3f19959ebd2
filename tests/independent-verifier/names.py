"""Names, texts and numbers, as documents for people and machines have them."""

from __future__ import annotations

import re
import unicodedata
from typing import Any

from base import Fault, millis, parse_cid, rfc3339

NAME = "[A-Za-z][A-Za-z0-9_-]{0,63}"
PART = "[a-z](?:[a-z0-9-]{0,30}[a-z0-9])?"
ROLE_NAME = re.compile(rf"{PART}(?:[.]{PART}){{1,7}}")
MEDIA_TYPE = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]*/[a-z0-9][a-z0-9!#$&^_.+-]*")
YEAR = 366 * 86_400


def is_name(value: Any) -> bool:
    """Of a topic, an attribute or a requirement (channel.md 5)."""
    return isinstance(value, str) and re.fullmatch(NAME, value) is not None


def is_role_name(value: Any) -> bool:
    """Of a role or a channel (role-definition.md 2)."""
    return isinstance(value, str) and len(value) <= 128 and ROLE_NAME.fullmatch(value) is not None


def is_text(value: Any, most: int, but: str = "") -> bool:
    """A text that can be shown: of 1 to `most` bytes, without control characters, `but` those that are allowed."""
    return isinstance(value, str) and 0 < len(value.encode()) <= most \
        and not any(unicodedata.category(c) == "Cc" and c not in but for c in value)


def is_sentence(value: Any, most: int, but: str = "") -> bool:
    """One that is not only spaces."""
    return is_text(value, most, but) and value.strip() != ""


def is_whole(value: Any, least: int, most: int = 2**53 - 1) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def is_document(value: Any) -> bool:
    """The name of a document: of bytes, and of nothing else."""
    try:
        parse_cid(value)
    except Fault:
        return False
    return str(value).startswith("bafkrei")


def is_time(value: Any) -> bool:
    """As it is written: UTC, with as few digits as it needs."""
    try:
        return isinstance(value, str) and rfc3339(millis(value)) == value
    except Fault:
        return False
