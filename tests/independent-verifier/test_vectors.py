"""Runs the published vectors (spec/vectors) that this verifier has something to say about."""

from __future__ import annotations

import json
import struct
import unittest
from hashlib import sha512
from pathlib import Path
from typing import Any, Iterator

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from base import DAG_CBOR, Fault, cbor, cid, jcs, jcs_text, millis, read_cbor, read_json, sha256, worst
from bundle import open_bundle
from credentials import NOT_CHECKED, expand, read_list, read_presentation
from envelope import read_envelope
from jose import proof_fits, proof_input, read_jws, read_sd_jwt
from judge import Auditor
from keys import GROUP, ORDER_8, SMALL_Y, D, Document, P, checked_key, did_jwk, did_key, fits, jwk_key, multikey
from scene import Signer
from trust import open_pack
from vectors import expected as found_in
from visas import Judge

VECTORS = Path(__file__).resolve().parents[2] / "spec" / "vectors"
OTHERS = {"files": "only the manifest is read", "w3c-eddsa-rdfc-2022": "needs JSON-LD"}


def cases(kind: str) -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    for path in sorted(VECTORS.glob("*.json")):
        found = json.loads(path.read_text())
        if found["kind"] == kind and path.stem not in OTHERS:
            for case in found["cases"]:
                yield f"{path.stem}: {case['name']}", case["input"], case["expected"]


