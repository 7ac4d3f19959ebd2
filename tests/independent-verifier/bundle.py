"""The container, the manifest and the parts of a bundle (bundle.md 1 to 4)."""

from __future__ import annotations

import mmap
from dataclasses import dataclass, field
from typing import Any, Callable, Iterator

from base import DAG_CBOR, FAILED, OPEN, RAW, Check, Fault, Link, cid, cid_text, members, millis, read_cbor, rfc3339, sha256
from credentials import Authorisation, Presentation, StatusList, read_authorisation, read_list, read_presentation, read_secured
from descriptor import read_descriptor
from envelope import Envelope, Receipt, read_envelope, read_receipt
from jose import Jws, read_jws
from keys import did_of, is_did
from records import finding, need_cid, read_admission, read_epoch, read_file
from trust import Trust, read_definition

BAD = "GP-BUNDLE-MALFORMED"
MOST_BLOCK, MOST_BLOCKS, MOST_FILE = 16 << 20, 16_777_216, 8 << 30
MISSING = Check("parts", OPEN, "GP-BUNDLE-PART-MISSING")
Bytes = mmap.mmap | bytes


def need(holds: Any, why: str) -> None:
    if not holds:
        raise Fault(BAD, why)


def moment(text: Any) -> int:
    """A time as this format writes it: UTC, with as few digits as it needs."""
    value = millis(text, BAD)
    need(rfc3339(value) == text, "a time")
    return value


