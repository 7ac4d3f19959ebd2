"""Logs of did:webvh and trust packs that are made here, and the command."""

from __future__ import annotations

import contextlib
import io
import json
import tempfile
import unittest
from pathlib import Path

from base import Fault, cid, jcs, rfc3339
from credentials import read_list
from jose import read_jws
from keys import Version, key_at, read_document
from scene import DAY, NOW, Scene, Signer, car, uncar, vh_document, webvh
from trust import Resolver, open_pack
from verify import main
from webvh import digest, read_log


class Logs(unittest.TestCase):
    """did:webvh logs that are made here."""

    def setUp(self) -> None:
        self.update, self.own, self.witness = Signer(3), Signer(2), Signer(7)

    def read(self, did: str, log: bytes, witness: bytes | None = None) -> tuple[list[Version], bool]:
        return read_log(did, log, witness, NOW)

    def test_entries(self) -> None:
        state = vh_document("did:webvh:{SCID}:aggregator.example", Signer(8))
        did, log = webvh(self.update, self.own, NOW - DAY, [{"state": state}])
        versions, enough = self.read(did, log)
        self.assertEqual((len(versions), enough), (2, True))
        first, second = log.splitlines()
        for bad in (first + b"\n" + first, second + b"\n", first.replace(b"Multikey", b"multikey"), log.replace(b'"threshold"', b"x").replace(b"T12", b"T13"),
                    first[:-1] + b',"more":1}'):
            with self.assertRaises(Fault):
                self.read(did, bad)
        with self.assertRaises(Fault):
            read_log(did, log, None, NOW - 2 * DAY)

    def test_one_that_goes_on_was_obtained_no_earlier(self) -> None:
        did, log = webvh(self.update, self.own, NOW - DAY, [{}])
        resolver = Resolver()
        resolver.add({"did": did, "seen": NOW, "document": log.splitlines(keepends=True)[0]}, trusted=True)
        self.assertEqual(len(resolver.known[did]), 1)
        resolver.add({"did": did, "seen": NOW - 2 * DAY, "document": log}, trusted=False)
        self.assertEqual(len(resolver.known[did]), 2)
        with self.assertRaises(Fault):
            Resolver().add({"did": did, "seen": NOW - 2 * DAY, "document": log}, trusted=False)

    def test_hashes_and_proofs(self) -> None:
        did, log = webvh(self.update, self.own, NOW - DAY)
        entry = json.loads(log)
        entry["versionId"] = entry["versionId"][:-1] + ("a" if entry["versionId"][-1] != "a" else "b")
        renamed = {name: value for name, value in entry.items() if name != "proof"}
        for bad in (renamed | {"proof": [self.update.proof(renamed, NOW)]}, json.loads(log) | {"proof": entry["proof"] + [self.own.proof(renamed, NOW)]},
                    json.loads(log) | {"proof": [self.update.proof(renamed, NOW)]}, json.loads(log) | {"proof": []}):
            with self.assertRaises(Fault):
                self.read(did, jcs(bad))

    def test_keys_over_time(self) -> None:
        other = vh_document("did:webvh:{SCID}:aggregator.example", Signer(8))
        other["verificationMethod"][0]["id"] = "#key-2"
        other |= {name: ["#key-2"] for name in ("assertionMethod", "authentication", "capabilityInvocation")}
        did, log = webvh(self.update, self.own, NOW - DAY, [{"state": other}, {"parameters": {"deactivated": True}, "state": other}])
        versions, began = self.read(did, log)[0], NOW - DAY

        def code(fragment: str, at: int, purpose: str = "assertionMethod") -> str:
            return key_at(versions, f"{did}#{fragment}", purpose, at, True)[0].code
        self.assertEqual([code("key-1", began - 1), code("key-1", began), code("key-1", began + 2999), code("key-1", began + 3000)],
                         ["GP-DID-NOT-YET", "GP-KEY-ROTATED-SINCE", "GP-KEY-ROTATED-SINCE", "GP-DID-DEACTIVATED"])
        self.assertEqual([code("key-2", began), code("key-2", began + 2000), code("key-1", began, "keyAgreement")],
                         ["GP-KEY-NOT-LISTED", "GP-KEY-ROTATED-SINCE", "GP-KEY-NOT-LISTED"])
        versions.pop()
        self.assertEqual([code("key-1", NOW), code("key-2", NOW)], ["GP-KEY-ROTATED", "GP-KEY-CURRENT"])
        self.assertEqual(key_at(versions, f"{did}#key-1", "assertionMethod", NOW, True)[0].outcome, "failed")
        versions[-1].document = read_document(other | {"id": did, "verificationMethod": [other["verificationMethod"][0] | {
            "controller": did, "revoked": rfc3339(NOW)}]}, did)
        self.assertEqual([code("key-2", NOW - 1), code("key-2", NOW)], ["GP-KEY-COMPROMISED-SINCE", "GP-KEY-COMPROMISED"])

    def test_deactivated(self) -> None:
        did, log = webvh(self.update, self.own, NOW - DAY, [{"parameters": {"deactivated": True}}])
        self.assertIsNone(self.read(did, log)[0][-1].document)
        did, log = webvh(self.update, self.own, NOW - DAY, [{"parameters": {"deactivated": True}}, {}])
        with self.assertRaises(Fault):
            self.read(did, log)

    def test_deactivated_after_pre_rotation(self) -> None:
        """Where keys are committed to, one entry ends that, and the next, which nobody could sign with them, the DID."""
        own = self.update.key.multikey
        committed = {"parameters": {"updateKeys": [own], "nextKeyHashes": [digest(own.encode())]}}
        opened = {"parameters": {"updateKeys": [own], "nextKeyHashes": []}}
        end = {"parameters": {"updateKeys": [], "deactivated": True}}
        did, log = webvh(self.update, self.own, NOW - DAY, [committed, opened, end])
        self.assertEqual([version.document is None for version in self.read(did, log)[0]], [False, False, False, True])
        for changes in ([committed, end], [committed, {"parameters": end["parameters"] | {"nextKeyHashes": []}}], [committed, opened, end, {}]):
            did, log = webvh(self.update, self.own, NOW - DAY, changes)
            with self.assertRaises(Fault):
                self.read(did, log)

    def test_another_updater(self) -> None:
        did, log = webvh(self.update, self.own, NOW - DAY, [{"parameters": {"updateKeys": [Signer(8).key.multikey]}}])
        self.assertEqual(len(self.read(did, log)[0]), 2)
        did, log = webvh(self.update, self.own, NOW - DAY, [{"parameters": {"updateKeys": [Signer(8).key.multikey]}}, {}])
        with self.assertRaises(Fault):
            self.read(did, log)

    def test_witnesses(self) -> None:
        asked = {"threshold": 1, "witnesses": [{"id": self.witness.did}]}
        did, log = webvh(self.update, self.own, NOW - DAY, None, asked)
        self.assertFalse(self.read(did, log)[1])
        version = json.loads(log)["versionId"]

        def proofs(signer: Signer) -> bytes:
            return jcs([{"versionId": version, "proof": [signer.proof({"versionId": version}, NOW)]}])
        self.assertTrue(self.read(did, log, proofs(self.witness))[1])
        with self.assertRaises(Fault):
            self.read(did, log, proofs(Signer(9)))


