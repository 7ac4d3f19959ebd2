"""A small market and its bundle, made from the specification for the tests: who signs what is up to the test."""

from __future__ import annotations

import gzip
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from base import DAG_CBOR, RAW, Link, cbor, cid, cid_bytes, jcs, rfc3339, sha256, to_b58, to_b64u
from bundle import LINKS, read_car
from credentials import read_list
from keys import Key
from webvh import digest, replaced

NOW = 1_772_366_400_000  # 2026-03-01T12:00:00Z
HOUR, DAY = 3_600_000, 86_400_000
SCHEMA = jcs({"$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object"})
CONTEXTS = ["https://www.w3.org/ns/credentials/v2", "https://w3id.org/gridpass/v1"]


class Signer:
    def __init__(self, seed: int) -> None:
        self.secret = Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32)
        self.key = Key("Ed25519", self.secret.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw))
        self.did = f"did:key:{self.key.multikey}"
        self.kid = f"{self.did}#{self.key.multikey}"

    def jws(self, header: dict[str, Any], payload: bytes) -> bytes:
        signed = f"{to_b64u(jcs({'alg': 'EdDSA', 'kid': self.kid} | header))}.{to_b64u(payload)}"
        return f"{signed}.{to_b64u(self.secret.sign(signed.encode()))}".encode()

    def proof(self, document: dict[str, Any], created: int) -> dict[str, Any]:
        options = {"type": "DataIntegrityProof", "cryptosuite": "eddsa-jcs-2022", "created": rfc3339(created),
                   "verificationMethod": self.kid, "proofPurpose": "assertionMethod"}
        value = self.secret.sign(sha256(jcs(options)) + sha256(jcs(document)))
        return options | {"proofValue": "z" + to_b58(value)}

    def credential(self, document: dict[str, Any], at: int, kind: str = "vc") -> bytes:
        return self.jws({"typ": f"{kind}+jwt", "cty": kind, "iat": at // 1000}, jcs(document))


def webvh(update: Signer, own: Signer, since: int, changes: list[dict[str, Any]] | None = None,
          witness: dict[str, Any] | None = None) -> tuple[str, bytes]:
    """A log of did:webvh, whose newest document lists `own`; `changes` are further entries."""
    did = "did:webvh:{SCID}:aggregator.example"
    entry: dict[str, Any] = {"versionId": "{SCID}", "versionTime": rfc3339(since), "state": vh_document(did, own),
                             "parameters": {"method": "did:webvh:1.0", "scid": "{SCID}", "updateKeys": [update.key.multikey]}}
    if witness:
        entry["parameters"]["witness"] = witness
    scid = digest(jcs(entry))
    did, entry = did.replace("{SCID}", scid), replaced(entry, "{SCID}", scid)
    lines, last = [], scid
    for number, one in enumerate([entry, *(changes or [])], 1):
        one = {"versionTime": rfc3339(since + number * 1000), "parameters": {}, "state": entry["state"]} | replaced(one, "{SCID}", scid)
        one["versionId"] = last
        last = one["versionId"] = f"{number}-{digest(jcs(one))}"
        lines.append(jcs(one | {"proof": [update.proof(one, since)]}))
    return did, b"\n".join(lines) + b"\n"


def vh_document(did: str, own: Signer) -> dict[str, Any]:
    method = {"id": f"{did}#key-1", "type": "Multikey", "controller": did, "publicKeyMultibase": own.key.multikey}
    listed = {name: [method["id"]] for name in ("assertionMethod", "authentication", "capabilityInvocation")}
    return {"@context": ["https://www.w3.org/ns/did/v1"], "id": did, "verificationMethod": [method]} | listed


def status_list(signer: Signer, issuer: str, name: str, purpose: str, dated: int, version: int, changes: list[dict[str, Any]],
                carried: list[bytes] | None = None) -> bytes:
    bits = bytearray(16384)
    for change in changes:
        mask = 128 >> change["index"] % 8
        bits[change["index"] // 8] = bits[change["index"] // 8] & ~mask | (mask if change["set"] else 0)
    subject = {"id": name + "#list", "type": "BitstringStatusList", "statusPurpose": purpose,
               "encodedList": "u" + to_b64u(gzip.compress(bytes(bits), mtime=0)), "statusList": {"version": version, "changes": changes}}
    evidence = {"evidence": [enveloped(visa) for visa in carried]} if carried else {}
    return signer.credential({"@context": CONTEXTS, "id": name, "type": ["VerifiableCredential", "BitstringStatusListCredential"],
                              "issuer": issuer, "validFrom": rfc3339(dated), "credentialSubject": subject} | evidence, dated)


def enveloped(visa: bytes) -> dict[str, Any]:
    return {"@context": CONTEXTS[0], "type": "EnvelopedVerifiableCredential", "id": "data:application/vc+jwt," + visa.decode()}


def entry(name: str, purpose: str, index: int) -> dict[str, Any]:
    return {"type": "BitstringStatusListEntry", "statusPurpose": purpose, "statusListIndex": str(index), "statusListCredential": name}


class Scene:
    """A regulator (root), an aggregator (did:webvh) with a node, and a DSO that receives and exports."""

    def __init__(self, name: str = "Flexibility", charter_says: dict[str, Any] | None = None, office: bool = False) -> None:
        self.root, self.own, self.update, self.node, self.dso = (Signer(n) for n in (1, 2, 3, 4, 5))
        self.did, self.log = webvh(self.update, self.own, NOW - 30 * DAY)
        self.seen = NOW
        self.own.kid = f"{self.did}#key-1"
        self.definition = {
            "type": "gridpass-role-definition", "formatVersion": 1, "name": "flex.gb.aggregator", "version": "1.0.0",
            "title": "Aggregator", "description": "Of a test.", "issuers": {"dids": [self.root.did]}, "maxChainDepth": 4,
            "claims": {"type": "object", "properties": {"zone": {"type": "string"}}, "required": ["zone"]},
            "maxValiditySeconds": 31_622_400, "maxStatusAgeSeconds": 86_400, "issuerRevocation": "keeps"}
        definitions, roles = [self.definition], []
        if office:  # somebody may revoke by a role
            self.office = self.definition | {"name": "flex.gb.ombudsman", "claims": {"type": "object"}}
            self.definition["revokers"] = {"roles": [cid(jcs(self.office))]}
            definitions, roles = [*definitions, self.office], [{"definition": cid(jcs(self.office)), "name": "flex.gb.ombudsman"}]
        self.role = cid(jcs(self.definition))
        charter = {"type": "gridpass-charter", "formatVersion": 1, "name": name, "version": 1, "dated": rfc3339(NOW - 60 * DAY),
                   "roots": [self.root.did], "rule": {"threshold": 1, "signers": [self.root.did]},
                   "roles": [{"definition": self.role, "name": "flex.gb.aggregator"}, *roles]} | (charter_says or {})
        self.charter = cid(jcs(charter))
        signed = charter | {"proof": [self.root.proof(charter, NOW - 60 * DAY)]}
        self.pack = jcs({"type": "gridpass-trust-pack", "formatVersion": 1, "charters": [signed], "definitions": definitions, "identities": []})
        self.descriptor = {
            "type": "gridpass-channel", "formatVersion": 1, "framework": self.charter, "name": "flex.gb.bids", "version": 1,
            "dated": rfc3339(NOW - 50 * DAY), "owner": self.root.did, "title": "Bids", "mode": "multicast",
            "publish": [{"id": "role", "says": "Aggregators", "needs": {"role": "flex.gb.aggregator"}}],
            "subscribe": [{"id": "did", "says": "The DSO", "needs": {"did": [self.dso.did]}}],
            "topics": [{"name": "bids", "title": "Bids", "versions": [{"version": 1, "mediaType": "application/json", "schema": cid(SCHEMA)}]}],
            "sealing": "none", "retention": {"seconds": 86400, "history": True}, "receipts": True,
            "limits": {"maxPayloadBytes": 65536, "maxMessagesPerMinute": 100, "maxLifetimeSeconds": 3600, "maxRecipients": 4},
            "maxStatusAgeSeconds": 86400, "clockSkewSeconds": 60, "indeterminate": "deny"}
        self.channel = cid(jcs(self.descriptor))
        self.signed_descriptor = jcs(self.descriptor | {"proof": [self.root.proof(self.descriptor, NOW - 50 * DAY)]})
        self.lists = {name: self.make_list(name) for name in ("revocation", "suspension", "nodes")}
        self.visa = self.make_visa()
        self.authorisation = self.make_authorisation()
        self.presentation = self.present([self.visa])
        self.payloads = "here"
        self.envelopes = self.chain(3)
        self.admission = self.admit()
        self.forks: list[tuple[bytes, bytes]] = []
        self.files: list[bytes] = []
        self.epochs: list[bytes] = []
        self.receipts = [self.receipt([[1, 3]], cid(self.envelopes[-1][0], DAG_CBOR))]
        self.selection: dict[str, Any] = {"channel": self.channel}
        self.entry_changes: dict[int, dict[str, Any]] = {}
        self.made = NOW + HOUR
        self.signer = self.dso

    def make_list(self, kind: str, dated: int = NOW - HOUR, version: int = 1, changes: list[dict[str, Any]] | None = None) -> bytes:
        if kind == "nodes":
            return status_list(self.own, self.did, "urn:x:nodes", "revocation", dated, version, changes or [])
        return status_list(self.root, self.root.did, f"urn:x:{kind}", kind, dated, version, changes or [])

    def dated(self, kind: str) -> int:
        return read_list(self.lists[kind]).dated

    def make_visa(self, signer: Signer | None = None, **claims: Any) -> bytes:
        return (signer or self.root).credential({
            "@context": CONTEXTS, "id": "urn:x:visa", "type": ["VerifiableCredential", "GridpassVisa"], "issuer": self.root.did,
            "validFrom": rfc3339(NOW - 20 * DAY), "validUntil": rfc3339(NOW + 20 * DAY),
            "credentialSubject": {"id": self.did, "role": {"definition": self.role, "name": "flex.gb.aggregator"}, "claims": claims or {"zone": "GB-1"}},
            "credentialSchema": {"id": f"ipfs://{self.role}", "type": "GridpassRoleSchema"},
            "credentialStatus": [entry("urn:x:revocation", "revocation", 7), entry("urn:x:suspension", "suspension", 9)]}, NOW - 20 * DAY)

    def make_office(self, holder: Signer, until: int = NOW + 20 * DAY) -> bytes:
        """A visa by which somebody may revoke."""
        definition = cid(jcs(self.office))
        return self.root.credential({
            "@context": CONTEXTS, "id": "urn:x:office", "type": ["VerifiableCredential", "GridpassVisa"], "issuer": self.root.did,
            "validFrom": rfc3339(NOW - 20 * DAY), "validUntil": rfc3339(until),
            "credentialSubject": {"id": holder.did, "role": {"definition": definition, "name": "flex.gb.ombudsman"}, "claims": {}},
            "credentialSchema": {"id": f"ipfs://{definition}", "type": "GridpassRoleSchema"},
            "credentialStatus": [entry("urn:x:revocation", "revocation", 11), entry("urn:x:suspension", "suspension", 13)]}, NOW - 20 * DAY)

    def make_authorisation(self, purposes: list[str] | None = None, node: str | None = None) -> bytes:
        return self.own.credential({
            "@context": CONTEXTS, "id": "urn:x:authorisation", "type": ["VerifiableCredential", "GridpassNodeAuthorisation"], "issuer": self.did,
            "validFrom": rfc3339(NOW - 10 * DAY), "validUntil": rfc3339(NOW + 30 * DAY),
            "credentialSubject": {"id": node or self.node.did, "node": {"purposes": purposes or ["messages"]}},
            "credentialStatus": entry("urn:x:nodes", "revocation", 3)}, NOW - 10 * DAY)

    def present(self, visas: list[bytes], audience: str | None = None, expires: int = NOW + DAY) -> bytes:
        shown = [enveloped(visa) for visa in visas]
        return self.own.credential({"@context": CONTEXTS[:1], "type": ["VerifiablePresentation"], "holder": self.did, "verifiableCredential": shown,
                                    "aud": audience or self.channel, "exp": expires // 1000}, NOW - DAY, "vp")

    def envelope(self, number: int, previous: str | None, payload: bytes = b'{"kW":1}', **changes: Any) -> tuple[bytes, bytes]:
        gp = {"formatVersion": 1, "channel": self.channel, "topic": "bids", "topicVersion": 1, "schema": cid(SCHEMA), "sender": self.did,
              "authorisation": cid(self.authorisation), "presentation": cid(self.presentation), "sequence": number,
              "issued": rfc3339(NOW + number * 1000), "expires": rfc3339(NOW + 600_000),
              "payloadBytes": len(payload)} | ({"previous": previous} if previous else {}) | self.named() | changes
        protected = jcs({"alg": "EdDSA", "typ": "gridpass-envelope", "kid": self.node.kid, "cty": "application/json", "gp": gp})
        link = Link(cid_bytes(payload))
        signature = self.node.secret.sign(f"{to_b64u(protected)}.{to_b64u(link.text.encode())}".encode())
        return cbor([protected, link, signature]), payload

    def named(self) -> dict[str, Any]:
        return {"recipients": [self.dso.did]} if self.descriptor["mode"] != "broadcast" else {}

    def chain(self, most: int) -> list[tuple[bytes, bytes]]:
        found: list[tuple[bytes, bytes]] = []
        for number in range(1, most + 1):
            found.append(self.envelope(number, cid(found[-1][0], DAG_CBOR) if found else None, f'{{"kW":{number}}}'.encode()))
        return found

    def admit(self) -> dict[str, Any]:
        standing = {"outcome": "passed", "code": "GP-VISA-IN-FORCE", "sentence": "every check passed"}
        return {
            "type": "gridpass-admission", "formatVersion": 1, "channel": self.channel, "sender": self.did, "presentation": cid(self.presentation),
            "trust": {"framework": self.charter, "pack": cid(self.pack), "charter": self.charter}, "judged": rfc3339(NOW), "expires": rfc3339(NOW + HOUR),
            "standing": standing, "visas": [{
                "evidence": cid(self.visa), "role": "flex.gb.aggregator", "definition": self.role, "issuer": self.root.did, "standing": standing,
                "claims": {"zone": "GB-1"}, "validUntil": rfc3339(NOW + 20 * DAY), "statusDated": rfc3339(min(self.dated("revocation"), self.dated("suspension"))), "path": [{"evidence": cid(self.visa), "issuer": self.root.did}]}],
            "node": {"node": self.node.did, "standing": standing | {"code": "GP-NODE-AUTHORISED"}, "evidence": cid(self.authorisation),
                     "validUntil": rfc3339(NOW + 30 * DAY)},
            "lists": [{"list": f"urn:x:{kind}", "signer": self.did if kind == "nodes" else self.root.did, "dated": rfc3339(self.dated(kind)), "evidence": cid(data)}
                      for kind, data in sorted(self.lists.items())],
            "restsOn": {"statusLists": [], "definitions": [], "dids": []}}

    def receipt(self, delivered: list[list[int]], newest: str, signer: Signer | None = None, **changes: Any) -> bytes:
        body = {"formatVersion": 1, "channel": self.channel, "sender": self.did, "key": self.node.kid, "recipient": self.dso.did,
                "issued": rfc3339(NOW + 60_000), "delivered": delivered, "newest": newest} | changes
        return (signer or self.dso).jws({"typ": "gridpass-receipt+jwt"}, jcs(body))

    def parts(self) -> tuple[dict[str, list[Any]], dict[bytes, bytes]]:
        """Entries by kind, and blocks by CID."""
        blocks: dict[bytes, bytes] = {}

        def put(data: bytes, codec: int = RAW) -> Link:
            blocks[cid_bytes(data, codec)] = data
            return Link(cid_bytes(data, codec))

        admission = put(jcs(self.admission))
        messages = []
        for number, (block, payload) in enumerate(self.envelopes, 1):
            content = {"content": put(payload)} if self.payloads == "here" else {}
            messages.append(content | {"envelope": put(block, DAG_CBOR), "payload": self.payloads, "number": number, "logged": rfc3339(NOW + number * 1000 + 50),
                             "allowed": True, "deliver": True, "caughtUp": False, "at": rfc3339(NOW + number * 1000 + 20), "admission": admission.text,
                             "facts": {"outcome": "passed", "code": "GP-PAYLOAD-FITS", "sentence": ""}} | self.entry_changes.get(number, {}))
        kinds: dict[str, list[Any]] = {
            "messages": messages, "admissions": [admission], "presentations": [put(self.presentation)], "authorisations": [put(self.authorisation)],
            "descriptors": [{"channel": self.channel, "signed": put(self.signed_descriptor)}], "schemas": [put(SCHEMA)], "definitions": [put(jcs(self.definition))],
            "lists": sorted((put(data) for data in self.lists.values()), key=lambda link: link.text),
            "identities": [{"did": self.did, "seen": rfc3339(self.seen), "document": put(self.log)}],
            "epochs": sorted((put(data) for data in self.epochs), key=lambda link: link.text),
            "forks": [{"first": put(a, DAG_CBOR), "second": put(b, DAG_CBOR)} for a, b in self.forks],
            "receipts": [{"number": 10 + n, "logged": rfc3339(NOW + 60_000), "receipt": put(data)} for n, data in enumerate(self.receipts)],
            "files": sorted((put(data) for data in self.files), key=lambda link: link.text)}
        return {kind: found for kind, found in kinds.items() if found}, blocks

    def bundle(self, change: Any = None) -> bytes:
        """The file; `change` may alter the manifest, the entries and the blocks before they are signed."""
        kinds, blocks = self.parts()
        manifest: dict[str, Any] = {
            "type": "gridpass-bundle", "formatVersion": 1, "framework": self.charter, "trust": {"pack": cid(self.pack), "charter": self.charter},
            "exporter": {"participant": self.signer.did}, "made": rfc3339(self.made), "last": 99, "selection": self.selection, "payloads": self.payloads,
            "pages": {}, "missing": []}
        if change:
            change(manifest, kinds, blocks)
        pages = {kind: cbor(found) for kind, found in kinds.items()}
        manifest["pages"] = {kind: [Link(cid_bytes(page, DAG_CBOR))] for kind, page in pages.items()}
        root = self.signer.jws({"typ": "gridpass-bundle"}, cbor(manifest))
        order = [(cid_bytes(root), root)] + [(cid_bytes(page, DAG_CBOR), page) for page in pages.values()]
        for kind, found in kinds.items():
            for one in found:
                links = [one] if isinstance(one, Link) else [one[n] for n in LINKS if n in one]
                order += [(link.raw, blocks.get(link.raw, b"")) for link in links]
        unique = {name: data for name, data in order if data}
        return car(list(unique.items()))

    def give_up(self, at: int) -> None:
        """The aggregator deactivates its DID."""
        end = {"versionTime": rfc3339(at), "parameters": {"updateKeys": [], "deactivated": True},
               "state": {"@context": ["https://www.w3.org/ns/did/v1"], "id": "did:webvh:{SCID}:aggregator.example"}}
        self.log, self.seen = webvh(self.update, self.own, NOW - 30 * DAY, [end])[1], max(NOW, at)

    def describe(self) -> None:
        """The descriptor says something else now: what names it is made anew."""
        self.channel = cid(jcs(self.descriptor))
        self.signed_descriptor = jcs(self.descriptor | {"proof": [self.root.proof(self.descriptor, NOW - 50 * DAY)]})
        self.presentation, self.selection = self.present([self.visa]), {"channel": self.channel}
        self.admission, self.envelopes, self.receipts = self.admit(), self.chain(3), []

    def seal(self, **changes: Any) -> None:
        """The channel seals; its messages name one epoch, whose keys nobody here opens."""
        self.descriptor["sealing"] = "members"
        self.describe()
        recipient = {"header": {"kid": self.node.kid, "epk": {"kty": "OKP", "crv": "X25519", "x": to_b64u(b"\x09" + bytes(31))}},
                     "encrypted_key": to_b64u(bytes(40))}
        shared = to_b64u(jcs({"alg": "ECDH-ES+A256KW", "enc": "A256GCM", "cty": "gridpass-keys+json"}))
        epoch = {"type": "GridpassEpoch", "formatVersion": 1, "channel": self.channel, "sender": self.did, "key": self.node.kid, "first": 1,
                 "begun": rfc3339(NOW + 1000), "recipients": [self.dso.did], "members": [], "keys": {
                     "protected": shared, "recipients": [recipient], "iv": to_b64u(bytes(12)), "ciphertext": "AAAA", "tag": to_b64u(bytes(16))}}
        self.epochs = [jcs(epoch | changes)]
        self.envelopes = []
        for number in (1, 2, 3):
            before = cid(self.envelopes[-1][0], DAG_CBOR) if self.envelopes else None
            self.envelopes.append(self.envelope(number, before, bytes([number]) * 300, epoch=cid(self.epochs[0])))


def busy() -> Scene:
    """With what a market day has not: somebody that contradicts itself beyond what was selected, and a file."""
    scene = Scene()
    last = cid(scene.envelopes[-1][0], DAG_CBOR)
    scene.forks = [(scene.envelope(4, last, b'{"kW":4}')[0], scene.envelope(4, last, b'{"kW":5}')[0])]
    scene.files = [cbor({"type": "gridpass-file-manifest", "formatVersion": 1, "channel": scene.channel, "sealed": False, "size": size, "blockSize": 1024,
                         "lists": [cid(bytes(32))]}) for size in (1000, 1001)]
    scene.receipts.append(scene.receipt([[2, 3]], last, Signer(6), recipient=Signer(6).did))
    return scene


def varint(number: int) -> bytes:
    found = bytearray()
    while number > 127:
        found.append(number & 127 | 128)
        number >>= 7
    return bytes(found) + bytes([number])


def car(blocks: list[tuple[bytes, bytes]]) -> bytes:
    header = cbor({"roots": [Link(blocks[0][0])], "version": 1})
    return varint(len(header)) + header + b"".join(varint(36 + len(data)) + name + data for name, data in blocks)


def uncar(data: bytes) -> list[tuple[bytes, bytes]]:
    return [(name, data[start:end]) for name, (start, end) in read_car(data)[1].items()]
