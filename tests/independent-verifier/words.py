"""What an exporter may write into records, admissions and manifests, for tamper.py."""

from __future__ import annotations

import json
import random
from typing import Any, Callable, Iterator

from base import DAG_CBOR, cid, cid_bytes, jcs, millis, parse_cid, rfc3339
from pieces import STRANGER, Copy, Pieces
from scene import car, uncar


def records(whole: Pieces, dice: random.Random) -> Iterator[Copy]:
    """What an exporter may write of a message."""
    def told(name: str, change: Callable[[dict[str, Any]], Any], harmless: bool = False, which: Callable[[dict[str, Any]], bool] = lambda e: True
             ) -> Iterator[Copy]:
        pieces = whole.copy()
        chosen = [entry for entry in pieces.entries["messages"] if which(entry)]
        if not chosen:
            return
        entry = dice.choice(chosen)
        before = entry.copy()
        try:
            change(entry)
        except KeyError:
            return  # what an entry lacks, such as a payload that is withheld, cannot be bent
        # What already said so is not tampered with.
        if entry != before:
            yield Copy(f"record-{name}", pieces.by_stranger(), harmless)

    last = max(e["number"] for e in whole.entries["messages"])
    facts = {"outcome": "failed", "code": "GP-PAYLOAD-SCHEMA", "sentence": ""}
    taken = lambda e: e["allowed"]  # noqa: E731
    yield from told("refused", lambda e: e.update(allowed=False), which=taken)
    yield from told("refused-by-policy", lambda e: e.update(allowed=False, deliver=False, reasons=["GP-POLICY-UNMET"]), which=taken)
    yield from told("refused-for-its-rate", lambda e: e.update(allowed=False, deliver=False, reasons=["GP-MESSAGE-RATE"]), which=taken)
    yield from told("allowed-with-reasons", lambda e: e.update(reasons=["GP-POLICY-UNMET"]), which=taken)
    yield from told("allowed-after-all", lambda e: e.update(allowed=True, deliver=True, reasons=[]), which=lambda e: not e["allowed"])
    yield from told("refused-without-reasons", lambda e: e.update(reasons=[]), which=lambda e: not e["allowed"])
    yield from told("rate", lambda e: e.update(sentLastMinute=1_000_000))
    yield from told("a-year-later", lambda e: e.update(at=rfc3339(millis(e["at"]) + 366 * 86_400_000)))
    yield from told("a-year-before", lambda e: e.update(at=rfc3339(millis(e["at"]) - 366 * 86_400_000)))
    yield from told("facts", lambda e: e.update(facts=facts), which=lambda e: "sealing" in e)
    yield from told("sealing", lambda e: e.update(sealing=facts | {"code": "GP-SEALING-EPOCH"}))
    sealed = lambda e: "sealing" in e and "content" in e  # noqa: E731
    yield from told("key", lambda e: e.update(key=bytes(32)), which=sealed)
    yield from told("short-key", lambda e: e.update(key=bytes(31)), which=sealed)
    yield from told("key-in-the-open", lambda e: e.update(key=bytes(31)), True, which=lambda e: "sealing" not in e)
    yield from told("withheld", lambda e: e.update(payload="withheld"))
    yield from told("without-content", lambda e: e.pop("content"))
    yield from told("withheld-without-content", lambda e: (e.pop("content"), e.update(payload="withheld")), True)
    yield from told("gone", lambda e: (e.pop("content", None), e.update(payload="gone")), True)
    yield from told("payload-state", lambda e: e.update(payload="lost"))
    yield from told("more", lambda e: e.update(more=1))
    yield from told("less", lambda e: e.pop("at"))
    yield from told("time", lambda e: e.update(logged=e["logged"].replace("Z", "+00:00")))
    yield from told("longer-time", lambda e: e.update(logged=e["logged"][:19] + ".000Z"))
    yield from told("no-admission", lambda e: e.update(admission=cid(b"none")))
    yield from told("no-cid", lambda e: e.update(admission="none"))
    yield from told("another-part-as-admission", lambda e: e.update(admission=whole.entries["presentations"][0].text))
    yield from told("delivered", lambda e: e.update(deliver=not e["deliver"]), True)
    yield from told("caught-up", lambda e: e.update(caughtUp=not e["caughtUp"]), True)
    yield from told("logged", lambda e: e.update(logged=rfc3339(millis(e["logged"]) + 60_000)), True)
    made, numbers = millis(whole.manifest["made"]), [e["number"] for kind in ("messages", "receipts") for e in whole.entries.get(kind, [])]
    yield from told("logged-after-it-was-made", lambda e: e.update(logged=rfc3339(made + 86_400_000)))
    yield from told("logged-before-it-was-issued", lambda e: e.update(logged=rfc3339(millis(e["logged"]) - 86_400_000)), which=taken)
    yield from told("number-after-the-last", lambda e: e.update(number=whole.manifest["last"] + max(numbers)))
    yield from told("last-number", lambda e: e.update(number=last + 9), True)
    senders = {e["admission"]: json.loads(whole.blocks[parse_cid(e["admission"])])["sender"] for e in whole.entries["messages"]}
    if len(set(senders.values())) > 1:
        yield from told("anothers-admission", lambda e: e.update(admission=next(a for a, s in sorted(senders.items()) if s != senders[e["admission"]])))
    pieces = whole.copy()
    pieces.entries["messages"].append(pieces.entries["messages"][0] | {"number": last + 1})
    yield Copy("record-message-twice", pieces.by_stranger())