class Vectors(unittest.TestCase):
    def run_kind(self, kind: str, least: int, run: Any) -> None:
        ran = 0
        for name, given, expected in cases(kind):
            with self.subTest(name):
                try:
                    found = run(given, expected)
                except Fault as fault:
                    found = {"refused": fault.code}
                if found is None:
                    continue
                ran += 1
                told = {n: v for n, v in found.items() if n in expected or n == "refused"}
                self.assertEqual(told, {n: expected[n] for n in told if n in expected} if "refused" not in expected else {"refused": expected["refused"]})
                self.assertTrue(told or not found, "nothing is compared")
        self.assertGreaterEqual(ran, least, kind)

    def test_did_key(self) -> None:
        def run(given: dict[str, Any], expected: dict[str, Any]) -> dict[str, Any]:
            document: Document = did_key(given["did"])
            lists = {name: sorted(document.lists[name]) for name in ("assertionMethod", "authentication", "keyAgreement")}
            agreed = document.methods[lists["keyAgreement"][0]].key
            first = next(iter(document.methods.values())).key
            assert agreed and first
            found = lists | {"key_agreement": agreed.multikey, "public_key_hex": first.raw.hex()}
            return {name: value for name, value in found.items() if name in expected or "refused" in expected}
        self.run_kind("did-key", 40, run)

    def test_did_jwk(self) -> None:
        def run(given: dict[str, Any], expected: dict[str, Any]) -> dict[str, Any]:
            document = did_jwk(given["did"])
            return {name: sorted(document.lists[name]) for name in ("assertionMethod", "authentication", "keyAgreement")}
        self.run_kind("did-jwk", 14, run)

    def test_jws(self) -> None:
        def run(given: dict[str, Any], expected: dict[str, Any]) -> dict[str, Any] | None:
            if "jws" not in given:
                return None  # to sign
            jws = read_jws(given["jws"], given["payload"].encode() if "payload" in given else None)
            good = jws.fits(jwk_key(given["jwk"]))
            return {"verdict": "fits" if good else "does-not-fit"} | ({"payload": jws.payload.decode()} if good and "payload" in expected else {})
        self.run_kind("jws", 30, run)

    def test_jcs(self) -> None:
        self.run_kind("jcs", 13, lambda given, _: {"jcs": jcs_text(read_json(given["json"]))})

    def test_jcs_numbers(self) -> None:
        def run(given: dict[str, Any], _: Any) -> dict[str, Any]:
            number = struct.unpack(">d", bytes.fromhex(given["ieee754_hex"]))[0]
            if number != number or abs(number) == float("inf"):
                raise Fault("GP-JSON-MALFORMED")
            return {"jcs": jcs_text(number)}
        self.run_kind("jcs-number", 25, run)

    def test_data_integrity(self) -> None:
        def run(given: dict[str, Any], expected: dict[str, Any]) -> dict[str, Any]:
            good = proof_fits(given["document"], given["proof"], multikey(given["key"]))
            options, document = proof_input(given["document"], given["proof"])
            found = {"canonical_document": document.decode(), "canonical_proof": options.decode(),
                     "document_hash": sha256(document).hex(), "proof_hash": sha256(options).hex(),
                     "signature": "fits" if good else "does not fit"}
            return {name: value for name, value in found.items() if name in expected or "refused" in expected}
        self.run_kind("data-integrity", 5, run)

    def test_sd_jwt(self) -> None:
        def run(given: dict[str, Any], expected: dict[str, Any]) -> dict[str, Any]:
            found = read_sd_jwt(given["sd_jwt"])
            key = jwk_key(given["issuer_jwk"])
            out: dict[str, Any] = {"claims": found.claims, "withheld": found.withheld, "signature": "fits" if found.jwt.fits(key) else "does not fit"}
            if "binding" in expected and found.binding:
                binding = read_jws(found.binding)
                out["binding"] = read_json(binding.payload)
                out["binding_signature"] = "fits" if binding.fits(jwk_key(given["holder_jwk"])) else "does not fit"
            return out
        self.run_kind("sd-jwt", 7, run)

    def test_bitstring(self) -> None:
        def run(given: dict[str, Any], _: Any) -> dict[str, Any]:
            bits = expand(given["encoded"])
            return {"entries": len(bits) * 8, "set": [i for i in range(len(bits) * 8) if bits[i // 8] >> (7 - i % 8) & 1]}
        self.run_kind("bitstring", 6, run)

    def test_envelope(self) -> None:
        def run(given: dict[str, Any], _: Any) -> dict[str, Any]:
            envelope, _payload = read_envelope(bytes.fromhex(given.get("wire_hex") or given["block_hex"]))
            good = envelope.signed_by(multikey(given["key"]))
            from base import to_b64u
            return {"id": envelope.id, "payload_id": envelope.payload.text, "protected": envelope.protected.decode(),
                    "jws": envelope.signing_input.decode() + "." + to_b64u(envelope.signature),
                    "signature": "fits" if good else "does not fit"}
        self.run_kind("envelope", 10, run)

    def test_sealed_payloads(self) -> None:
        def run(given: dict[str, Any], expected: dict[str, Any]) -> dict[str, Any] | None:
            if "payload_hex" not in given:
                return None
            opened = Auditor.open(bytes.fromhex(expected["sealed_hex"]), bytes.fromhex(given["message_key_hex"]), given, given["key"])
            self.assertEqual(opened.hex(), given["payload_hex"])
            return {}
        self.run_kind("sealing", 3, run)

    def test_manifests_of_files(self) -> None:
        for case in json.loads((VECTORS / "files.json").read_text())["cases"]:
            if "manifest_hex" in case["expected"]:
                raw = bytes.fromhex(case["expected"]["manifest_hex"])
                self.assertEqual(cbor(read_cbor(raw, "GP-FILE-MALFORMED")), raw)
                self.assertEqual(cid(raw), case["expected"]["manifest"])

    def test_visa_verdicts(self) -> None:
        """Every check's outcome and code, paths and authorities; the words are each verifier's own."""
        ran = 0
        for name, given, expected in cases("visa-verdict"):
            with self.subTest(name):
                now = millis(given["now"])
                trust = open_pack(given["trust_pack"].encode(), now)
                judge = Judge(trust, trust.resolver, [read_list(text) for text in given["status_lists"]], now, now, None)
                own, standings = judge.presentation(read_presentation(given["presentation"]), given["audience"], None, given["nonce"])
                report = expected["report"]
                self.assertEqual((trust.pack, trust.newest.cid), (report["trust"]["pack"], report["trust"]["charter"]))
                self.same(report["checks"], own)
                self.assertEqual(len(report["visas"]), len(standings))
                for theirs, mine in zip(report["visas"], standings):
                    self.assertEqual((theirs["evidence"], theirs["presented"]), (mine.evidence, mine.presented))
                    self.same(theirs["checks"], mine.checks)
                    self.assertEqual([(p["evidence"], p["issuer"]) for p in theirs["path"]], mine.path)
                    self.assertEqual(theirs.get("authorities", []), [visa.evidence for visa in mine.authorities])
                result = worst(own + [s.result for s in standings if s.presented], "", "GP-VISA-IN-FORCE")
                if result.code != NOT_CHECKED:
                    self.assertEqual((result.outcome, result.code), (expected["outcome"], expected["code"]))
                ran += 1
        self.assertGreaterEqual(ran, 20)

    def test_bundles(self) -> None:
        """Also what the other implementation made: every check's outcome and code."""
        def run(given: dict[str, Any], _: Any) -> dict[str, Any] | None:
            if "manifest_hex" in given:
                return None
            pack = given.get("trust_pack")
            if pack is None:
                open_bundle(bytes.fromhex(given["file_hex"]))
                return {}
            return found_in(bytes.fromhex(given["file_hex"]), pack.encode(), millis(given["at"]))
        self.run_kind("bundle", 35, run)

    def same(self, theirs: list[dict[str, Any]], mine: list[Any]) -> None:
        left = {(c["name"], c["outcome"], c["code"]) for c in theirs}
        right = {(c.name, c.outcome, c.code) for c in mine}
        if ("signature", "indeterminate", NOT_CHECKED) in right:
            right = right - {("signature", "indeterminate", NOT_CHECKED)} | {("signature", "passed", "GP-SIGNATURE-VALID")}
        self.assertEqual(left, right)


class Own(unittest.TestCase):
    """What no vector covers."""

    def test_values(self) -> None:
        """Members are counted, and what holds them all is none (identity.md section 1)."""
        read_json("[" + ",".join(["0"] * 100_000) + "]")
        with self.assertRaises(Fault):
            read_json("[" + ",".join(["0"] * 100_001) + "]")

    def test_small_order(self) -> None:
        self.assertEqual((D * pow(ORDER_8, 4, P) + 2 * ORDER_8 * ORDER_8 - 1) % P, 0)
        for y in SMALL_Y:
            with self.assertRaises(Fault):
                checked_key("Ed25519", y.to_bytes(32, "little"))
        # R is the identity and S = k·a: the equation holds, and only the rule about R refuses it.
        signer, message, r = Signer(3), b"message", (1).to_bytes(32, "little")
        secret = int.from_bytes(sha512(bytes([3]) * 32).digest()[:32], "little") & ~7 & (1 << 254) - 1 | 1 << 254
        k = int.from_bytes(sha512(r + signer.key.raw + message).digest(), "little")
        forged = r + (k * secret % GROUP).to_bytes(32, "little")
        Ed25519PublicKey.from_public_bytes(signer.key.raw).verify(forged, message)
        self.assertFalse(fits(signer.key, message, forged))
        self.assertTrue(fits(signer.key, message, signer.secret.sign(message)))

    def test_one_encoding(self) -> None:
        for bad in ("1800", "a2616200616100", "9f00ff", "fb7ff8000000000000", "f97e00", "c100", "0000"):
            with self.assertRaises(Fault, msg=bad):
                read_cbor(bytes.fromhex(bad), "GP-CBOR")
        self.assertEqual(cbor({"b": 1, "aa": [True, None, -1]}).hex(), "a2616201626161" + "83f5f620")
        self.assertEqual(cid(cbor({}), DAG_CBOR)[:7], "bafyrei")
        self.assertEqual(jcs({"€": 1, "\r": 2}), '{"\\r":2,"€":1}'.encode())


if __name__ == "__main__":
    unittest.main()
