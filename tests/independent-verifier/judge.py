"""What bundle.md 5 to 7 verify: of the bundle, and of each message."""

from __future__ import annotations

from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from base import FAILED, FIVE_MINUTES, OPEN, PASSED, Check, Fault, cbor, jcs_text, millis, parse_cid, rfc3339, worst
from bundle import Bundle, Message
from credentials import NOT_CHECKED, Authorisation, StatusList, Visa
from envelope import Envelope, Receipt
from facts import facts_of, message_of
from keys import did_of
from trust import Trust, proof_counts, without_proof
from visas import Judge, Standing

STATUS = {"GP-VISA-REVOKED", "GP-VISA-SUSPENDED", "GP-ISSUER-REVOKED", "GP-ISSUER-REVOKED-ENDS", "GP-ISSUER-REVOKED-SINCE",
          "GP-ISSUER-REVOKED-WHEN"} | {f"GP-STATUS-{w}" for w in "CLEAR REINSTATED UNKNOWN STALE SIGNER PURPOSE ROLLBACK FORK RANGE".split()}
NAMES = ("node", "presentation", "visas", "status")
Again = tuple[list[Check], int | None]  # the checks, and when the admission ends
DIFFER, AHEAD = "GP-FACTS-DIFFER", "GP-CHARTER-AHEAD"


def part_missing(name: str, what: str, code: str = "GP-BUNDLE-PART-MISSING") -> Check:
    return Check(name, OPEN, code, what)