def _varint(data: Bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while shift < 63:
        need(at < len(data), "cut off")
        byte = data[at]
        value, at, shift = value | (byte & 127) << shift, at + 1, shift + 7
        if byte < 128:
            need(byte or shift == 7, "a varint that is not the shortest")
            return value, at
    raise Fault(BAD, "a varint")


def read_car(data: Bytes) -> tuple[bytes, dict[bytes, tuple[int, int]]]:
    """The root's CID, and where each block stands, in order; every block hashes to its CID."""
    need(len(data) <= MOST_FILE, "too long")
    size, at = _varint(data, 0)
    need(size <= 256 and at + size <= len(data), "header")
    header = read_cbor(data[at:at + size], BAD)
    roots = header.get("roots") if isinstance(header, dict) else None
    if not isinstance(roots, list) or len(roots) != 1 or not isinstance(roots[0], Link) \
            or header != {"roots": roots, "version": 1} or header["version"] is True:
        raise Fault(BAD, "header")
    at += size
    found: dict[bytes, tuple[int, int]] = {}
    twice = False
    while at < len(data):
        size, at = _varint(data, at)
        need(36 <= size <= MOST_BLOCK + 36 and at + size <= len(data) and len(found) < MOST_BLOCKS, "a section")
        name = data[at:at + 36]
        need(name[:1] == b"\x01" and name[1] in (RAW, DAG_CBOR) and name[2:4] == b"\x12\x20", "a CID")
        twice = twice or name in found
        found[name] = (at + 36, at + size)
        at += size
    for name, (begin, end) in found.items():
        if sha256(data[begin:end]) != name[4:]:
            raise Fault("GP-BUNDLE-BLOCK", cid_text(name))
    need(not twice, "a block twice")
    need(not found or next(iter(found)) == roots[0].raw, "the root is not the first block")
    return roots[0].raw, found


LINKS = ("envelope", "content", "signed", "document", "witness", "first", "second", "receipt")  # in order, of all kinds
KINDS: dict[str, tuple[str, str]] = {  # members of an entry that is a map: needed, optional
    "messages": ("envelope payload number logged allowed deliver caughtUp at admission",
                 "content arrived facts sealing sentLastMinute reasons opened key"),
    "admissions": ("", ""), "presentations": ("", ""), "authorisations": ("", ""),
    "descriptors": ("channel signed", ""), "schemas": ("", ""), "definitions": ("", ""), "lists": ("", ""),
    "identities": ("did seen document", "confirmed witness"), "epochs": ("", ""), "forks": ("first second", ""),
    "receipts": ("number logged receipt", ""), "files": ("", ""),
}


def order_of(kind: str, entry: Any) -> Any:
    if kind in ("messages", "receipts"):
        return entry["number"]
    if kind == "descriptors":
        return entry["channel"], entry["signed"].text
    if kind == "identities":
        return entry["did"], entry["document"].text
    if kind == "forks":
        return entry["first"].text, entry["second"].text
    return entry.text


def _entry(kind: str, entry: Any) -> None:
    required, optional = KINDS[kind]
    if not required:
        need(isinstance(entry, Link), kind)
        return
    members(entry, required, optional, BAD)
    for member in LINKS:
        need(member not in entry or isinstance(entry[member], Link), member)
    for member in ("number", "sentLastMinute"):
        need(member not in entry or type(entry[member]) is int and entry[member] >= 0, member)
    for member in ("logged", "at", "arrived", "seen", "confirmed"):
        if member in entry:
            entry[member] = moment(entry[member])
    need("did" not in entry or is_did(entry["did"]), "did")
    if "channel" in entry:
        need_cid(entry["channel"], BAD)
    for member in ("facts", "sealing"):
        if member in entry:
            finding(entry[member], BAD)
    if "opened" in entry:
        opened = members(entry["opened"], "number logged deliver facts at", "", BAD)
        need(type(opened["number"]) is int and opened["number"] >= 0 and isinstance(opened["deliver"], bool), "opened")
        finding(opened["facts"], BAD)
        opened["logged"], opened["at"] = moment(opened["logged"]), moment(opened["at"])
    if kind == "messages":
        need(all(isinstance(entry[name], bool) for name in ("allowed", "deliver", "caughtUp")), "a message's booleans")
        need(entry["payload"] in ("here", "withheld", "gone"), "payload")
        need_cid(entry["admission"], BAD)
        need((entry["payload"] == "here") == ("content" in entry), "content")
        need("key" not in entry or isinstance(entry["key"], bytes), "key")
        reasons = entry.get("reasons", [])
        need("reasons" not in entry or reasons, "reasons")
        need(isinstance(reasons, list) and len(reasons) <= 4096 and all(isinstance(code, str) for code in reasons), "reasons")


@dataclass
class Message:
    entry: dict[str, Any]
    envelope: Envelope | None
    payload: bytes | None
    problem: Check | None


@dataclass
class Bundle:
    data: Bytes
    where: dict[bytes, tuple[int, int]]
    root: Jws
    manifest: dict[str, Any]
    parts: list[Check] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    descriptors: dict[str, dict[str, Any] | Fault] = field(default_factory=dict)
    admissions: dict[str, dict[str, Any]] = field(default_factory=dict)
    presentations: dict[str, Presentation | Fault] = field(default_factory=dict)
    authorisations: dict[str, Authorisation | Fault] = field(default_factory=dict)
    lists: dict[str, StatusList] = field(default_factory=dict)
    epochs: dict[str, dict[str, Any]] = field(default_factory=dict)
    forks: list[list[Envelope | Fault | None]] = field(default_factory=list)
    receipts: list[tuple[int, Receipt | None]] = field(default_factory=list)  # with when each was logged

    def lacks(self, name: bytes, what: str) -> None:
        if cid_text(name) not in self.missing:
            self.missing.append(cid_text(name))
            self.parts.append(Check("parts", OPEN, "GP-BUNDLE-PART-MISSING", f"{what}: {cid_text(name)}"))

    def block(self, link: bytes | Link) -> bytes | None:
        found = self.where.get(link.raw if isinstance(link, Link) else link)
        return bytes(self.data[found[0]:found[1]]) if found else None

    def entries(self, kind: str) -> Iterator[Any]:
        """The entries of a kind, in order; pages that are missing are passed over."""
        for page in self.manifest["pages"].get(kind, []):
            block = self.block(page)
            for entry in read_cbor(block, BAD) if block is not None else []:
                _entry(kind, entry)
                yield entry

    def message(self, entry: dict[str, Any]) -> Message:
        block = self.block(entry["envelope"])
        if block is None:
            return Message(entry, None, None, Check("bytes", OPEN, "GP-BUNDLE-PART-MISSING"))
        try:
            envelope, travelling = read_envelope(block)
            payload = self.block(envelope.payload) if entry["payload"] == "here" else None
            if travelling is not None or payload is not None and len(payload) != envelope.gp["payloadBytes"]:
                raise Fault("GP-ENVELOPE-MALFORMED", "not a block, or payloadBytes")
            return Message(entry, envelope, payload, None)
        except Fault as fault:
            return Message(entry, None, None, Check("bytes", FAILED, fault.code, fault.why))


def _manifest(root: Jws) -> dict[str, Any]:
    manifest: dict[str, Any] = read_cbor(root.payload, BAD)
    need(isinstance(manifest, dict) and manifest.get("type") == "gridpass-bundle", "type")
    need(type(manifest.get("formatVersion")) is int and manifest["formatVersion"] >= 0, "formatVersion")
    if manifest["formatVersion"] != 1:
        raise Fault("GP-BUNDLE-VERSION")
    members(manifest, "type formatVersion framework trust exporter made last selection payloads pages missing", "", BAD)
    members(manifest["trust"], "pack charter", "", BAD)
    exporter = members(manifest["exporter"], "participant", "authorisation", BAD)
    selection = members(manifest["selection"], "channel", "from until participant thread", BAD)
    need(is_did(exporter["participant"]), "participant")
    need(("authorisation" in exporter) == (did_of(root.header["kid"]) != exporter["participant"]), "authorisation")
    manifest["made"] = moment(manifest["made"])
    selection |= {name: moment(selection[name]) for name in ("from", "until") if name in selection}
    need(type(manifest["last"]) is int and manifest["last"] >= 0, "last")
    need(manifest["payloads"] in ("here", "withheld"), "payloads")
    for text in (manifest["framework"], selection["channel"], *manifest["trust"].values(), *([exporter["authorisation"]] if "authorisation" in exporter else [])):
        need_cid(text, BAD)
    if "thread" in selection:
        need_cid(selection["thread"], BAD, "bafyrei")
    need("participant" not in selection or is_did(selection["participant"]), "participant")
    need(isinstance(manifest["missing"], list) and len(manifest["missing"]) <= 1024, "missing")
    named = [(members(m, "kind name", "", BAD)["kind"], m["name"]) for m in manifest["missing"]]
    need(all(isinstance(text, str) for pair in named for text in pair) and all(kind in KINDS for kind, _ in named), "missing")
    places = [(list(KINDS).index(kind), text) for kind, text in named]
    need(places == sorted(set(places)), "missing, in order")
    pages = manifest["pages"]
    need(isinstance(pages, dict) and pages.keys() <= KINDS.keys(), "pages")
    need(all(isinstance(p, list) and p and all(isinstance(link, Link) for link in p) for p in pages.values()), "pages")
    return manifest


def open_bundle(data: Bytes) -> Bundle:
    """Section 1 whole, sections 2 and 3 as far as form goes. Anything else refuses the file."""
    root, where = read_car(data)
    if root not in where:
        raise Fault(BAD, "no root")
    need(root[1] == RAW, "the root's codec")
    try:
        jws = read_jws(bytes(data[slice(*where[root])]).decode("ascii", "replace"), strict=True)
    except Fault as fault:
        raise Fault(BAD, fault.why) from None
    need(jws.header.keys() == {"alg", "kid", "typ"} and jws.header["typ"] == "gridpass-bundle", "the root's header")
    bundle = Bundle(data, where, jws, _manifest(jws))
    seen = iter(where)
    met: set[bytes] = set()

    def meet(name: bytes) -> None:
        if name not in met and name in where:
            met.add(name)
            need(next(seen, None) == name, "a block out of order, or to which nothing refers")

    meet(root)
    for kind in KINDS:
        for page in bundle.manifest["pages"].get(kind, []):
            need(page.raw[1] == DAG_CBOR, "a page's codec")
            meet(page.raw)
            if page.raw not in where:
                bundle.lacks(page.raw, f"a page of {kind}")
    for kind in KINDS:
        pages, last = bundle.manifest["pages"].get(kind, []), None
        for number, page in enumerate(pages, 1):
            block = bundle.block(page)
            if block is None:
                last = None
                continue
            entries = read_cbor(block, BAD)
            need(isinstance(entries, list) and 0 < len(entries) <= 1024 and (len(entries) == 1024 or number == len(pages)), "a page")
            for entry in entries:
                _entry(kind, entry)
                order = order_of(kind, entry)
                need(last is None or last < order, f"{kind} out of order")
                last = order
                for member, name in [("", entry.raw)] if isinstance(entry, Link) else [(n, entry[n].raw) for n in LINKS if n in entry]:
                    need(name[:1] == b"\x01" and name[1] == (DAG_CBOR if member in ("envelope", "first", "second") else RAW), "a link's codec")
                    meet(name)
                    if name not in where:
                        bundle.lacks(name, kind)
    need(next(seen, None) is None, "a block to which nothing refers")
    return bundle


def read_parts(bundle: Bundle, trust: Trust) -> None:
    """Reads every part as what its kind says; adds definitions and logs of did:webvh to what is known."""
    def take(kind: str, read: Callable[[bytes, Any], None]) -> None:
        for entry in bundle.entries(kind):
            link = entry if isinstance(entry, Link) else entry.get("signed") or entry.get("document") or entry.get("receipt")
            block = bundle.block(link)
            try:
                if block is not None:
                    read(block, entry)
            except (Fault, KeyError, TypeError, ValueError, AttributeError) as error:
                code = error.code if isinstance(error, Fault) else BAD
                bundle.parts.append(Check("parts", FAILED, code, f"{kind} {link.text}: {error}"))

    def admission(block: bytes, entry: Any) -> None:
        bundle.admissions[cid(block)] = read_admission(block)

    def signed(found: dict[str, Any], kind: str, read: Callable[[bytes], Any]) -> Callable[[bytes, Any], None]:
        def keep(block: bytes, entry: Any) -> None:
            # What one says that was signed, and whether that is one, is asked where somebody names it.
            try:
                found[cid(block)] = read(block)
            except Fault as fault:
                found[cid(block)] = fault
                if read_secured(block, kind).evidence != cid(block):
                    raise Fault("GP-CID-OTHER", "it has another name") from None
            else:
                need(found[cid(block)].secured.evidence == cid(block), "it has another name")
        return keep

    def status_list(block: bytes, entry: Any) -> None:
        one = read_list(block)
        bundle.lists[one.evidence] = one

    def descriptor(block: bytes, entry: Any) -> None:
        try:
            bundle.descriptors[entry["channel"]] = read_descriptor(block, entry["channel"])
        except Fault as fault:
            bundle.descriptors[entry["channel"]] = fault
            raise

    def definition(block: bytes, entry: Any) -> None:
        found = read_definition(block)
        trust.definitions.setdefault(found.cid, found)

    def identity(block: bytes, entry: Any) -> None:
        witness = bundle.block(entry["witness"]) if "witness" in entry else None
        trust.resolver.add({"did": entry["did"], "seen": entry["seen"], "document": block, "witness": witness}, trusted=False)

    def epoch(block: bytes, entry: Any) -> None:
        bundle.epochs[cid(block)] = read_epoch(block)

    def file(block: bytes, entry: Any) -> None:
        read_file(block)

    take("admissions", admission)
    take("presentations", signed(bundle.presentations, "vp", read_presentation))
    take("authorisations", signed(bundle.authorisations, "vc", read_authorisation))
    take("descriptors", descriptor)
    take("definitions", definition)
    take("lists", status_list)
    take("identities", identity)
    take("epochs", epoch)
    for entry in bundle.entries("receipts"):
        block = bundle.block(entry["receipt"])
        try:
            bundle.receipts.append((entry["logged"], read_receipt(block) if block is not None else None))
        except (Fault, KeyError, TypeError, ValueError, AttributeError) as error:
            bundle.receipts.append((entry["logged"], None))
            bundle.parts.append(Check("parts", FAILED, error.code if isinstance(error, Fault) else BAD, f"receipts: {error}"))
    take("files", file)
    for entry in bundle.entries("forks"):
        pair: list[Envelope | Fault | None] = []
        for name in ("first", "second"):
            block = bundle.block(entry[name])
            try:
                pair.append(read_envelope(block)[0] if block is not None else None)
            except Fault as fault:
                pair.append(fault)
        bundle.forks.append(pair)
