"""What bundle.md 5 to 7 verify: of the bundle, and of each message."""

from __future__ import annotations

from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from admissions import Senders
from base import FAILED, FIVE_MINUTES, OPEN, PASSED, Check, Fault, cbor, millis, parse_cid, worst
from bundle import Bundle, Message
from credentials import NOT_CHECKED, StatusList
from envelope import Envelope, Receipt
from facts import facts_of, message_of
from keys import did_of
from payloads import payload_check, schema_parts
from recorded import OF_PAYLOADS, OF_SEALING, TEN_MINUTES, contradicted, is_finding
from requirements import NotChecked, ruled
from trust import Trust, proof_counts, without_proof
from visas import Judge, order_of


Chain = tuple[str, str, str]
MOST_BY_ONE_KEY = 16  # receipts that count for one message


def part_missing(name: str, what: str) -> Check:
    return Check(name, OPEN, "GP-BUNDLE-PART-MISSING", what)


class Auditor:
    """Judges one bundle with a trust pack, at a time."""

    def __init__(self, bundle: Bundle, trust: Trust, now: int) -> None:
        self.bundle, self.trust, self.now = bundle, trust, now
        self.manifest = bundle.manifest
        self.selection: dict[str, Any] = bundle.manifest["selection"]
        self.channel: str = self.selection["channel"]
        found = bundle.descriptors.get(self.channel)
        self.policy = found if isinstance(found, dict) and found["framework"] == trust.framework else None
        # Before a channel counts, and after the bundle was made, there is nothing that a selection could leave out.
        self.begins = "from" in self.selection and not (self.policy and self.selection["from"] <= millis(self.policy["dated"]))
        self.ends = "until" in self.selection and self.selection["until"] < self.manifest["made"]
        self.messages = [bundle.message(entry) for entry in bundle.entries("messages")]
        self.by_id: dict[str, Message] = {}
        self.signed: dict[str, Check] = {}  # by the id of an envelope: as of the first entry that has it
        self.leads: dict[str, set[str]] = {}  # by the id of an envelope: those to which it goes back
        self.places: dict[tuple[Chain, int], list[Envelope]] = {}
        self.numbers: dict[Chain, set[int]] = {}
        for message in self.messages:
            if message.envelope and message.envelope.id not in self.by_id:
                self.by_id[message.envelope.id] = message
                signed = self.signed[message.envelope.id] = self.signature(message.envelope, message.entry["at"])
                if signed.outcome == FAILED:  # anybody can write that: it takes no place in a chain
                    continue
                self.places.setdefault((message.envelope.chain, message.envelope.sequence), []).append(message.envelope)
                self.numbers.setdefault(message.envelope.chain, set()).add(message.envelope.sequence)
        self.first = {chain: min(numbers) for chain, numbers in self.numbers.items()}
        self.channel_check = self.judge_channel()
        self.senders = Senders(bundle, trust, self.channel, self.policy, self.channel_check)
        self.forked: set[str] = set()
        self.forked_chains: set[Chain] = set()
        self.fork_checks = [self.judge_fork(*pair) for pair in bundle.forks]
        self.receipts_of: dict[Chain, list[tuple[Receipt, Check]]] = {}
        self.receipt_checks: list[Check] = []
        self.spoken_to: dict[Chain, int] = {}  # the greatest number after a whole chain of which a receipt speaks
        self.left_out: dict[Chain, list[tuple[int, int]]] = {}  # what a recipient took of a selection of its messages, and is not there
        for logged, receipt in bundle.receipts:
            check = self.judge_receipt(receipt, logged) if receipt else part_missing("receipts", "a receipt")
            self.receipt_checks.append(check)
            if receipt:
                self.receipts_of.setdefault(receipt.chain, []).append((receipt, check))

    # -- of the bundle

    def authorised(self, name: str, participant: str, kid: str, at: int) -> Check:
        """Whether the node of `kid` acts for the participant at a time, by the lists dated about then."""
        found = self.bundle.authorisations.get(name)
        if found is None:
            here = self.bundle.block(parse_cid(name)) is not None
            return Check("authorisation", FAILED, "GP-SECURED-MALFORMED") if here else Check("authorisation", OPEN, "GP-AUTHORISATION-MISSING", name)
        if isinstance(found, Fault):
            return Check("authorisation", FAILED, found.code, found.why)
        chosen: dict[str, StatusList] = {}
        for one in self.bundle.lists.values():
            if one.signer == participant:
                held = chosen.setdefault(one.id, one)
                now, then = one.dated <= at + FIVE_MINUTES, held.dated <= at + FIVE_MINUTES
                if now and not then or now == then and (order_of(one) > order_of(held) if now else order_of(one) < order_of(held)):
                    chosen[one.id] = one
        clock = max([at] + [one.dated for one in chosen.values()])
        judge = Judge(self.trust, self.trust.resolver, list(chosen.values()), at, clock, 30 * 86_400)
        check = judge.authorisation(found, participant, did_of(kid), self.channel, "messages")
        changes = chosen[found.status.list].changes.get(found.status.index, []) if found.status.list in chosen else []
        if check.code == "GP-VISA-REVOKED" and clock > at + FIVE_MINUTES and changes and changes[-1][0] > at:
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
        document = self.bundle.descriptors.get(self.channel)
        if document is None:
            return part_missing("channel", self.channel)
        if isinstance(document, Fault):
            return Check("channel", FAILED, document.code, document.why)
        if document["framework"] != self.trust.framework:
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
        return Check("channel", OPEN, "GP-CHANNEL-NOT-SIGNED", open_.code) if open_ else Check("channel", FAILED, "GP-CHANNEL-NOT-SIGNED")

    def signature(self, envelope: Envelope, at: int) -> Check:
        check, key = self.trust.resolver.key(envelope.header["kid"], "capabilityInvocation", at, claimed=False)
        if key is None or check.outcome != PASSED:
            return check.named("signature")
        good = envelope.signed_by(key)
        return Check("signature", PASSED if good else FAILED, "GP-SIGNATURE-VALID" if good else "GP-SIGNATURE-INVALID")

    def judge_fork(self, first: Envelope | Fault | None, second: Envelope | Fault | None) -> Check:
        for one in (first, second):
            if one is None:
                return part_missing("forks", "an envelope")
            if isinstance(one, Fault):
                return Check("forks", FAILED, one.code, one.why)
        assert isinstance(first, Envelope) and isinstance(second, Envelope)
        low, high = sorted((first, second), key=lambda one: one.sequence)
        gap = high.sequence - low.sequence
        proven = gap == 0 or gap == 1 and (high.gp.get("previous") != low.id or high.issued < low.issued)
        if first.id == second.id or first.chain != second.chain or not proven:
            return Check("forks", FAILED, "GP-BUNDLE-FORK", f"{first.id} {second.id}")
        for one in (first, second):
            signed = self.signature(one, one.issued)
            if signed.outcome != PASSED:
                return signed.named("forks")
        self.forked |= {first.id, second.id}
        self.forked_chains.add(first.chain)
        return Check("forks", PASSED, "GP-SEQUENCE-FORK")

    def partial(self, chain: Chain) -> bool:
        """Whether the selection leaves messages of a chain out that stand between others."""
        return "thread" in self.selection or self.selection.get("participant", chain[1]) != chain[1]

    def judge_receipt(self, receipt: Receipt, logged: int) -> Check:
        kid, body = receipt.jws.header["kid"], receipt.body
        check, key = self.trust.resolver.key(kid, "capabilityInvocation", receipt.issued)
        if key is None or check.outcome != PASSED:
            return check.named("receipts")
        if not receipt.jws.fits(key):
            return Check("receipts", FAILED, "GP-SIGNATURE-INVALID", body["recipient"])
        if body["channel"] != self.channel:
            return Check("receipts", FAILED, "GP-BUNDLE-SELECTION", body["channel"])
        greatest, newest = max(last for _, last in receipt.spoken), self.by_id.get(body["newest"])
        there = self.places.get((receipt.chain, greatest), [])
        elsewhere = newest and newest.envelope and (newest.envelope.chain, newest.envelope.sequence) != (receipt.chain, greatest)
        if elsewhere or there and body["newest"] not in [one.id for one in there]:
            return Check("receipts", FAILED, "GP-RECEIPT-MALFORMED", body["newest"])
        numbers = self.numbers.get(receipt.chain, set())
        if any(one.issued > receipt.issued + TEN_MINUTES for n in numbers if receipt.took(n) for one in self.places[receipt.chain, n]):
            return Check("receipts", FAILED, "GP-RECEIPT-EARLY", body["recipient"])
        if receipt.issued > logged + TEN_MINUTES:
            return Check("receipts", FAILED, "GP-SIGNED-IN-FUTURE", body["recipient"])
        if "authorisation" in body:
            check = self.authorised(body["authorisation"], body["recipient"], kid, receipt.issued)
            if check.outcome != PASSED:
                return check.named("receipts")
        whole = not self.partial(receipt.chain) and not self.ends and (numbers or not self.begins)
        if whole and greatest > max(numbers, default=0):
            self.spoken_to[receipt.chain] = max(greatest, self.spoken_to.get(receipt.chain, 0))
            return Check("receipts", OPEN, "GP-SEQUENCE-GAP", f"it speaks of {greatest}")
        missing = self.missing_of_own(receipt, numbers)
        if missing:
            self.left_out.setdefault(receipt.chain, []).extend(missing)
            return Check("receipts", OPEN, "GP-SEQUENCE-GAP", f"{missing[0]} of the selection")
        return Check("receipts", PASSED, "GP-RECEIPT-HOLDS")

    def missing_of_own(self, receipt: Receipt, numbers: set[int]) -> list[tuple[int, int]]:
        """What is delivered to somebody where messages name recipients is of a selection of its messages."""
        who, chosen = receipt.body["recipient"], self.selection
        if chosen.get("participant") != who or "thread" in chosen or receipt.chain[1] == who or not self.policy or self.policy["mode"] == "broadcast":
            return []
        if not numbers and (self.begins or self.ends):
            return []
        low = min(numbers) if self.begins else 1
        high = max(numbers) if self.ends else 2**64 - 1
        found = []
        for first, last in receipt.body.get("delivered", []):
            following, end = max(first, low), min(last, high)
            for number in sorted(one for one in numbers if following <= one <= end):
                found += [(following, number - 1)] if number > following else []
                following = number + 1
            found += [(following, end)] if following <= end else []
        return found

    def judge_record(self) -> Check:
        contradiction = contradicted(self)
        return Check("record", FAILED, "GP-BUNDLE-RECORD", contradiction) if contradiction else Check("record", PASSED, "GP-BUNDLE-INTACT")

    def of_bundle(self) -> list[Check]:
        return [Check("container", PASSED, "GP-BUNDLE-INTACT"), self.judge_exporter(), self.judge_record(), self.judge_framework(), self.channel_check,
                worst(self.bundle.parts, "parts", "GP-BUNDLE-INTACT"), worst(self.fork_checks, "forks", "GP-SEQUENCE-FORK" if self.fork_checks else "GP-SEQUENCE-KEPT"),
                worst(self.receipt_checks, "receipts", "GP-RECEIPT-HOLDS" if self.receipt_checks else "GP-RECEIPT-NONE")]

    # -- of each message

    def of_message(self, message: Message) -> list[Check]:
        envelope = message.envelope
        if envelope is None:
            return [message.problem] if message.problem else []
        again = self.senders.again(message.entry["admission"])
        status = again.checks[3]
        if status.outcome == PASSED and again.end is not None:
            ended = not message.entry["allowed"] and "GP-ADMISSION-EXPIRED" in message.entry.get("reasons", [])
            if (message.entry["at"] >= again.end) if message.entry["allowed"] else ended and message.entry["at"] < again.end:
                status = Check("status", OPEN, "GP-FACTS-OPEN", f"by the evidence it ends {again.end}")
        all_speaking = self.speaking(envelope)
        speaking = [check for receipt, check in all_speaking if check.outcome != PASSED or self.linked(receipt, envelope)]
        nobody = "GP-RECEIPT-UNLINKED" if all_speaking else "GP-RECEIPT-NONE"
        return [self.selected(envelope, message), self.signature(envelope, message.entry["at"]), *again.checks[:3], status,
                self.channel_check, self.sequence(envelope, message), self.payload(message, envelope), self.sealing(message, envelope),
                self.decision(message.entry, envelope), worst(speaking, "receipts", "GP-RECEIPT-HOLDS" if speaking else nobody)]

    def speaking(self, envelope: Envelope) -> list[tuple[Receipt, Check]]:
        if self.signed[envelope.id].outcome == FAILED or self.by_id[envelope.id].envelope is not envelope:
            return []  # it takes no place in a chain
        found: list[tuple[Receipt, Check]] = []
        by_key: dict[str, int] = {}
        for one in self.receipts_of.get(envelope.chain, []):
            kid = one[0].jws.header["kid"]
            if one[0].speaks_of(envelope.sequence) and by_key.get(kid, 0) < MOST_BY_ONE_KEY:
                by_key[kid] = by_key.get(kid, 0) + 1
                found.append(one)
        return found

    def linked(self, receipt: Receipt, envelope: Envelope) -> bool:
        """Whether the message that a receipt names goes back to this one, name by name and number by number, through what has its place in the chain."""
        newest = receipt.body["newest"]
        if newest not in self.leads:
            found, name = set(), newest
            while name in self.by_id and self.signed[name].outcome != FAILED and name not in found:
                one = self.by_id[name].envelope
                assert one is not None
                found.add(name)
                name = one.gp.get("previous", "")
                before = self.by_id[name].envelope if name in self.by_id else None
                if before is None or (before.chain, before.sequence + 1) != (one.chain, one.sequence):
                    break
            self.leads[newest] = found
        return envelope.id in self.leads[newest]

    def selected(self, envelope: Envelope, message: Message) -> Check:
        chosen, gp = self.selection, envelope.gp
        fits = gp["channel"] == self.channel and chosen.get("from", envelope.issued) <= envelope.issued \
            and ("until" not in chosen or envelope.issued < chosen["until"]) \
            and ("participant" not in chosen or chosen["participant"] in [gp["sender"], *gp.get("recipients", [])]) \
            and ("thread" not in chosen or chosen["thread"] in (envelope.id, gp.get("thread")))
        if not fits or self.by_id[envelope.id] is not message:
            return Check("bytes", FAILED, "GP-BUNDLE-SELECTION")
        return Check("bytes", PASSED, "GP-BUNDLE-INTACT")

    def sequence(self, envelope: Envelope, message: Message) -> Check:
        if self.by_id[envelope.id] is not message:
            return Check("sequence", FAILED, "GP-BUNDLE-SELECTION", "it stands there before")
        own = self.signed[envelope.id]
        others = [] if own.outcome == FAILED else \
            [one for one in self.places[envelope.chain, envelope.sequence] if one.id != envelope.id]
        if envelope.id in self.forked or own.outcome == PASSED and any(self.signed[one.id].outcome == PASSED for one in others):
            return Check("sequence", FAILED, "GP-SEQUENCE-FORK")
        if others:
            return Check("sequence", OPEN, "GP-SEQUENCE-FORK", "whether both were signed is open")
        if own.outcome == FAILED:
            return Check("sequence", PASSED, "GP-NOTHING-ASKED", "it takes no place in the chain")
        if envelope.sequence == 1:
            return Check("sequence", PASSED, "GP-SEQUENCE-KEPT")
        before = self.places.get((envelope.chain, envelope.sequence - 1), [])
        if before:
            named = [one for one in before if one.id == envelope.gp["previous"]]
            if not named:
                return Check("sequence", FAILED, "GP-SEQUENCE-BROKEN")
            late = named[0].issued > envelope.issued
            return Check("sequence", FAILED, "GP-ENVELOPE-ORDER") if late else Check("sequence", PASSED, "GP-SEQUENCE-KEPT")
        if self.partial(envelope.chain) or self.begins and self.first[envelope.chain] == envelope.sequence:
            return Check("sequence", PASSED, "GP-SEQUENCE-KEPT", "the one before is not of the selection")
        return Check("sequence", OPEN, "GP-SEQUENCE-GAP")

    def payload(self, message: Message, envelope: Envelope) -> Check:
        recorded_then = [one["facts"] for one in (message.entry, message.entry.get("opened", {})) if "facts" in one]
        if not all(is_finding(one, OF_PAYLOADS) for one in recorded_then):
            return Check("payload", FAILED, "GP-FACTS-DIFFER", "nobody finds that of a payload")
        refused = message.entry.get("facts", {"outcome": PASSED})["outcome"] != PASSED
        if message.entry["payload"] != "here":
            return Check("payload", OPEN, "GP-FACTS-OPEN", "refused, and not here") if refused else Check("payload", PASSED, "GP-PAYLOAD-WITHHELD")
        if message.entry["content"] != envelope.payload:
            return Check("payload", FAILED, "GP-CID-OTHER", "content is not what the envelope links to")
        if message.payload is None:
            return part_missing("payload", envelope.payload.text)
        entry, recorded, payload = message.entry, message.entry.get("facts"), message.payload
        if "epoch" in envelope.gp:
            if "key" not in entry:
                if refused:
                    return Check("payload", OPEN, "GP-FACTS-OPEN", "refused, and sealed")
                return Check("payload", PASSED, "GP-BUNDLE-INTACT", "sealed")
            try:
                if len(entry["key"]) != 32:
                    raise Fault("GP-SEALING-MALFORMED", "the key")
                payload = self.open(message.payload, entry["key"], envelope.gp, envelope.header["kid"])
            except (Fault, InvalidTag) as error:
                return Check("payload", FAILED, "GP-SEALING-BROKEN" if isinstance(error, InvalidTag) else "GP-SEALING-MALFORMED", str(error))
            recorded = recorded or entry.get("opened", {}).get("facts")
        if recorded is None:
            return Check("payload", PASSED, "GP-BUNDLE-INTACT")
        schema = self.bundle.block(parse_cid(envelope.gp["schema"]))
        topic = next((one for one in self.policy["topics"] if one["name"] == envelope.gp["topic"]), None) if self.policy else None
        parts = schema_parts(schema) if schema is not None else None
        if topic is None or schema is None or parts is None or any(self.bundle.block(parse_cid(part)) is None for part in parts):
            return Check("payload", OPEN, "GP-SCHEMA-NOT-HERE")
        return payload_check(schema, payload, topic, envelope.gp, recorded)

    def sealing(self, message: Message, envelope: Envelope) -> Check:
        gp = envelope.gp
        if "sealing" in message.entry and ("epoch" not in gp or not is_finding(message.entry["sealing"], OF_SEALING)):
            return Check("sealing", FAILED, "GP-FACTS-DIFFER", "nobody finds that of how it is sealed")
        if "epoch" not in gp:
            return Check("sealing", PASSED, "GP-NOTHING-ASKED")
        epoch, recorded = self.bundle.epochs.get(gp["epoch"]), message.entry.get("sealing")
        if epoch is None:
            other = not message.entry["allowed"] and (recorded is None or recorded["outcome"] == PASSED)
            return Check("sealing", PASSED, "GP-NOTHING-ASKED") if other else Check("sealing", OPEN, "GP-EPOCH-MISSING", gp["epoch"])
        same = (epoch["channel"], epoch["sender"], epoch["key"]) == envelope.chain and epoch.get("recipients") == \
            (sorted(gp["recipients"]) if "recipients" in gp else None)
        if not same or not 0 <= gp["sequence"] - epoch["first"] < 65_536 or not 0 <= envelope.issued - epoch["begun"] <= 7 * 86_400_000:
            return Check("sealing", FAILED, "GP-SEALING-EPOCH")
        if recorded is not None and recorded["outcome"] != PASSED:
            return Check("sealing", OPEN, "GP-FACTS-OPEN", f"recorded {recorded['code']}")
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

    # -- the decision

    def decision(self, entry: dict[str, Any], envelope: Envelope) -> Check:
        """The ruling made again from the recorded facts: channel.md 3, and the requirements."""
        admission, descriptor = self.bundle.admissions.get(entry["admission"]), self.policy
        if admission is None:
            return part_missing("decision", "admission")
        if descriptor is None:
            return self.channel_check.named("decision")
        try:
            message = message_of(entry, envelope)
            found = facts_of(admission, descriptor, message, entry["at"])
            earlier = facts_of(admission, descriptor, message, entry["at"], before=True)
            asked = [reason["code"] for reason in ruled(descriptor, {"publish": message}, admission, entry["at"])]
            found, earlier = found + asked, earlier + asked
        except NotChecked as left_out:
            return Check("decision", OPEN, NOT_CHECKED, str(left_out))
        except (Fault, KeyError, TypeError, AttributeError) as error:
            return Check("decision", FAILED, "GP-DECISION-DIFFERS", f"cannot be made again: {error}")
        reasons = entry.get("reasons", [])
        fits = any(entry["allowed"] == (not codes) and codes == reasons for codes in (found, earlier))
        return Check("decision", PASSED if fits else FAILED, "GP-DECISION-RECOMPUTED" if fits else "GP-DECISION-DIFFERS", f"{found}, recorded {reasons}")
