"""Writes spec/vectors/bundle-evidence.json: bundles of a participant with a log of did:webvh, whole and bent by their exporter.

What is expected is what this verifier finds; the other one runs them too (tests/tests/vectors.rs).
"""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any, Callable

from base import DAG_CBOR, Fault, Link, cid, cid_bytes, jcs, rfc3339
from bundle import open_bundle
from pieces import Pieces
from scene import DAY, NOW, Scene, Signer, vh_document, webvh
from verify import verify

FILE = Path(__file__).resolve().parents[2] / "spec/vectors/bundle-evidence.json"
WORD = {"failed": "Failed", "indeterminate": "Indeterminate"}


def bundle_form(data: bytes) -> dict[str, Any]:
    """Of a file that is none: why. What is one needs a trust pack."""
    open_bundle(data)
    raise AssertionError("a bundle")


def bundle_verdict(data: bytes, pack: bytes, at: int) -> dict[str, Any]:
    """What comes out, as vectors say it."""
    bundle = open_bundle(data)
    report = verify(data, pack, at)
    checks = report["bundle"]["checks"] + [check for message in report["messages"] for check in message["checks"]]
    bad = {f"{check['check']} {WORD[check['outcome']]} {check['code']}" for check in checks if check["outcome"] != "passed"}
    return {"messages": [message["id"] for message in report["messages"]], "missing": bundle.missing, "outcome": report["outcome"],
            "not_passed": sorted(bad)}


def expected(data: bytes, pack: bytes) -> dict[str, Any]:
    try:
        return bundle_verdict(data, pack, NOW + DAY)
    except Fault as fault:
        return {"refused": fault.code}


def cases() -> list[tuple[str, bytes, bytes]]:
    scene = Scene()
    found: list[tuple[str, bytes, bytes]] = []

    def case(name: str, bend: Callable[[Pieces], Any], pack: bytes = scene.pack) -> None:
        pieces = Pieces(scene.bundle())
        bend(pieces)
        found.append((name, pieces.written(lambda payload: scene.signer.jws({"typ": "gridpass-bundle"}, payload)), pack))

    def log_of(pieces: Pieces, data: bytes) -> None:
        pieces.replace(pieces.entries["identities"][0]["document"].raw, data)

    def receipt(pieces: Pieces, delivered: list[list[int]], newest: int) -> None:
        text = scene.receipt(delivered, cid(scene.envelopes[newest - 1][0], DAG_CBOR))
        pieces.replace(pieces.entries["receipts"][0]["receipt"].raw, text)

    case("everything is there", lambda p: None)
    case("the log of the sender's DID is not there", lambda p: p.blocks.pop(p.entries["identities"][0]["document"].raw))
    case("the log of the sender's DID is broken", lambda p: log_of(p, scene.log.replace(scene.own.key.multikey.encode(), Signer(9).key.multikey.encode())))
    logs = [webvh(scene.update, scene.own, NOW - 30 * DAY, [{"state": vh_document("did:webvh:{SCID}:aggregator.example", other)}])[1]
            for other in (scene.own, Signer(8))]
    identity = {"did": scene.did, "seen": rfc3339(NOW), "document": base64.b64encode(logs[0]).decode()}
    known = jcs(json.loads(scene.pack) | {"identities": [identity]})
    case("the log goes on otherwise than the one that is known", lambda p: log_of(p, logs[1]), known)
    case("the log is older than the one that is known", lambda p: None, known)
    case("a receipt names a message with a smaller number than it speaks of", lambda p: receipt(p, [[1, 3]], 2))
    case("a receipt speaks of numbers that are not there, and names a message that is", lambda p: receipt(p, [[1, 9]], 3))
    case("a message key of 31 bytes", lambda p: p.entries["messages"][0].update(key=bytes(31)))
    case("the descriptor of another channel in the place of one", lambda p: p.replace(
        p.entries["descriptors"][0]["signed"].raw, jcs(scene.descriptor | {"title": "Other", "proof": []})))
    case("beside it, a descriptor that is none", lambda p: p.entries["descriptors"].append({"channel": cid(b"another"), "signed": p.put(b"{}")}))
    case("the presentation is not there", lambda p: p.blocks.pop(p.entries["presentations"][0].raw))
    case("the descriptor is not there", lambda p: p.blocks.pop(p.entries["descriptors"][0]["signed"].raw))
    case("the status lists are not there", lambda p: [p.blocks.pop(link.raw) for link in p.entries["lists"]])
    other = scene.envelope(3, cid(scene.envelopes[1][0], DAG_CBOR), b'{"kW":9}')[0]
    forked = Scene()
    forked.forks = [(forked.envelopes[2][0], other)]
    found.append(("the sender contradicts itself", forked.bundle(), scene.pack))
    found.append(("one of two that contradict each other is not there", forked.bundle(
        lambda m, k, b: b.pop(Link(cid_bytes(other, DAG_CBOR)).raw) and None), scene.pack))
    return found


def main() -> None:
    listed = [{"name": name, "input": {"file_hex": data.hex(), "trust_pack": pack.decode(), "at": rfc3339(NOW + DAY)}, "expected": expected(data, pack)}
              for name, data, pack in cases()]
    text = json.dumps({"source": "Gridpass", "kind": "bundle", "cases": listed}, indent=1, ensure_ascii=False)
    FILE.write_text(text + "\n")


if __name__ == "__main__":
    main()
