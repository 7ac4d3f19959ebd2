"""What an exporter wrote down, before it is held against any evidence (bundle.md 5, `record`; audit.md 3)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from base import FAILED, PASSED
from envelope import Envelope

if TYPE_CHECKING:
    from judge import Auditor

TEN_MINUTES = 600_000
OF_PAYLOADS = ("GP-PAYLOAD-SCHEMA", "GP-PAYLOAD-MALFORMED", "GP-PAYLOAD-LIMIT", "GP-XML-FORBIDDEN", "GP-CIM-HEADER", "GP-ATTRIBUTE-DIFFERS",
               "GP-SEALING-MALFORMED", "GP-SEALING-BROKEN", "GP-SEALING-EPOCH")
OF_SEALING = ("GP-SEALING-EPOCHS", "GP-SEALING-STRANGER")


def is_finding(recorded: dict[str, Any], refusals: tuple[str, ...]) -> bool:
    """Whether a node finds that at all."""
    return recorded["outcome"] == PASSED or recorded["outcome"] == FAILED and recorded["code"] in refusals


def may_be_refused(entry: dict[str, Any], envelope: Envelope) -> bool:
    """Whether a receipt may say that it was: also of what was left sealed."""
    return not entry["allowed"] or "epoch" in envelope.gp and not entry["deliver"]


def contradicted(auditor: Auditor) -> str | None:
    """How what the exporter wrote down contradicts itself, the first that is found."""
    made, last = auditor.manifest["made"], auditor.manifest["last"]
    entries = [message.entry for message in auditor.messages]
    written = [*entries, *(entry["opened"] for entry in entries if "opened" in entry), *auditor.bundle.entries("receipts")]
    if any(max(one["logged"], one.get("at", 0)) > made + TEN_MINUTES for one in written):
        return "written or decided after it was made"
    if any(one["number"] > last for one in written):
        return "a number after the last"
    if len({one["number"] for one in written}) < len(written):
        return "two records with one number"
    if any(max(one["seen"], one.get("confirmed", 0)) > made + TEN_MINUTES for one in auditor.bundle.entries("identities")):
        return "a DID looked up after it was made"
    for message in auditor.messages:
        found = of_entry(message.entry, message.envelope, auditor.manifest["exporter"]["participant"])
        if found:
            return f"{found}: {message.entry['number']}"
    return of_receipts(auditor)


def of_entry(entry: dict[str, Any], envelope: Envelope | None, participant: str) -> str | None:
    logged, allowed, issued = entry["logged"], entry["allowed"], envelope.issued if envelope else None
    if entry["deliver"] and not allowed:
        return "refused and delivered"
    if allowed and issued is not None and issued > logged + TEN_MINUTES:
        return "issued after it was logged"
    came = entry["at"] if envelope is not None and envelope.gp["sender"] == participant else logged
    if envelope is not None and abs(entry.get("arrived", came) - came) > TEN_MINUTES:
        return "it came at another time than it was logged"
    then = logged if not entry["caughtUp"] else None if issued is None else min(issued, logged)
    if then is not None and abs(entry["at"] - then) > TEN_MINUTES:
        return "decided for another time"
    if "opened" in entry:
        opened = entry["opened"]
        if opened["number"] < entry["number"] or opened["logged"] < logged - TEN_MINUTES or abs(opened["at"] - opened["logged"]) > TEN_MINUTES:
            return "opened before it came, or for another time"
        if not allowed or entry["deliver"] or envelope is not None and "epoch" not in envelope.gp:
            return "opened, and was not left sealed"
        if opened["deliver"] and opened["facts"]["outcome"] != PASSED:
            return "delivered, and does not fit"
    return None


def of_receipts(auditor: Auditor) -> str | None:
    """What the key of the bundle signed in receipts."""
    known = {(one.envelope.chain, one.envelope.sequence): one for one in auditor.messages if one.envelope}
    for _, receipt in auditor.bundle.receipts:
        if receipt is None or receipt.jws.header["kid"] != auditor.bundle.root.header["kid"]:
            continue
        for (chain, sequence), message in known.items():
            if chain != receipt.chain or not receipt.speaks_of(sequence) or message.envelope is None:
                continue
            if not message.entry["allowed"] if receipt.took(sequence) else not may_be_refused(message.entry, message.envelope):
                return f"the receipt says otherwise of {message.entry['number']}"
    return None