class Packs(unittest.TestCase):
    def test_signers(self) -> None:
        scene = Scene()
        pack = json.loads(scene.pack)
        charter = {name: value for name, value in pack["charters"][0].items() if name != "proof"}
        stranger = Signer(9).proof(charter, NOW - 60 * DAY)
        wrong = scene.root.proof(charter | {"name": "Other"}, NOW - 60 * DAY)
        for proofs in ([], [stranger], [wrong], [stranger | {"verificationMethod": scene.root.kid}]):
            with self.assertRaises(Fault) as caught:
                open_pack(jcs(pack | {"charters": [charter | {"proof": proofs}]}), NOW)
            self.assertEqual(caught.exception.code, "GP-CHARTER-SIGNERS-TOO-FEW")
        with self.assertRaises(Fault) as caught:
            open_pack(jcs(pack | {"definitions": []}), NOW)
        self.assertEqual(caught.exception.code, "GP-DEFINITION-MISSING")

    def test_a_list_that_an_old_key_dates_ahead(self) -> None:
        signer = Signer(1)
        document = read_jws(Scene().make_list("nodes").decode()).payload
        for late, good in ((300_000, True), (301_000, False)):
            with contextlib.nullcontext() if good else self.assertRaises(Fault):
                read_list(signer.credential(json.loads(document) | {"validFrom": rfc3339(NOW + late)}, NOW))


class Command(unittest.TestCase):
    def test_exit_codes(self) -> None:
        scene = Scene()
        with tempfile.TemporaryDirectory() as folder:
            pack = Path(folder, "pack.json")
            pack.write_bytes(scene.pack)
            blocks = uncar(scene.bundle())
            for data, expected in ((scene.bundle(), 0), (b"", 10), (car(blocks[:-1]), 11)):
                path = Path(folder, "bundle.car")
                path.write_bytes(data)
                out = io.StringIO()
                with contextlib.redirect_stdout(out):
                    self.assertEqual(main([str(path), str(pack), rfc3339(NOW + DAY)]), expected)
                self.assertEqual(json.loads(out.getvalue())["trustPack"], cid(scene.pack))
            pack.write_bytes(b"{}")
            with contextlib.redirect_stderr(io.StringIO()):
                self.assertEqual(main([str(path), str(pack), rfc3339(NOW)]), 2)


if __name__ == "__main__":
    unittest.main()
