"""What bundle.md 5 to 7 verify: of the bundle, and of each message."""

from __future__ import annotations

from collections import Counter
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from base import FAILED, FIVE_MINUTES, OPEN, PASSED, Check, Fault, cbor, jcs_text, millis, worst
from bundle import Bundle, Message
from credentials import NOT_CHECKED, StatusList
from envelope import Envelope, Receipt
from facts import facts_of
from keys import did_of
from trust import Trust, proof_counts, without_proof
from visas import Judge, Standing

STATUS = {"GP-VISA-REVOKED", "GP-VISA-SUSPENDED", "GP-ISSUER-REVOKED", "GP-ISSUER-REVOKED-ENDS", "GP-ISSUER-REVOKED-WHEN"}
Again = tuple[list[Check], int | None]  # the checks, and when the admission ends
KEEP_CODE = {NOT_CHECKED, "GP-CHARTER-AHEAD", "GP-STATUS-UNKNOWN", "GP-BUNDLE-PART-MISSING"}


def is_status(code: str) -> bool:
    return code in STATUS or code.startswith("GP-STATUS-")


def part_missing(name: str, what: str) -> Check:
    return Check(name, OPEN, "GP-BUNDLE-PART-MISSING", what)


def found_again(name: str, mine: Check, recorded: Any) -> Check:
    """bundle.md 6.2: the recorded outcome and code, against those that the evidence gives."""
    outcome, code = (recorded.get("outcome"), recorded.get("code")) if isinstance(recorded, dict) else (None, None)
    if mine.outcome == outcome and (mine.code == code or outcome == PASSED):
        return Check(name, PASSED, "GP-FACTS-CONFIRMED", mine.code)
    if outcome == PASSED and mine.outcome == FAILED:
        return Check(name, FAILED, "GP-FACTS-DIFFER", f"{mine.code}: {mine.says}")
    kept = mine.outcome == OPEN and mine.code in KEEP_CODE
    return Check(name, OPEN, mine.code if kept else "GP-FACTS-OPEN", f"{mine.code}, recorded {code}")