def found_again(name: str, mine: Check, recorded: Any) -> Check:
    """audit.md 5: the recorded outcome and code, against those that the evidence gives."""
    outcome, code = recorded["outcome"], recorded["code"]
    if mine.outcome == outcome and (mine.code == code or outcome == PASSED):
        return Check(name, PASSED, "GP-FACTS-CONFIRMED", mine.code)
    if mine.code == NOT_CHECKED:
        return Check(name, OPEN, NOT_CHECKED)
    differs = outcome == PASSED and mine.outcome == FAILED
    return Check(name, FAILED if differs else OPEN, DIFFER if differs else "GP-FACTS-OPEN", f"{mine.code}: {mine.says}; recorded {code}")


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
            if message.envelope and message.envelope.id not in {e.id for e in self.places.get((message.envelope.chain, message.envelope.sequence), [])}:
                self.places.setdefault((message.envelope.chain, message.envelope.sequence), []).append(message.envelope)
        self.first = {chain: min(n for c, n in self.places if c == chain) for chain in {c for c, _ in self.places}}
        seen: set[str] = set()
        self.twice = {m.entry["number"] for m in self.messages if m.envelope and (m.envelope.id in seen or seen.add(m.envelope.id))}
        self.channel_check = self.judge_channel()
        self.forked: set[str] = set()
        self.fork_checks = [self.judge_fork(first, second) for first, second in bundle.forks]
        self.made_again: dict[str, Again] = {}
        self.receipts_of: dict[tuple[str, str, str], list[tuple[Receipt, Check]]] = {}
        self.receipt_checks: list[Check] = []
        for receipt in bundle.receipts:
            check = self.judge_receipt(receipt) if receipt else part_missing("receipts", "a receipt")
            self.receipt_checks.append(check)
            if receipt:
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
            return part_missing("authorisation", name, "GP-AUTHORISATION-MISSING")
        mine = sorted((one for one in self.bundle.lists.values() if (one.id, one.signer) == (found.status.list, found.participant)),
                      key=lambda one: (one.dated, one.version or 0))
        heard = [one for one in mine if one.dated <= at + FIVE_MINUTES]
        chosen = heard[-1:] or mine[:1]

        def judged(lists: list[StatusList]) -> Check:
            judge = Judge(self.trust, self.trust.resolver, lists, at, max([at] + [one.dated for one in lists]), 30 * 86_400)
            return judge.authorisation(found, participant, did_of(kid), self.channel, "messages")

        check, index = judged(chosen), found.status.index
        late = bool(chosen) and chosen[0].dated > at + FIVE_MINUTES
        changed = chosen[0].changes.get(index, []) if chosen else []
        if check.code == "GP-VISA-REVOKED" and late and changed and changed[-1][0] > at:
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
            if check.outcome != PASSED:
                return check.named("exporter")
        return Check("exporter", PASSED, "GP-BUNDLE-SIGNED")

    def judge_framework(self) -> Check:
        same = self.manifest["framework"] == self.trust.framework
        return Check("framework", PASSED, "GP-BUNDLE-INTACT") if same else Check("framework", FAILED, "GP-BUNDLE-FRAMEWORK")

    def judge_channel(self) -> Check:
        document = self.descriptor
        if document is None:
            fault = self.bundle.descriptor_fault
            return Check("channel", FAILED, fault) if fault else part_missing("channel", self.channel)
        if document.get("framework") != self.trust.framework:
            self.descriptor = None  # what is of another framework is not used
            return Check("channel", FAILED, "GP-BUNDLE-FRAMEWORK", "the descriptor's")
        proofs, open_ = document.get("proof"), False
        dated = millis(document.get("dated"))
        for proof in proofs[:64] if isinstance(proofs, list) else []:
            check, did, key = proof_counts(without_proof(document), proof, self.trust.resolver, self.now, dated - FIVE_MINUTES)
            if did == document.get("owner"):
                if key:
                    return Check("channel", PASSED, "GP-CHANNEL-SIGNED")
                open_ |= check.outcome == OPEN
        return Check("channel", OPEN if open_ else FAILED, "GP-CHANNEL-NOT-SIGNED")

    def signature(self, envelope: Envelope, at: int) -> Check:
        check, key = self.trust.resolver.key(envelope.header["kid"], "capabilityInvocation", at)
        if key is None or check.outcome != PASSED:
            return check.named("signature")
        good = envelope.signed_by(key)
        return Check("signature", PASSED if good else FAILED, "GP-SIGNATURE-VALID" if good else "GP-SIGNATURE-INVALID")

    def judge_fork(self, first: Envelope | None, second: Envelope | None) -> Check:
        if first is None or second is None:
            return part_missing("forks", "an envelope")
        low, high = sorted((first, second), key=lambda one: one.sequence)
        gap = high.sequence - low.sequence
        proven = gap == 0 or gap == 1 and (high.gp.get("previous") != low.id or high.issued < low.issued)
        if first.id == second.id or first.chain != second.chain or not proven:
            return Check("forks", FAILED, "GP-BUNDLE-FORK", f"{first.id} {second.id}")
        for one in (first, second):
            signed = self.signature(one, one.issued)
            if signed.outcome != PASSED:
                return signed.named("forks")
        self.forked |= {one.id for one in (first, second)}
        return Check("forks", PASSED, "GP-SEQUENCE-FORK")

    def judge_receipt(self, receipt: Receipt) -> Check:
        kid, body = receipt.jws.header["kid"], receipt.body
        check, key = self.trust.resolver.key(kid, "capabilityInvocation", receipt.issued)
        if key is None or check.outcome != PASSED:
            return check.named("receipts")
        if not receipt.jws.fits(key):
            return Check("receipts", FAILED, "GP-SIGNATURE-INVALID", body["recipient"])
        if body["channel"] != self.channel:
            return Check("receipts", FAILED, "GP-BUNDLE-SELECTION", body["channel"])
        named = self.places.get((receipt.chain, max(last for _, last in receipt.spoken)), [])
        if named and named[-1].id != body["newest"]:
            return Check("receipts", FAILED, "GP-RECEIPT-MALFORMED", body["newest"])
        if "authorisation" in body:
            check = self.authorised(body["authorisation"], body["recipient"], kid, receipt.issued)
            if check.outcome != PASSED:
                return check.named("receipts")
        return Check("receipts", PASSED, "GP-RECEIPT-HOLDS")

    def of_bundle(self) -> list[Check]:
        parts = self.bundle.parts or [Check("parts", PASSED, "GP-BUNDLE-INTACT")]
        return [Check("container", PASSED, "GP-BUNDLE-INTACT"), self.judge_exporter(), self.judge_framework(), self.channel_check,
                *parts, *self.fork_checks, self.speaking(self.receipt_checks)]

    @staticmethod
    def speaking(checks: list[Check]) -> Check:
        return worst(checks, "receipts") if checks else Check("receipts", PASSED, "GP-RECEIPT-NONE")

    # -- of each message

    def of_message(self, message: Message) -> list[Check]:
        envelope = message.envelope
        if envelope is None:
            return [message.problem] if message.problem else []
        entry = message.entry
        spoken = [check for receipt, check in self.receipts_of.get(envelope.chain, []) if receipt.speaks_of(envelope.sequence)]
        return [self.selected(envelope, message), self.signature(envelope, entry["at"]), *self.judge_admission(entry),
                self.channel_check, self.sequence(envelope, entry), self.payload(message, envelope), self.sealing(message, envelope),
                self.decision(entry, envelope), self.speaking(spoken)]

    def selected(self, envelope: Envelope, message: Message) -> Check:
        chosen, gp = self.selection, envelope.gp
        fits = gp["channel"] == self.channel and chosen.get("from", envelope.issued) <= envelope.issued \
            and ("until" not in chosen or envelope.issued < chosen["until"]) \
            and ("participant" not in chosen or chosen["participant"] in [gp["sender"], *gp.get("recipients", [])]) \
            and ("thread" not in chosen or chosen["thread"] in (envelope.id, gp.get("thread")))
        if not fits or message.entry["number"] in self.twice:
            return Check("bytes", FAILED, "GP-BUNDLE-SELECTION")
        return Check("bytes", PASSED, "GP-BUNDLE-INTACT")

    def sequence(self, envelope: Envelope, entry: dict[str, Any]) -> Check:
        if entry["number"] in self.twice:
            return Check("sequence", FAILED, "GP-BUNDLE-SELECTION")
        if len(self.places[envelope.chain, envelope.sequence]) > 1 or envelope.id in self.forked:
            return Check("sequence", FAILED, "GP-SEQUENCE-FORK")
        before = self.places.get((envelope.chain, envelope.sequence - 1), [])
        if before:
            named = next((one for one in before if one.id == envelope.gp.get("previous")), None)
            if named is None:
                return Check("sequence", FAILED, "GP-SEQUENCE-BROKEN")
            late = named.issued > envelope.issued
            return Check("sequence", FAILED, "GP-ENVELOPE-ORDER") if late else Check("sequence", PASSED, "GP-SEQUENCE-KEPT")
        if envelope.sequence == 1:
            return Check("sequence", PASSED, "GP-SEQUENCE-KEPT")
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
        recorded, gp = message.entry.get("facts"), envelope.gp
        if "epoch" in gp:
            if "key" not in message.entry:
                return Check("payload", PASSED, "GP-BUNDLE-INTACT")
            recorded = recorded or message.entry.get("opened", {}).get("facts")
            try:
                if len(message.entry["key"]) != 32:
                    raise Fault("GP-SEALING-MALFORMED", "the key")
                self.open(message.payload, message.entry["key"], gp, envelope.header["kid"])
            except (Fault, InvalidTag) as error:
                return Check("payload", FAILED, error.code if isinstance(error, Fault) else "GP-SEALING-BROKEN")
        if recorded is None:
            return Check("payload", PASSED, "GP-BUNDLE-INTACT")
        topics = {topic["name"] for topic in (self.descriptor or {}).get("topics", [])}
        if gp["topic"] not in topics or self.bundle.block(parse_cid(gp["schema"])) is None:
            return part_missing("payload", gp["schema"], "GP-SCHEMA-NOT-HERE")
        return Check("payload", PASSED, "GP-FACTS-CONFIRMED")  # payloads are not held against schemas here

    def sealing(self, message: Message, envelope: Envelope) -> Check:
        gp = envelope.gp
        if "epoch" not in gp:
            return Check("sealing", PASSED, "GP-NOTHING-ASKED")
        epoch, recorded = self.bundle.epochs.get(gp["epoch"]), message.entry.get("sealing")
        if epoch is None:
            passed = recorded is None or recorded["outcome"] == PASSED
            asked = message.entry["allowed"] or not passed
            return part_missing("sealing", gp["epoch"], "GP-EPOCH-MISSING") if asked else Check("sealing", PASSED, "GP-NOTHING-ASKED")
        same = (epoch["channel"], epoch["sender"], epoch["key"]) == envelope.chain and epoch.get("recipients") == \
            (sorted(gp["recipients"]) if "recipients" in gp else None)
        if not same or not 0 <= gp["sequence"] - epoch["first"] < 65_536 or not 0 <= envelope.issued - epoch["begun"] <= 7 * 86_400_000:
            return Check("sealing", FAILED, "GP-SEALING-EPOCH")
        held = Check("sealing", PASSED, "GP-SEALING-HELD")
        return found_again("sealing", held, recorded) if recorded else Check("sealing", PASSED, "GP-FACTS-CONFIRMED")

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

    def judge_admission(self, entry: dict[str, Any]) -> list[Check]:
        """Checks `node`, `presentation`, `visas`, `status`."""
        name = entry["admission"]
        admission = self.bundle.admissions.get(name)
        if admission is None and self.bundle.block(parse_cid(name)) is not None:
            return [Check(part, FAILED, "GP-DECISION-MALFORMED") for part in NAMES]
        if admission is None:
            return [part_missing(part, "admission") for part in NAMES]
        if self.descriptor is None:
            return [self.channel_check.named(part) for part in NAMES]
        if admission["trust"]["framework"] != self.trust.framework:
            return [Check(part, FAILED, "GP-BUNDLE-FRAMEWORK") for part in NAMES]
        if admission["channel"] != self.channel:
            return [Check(part, FAILED, DIFFER) for part in NAMES]
        if name not in self.made_again:
            naming = [m.entry for m in self.messages if m.entry["admission"] == name]
            judged = millis(admission["judged"])
            late = all(one["caughtUp"] for one in naming)
            clock = max(judged, min(one["logged"] for one in naming)) if late else judged
            self.made_again[name] = self.again(admission, judged, clock)
        checks, end = self.made_again[name]
        if entry["allowed"] and end is not None and entry["at"] >= end and checks[3].outcome == PASSED:
            return [*checks[:3], Check("status", OPEN, "GP-FACTS-OPEN", f"the admission ended {end}")]
        return checks

    def again(self, admission: dict[str, Any], at: int, clock: int) -> Again:
        """The admission made again, once for each that messages name."""
        recorded_node = admission.get("node")
        shown = self.bundle.presentations.get(admission.get("presentation", ""))
        if "presentation" not in admission:
            return [Check(part, FAILED if part == "presentation" else OPEN, DIFFER) for part in NAMES], None
        if shown is None:
            return [part_missing(part, "presentation") for part in NAMES], None
        acting = self.bundle.authorisations.get((recorded_node or {}).get("evidence", ""))
        if recorded_node and "evidence" in recorded_node and acting is None:
            return [part_missing(part, "authorisation") for part in NAMES], None
        trust = self.trust.up_to(admission["trust"]["charter"])
        named = [one["evidence"] for one in admission["lists"]]
        lists = [self.bundle.lists[name] for name in named if name in self.bundle.lists]
        judge = Judge(trust or self.trust, self.trust.resolver, lists, at, clock, self.max_age)
        node = Check("node", PASSED, "GP-NOTHING-ASKED")
        if recorded_node:
            node = self.node(recorded_node, admission["sender"], acting, judge)
        own, standings = judge.presentation(shown, self.channel, admission["sender"])
        presentation = found_again("presentation", worst(own, "presentation"), admission["standing"])
        visas, status = (self.compared(admission, standings) if trust else ([Check("visas", OPEN, AHEAD)], [Check("status", OPEN, AHEAD)]))
        gone = [Check("status", OPEN, "GP-STATUS-UNKNOWN", name) for name in named if name not in self.bundle.lists]
        listed = [Check("status", PASSED, "GP-FACTS-CONFIRMED") for _ in named]
        read = self.lists_read(judge, acting)
        if trust and not gone and read != set(named):
            undecided = any(check.outcome == OPEN for check in [node, presentation, *visas, *status]) and read < set(named)
            status.append(Check("status", OPEN, "GP-FACTS-OPEN", "fewer lists") if undecided else Check("status", FAILED, DIFFER, "other lists"))
        ends = [moment for moment in judge.moments + [at + (self.max_age or 0) * 1000] if moment > at]
        checks = [node, presentation, self.together("visas", visas), self.together("status", gone + status + listed)]
        return checks, min(ends, default=None)

    @staticmethod
    def lists_read(judge: Judge, acting: Authorisation | None) -> set[str]:
        """The names of the believed lists that somebody signed who may say something of a visa, or of the node."""
        found = {judge.newest(acting.status, acting.participant)[0]} if acting else set()
        for visa in judge.visas:
            definition = judge.trust.definitions.get(visa.definition)
            dids, roles = definition.parties("revokers") if definition else ([], [])
            holders = {did for role in roles for did in judge.holders.get(role, set())}
            found |= {judge.newest(one, did)[0] for one in visa.status for did in {visa.issuer, *dids, *holders}}
        return {one.evidence for one in found if one}

    @staticmethod
    def together(name: str, checks: list[Check]) -> Check:
        return worst(checks, name) if checks else Check(name, PASSED, "GP-NOTHING-ASKED")

    def node(self, recorded: dict[str, Any], sender: str, found: Authorisation | None, judge: Judge) -> Check:
        if found is None:  # one that could not be read has no name
            return Check("node", FAILED, DIFFER)
        mine = judge.authorisation(found, sender, recorded["node"], self.channel, "messages")
        same = (recorded.get("evidence"), recorded.get("validUntil")) == (found.secured.evidence, rfc3339(found.until))
        return found_again("node", mine, recorded["standing"]) if same else Check("node", FAILED, DIFFER)

    def compared(self, admission: dict[str, Any], standings: list[Standing]) -> tuple[list[Check], list[Check]]:
        mine = {one.evidence: one for one in standings if one.presented and one.visa}
        visas: list[Check] = []
        status: list[Check] = []
        if [one["evidence"] for one in admission["visas"]] != sorted(mine):
            visas.append(Check("visas", FAILED, DIFFER, "other visas"))
        for recorded in admission["visas"]:
            again = mine.get(recorded["evidence"])
            if again is None or again.visa is None:
                continue
            if not self.says_the_same(again.visa, recorded):
                visas.append(Check("visas", FAILED, DIFFER, recorded["evidence"]))
            stands = found_again("visas", again.result, recorded["standing"])
            if stands.outcome != PASSED and {recorded["standing"]["code"], again.result.code} & STATUS:
                status.append(stands)
                continue
            visas.append(stands)
            path = [(one["evidence"], one["issuer"]) for one in recorded["path"]]
            authorities = [one.claims for one in again.authorities]
            if stands.outcome == PASSED and (again.path, authorities) != (path, recorded.get("authorities", [])):
                visas.append(Check("visas", FAILED, DIFFER, "path"))
        return visas, status

    @staticmethod
    def says_the_same(visa: Visa, recorded: dict[str, Any]) -> bool:
        return (visa.role, visa.definition, visa.issuer, jcs_text(visa.claims), visa.until) == \
            (recorded["role"], recorded["definition"], recorded["issuer"], jcs_text(recorded["claims"]), millis(recorded["validUntil"]))

    def decision(self, entry: dict[str, Any], envelope: Envelope) -> Check:
        """What channel.md 3 rules out, again, in order. Requirements (Cedar) are not evaluated."""
        admission = self.bundle.admissions.get(entry["admission"])
        if admission is None:
            return part_missing("decision", "admission")
        if self.descriptor is None:
            return self.channel_check.named("decision")
        facts = facts_of(admission, self.descriptor, message_of(entry, envelope), entry["at"])
        reasons = entry.get("reasons", [])
        rest = reasons[len(facts):]
        policy = all(code.startswith("GP-POLICY-") or code == "GP-TOO-MANY-VISAS" for code in rest)
        fits = not facts and not reasons if entry["allowed"] else bool(reasons) and reasons[:len(facts)] == facts and policy
        says = f"by the facts {facts}, recorded {reasons}"
        return Check("decision", PASSED if fits else FAILED, "GP-DECISION-RECOMPUTED" if fits else "GP-DECISION-DIFFERS", says)
