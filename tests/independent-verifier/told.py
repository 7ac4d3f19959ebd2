"""What a report tells beside its checks (bundle.md 6, audit.md 6): gaps, whose word times are, and notes."""

from __future__ import annotations

from typing import Any

from base import PASSED, rfc3339
from bundle import Message
from envelope import Envelope
from judge import Auditor
from recorded import may_be_refused


NOTES = ("GP-SEQUENCE-FORK", "GP-RECEIPT-DIFFERS", "GP-RECEIPT-UNLINKED", "GP-CHARTER-UNHEARD")


def gaps(auditor: Auditor) -> list[dict[str, Any]]:
    """Numbers that are not there, chain by chain: those at the end as far as receipts speak of them."""
    found = []
    for chain in sorted({*auditor.numbers, *auditor.spoken_to, *auditor.left_out}):
        found += [{"sender": chain[1], "key": chain[2], "from": first, "until": last} for first, last in merged(auditor.left_out.get(chain, []))]
        if auditor.partial(chain):
            continue
        numbers = sorted(auditor.numbers.get(chain, []))
        before = numbers[0] - 1 if auditor.begins and numbers else 0
        for number in [*numbers, auditor.spoken_to.get(chain, 0) + 1]:
            if number > before + 1:
                found.append({"sender": chain[1], "key": chain[2], "from": before + 1, "until": number - 1})
            before = max(before, number)
    return found


def merged(ranges: list[tuple[int, int]]) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    for first, last in sorted(ranges):
        if found and first <= found[-1][1] + 1:
            found[-1] = (found[-1][0], max(last, found[-1][1]))
        else:
            found.append((first, last))
    return found


def times(auditor: Auditor, message: Message, envelope: Envelope) -> dict[str, str]:
    """What somebody said when, and who proves that it was not earlier or later."""
    found = {"issued": envelope.issued, "expires": envelope.expires, "decided": message.entry["at"], "logged": message.entry["logged"]}
    earliest = auditor.senders.again(message.entry["admission"]).not_before
    if earliest is not None:
        found["notBefore"] = earliest
    told = {name: rfc3339(at) for name, at in found.items()}
    sender = envelope.gp["sender"]
    counts = set(envelope.gp.get("recipients", []))
    if not counts:
        counts = auditor.senders.shown()
        if auditor.policy and auditor.channel_check.outcome == PASSED:
            counts.add(auditor.policy["owner"])
    proven = [(receipt.issued, receipt.body["recipient"]) for receipt, check in auditor.speaking(envelope)
              if check.outcome == PASSED and auditor.linked(receipt, envelope) and receipt.body["recipient"] in counts
              and receipt.body["recipient"] not in (sender, auditor.manifest["exporter"]["participant"])]
    if proven:
        at, who = min(proven)
        told |= {"notAfter": rfc3339(at), "notAfterBy": who}
    return told


def notes(auditor: Auditor, message: Message, envelope: Envelope) -> list[str]:
    """That a sender contradicts itself somewhere in this chain, a recipient about this message, and the exporter its record; that a
    receipt may be of another message; that a newer charter said otherwise."""
    states: dict[str, set[bool]] = {}
    holding = [receipt for receipt, check in auditor.speaking(envelope) if check.outcome == PASSED]
    for receipt in holding:
        if auditor.linked(receipt, envelope):
            states.setdefault(receipt.body["recipient"], set()).add(receipt.took(envelope.sequence))
    own = states.get(auditor.manifest["exporter"]["participant"], set())
    found = ["GP-CHARTER-UNHEARD"] if auditor.senders.again(message.entry["admission"]).older else []
    found += ["GP-SEQUENCE-FORK"] if envelope.chain in auditor.forked_chains else []
    found += [] if all(auditor.linked(receipt, envelope) for receipt in holding) else ["GP-RECEIPT-UNLINKED"]
    found += ["GP-RECEIPT-DIFFERS" for both in states.values() if len(both) > 1]
    differs = True in own and not message.entry["allowed"] or False in own and not may_be_refused(message.entry, envelope)
    return found + (["GP-RECEIPT-DIFFERS"] if differs else [])
