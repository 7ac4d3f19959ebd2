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


if __name__ == "__main__":
    unittest.main()