def admissions(whole: Pieces, dice: random.Random) -> Iterator[Copy]:
    """What an exporter may invent of a sender."""
    raw = dice.choice(whole.entries["admissions"]).raw

    def bent(name: str, change: Callable[[dict[str, Any]], Any], harmless: bool = False) -> Iterator[Copy]:
        pieces = whole.copy()
        document = json.loads(pieces.blocks[raw])
        try:
            change(document)
        except (KeyError, IndexError):
            return  # a sender without a node, or without visas
        # The day has senders who are revoked already, say.
        if jcs(document) == whole.blocks[raw]:
            return
        pieces.replace(raw, jcs(document))
        yield Copy(f"admission-{name}", pieces.by_stranger(), harmless)

    def later(text: str, by: int) -> str:
        return rfc3339(millis(text) + by)

    def first(admission: dict[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = admission["visas"][0]
        return found

    yield from bent("of-another-sender", lambda a: a.update(sender=STRANGER.did))
    yield from bent("of-another-channel", lambda a: a.update(channel=cid(b"another")))
    yield from bent("of-another-framework", lambda a: a["trust"].update(framework=cid(b"another")))
    yield from bent("by-another-charter", lambda a: a["trust"].update(charter=cid(b"another")))
    yield from bent("by-another-pack", lambda a: a["trust"].update(pack=cid(b"another")), True)
    yield from bent("judged-a-day-later", lambda a: a.update(judged=later(a["judged"], 86_400_000), expires=later(a["expires"], 86_400_000)))
    yield from bent("judged-a-year-before", lambda a: a.update(judged=later(a["judged"], -366 * 86_400_000)))
    yield from bent("expires-later", lambda a: a.update(expires=later(a["expires"], 366 * 86_400_000)), True)
    yield from bent("expires-at-once", lambda a: a.update(expires=a["judged"]))
    yield from bent("failed", lambda a: a["standing"].update(outcome="failed", code="GP-PROOF-EXPIRED"))
    yield from bent("without-visas", lambda a: a.update(visas=[]))
    yield from bent("without-a-visa", lambda a: a["visas"].pop())
    yield from bent("visa-twice", lambda a: a["visas"].append(first(a)))
    yield from bent("visa-that-nobody-showed", lambda a: first(a).update(evidence=cid(b"another")))
    yield from bent("role", lambda a: first(a).update(role="flex.day.regulator"))
    yield from bent("definition", lambda a: first(a).update(definition=cid(b"another")))
    yield from bent("issuer", lambda a: first(a).update(issuer=STRANGER.did))
    yield from bent("claims", lambda a: first(a)["claims"].update(zone="ELSEWHERE"))
    yield from bent("authorities", lambda a: first(a).update(authorities=[{"zone": "ELSEWHERE"}]))
    yield from bent("end-of-a-visa", lambda a: first(a).update(validUntil=later(first(a)["validUntil"], 1000)))
    yield from bent("path", lambda a: first(a).update(path=[]))
    yield from bent("status-dated", lambda a: first(a).update(statusDated=later(first(a)["statusDated"], 1000)))
    yield from bent("only-status-open", lambda a: first(a).update(onlyStatusOpen=True))
    yield from bent("revoked", lambda a: first(a)["standing"].update(outcome="failed", code="GP-VISA-REVOKED"))
    yield from bent("undecided", lambda a: first(a)["standing"].update(outcome="indeterminate", code="GP-STATUS-STALE"))
    yield from bent("without-lists", lambda a: a.update(lists=[]))
    yield from bent("without-a-list", lambda a: a["lists"].pop())
    yield from bent("list-dated", lambda a: a["lists"][0].update(dated=later(a["lists"][0]["dated"], 1000)))
    yield from bent("list-by-another", lambda a: a["lists"][0].update(signer=STRANGER.did))
    yield from bent("list-that-is-not-there", lambda a: a["lists"][0].update(evidence=cid(b"another")))
    yield from bent("node", lambda a: a["node"].update(node=STRANGER.did))
    yield from bent("without-node", lambda a: a.pop("node"))
    yield from bent("nodes-authorisation", lambda a: a["node"].update(evidence=cid(b"another")))
    yield from bent("end-of-node", lambda a: a["node"].update(validUntil=later(a["node"]["validUntil"], 1000)))
    yield from bent("node-refused", lambda a: a["node"]["standing"].update(outcome="failed", code="GP-NODE-NOT-AUTHORISED"))
    yield from bent("without-presentation", lambda a: a.pop("presentation"))
    yield from bent("another-presentation", lambda a: a.update(presentation=cid(b"another")))
    yield from bent("version", lambda a: a.update(formatVersion=2))
    yield from bent("more", lambda a: a.update(more=1))


def manifests(whole: Pieces, other: Pieces | None) -> Iterator[Copy]:
    """What a manifest may say, by whom."""
    def said(name: str, change: Callable[[dict[str, Any]], Any], harmless: bool = False) -> Iterator[Copy]:
        pieces = whole.copy()
        change(pieces.manifest)
        yield Copy(f"manifest-{name}", pieces.copy().by_stranger(), harmless)
        yield Copy(f"manifest-{name}-under-the-old-signature", pieces.copy().written())

    made = millis(whole.manifest["made"])
    yield from said("as-it-is", lambda m: m.update(last=m["last"] + 1), True)
    yield from said("version", lambda m: m.update(formatVersion=2))
    yield from said("version-0", lambda m: m.update(formatVersion=0))
    yield from said("version-true", lambda m: m.update(formatVersion=True))
    yield from said("type", lambda m: m.update(type="gridpass-charter"))
    yield from said("framework", lambda m: m.update(framework=cid(b"another")))
    yield from said("trust", lambda m: m.update(trust={"pack": cid(b"p"), "charter": cid(b"c")}), True)
    yield from said("made-in-the-future", lambda m: m.update(made=rfc3339(made + 366 * 86_400_000)))
    yield from said("made-long-ago", lambda m: m.update(made=rfc3339(made - 3 * 366 * 86_400_000)))
    earliest = min(millis(entry["logged"]) for entry in whole.entries["messages"])
    yield from said("made-days-before-its-records", lambda m: m.update(made=rfc3339(earliest - 3 * 86_400_000)))
    greatest = max(entry["number"] for kind in ("messages", "receipts") for entry in whole.entries.get(kind, []))
    yield from said("last-before-a-record", lambda m: m.update(last=greatest - 1))
    yield from said("channel", lambda m: m["selection"].update(channel=cid(b"another")))
    yield from said("until", lambda m: m["selection"].update(until=rfc3339(made - 366 * 86_400_000)))
    yield from said("from", lambda m: m["selection"].update({"from": rfc3339(made)}))
    yield from said("participant", lambda m: m["selection"].update(participant=STRANGER.did))
    yield from said("thread", lambda m: m["selection"].update(thread=cid(b"another", DAG_CBOR)))
    yield from said("payloads", lambda m: m.update(payloads="gone"))
    yield from said("missing", lambda m: m.update(missing=[{"kind": "lists", "name": "b"}, {"kind": "lists", "name": "a"}]))
    yield from said("more", lambda m: m.update(more=1))
    yield from said("less", lambda m: m.pop("last"))
    yield from said("last", lambda m: m.update(last=-1))
    pieces = whole.copy()
    for name, data in (("signed-in-anothers-name", pieces.copy().in_the_name_of()), ("signed-with-anothers-authorisation-alone", pieces.copy().as_its_node())):
        yield Copy(f"manifest-{name}", data)
    root = pieces.root.split(b".")
    blocks = uncar(whole.copy().written())
    for name, bent in (("without-signature", b".".join(root[:2]) + b"."), ("with-zeros-as-signature", b".".join(root[:2]) + b"." + b"A" * 86),
                       ("two-parts", b".".join(root[:2])), ("json", jcs({"type": "gridpass-bundle"}))):
        yield Copy(f"manifest-{name}", car([(cid_bytes(bent), bent)] + blocks[1:]))
    if other:
        yield Copy("manifest-of-another-bundle", car([(cid_bytes(other.root), other.root)] + blocks[1:]))