class Auditor:
    """Judges one bundle with a trust pack, at a time."""

    def __init__(self, bundle: Bundle, trust: Trust, now: int) -> None:
        self.bundle, self.trust, self.now = bundle, trust, now
        self.manifest = bundle.manifest
        self.selection: dict[str, Any] = bundle.manifest["selection"]
        self.channel: str = self.selection["channel"]
        self.descriptor = bundle.descriptors.get(self.channel)
        self.messages = [bundle.message(entry) for entry in bundle.entries("messages")]
        self.by_id = {m.envelope.id: m for m in self.messages if m.envelope}
        self.places: dict[tuple[tuple[str, str, str], int], list[Envelope]] = {}
        for message in self.messages:
            if message.envelope:
                self.places.setdefault((message.envelope.chain, message.envelope.sequence), []).append(message.envelope)
        self.first = {chain: min(n for c, n in self.places if c == chain) for chain in {c for c, _ in self.places}}
        self.once = Counter(m.entry["envelope"].text for m in self.messages)
        self.channel_check = self.judge_channel()
        self.forked: set[tuple[tuple[str, str, str], int]] = set()
        self.fork_checks = [self.judge_fork(first, second) for first, second in bundle.forks]
        self.made_again: dict[tuple[str | None, ...], Again] = {}
        self.receipts_of: dict[tuple[str, str, str], list[tuple[Receipt, Check]]] = {}
        self.receipt_checks: list[Check] = []
        for receipt in bundle.receipts:
            check = self.judge_receipt(receipt)
            self.receipt_checks.append(check)
            self.receipts_of.setdefault(receipt.chain, []).append((receipt, check))

    # -- of the bundle

    @property
    def max_age(self) -> int | None:
        age = (self.descriptor or {}).get("maxStatusAgeSeconds")
        return age if type(age) is int else None

    def authorised(self, name: str, participant: str, kid: str, at: int) -> Check:
        """Whether the node of `kid` acts for the participant at a time, by the list dated about then."""
        found = self.bundle.authorisations.get(name)
        if found is None:
            return part_missing("authorisation", name)
        mine = sorted((one for one in self.bundle.lists.values() if (one.id, one.signer) == (found.status.list, found.participant)),
                      key=lambda one: (one.dated, one.version or 0))
        heard = [one for one in mine if one.dated <= at + FIVE_MINUTES]
        chosen = heard[-1:] or mine[:1]
        later = [one for one in mine if one not in chosen]

        def judged(lists: list[StatusList]) -> Check:
            judge = Judge(self.trust, self.trust.resolver, lists, at, max([at] + [one.dated for one in lists]), 30 * 86_400)
            return judge.authorisation(found, participant, did_of(kid), self.channel, "messages")

        check, index = judged(chosen), found.status.index
        after = any(one.bit(index) for one in later if index < len(one.bits) * 8)
        if check.code == "GP-VISA-REVOKED" and chosen[0].at(index, at) is False or check.outcome == PASSED and after:
            return Check("authorisation", OPEN, "GP-VISA-REVOKED", "only later")
        return check

    def judge_exporter(self) -> Check:
        root, made, exporter = self.bundle.root, self.manifest["made"], self.manifest["exporter"]
        kid = root.header["kid"]
        if made > self.now + FIVE_MINUTES:
            return Check("exporter", FAILED, "GP-SIGNED-IN-FUTURE")
        check, key = self.trust.resolver.key(kid, "capabilityInvocation", made)
        if key is None or check.outcome != PASSED:
            return check.named("exporter")
        try:
            if not root.fits(key):
                return Check("exporter", FAILED, "GP-BUNDLE-EXPORTER", "the signature does not fit")
        except Fault as fault:
            return Check("exporter", FAILED, "GP-BUNDLE-EXPORTER", fault.code)
        if "authorisation" in exporter:
            check = self.authorised(exporter["authorisation"], exporter["participant"], kid, made)
            if check.outcome == FAILED:
                return Check("exporter", FAILED, "GP-BUNDLE-EXPORTER", check.code)
            if check.outcome == OPEN:
                return check.named("exporter")
        return Check("exporter", PASSED, "GP-BUNDLE-SIGNED")

    def judge_framework(self) -> Check:
        same = self.manifest["framework"] == self.trust.framework
        return Check("framework", PASSED if same else FAILED, "GP-BUNDLE-FRAMEWORK")

    def judge_channel(self) -> Check:
        document = self.descriptor
        if document is None:
            return part_missing("channel", self.channel)
        if document.get("framework") != self.trust.framework:
            return Check("channel", FAILED, "GP-BUNDLE-FRAMEWORK", "the descriptor's")
        proofs = document.get("proof")
        open_: Check | None = None
        try:
            dated = millis(document.get("dated"))
        except Fault as fault:
            return Check("channel", FAILED, fault.code)
        for proof in proofs[:64] if isinstance(proofs, list) else []:
            check, did, key = proof_counts(without_proof(document), proof, self.trust.resolver, self.now, dated)
            if did == document.get("owner"):
                if key:
                    return Check("channel", PASSED, "GP-CHANNEL-SIGNED")
                open_ = check if check.outcome == OPEN else open_
        return open_.named("channel") if open_ else Check("channel", FAILED, "GP-CHANNEL-NOT-SIGNED")

    def signature(self, envelope: Envelope, at: int) -> Check:
        check, key = self.trust.resolver.key(envelope.header["kid"], "capabilityInvocation", at, claimed=False)
        if key is None or check.outcome != PASSED:
            return check.named("signature")
        good = envelope.signed_by(key)
        return Check("signature", PASSED if good else FAILED, check.code if good else "GP-SIGNATURE-INVALID")

    def judge_fork(self, first: Envelope | None, second: Envelope | None) -> Check:
        if first is None or second is None:
            return part_missing("forks", "an envelope")
        signed = worst((self.signature(one, one.issued) for one in (first, second)), "forks")
        if signed.outcome == OPEN:
            return signed
        low, high = sorted((first, second), key=lambda one: one.sequence)
        gap = high.sequence - low.sequence
        proven = gap == 0 and low.id != high.id or gap == 1 and (high.gp.get("previous") != low.id or high.issued < low.issued)
        if signed.outcome == FAILED or first.chain != second.chain or not proven:
            return Check("forks", FAILED, "GP-BUNDLE-FORK", f"{first.id} {second.id}")
        self.forked |= {(one.chain, one.sequence) for one in (first, second)}
        return Check("forks", PASSED, "GP-SEQUENCE-FORK")

    def judge_receipt(self, receipt: Receipt) -> Check:
        kid, body = receipt.jws.header["kid"], receipt.body
        check, key = self.trust.resolver.key(kid, "capabilityInvocation", receipt.issued)
        if key is None or check.outcome != PASSED:
            return check.named("receipts")
        if not receipt.jws.fits(key):
            return Check("receipts", FAILED, "GP-SIGNATURE-INVALID", body["recipient"])
        newest = self.by_id.get(body["newest"])
        if newest and newest.envelope:
            greatest = max(last for _, last in receipt.spoken)
            if newest.envelope.chain != receipt.chain or newest.envelope.sequence != greatest:
                return Check("receipts", FAILED, "GP-RECEIPT-NEWEST", body["newest"])
        if "authorisation" in body:
            check = self.authorised(body["authorisation"], body["recipient"], kid, receipt.issued)
            if check.outcome != PASSED:
                return check.named("receipts")
        return Check("receipts", PASSED, "GP-RECEIPT-HOLDS")

    def of_bundle(self) -> list[Check]:
        return [Check("container", PASSED, "GP-BUNDLE-INTACT"), self.judge_exporter(), self.judge_framework(), self.channel_check,
                worst(self.bundle.parts, "parts", "GP-BUNDLE-INTACT"), worst(self.fork_checks, "forks", "GP-SEQUENCE-KEPT"),
                worst(self.receipt_checks, "receipts", "GP-RECEIPT-HOLDS")]

    # -- of each message

    def of_message(self, message: Message) -> list[Check]:
        envelope = message.envelope
        if envelope is None:
            return [message.problem] if message.problem else []
        admission = self.judge_admission(message, envelope)
        return [self.selected(envelope, message), self.signature(envelope, message.entry["at"]), *admission[:4],
                self.channel_check, self.sequence(envelope), self.payload(message, envelope), self.sealing(message, envelope),
                admission[4], worst([check for receipt, check in self.receipts_of.get(envelope.chain, [])
                                     if receipt.speaks_of(envelope.sequence) and check.outcome == FAILED], "receipts", "GP-RECEIPT-HOLDS")]

    def selected(self, envelope: Envelope, message: Message) -> Check:
        chosen, gp = self.selection, envelope.gp
        fits = gp["channel"] == self.channel and chosen.get("from", envelope.issued) <= envelope.issued \
            and ("until" not in chosen or envelope.issued < chosen["until"]) \
            and ("participant" not in chosen or chosen["participant"] in [gp["sender"], *gp.get("recipients", [])]) \
            and ("thread" not in chosen or chosen["thread"] in (envelope.id, gp.get("thread")))
        if not fits or self.once[envelope.id] > 1:
            return Check("bytes", FAILED, "GP-BUNDLE-SELECTION")
        return Check("bytes", PASSED, "GP-BUNDLE-INTACT")

    def sequence(self, envelope: Envelope) -> Check:
        place = (envelope.chain, envelope.sequence)
        if len({one.id for one in self.places[place]}) > 1 or place in self.forked:
            return Check("sequence", FAILED, "GP-SEQUENCE-FORK")
        if envelope.sequence == 1:
            return Check("sequence", PASSED, "GP-SEQUENCE-KEPT")
        before = self.places.get((envelope.chain, envelope.sequence - 1), [])
        if before:
            if envelope.gp["previous"] not in {one.id for one in before}:
                return Check("sequence", FAILED, "GP-SEQUENCE-BROKEN")
            late = before[0].issued > envelope.issued
            return Check("sequence", FAILED, "GP-ENVELOPE-ORDER") if late else Check("sequence", PASSED, "GP-SEQUENCE-KEPT")
        partial = "thread" in self.selection or self.selection.get("participant", envelope.gp["sender"]) != envelope.gp["sender"]
        if partial or "from" in self.selection and self.first[envelope.chain] == envelope.sequence:
            return Check("sequence", PASSED, "GP-SEQUENCE-KEPT", "the one before is not of the selection")
        return Check("sequence", OPEN, "GP-SEQUENCE-GAP")

    def payload(self, message: Message, envelope: Envelope) -> Check:
        if message.entry["payload"] != "here":
            return Check("payload", PASSED, "GP-PAYLOAD-WITHHELD")
        if message.entry["content"] != envelope.payload:
            return Check("payload", FAILED, "GP-CID-OTHER", "content is not what the envelope links to")
        if message.payload is None:
            return part_missing("payload", envelope.payload.text)
        if len(message.payload) != envelope.gp["payloadBytes"]:
            return Check("payload", FAILED, "GP-ENVELOPE-MALFORMED", "payloadBytes")
        return Check("payload", PASSED, "GP-BUNDLE-INTACT")  # the container has held it against its link

    def sealing(self, message: Message, envelope: Envelope) -> Check:
        gp = envelope.gp
        if "epoch" not in gp:
            return Check("sealing", PASSED, "not-sealed")
        epoch, recorded = self.bundle.epochs.get(gp["epoch"]), message.entry.get("sealing")
        told = isinstance(recorded, dict) and recorded.get("outcome") == FAILED and str(recorded.get("code")).startswith("GP-SEALING-")
        if epoch is None and not message.entry["allowed"] and not told:
            return Check("sealing", PASSED, "refused-for-another-reason")
        if epoch is None:
            return Check("sealing", OPEN, "GP-EPOCH-MISSING", gp["epoch"])
        same = (epoch["channel"], epoch["sender"], epoch["key"]) == envelope.chain and epoch.get("recipients") == \
            (sorted(gp["recipients"]) if "recipients" in gp else None)
        if not same or not 0 <= gp["sequence"] - epoch["first"] < 65_536 or not 0 <= envelope.issued - epoch["begun"] <= 7 * 86_400_000:
            return Check("sealing", PASSED if told else FAILED, "GP-SEALING-EPOCH")
        if "key" in message.entry and message.payload is not None:
            try:
                self.open(message.payload, message.entry["key"], gp, envelope.header["kid"])
            except (Fault, InvalidTag) as error:
                return Check("sealing", FAILED, "GP-SEALING-MALFORMED", str(error))
        return Check("sealing", PASSED, "GP-FACTS-CONFIRMED")

    @staticmethod
    def open(payload: bytes, key: bytes, gp: dict[str, Any], kid: str) -> bytes:
        """sealing.md 2: an untagged COSE_Encrypt0 in deterministic encoding, and PADMÉ."""
        head, rest = b"\x83\x44\xa1\x01\x18\x18\xa1\x05\x4c", payload[21:]
        length = next((size for size in (1, 2, 3, 5) if cbor(rest[size:]) == rest), 0)
        if not payload.startswith(head) or not length:
            raise Fault("GP-SEALING-MALFORMED", "COSE_Encrypt0")
        outside = cbor(["gridpass-sealing/1", gp["channel"], gp["sender"], kid, gp["sequence"], gp["epoch"]])
        aad = cbor(["Encrypt0", b"\xa1\x01\x18\x18", outside])
        padded = ChaCha20Poly1305(key).decrypt(payload[9:21], rest[length:], aad)
        high = len(padded).bit_length() - 1
        if len(padded) < 256 or len(padded) % (1 << (high - high.bit_length())) or not padded.rstrip(b"\0").endswith(b"\x80"):
            raise Fault("GP-SEALING-MALFORMED", "PADMÉ")
        return padded.rstrip(b"\0")[:-1]

    # -- the admission and the decision

    def judge_admission(self, message: Message, envelope: Envelope) -> list[Check]:
        """Checks `node`, `presentation`, `visas`, `status`, `decision`."""
        names = ("node", "presentation", "visas", "status")
        entry = message.entry
        admission = self.bundle.admissions.get(entry["admission"])
        if admission is None:
            missing = [part_missing(name, "admission") for name in (*names, "decision")]
            if "authorisation" not in envelope.gp:
                missing[0] = Check("node", PASSED, "no-node")
            return missing
        try:
            if admission["trust"]["framework"] != self.trust.framework or admission["channel"] != self.channel:
                code = "GP-FACTS-DIFFER" if admission["channel"] != self.channel else "GP-BUNDLE-FRAMEWORK"
                return [Check(name, FAILED, code, "the admission's") for name in (*names, "decision")]
            checks, end = self.again(entry["admission"], admission, envelope)
            if entry["allowed"] and end is not None and entry["at"] >= end:
                checks = [*checks[:3], worst([checks[3], Check("status", OPEN, "GP-FACTS-OPEN", f"the admission ended {end}")], "status")]
            decision = self.decide(entry, envelope, admission)
        except (Fault, KeyError, TypeError, AttributeError) as error:
            return [Check(name, FAILED, "GP-FACTS-DIFFER", f"an admission that cannot be read: {error}") for name in (*names, "decision")]
        return checks + [worst([decision, *checks], "decision", decision.code)]

    def again(self, name: str, admission: dict[str, Any], envelope: Envelope) -> Again:
        """The admission made again, once for each that messages name."""
        gp = envelope.gp
        key = (name, envelope.header["kid"], gp["sender"], gp["presentation"], gp.get("authorisation"))
        if key not in self.made_again:
            naming = [m.entry for m in self.messages if m.entry["admission"] == name]
            late = all(entry["caughtUp"] for entry in naming)
            judged = millis(admission["judged"])
            clock = max(judged, min(entry["logged"] for entry in naming)) if late else judged
            self.made_again[key] = self._again(admission, envelope, judged, clock)
        return self.made_again[key]

    def _again(self, admission: dict[str, Any], envelope: Envelope, at: int, clock: int) -> Again:
        gp = envelope.gp
        trust = self.trust.up_to(admission["trust"]["charter"])
        if trust is None:
            ahead = Check("", OPEN, "GP-CHARTER-AHEAD", admission["trust"]["charter"])
            return [ahead.named(name) if name != "node" or "authorisation" in gp else Check("node", PASSED, "no-node")
                    for name in ("node", "presentation", "visas", "status")], None
        named = [one["evidence"] for one in admission["lists"]]
        lists = [self.bundle.lists[name] for name in named if name in self.bundle.lists]
        judge = Judge(trust, self.trust.resolver, lists, at, clock, self.max_age)
        checks = [self.node(admission, envelope, judge), *self.presented(admission, envelope, judge)]
        ends = [moment for moment in judge.moments + [at + (self.max_age or 0) * 1000] if moment > at]
        return checks, min(ends, default=None)

    def node(self, admission: dict[str, Any], envelope: Envelope, judge: Judge) -> Check:
        gp = envelope.gp
        if "authorisation" not in gp:
            return Check("node", PASSED, "no-node")
        found = self.bundle.authorisations.get(gp["authorisation"])
        if found is None:
            return part_missing("node", gp["authorisation"])
        node = did_of(envelope.header["kid"])
        mine = judge.authorisation(found, gp["sender"], node, self.channel, "messages")
        recorded = admission.get("node", {})
        if recorded.get("node") != node or recorded.get("evidence", found.secured.evidence) != found.secured.evidence:
            return Check("node", FAILED, "GP-FACTS-DIFFER", "another node or authorisation")
        return found_again("node", mine, recorded.get("standing"))

    def presented(self, admission: dict[str, Any], envelope: Envelope, judge: Judge) -> list[Check]:
        shown = self.bundle.presentations.get(envelope.gp["presentation"])
        if shown is None:
            return [part_missing(name, envelope.gp["presentation"]) for name in ("presentation", "visas", "status")]
        own, standings = judge.presentation(shown, self.channel, envelope.gp["sender"])
        first = found_again("presentation", worst(own, "presentation"), admission["standing"])
        by_evidence = {one.evidence: one for one in standings if one.presented}
        visas: list[Check] = []
        status: list[Check] = []
        for recorded in admission["visas"]:
            mine = by_evidence.pop(recorded["evidence"], None)
            if mine is None or mine.visa is None:
                visas.append(Check("visas", FAILED, "GP-FACTS-DIFFER", "a visa that is not presented"))
                continue
            if not self.says_the_same(mine, recorded):
                visas.append(Check("visas", FAILED, "GP-FACTS-DIFFER", recorded["evidence"]))
            check = found_again("visas", mine.result, recorded["standing"])
            about_status = is_status(mine.result.code) or is_status(str(recorded["standing"].get("code")))
            (status if about_status else visas).append(check)
        if any(one.visa for one in by_evidence.values()):
            visas.append(Check("visas", OPEN, "GP-FACTS-OPEN", "a presented visa of which the admission says nothing"))
        return [first, worst(visas, "visas", "GP-FACTS-CONFIRMED"), worst(status, "status", "GP-FACTS-CONFIRMED")]

    @staticmethod
    def says_the_same(mine: Standing, recorded: dict[str, Any]) -> bool:
        visa = mine.visa
        assert visa is not None
        claims = sorted(jcs_text(one.claims) for one in mine.authorities)
        same = (visa.role, visa.definition, visa.issuer, jcs_text(visa.claims), visa.until) == \
            (recorded["role"], recorded["definition"], recorded["issuer"], jcs_text(recorded["claims"]), millis(recorded["validUntil"]))
        return same and (mine.result.outcome != PASSED or claims == sorted(map(jcs_text, recorded.get("authorities", []))))

    def decide(self, entry: dict[str, Any], envelope: Envelope, admission: dict[str, Any]) -> Check:
        """What channel.md 3 rules out, again. Requirements (Cedar) are not evaluated."""
        if self.descriptor is None:
            return part_missing("decision", "descriptor")
        facts, perhaps = facts_of(entry, envelope, admission, self.descriptor, self.trust.framework)
        reasons = set(entry.get("reasons", []))
        policy = {code for code in reasons if code.startswith("GP-POLICY-") or code == "GP-TOO-MANY-VISAS"}
        fits = not facts and not reasons if entry["allowed"] else bool(reasons) and facts <= reasons <= facts | perhaps | policy
        says = f"by the facts {sorted(facts)}, recorded {sorted(reasons)}"
        return Check("decision", PASSED if fits else FAILED, "GP-FACTS-CONFIRMED" if fits else "GP-DECISION-DIFFERS", says)
