"""Bundles made here: whole ones, and ones that somebody tampered with."""

from __future__ import annotations

import base64
import json
import unittest
from typing import Any, Callable

from base import DAG_CBOR, cid, cid_bytes, jcs, rfc3339, to_b64u
from scene import DAY, HOUR, NOW, Scene, Signer, car, status_list, uncar, vh_document, webvh
from verify import verify


def judged(scene: Scene, change: Any = None, data: bytes | None = None, pack: bytes | None = None) -> dict[str, Any]:
    return verify(scene.bundle(change) if data is None else data, pack or scene.pack, NOW + DAY)


def codes(report: dict[str, Any]) -> set[str]:
    return set(report["bundle"]["reasons"]) | {code for message in report["messages"] for code in message["reasons"]}


class Container(unittest.TestCase):
    """Whoever has no key, and changes the file."""

    def setUp(self) -> None:
        self.scene = Scene()
        self.whole = self.scene.bundle()
        self.blocks = uncar(self.whole)

    def refused(self, data: bytes, code: str = "GP-BUNDLE-MALFORMED") -> None:
        report = judged(self.scene, data=data)
        self.assertEqual((report["outcome"], report["bundle"]["reasons"]), ("failed", [code]))

    def test_whole(self) -> None:
        report = judged(self.scene)
        self.assertEqual(report["outcome"], "passed", report)
        self.assertEqual(len(report["messages"]), 3)
        self.assertEqual([len(message["checks"]) for message in report["messages"]], [12] * 3)

    def test_every_block_altered(self) -> None:
        for number, (_, data) in enumerate(self.blocks):
            at = self.whole.index(data) + len(data) // 2
            with self.subTest(number):
                self.refused(self.whole[:at] + bytes([self.whole[at] ^ 1]) + self.whole[at + 1:], "GP-BUNDLE-BLOCK")

    def test_every_block_cut_out(self) -> None:
        """Missing evidence is indeterminate; a file with blocks that nothing refers to is refused."""
        found = []
        for number in range(len(self.blocks)):
            report = judged(self.scene, data=car(self.blocks[:number] + self.blocks[number + 1:]))
            found.append(report["outcome"])
            self.assertNotEqual(report["outcome"], "passed", number)
            self.assertLessEqual(codes(report) - {"GP-STATUS-UNKNOWN", "GP-DID-NOT-FOUND", "GP-BUNDLE-PART-MISSING", "GP-SEQUENCE-GAP", "GP-FACTS-OPEN",
                                                     "GP-SCHEMA-NOT-HERE", "GP-AUTHORISATION-MISSING"},
                                 {"GP-BUNDLE-MALFORMED"}, number)
        self.assertGreaterEqual(found.count("indeterminate"), 12)

    def test_every_block_swapped(self) -> None:
        other = uncar(Scene("Another").bundle())
        for number in range(1, len(self.blocks)):
            if self.blocks[number] != other[number]:
                self.refused(car(self.blocks[:number] + [other[number]] + self.blocks[number + 1:]))

    def test_cut_off(self) -> None:
        for at in (0, 1, 20, 60, 100, len(self.whole) // 2, len(self.whole) - 1):
            self.refused(self.whole[:at])

    def test_form(self) -> None:
        self.refused(self.whole + b"\0")
        self.refused(car(self.blocks + [(cid_bytes(b"more"), b"more")]))
        self.refused(car(self.blocks + self.blocks[-1:]))
        self.refused(car(self.blocks[:1] + self.blocks[2:3] + self.blocks[1:2] + self.blocks[3:]))
        self.refused(self.whole.replace(b"version\x01", b"version\x02", 1))
        self.refused(bytes([self.whole[0] | 128, 0]) + self.whole[1:])

    def test_another_root(self) -> None:
        """The same parts under a root that somebody else signed."""
        stranger = Scene()
        stranger.signer = Signer(9)
        payload = Scene()
        payload.signer = Signer(9)
        report = judged(self.scene, lambda m, k, b: m.update(exporter={"participant": self.scene.dso.did}), None)
        self.assertEqual(report["outcome"], "passed")
        root = self.blocks[0][1].split(b".")
        forged = b".".join([root[0], root[1], to_b64u(bytes(64)).encode()])
        report = judged(self.scene, data=car([(cid_bytes(forged), forged)] + self.blocks[1:]))
        self.assertEqual((report["outcome"], report["bundle"]["reasons"]), ("failed", ["GP-BUNDLE-EXPORTER"]))


Make = Callable[[Scene], Any]


class Exporter(unittest.TestCase):
    """Whoever exports may lie: about others it cannot."""

    def expect(self, outcome: str, code: str | None, make: Make, pack: bytes | None = None) -> dict[str, Any]:
        scene = Scene()
        change = make(scene)
        report = judged(scene, change if callable(change) else None, pack=pack)
        self.assertEqual(report["outcome"], outcome, json.dumps(report, indent=1))
        if code:
            self.assertIn(code, codes(report), json.dumps(report, indent=1))
        return report

    def again(self, scene: Scene) -> None:
        """What depends on visa, authorisation, presentation or lists, made again."""
        scene.presentation = scene.present([scene.visa])
        scene.envelopes = scene.chain(3)
        scene.admission = scene.admit()
        scene.receipts = []

    def cut(self, kind: str, number: int = 0) -> Make:
        def change(manifest: Any, kinds: Any, blocks: Any) -> None:
            entry = kinds[kind][number]
            names = ("document", "signed", "envelope")
            del blocks[(entry if not isinstance(entry, dict) else next(entry[name] for name in names if name in entry)).raw]
        return lambda scene: change

    def test_missing(self) -> None:
        for kind in ("admissions", "presentations", "authorisations", "descriptors", "lists", "identities", "schemas"):
            with self.subTest(kind):
                self.expect("indeterminate", "GP-BUNDLE-PART-MISSING", self.cut(kind))

    def test_kind_left_out(self) -> None:
        for kind in ("admissions", "presentations", "authorisations", "descriptors", "lists", "identities"):
            with self.subTest(kind):
                self.expect("indeterminate", None, lambda scene: lambda m, k, b: k.pop(kind) and None)

    def test_definitions_come_from_the_pack(self) -> None:
        self.expect("passed", None, lambda scene: lambda m, k, b: k.pop("definitions") and None)

    def test_withheld(self) -> None:
        def make(scene: Scene) -> None:
            scene.payloads = "withheld"
        report = self.expect("passed", None, make)
        self.assertIn("GP-PAYLOAD-WITHHELD", json.dumps(report))

    def test_payload_missing(self) -> None:
        def make(scene: Scene) -> Any:
            return lambda m, k, b: b.pop(cid_bytes(scene.envelopes[1][1])) and None
        self.expect("indeterminate", "GP-BUNDLE-PART-MISSING", make)

    def test_another_payload(self) -> None:
        def make(scene: Scene) -> Any:
            def change(manifest: Any, kinds: Any, blocks: Any) -> None:
                kinds["messages"][0]["content"] = kinds["messages"][1]["content"]
            return change
        self.expect("failed", "GP-CID-OTHER", make)

    def test_claims_in_the_admission(self) -> None:
        for name, value in (("claims", {"zone": "GB-2"}), ("role", "flex.gb.other"), ("validUntil", rfc3339(NOW + 99 * DAY)), ("issuer", "did:x:y")):
            def make(scene: Scene) -> None:
                scene.admission["visas"][0][name] = value
            with self.subTest(name):
                self.expect("failed", "GP-FACTS-DIFFER", make)

    def test_a_visa_that_nobody_presented(self) -> None:
        def make(scene: Scene) -> None:
            scene.admission["visas"].append(dict(scene.admission["visas"][0], evidence=cid(b"another")))
        self.expect("failed", "GP-FACTS-DIFFER", make)

    def test_a_visa_by_a_stranger(self) -> None:
        def make(scene: Scene) -> None:
            scene.visa = scene.make_visa(Signer(9))
            self.again(scene)
        self.expect("failed", "GP-FACTS-DIFFER", make)

    def test_revoked(self) -> None:
        def make(scene: Scene) -> None:
            scene.lists["revocation"] = scene.make_list("revocation", changes=[{"index": 7, "set": True, "at": rfc3339(NOW - 2 * HOUR)}])
            self.again(scene)
        self.expect("failed", "GP-FACTS-DIFFER", make)

        def told(scene: Scene) -> None:
            make(scene)
            scene.admission["visas"][0]["standing"] = {"outcome": "failed", "code": "GP-VISA-REVOKED", "sentence": ""}
            scene.entry_changes = {n: {"allowed": False, "deliver": False, "reasons": ["GP-POLICY-UNMET"]} for n in (1, 2, 3)}
        self.expect("passed", None, told)

    def test_revoked_by_a_role(self) -> None:
        """The list carries the visa by which its signer may."""
        office = Signer(8)

        def outcome(carried: Callable[[Scene], list[bytes]], refused: bool) -> tuple[str, set[str]]:
            scene = Scene(office=True)
            change = {"index": 7, "set": True, "at": rfc3339(NOW - 2 * HOUR)}
            scene.lists["theirs"] = status_list(office, office.did, "urn:x:revocation", "revocation", NOW - HOUR, 1, [change], carried(scene))
            if refused:
                scene.receipts = []
                scene.admission["visas"][0]["standing"] = {"outcome": "failed", "code": "GP-VISA-REVOKED", "sentence": ""}
                scene.entry_changes = {n: {"allowed": False, "deliver": False, "reasons": ["GP-POLICY-UNMET"]} for n in (1, 2, 3)}
                named = {"list": "urn:x:revocation", "signer": office.did, "dated": rfc3339(NOW - HOUR), "evidence": cid(scene.lists["theirs"])}
                scene.admission["lists"] = sorted([*scene.admission["lists"], named], key=lambda one: (one["list"], one["signer"]))
            report = judged(scene)
            return report["outcome"], codes(report)
        self.assertEqual(outcome(lambda scene: [scene.make_office(office)], True), ("passed", set()))
        # Not named by the admission, it was not known; and a stranger's says nothing.
        self.assertEqual(outcome(lambda scene: [scene.make_office(office)], False)[0], "passed")
        for carried in (lambda scene: [], lambda scene: [scene.make_office(Signer(9))]):
            self.assertEqual(outcome(carried, True)[0], "indeterminate")

    def test_status_too_old(self) -> None:
        def make(scene: Scene) -> None:
            scene.lists["suspension"] = scene.make_list("suspension", NOW - 2 * DAY)
            self.again(scene)
        self.expect("indeterminate", "GP-FACTS-OPEN", make)

    def test_a_list_by_a_stranger(self) -> None:
        def make(scene: Scene) -> None:
            root, scene.root.secret = scene.root.secret, Signer(9).secret
            scene.lists["revocation"] = scene.make_list("revocation")
            scene.root.secret = root
            self.again(scene)
        self.expect("indeterminate", "GP-FACTS-OPEN", make)

    def test_presentation_for_another_channel(self) -> None:
        def make(scene: Scene) -> None:
            scene.presentation = scene.present([scene.visa], cid(b"another"))
            scene.envelopes, scene.receipts = scene.chain(3), []
            scene.admission = scene.admit()
        self.expect("failed", "GP-FACTS-DIFFER", make)

    def test_authorisation_of_another_node(self) -> None:
        def make(scene: Scene) -> None:
            scene.authorisation = scene.make_authorisation(node=Signer(9).did)
            self.again(scene)
        self.expect("failed", "GP-FACTS-DIFFER", make)

    def test_authorisation_for_something_else(self) -> None:
        def make(scene: Scene) -> None:
            scene.authorisation = scene.make_authorisation(["sealing"])
            self.again(scene)
        self.expect("failed", "GP-FACTS-DIFFER", make)

    def test_charter_ahead(self) -> None:
        def make(scene: Scene) -> None:
            scene.admission["trust"]["charter"] = cid(b"a later one")
        self.expect("indeterminate", "GP-CHARTER-AHEAD", make)

    def test_framework(self) -> None:
        self.expect("failed", "GP-BUNDLE-FRAMEWORK", lambda scene: None, Scene("Another").pack)

    def test_descriptor(self) -> None:
        def other(scene: Scene) -> None:
            scene.signed_descriptor = jcs(dict(scene.descriptor, title="Other"))
        self.expect("failed", "GP-CID-OTHER", other)

        def unsigned(scene: Scene) -> None:
            scene.signed_descriptor = jcs(scene.descriptor)
        self.expect("failed", "GP-CHANNEL-NOT-SIGNED", unsigned)

        def stranger(scene: Scene) -> None:
            scene.signed_descriptor = jcs(scene.descriptor | {"proof": [Signer(9).proof(scene.descriptor, NOW - DAY)]})
        self.expect("failed", "GP-CHANNEL-NOT-SIGNED", stranger)

    def test_signature(self) -> None:
        def make(scene: Scene) -> None:
            node, scene.node.secret = scene.node.secret, Signer(9).secret
            scene.envelopes[2] = scene.envelope(3, cid(scene.envelopes[1][0], DAG_CBOR), b'{"kW":3}')
            scene.node.secret, scene.receipts = node, []
        self.expect("failed", "GP-SIGNATURE-INVALID", make)

    def chain_case(self, outcome: str, code: str, change: Callable[[Scene], None], **selection: Any) -> None:
        def make(scene: Scene) -> None:
            scene.receipts = []
            scene.selection |= selection
            change(scene)
        self.expect(outcome, code, make)

    def test_chains(self) -> None:
        def swap(number: int, **changes: Any) -> Callable[[Scene], None]:
            def change(scene: Scene) -> None:
                before = cid(scene.envelopes[number - 2][0], DAG_CBOR)
                scene.envelopes[number - 1] = scene.envelope(number, changes.pop("previous", before), **changes)
            return change
        self.chain_case("failed", "GP-SEQUENCE-BROKEN", swap(3, previous=cid(b"x", DAG_CBOR)))
        self.chain_case("failed", "GP-ENVELOPE-ORDER", swap(3, issued=rfc3339(NOW + 1)))
        self.chain_case("indeterminate", "GP-SEQUENCE-GAP", lambda scene: scene.envelopes.pop(1) and None)
        self.chain_case("indeterminate", "GP-SEQUENCE-GAP", lambda scene: scene.envelopes.pop(0) and None)
        self.chain_case("failed", "GP-SEQUENCE-FORK", lambda scene: scene.envelopes.append(
            scene.envelope(3, cid(scene.envelopes[1][0], DAG_CBOR), b'{"kW":9}')))
        self.chain_case("failed", "GP-BUNDLE-SELECTION", lambda scene: None, until=rfc3339(NOW + 2500))

    def test_first_of_a_selection(self) -> None:
        def make(scene: Scene) -> None:
            scene.envelopes.pop(0)
            scene.selection["from"] = rfc3339(NOW + 1500)
        self.expect("passed", None, make)

    def test_forks(self) -> None:
        def proven(scene: Scene) -> None:
            other = scene.envelope(3, cid(scene.envelopes[1][0], DAG_CBOR), b'{"kW":9}')[0]
            scene.forks = [(scene.envelopes[2][0], other)]
        self.expect("failed", "GP-SEQUENCE-FORK", proven)

        def nothing(scene: Scene) -> None:
            scene.forks = [(scene.envelopes[0][0], scene.envelopes[1][0])]
        self.expect("failed", "GP-BUNDLE-FORK", nothing)

    def test_another_length_than_the_header_says(self) -> None:
        def make(scene: Scene) -> None:
            scene.envelopes[2] = scene.envelope(3, cid(scene.envelopes[1][0], DAG_CBOR), b'{"kW":3}', payloadBytes=7)
            scene.receipts = []
        self.expect("failed", "GP-ENVELOPE-MALFORMED", make)

    def test_epochs(self) -> None:
        def sealed(**changes: Any) -> Make:
            return lambda scene: scene.seal(**changes)
        self.expect("passed", None, sealed())
        for changes in ({"sender": Signer(5).did}, {"first": 2}, {"begun": rfc3339(NOW + 1500)}, {"begun": rfc3339(NOW - 8 * DAY)},
                        {"recipients": [Signer(6).did]}, {"channel": cid(b"another")}):
            with self.subTest(str(changes)):
                self.expect("failed", "GP-SEALING-EPOCH", sealed(**changes))

        def told(scene: Scene) -> None:
            scene.seal()
            stranger = {"outcome": "failed", "code": "GP-SEALING-STRANGER", "sentence": ""}
            scene.entry_changes = {2: {"allowed": False, "deliver": False, "sealing": stranger, "reasons": ["GP-SEALING-STRANGER"]}}
        self.expect("indeterminate", "GP-FACTS-OPEN", told)

    def test_a_log_that_goes_on_otherwise(self) -> None:
        def make(scene: Scene) -> None:
            logs = [webvh(scene.update, scene.own, NOW - 30 * DAY, [{"state": vh_document("did:webvh:{SCID}:aggregator.example", other)}])[1]
                    for other in (scene.own, Signer(8))]
            identity = {"did": scene.did, "seen": rfc3339(NOW), "document": base64.b64encode(logs[0]).decode()}
            scene.log, scene.pack = logs[1], jcs(json.loads(scene.pack) | {"identities": [identity]})
        report = self.expect("failed", "GP-WEBVH-LOG-INVALID", make)
        self.assertEqual({message["outcome"] for message in report["messages"]}, {"passed"})

    def test_judged_by_an_earlier_charter(self) -> None:
        def make(scene: Scene) -> None:
            pack = json.loads(scene.pack)
            first = {name: value for name, value in pack["charters"][0].items() if name != "proof"}
            second = {name: value for name, value in first.items() if name != "roles"} | {
                "version": 2, "previous": cid(jcs(first)), "dated": rfc3339(NOW + HOUR)}
            signed = second | {"proof": [scene.root.proof(second, NOW + HOUR)]}
            scene.pack = jcs(pack | {"charters": [*pack["charters"], signed]})
        self.expect("passed", None, make)

    def test_receipts(self) -> None:
        def elsewhere(scene: Scene) -> None:
            scene.receipts = [scene.receipt([[1, 9]], cid(scene.envelopes[2][0], DAG_CBOR))]
        self.expect("failed", "GP-RECEIPT-MALFORMED", elsewhere)

        def newest(scene: Scene) -> None:
            scene.receipts = [scene.receipt([[1, 3]], cid(scene.envelopes[1][0], DAG_CBOR))]
        self.expect("failed", None, newest)

        def stranger(scene: Scene) -> None:
            body = scene.receipt([[1, 3]], cid(scene.envelopes[2][0], DAG_CBOR)).split(b".")
            scene.receipts = [b".".join([body[0], body[1], to_b64u(bytes(64)).encode()])]
        self.expect("failed", "GP-SIGNATURE-INVALID", stranger)

        def overlap(scene: Scene) -> None:
            scene.receipts = [scene.receipt([[1, 3], [3, 4]], cid(scene.envelopes[2][0], DAG_CBOR))]
        self.expect("failed", "GP-RECEIPT-MALFORMED", overlap)

    def test_decisions(self) -> None:
        for changes, outcome in (({"at": rfc3339(NOW + HOUR)}, "failed"), ({"allowed": False}, "failed"),
                                 ({"sentLastMinute": 101}, "failed"), ({"allowed": False, "deliver": False, "reasons": ["GP-MESSAGE-RATE"], "sentLastMinute": 101}, "passed"),
                                 ({"allowed": True, "reasons": ["GP-POLICY-UNMET"]}, "failed"), ({"allowed": False, "reasons": ["GP-POLICY-UNMET"]}, "failed"),
                                 ({"facts": {"outcome": "failed", "code": "GP-PAYLOAD-SCHEMA", "sentence": ""}}, "failed")):
            def make(scene: Scene) -> None:
                scene.entry_changes, scene.receipts = {2: changes}, []
            with self.subTest(str(changes)):
                self.expect(outcome, None if outcome == "passed" else "GP-DECISION-DIFFERS", make)

    def test_when_it_came(self) -> None:
        gate_at, later = NOW + 2_400_000, rfc3339(NOW + 3_000_000)
        gate = [{"id": "gate", "says": "bids come before the gate", "needs": {"when": f"arrived < '{rfc3339(gate_at)}'"}}]

        def came(**changes: Any) -> Any:
            def make(scene: Scene) -> None:
                scene.descriptor["publish"] += gate
                scene.describe()
                scene.entry_changes, scene.receipts = {n: {"arrived": rfc3339(NOW + n * 1000 + 20)} for n in (1, 2, 3)}, []
                scene.entry_changes[2] |= changes
            return make
        late = {"caughtUp": True, "logged": later, "arrived": later}
        refused = {"allowed": False, "deliver": False, "reasons": ["GP-POLICY-UNMET"]}
        self.expect("passed", None, came())
        self.expect("passed", None, came(**late | refused))
        self.expect("failed", "GP-DECISION-DIFFERS", came(**late))
        # What it says that it came at is when it was logged.
        self.expect("failed", "GP-BUNDLE-RECORD", came(**late | {"arrived": rfc3339(NOW + 1_800_000)}))

    def test_made_in_the_future(self) -> None:
        def make(scene: Scene) -> None:
            scene.made = NOW + 3 * DAY
        self.expect("failed", "GP-SIGNED-IN-FUTURE", make)

    def by_node(self, scene: Scene) -> Any:
        scene.signer = scene.node
        return lambda m, k, b: m.update(exporter={"participant": scene.did, "authorisation": cid(scene.authorisation)})

    def test_a_node_exports(self) -> None:
        self.expect("passed", None, self.by_node)

        def stranger(scene: Scene) -> Any:
            self.by_node(scene)
            return lambda m, k, b: m.update(exporter={"participant": scene.dso.did, "authorisation": cid(scene.authorisation)})
        self.expect("failed", "GP-NODE-NOT-AUTHORISED", stranger)

        def revoked(dated: int, at: int) -> Make:
            def make(scene: Scene) -> Any:
                scene.lists["new"] = scene.make_list("nodes", dated, 2, [{"index": 3, "set": True, "at": rfc3339(at)}])
                return self.by_node(scene)
            return make
        made = NOW + HOUR
        self.expect("failed", "GP-VISA-REVOKED", revoked(made, made - HOUR // 2))
        # The list of before counts, as long as it is there.
        self.expect("passed", None, revoked(made + HOUR, made + HOUR // 2))

        def later_alone(scene: Scene) -> Any:
            scene.lists["nodes"] = scene.make_list("nodes", made + HOUR, 2, [{"index": 3, "set": True, "at": rfc3339(made + HOUR // 2)}])
            return self.by_node(scene)
        self.expect("indeterminate", "GP-VISA-REVOKED", later_alone)

    def test_caught_up(self) -> None:
        def make(scene: Scene) -> None:
            late, scene.made = rfc3339(NOW + 3 * HOUR), NOW + 4 * HOUR
            scene.entry_changes = {n: {"caughtUp": True, "logged": late} for n in (1, 2, 3)}
        self.expect("passed", None, make)

        def revoked(scene: Scene) -> None:
            make(scene)
            scene.lists["revocation"] = scene.make_list("revocation", NOW + HOUR, changes=[{"index": 7, "set": True, "at": rfc3339(NOW + HOUR)}])
            self.again(scene)
        self.expect("failed", "GP-FACTS-DIFFER", revoked)

    def test_a_sender_that_gave_its_did_up(self) -> None:
        """The end counts against the time that each thing is judged for, also where it was caught up with later."""
        def ended(at: int) -> Make:
            return lambda scene: scene.give_up(at)
        # What it showed before, and what its node sent then, was good; a list that it signed before stays its word.
        self.expect("passed", None, ended(NOW + HOUR))
        report = self.expect("failed", "GP-FACTS-DIFFER", ended(NOW - HOUR // 2))
        bad = {check["check"] for check in report["messages"][0]["checks"] if check["outcome"] != "passed"}
        self.assertEqual(bad, {"node", "presentation"})
        # Its own list, from after the end, is not to be believed.
        self.expect("failed", "GP-FACTS-DIFFER", ended(NOW - 2 * HOUR))
        # An admission counts until the DID ends.
        report = self.expect("indeterminate", "GP-FACTS-OPEN", ended(NOW + 2000))
        self.assertEqual([message["outcome"] for message in report["messages"]], ["passed", "indeterminate", "indeterminate"])

        def caught_up(scene: Scene) -> None:
            late, scene.made = rfc3339(NOW + 3 * HOUR), NOW + 4 * HOUR
            scene.entry_changes = {n: {"caughtUp": True, "logged": late} for n in (1, 2, 3)}
            scene.give_up(NOW + HOUR)
        self.expect("passed", None, caught_up)

        def exported(at: int) -> Make:
            def make(scene: Scene) -> Any:
                before = scene.log, scene.seen
                scene.give_up(at)
                if at > scene.made:
                    # Who exports cannot have it; who verifies has.
                    known = {"did": scene.did, "seen": rfc3339(at), "document": base64.b64encode(scene.log).decode()}
                    scene.pack, (scene.log, scene.seen) = jcs(json.loads(scene.pack) | {"identities": [known]}), before
                return self.by_node(scene)
            return make
        self.expect("passed", None, exported(NOW + 2 * HOUR))
        report = self.expect("failed", "GP-DID-DEACTIVATED", exported(NOW + HOUR // 2))
        self.assertEqual({message["outcome"] for message in report["messages"]}, {"passed"})

    def test_a_presentation_that_ended_before_it_was_caught_up_with(self) -> None:
        def make(scene: Scene) -> None:
            late, scene.made = rfc3339(NOW + 3 * HOUR), NOW + 4 * HOUR
            scene.entry_changes = {n: {"caughtUp": True, "logged": late} for n in (1, 2, 3)}
            scene.presentation = scene.present([scene.visa], expires=NOW + HOUR)
            scene.envelopes, scene.receipts = scene.chain(3), []
            scene.admission = scene.admit()
        self.expect("passed", None, make)

    def test_an_admission_that_had_ended(self) -> None:
        def make(scene: Scene) -> None:
            scene.lists["revocation"] = scene.make_list("revocation", NOW - DAY + 1500)
            self.again(scene)
        report = self.expect("indeterminate", "GP-FACTS-OPEN", make)
        self.assertEqual([message["outcome"] for message in report["messages"]], ["passed", "indeterminate", "indeterminate"])

    def test_version(self) -> None:
        self.expect("failed", "GP-BUNDLE-VERSION", lambda scene: lambda m, k, b: m.update(formatVersion=2))

    def test_order(self) -> None:
        self.expect("failed", "GP-BUNDLE-MALFORMED", lambda scene: lambda m, k, b: k["lists"].reverse())
        self.expect("failed", "GP-BUNDLE-MALFORMED", lambda scene: lambda m, k, b: k["messages"].reverse())

    def test_a_log_that_was_altered(self) -> None:
        def make(scene: Scene) -> None:
            scene.log = scene.log.replace(scene.own.key.multikey.encode(), Signer(9).key.multikey.encode())
        report = self.expect("failed", "GP-WEBVH-LOG-INVALID", make)
        self.assertEqual(report["messages"][0]["outcome"], "indeterminate")


if __name__ == "__main__":
    unittest.main()
