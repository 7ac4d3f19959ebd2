"""What a report tells beside its checks: gaps, by whom a message is not later than, and notes."""

from __future__ import annotations

import unittest
from typing import Any

from base import cid, rfc3339
from bends import HEARD, RECORDS, broadcast, last, receipt
from scene import DAY, NOW, Scene, Signer, busy
from verify import verify


def report(make: Any, scene: Scene | None = None) -> dict[str, Any]:
    scene = scene or Scene()
    change = make(scene)
    return verify(scene.bundle(change if callable(change) else None), scene.pack, NOW + DAY)


def bent(name: str) -> dict[str, Any]:
    return report(next(make for one, _, make in RECORDS if one == name))


class Told(unittest.TestCase):
    def gaps(self, found: dict[str, Any]) -> list[tuple[int, int]]:
        return [(gap["from"], gap["until"]) for gap in found["gaps"]]

    def test_gaps(self) -> None:
        for name, expected in (("end-left-out", [(3, 3)]), ("chain-left-out", [(1, 3)]), ("end-left-out-by-until", []), ("chain-left-out-with-from", []),
                               ("receipt-of-what-nobody-sent", [(4, 2**53 - 1)]), ("receipts-that-differ", []), ("end-left-out-for-a-recipient", [(3, 3)]),
                               ("second-left-out-for-a-recipient", [(2, 2)]), ("end-left-out-by-until-after-it-was-made", [(3, 3)])):
            with self.subTest(name):
                self.assertEqual(self.gaps(bent(name)), expected)
        self.assertEqual(self.gaps(report(lambda scene: scene.envelopes.pop(1) and None)), [(2, 2)])
        self.assertEqual(self.gaps(report(lambda scene: scene.envelopes.pop(0) and None)), [(1, 1)])

        def begins_later(scene: Scene) -> None:
            scene.envelopes.pop(0)
            scene.selection["from"] = rfc3339(NOW + 1500)
        self.assertEqual(self.gaps(report(begins_later)), [])

    def test_a_receipt_that_does_not_hold_shows_no_gap(self) -> None:
        self.assertEqual(self.gaps(report(receipt(delivered=[[1, 9]], newest=cid(b"", 0x71), signer=Signer(6)))), [])

    def by(self, found: dict[str, Any]) -> set[tuple[str | None, str | None]]:
        return {(message["times"].get("notAfter"), message["times"].get("notAfterBy")) for message in found["messages"]}

    def test_not_after(self) -> None:
        heard = rfc3339(HEARD)
        # The exporter's own says nothing to others, nor that of somebody whom the message does not name.
        self.assertEqual(self.by(report(lambda scene: None)), {(None, None)})
        self.assertEqual(self.by(report(lambda scene: None, busy())), {(None, None)})

        def by_another(scene: Scene) -> None:
            scene.signer = Signer(9)
        self.assertEqual(self.by(report(by_another)), {(heard, Signer(5).did)})
        self.assertEqual(self.by(report(broadcast())), {(None, None)})
        # An admission that no message names says nothing of its participant.
        self.assertEqual(self.by(report(broadcast(Signer(1)))), {(None, None)})

        def by_the_owner(scene: Scene) -> None:
            broadcast()(scene)
            scene.receipts = [scene.receipt([[1, 3]], last(scene), scene.root, recipient=scene.root.did)]
        self.assertEqual(self.by(report(by_the_owner)), {(heard, Signer(1).did)})
        # Its admission says that its visa counts for nothing, and that is so.
        self.assertEqual(self.by(report(broadcast(Signer(9)))), {(None, None)})

    def test_not_before(self) -> None:
        self.assertEqual({message["times"]["notBefore"] for message in report(lambda scene: None)["messages"]}, {rfc3339(NOW - 20 * DAY)})

    def test_notes(self) -> None:
        self.assertEqual([message["notes"] for message in report(lambda scene: None)["messages"]], [[]] * 3)
        self.assertEqual([message["notes"] for message in report(lambda scene: None, busy())["messages"]], [["GP-SEQUENCE-FORK"]] * 3)
        self.assertEqual([message["notes"] for message in bent("receipts-that-differ")["messages"]], [["GP-RECEIPT-DIFFERS"]] * 3)

        def another_key_of_the_exporter(scene: Scene) -> Any:
            """It is not the bundle's: another node may have decided otherwise."""
            scene.signer = scene.node
            refused = [{"sequence": 2, "reasons": ["GP-POLICY-UNMET"]}]
            scene.receipts = [scene.receipt([], cid(scene.envelopes[1][0], 0x71), scene.own, recipient=scene.did, refused=refused)]
            return lambda m, k, b: m.update(exporter={"participant": scene.did, "authorisation": cid(scene.authorisation)})
        found = report(another_key_of_the_exporter)
        self.assertEqual((found["outcome"], [message["notes"] for message in found["messages"]]), ("passed", [[], ["GP-RECEIPT-DIFFERS"], []]))

    def test_a_receipt_of_another_message_proves_nothing(self) -> None:
        found = bent("another-end-by-until")
        self.assertEqual([message["notes"] for message in found["messages"]], [["GP-RECEIPT-UNLINKED"]] * 3)
        self.assertEqual(self.by(found), {(None, None)})
        self.assertEqual({message["checks"][11]["code"] for message in found["messages"]}, {"GP-RECEIPT-UNLINKED"})
        # That the end is left out is told where nothing else explains it.
        for name in ("another-end", "another-end-for-a-recipient"):
            with self.subTest(name):
                found = bent(name)
                self.assertEqual((self.gaps(found), self.by(found)), ([(4, 4)], {(None, None)}))

    def test_a_receipt_counts_as_far_back_as_the_chain_goes(self) -> None:
        def make(scene: Scene) -> None:
            scene.signer = Signer(9)
            # The second was for somebody else.
            scene.receipts = [scene.receipt([[1, 1], [3, 3]], last(scene))]
            scene.envelopes.pop(1)
            scene.selection["participant"] = Signer(5).did
        found = report(make)
        self.assertEqual([message["notes"] for message in found["messages"]], [["GP-RECEIPT-UNLINKED"], []])
        self.assertEqual([message["times"].get("notAfter") for message in found["messages"]], [None, rfc3339(HEARD)])

    def test_a_forged_message_accuses_nobody(self) -> None:
        found = bent("forged-beside")
        self.assertEqual([message["outcome"] for message in found["messages"]], ["passed"] * 3 + ["failed"])
        self.assertEqual(found["messages"][3]["reasons"], ["GP-SIGNATURE-INVALID"])
        both = bent("signed-beside")["messages"][2:]
        self.assertEqual([message["reasons"] for message in both], [["GP-SEQUENCE-FORK"]] * 2)

    def test_a_receipt_that_names_a_forged_message_names_another_than_it_should(self) -> None:
        def make(scene: Scene) -> None:
            next(make for name, _, make in RECORDS if name == "forged-beside")(scene)
            scene.receipts = [scene.receipt([[1, 3]], last(scene))]
        found = report(make)
        self.assertEqual([message["reasons"] for message in found["messages"]], [["GP-RECEIPT-MALFORMED"]] * 3 + [["GP-SIGNATURE-INVALID"]])

    def test_of_one_key_the_first_receipts_count(self) -> None:
        def many(count: int) -> Any:
            def make(scene: Scene) -> None:
                scene.signer = Signer(9)
                good = [scene.receipt([[1, 3]], last(scene), issued=rfc3339(HEARD + n)) for n in range(count)]
                refused = [{"sequence": 2, "reasons": ["GP-POLICY-UNMET"]}]
                scene.receipts = [*good, scene.receipt([[1, 1], [3, 3]], last(scene), refused=refused)]
            return [message["notes"] for message in report(make)["messages"]]
        self.assertEqual(many(15), [[], ["GP-RECEIPT-DIFFERS"], []])
        self.assertEqual(many(16), [[], [], []])

    def test_the_way_back_leaves_no_number_out(self) -> None:
        def make(scene: Scene) -> None:
            first = cid(scene.envelopes[0][0], 0x71)
            scene.envelopes = [scene.envelopes[0], scene.envelope(3, first)]
            scene.receipts, scene.selection["participant"] = [scene.receipt([[1, 1], [3, 3]], last(scene))], Signer(5).did
        found = report(make)
        self.assertEqual([message["notes"] for message in found["messages"]], [["GP-RECEIPT-UNLINKED"], []])

    def test_two_of_one_number_that_cannot_be_judged_leave_it_open(self) -> None:
        found = bent("beside-unknown")
        self.assertEqual([message["outcome"] for message in found["messages"]], ["indeterminate"] * 4)
        self.assertEqual([message["reasons"] for message in found["messages"]],
                         [["GP-DID-NOT-FOUND"]] * 2 + [["GP-DID-NOT-FOUND", "GP-SEQUENCE-FORK"]] * 2)

    def test_a_forged_message_does_not_stand_before_another(self) -> None:
        def make(scene: Scene) -> None:
            block, payload = scene.envelopes[1]
            other = scene.envelope(2, cid(scene.envelopes[0][0], 0x71), b'{"kW":999}')
            scene.envelopes[1] = (other[0][:-64] + bytes(64), other[1])
        found = report(make)
        self.assertEqual(found["messages"][2]["reasons"], ["GP-SEQUENCE-GAP"])
        self.assertEqual(self.gaps(found), [(2, 2)])

    def test_a_newer_charter_that_says_otherwise_is_noted(self) -> None:
        for name, notes in (("root-removed", ["GP-CHARTER-UNHEARD"]), ("role-retired", ["GP-CHARTER-UNHEARD"]), ("charter-that-changes-nothing", [])):
            with self.subTest(name):
                self.assertEqual([message["notes"] for message in bent(name)["messages"]], [notes] * 3)


if __name__ == "__main__":
    unittest.main()
