"""Makes tampered copies of bundles: every kind of part swapped, cut, altered, taken out, doubled, moved.

    tamper.py TRUST-PACK TIME FOLDER SEED BUNDLE...

Writes into FOLDER, for each copy, NAME.car, NAME.pack and NAME.at, as agree.py reads them. The same bundles and the same
seed give the same copies. `every` in the place of the seed: each way on each bundle, not on one of those that have the kind.
"""

from __future__ import annotations

import json
import random
import re
import sys
from pathlib import Path
from typing import Any, Callable, Iterator

from base import DAG_CBOR, RAW, Link, cbor, cid_bytes, parse_cid, read_object
from bends import signed
from bundle import KINDS
from credentials import read_list
from envelope import read_envelope, read_receipt
from pieces import Copy, Pieces, Whole, links
from scene import car, uncar, varint
from words import admissions, manifests, records

Blocks = list[tuple[bytes, bytes]]


def flipped(data: bytes, dice: random.Random, first: int = 0) -> bytes:
    bent = bytearray(data or b"\0")
    bent[dice.randrange(min(first, len(bent) - 1), len(bent))] ^= 1 << dice.randrange(8)
    return bytes(bent)


def sore(data: bytes) -> tuple[int, int]:
    """Where a bit matters whatever the part says: in its signature, or in the last name or key that it gives."""
    if re.fullmatch(rb"[\w-]+\.[\w-]+\.[\w-]+", data):
        return data.rindex(b".") + 1, len(data)
    named = max(data.rfind(b'"baf'), data.rfind(b'"z'))
    if data.startswith(b"{") and named > 0:
        return named + 1, data.index(b'"', named + 1)
    return max(0, len(data) - 64), len(data)


def start_of(blocks: Blocks, number: int) -> int:
    """Where the section of a block begins in a file."""
    return len(car(blocks[:number])) if number else len(car(blocks[:1])) - len(section(*blocks[0]))


def section(name: bytes, data: bytes) -> bytes:
    return varint(36 + len(data)) + name + data


def head(blocks: Blocks) -> bytes:
    return car(blocks[:1])[:-len(section(*blocks[0]))]


def on_the_way(whole: bytes, number: int, foreign: tuple[bytes, bytes], dice: random.Random) -> Iterator[tuple[str, bytes]]:
    """What somebody without any key can do to one block of a file."""
    blocks = uncar(whole)
    name, data = blocks[number]
    before, after = blocks[:number], blocks[number + 1:]

    def file(*middle: bytes) -> bytes:
        return head(blocks) + b"".join(section(*one) for one in before) + b"".join(middle) + b"".join(section(*one) for one in after)

    at, end = start_of(blocks, number), start_of(blocks, number) + len(section(name, data))
    bent = flipped(data, dice)
    yield "bit", file(section(name, bent))
    yield "bit-in-its-name", file(varint(36 + len(data)) + flipped(name, dice) + data)
    yield "bit-in-its-length", file(flipped(varint(36 + len(data)), dice) + name + data)
    yield "bit-and-named-anew", file(section(cid_bytes(bent, name[1]), bent))
    yield "cut-within", whole[:(at + end) // 2]
    yield "cut-before", whole[:at]
    yield "shorter", file(section(name, data[:-1]))
    yield "longer", file(section(name, data + b"\0"))
    yield "empty", file(section(name, b""))
    yield "gone", file()
    yield "twice", file(section(name, data), section(name, data))
    yield "at-the-end", file() + section(name, data)
    yield "foreign-bytes", file(section(name, foreign[1] if foreign[1] != data else data + b" "))
    yield "foreign-block", file(section(*foreign) if foreign[0] != name else section(cid_bytes(data + b" "), data + b" "))
    yield "foreign-block-beside", file(section(name, data), section(*foreign) if foreign[0] != name else section(cid_bytes(b" "), b" "))
    if after:
        yield "exchanged-with-the-next", head(blocks) + b"".join(section(*one) for one in (*before, after[0], (name, data), *after[1:]))


def needed(pieces: Pieces, known: set[str]) -> set[bytes]:
    """The parts on which messages, receipts and the manifest rest: those that an exporter cannot leave out, or bend, unseen.

    Role definitions are in the trust pack, and so is what is known of some DIDs."""
    names: set[str] = {pieces.manifest["selection"]["channel"], pieces.manifest["exporter"].get("authorisation", "")}
    dids: set[str] = set()
    for entry in pieces.entries["messages"]:
        gp = read_envelope(pieces.blocks[entry["envelope"].raw])[0].gp
        admission = json.loads(pieces.blocks[parse_cid(entry["admission"])])
        names |= {entry["envelope"].text, entry["admission"], gp["presentation"], gp.get("authorisation", ""), gp.get("epoch", "")}
        names |= {entry["content"].text} if "content" in entry else set()
        names |= {gp["schema"]} if "epoch" not in gp and "facts" in entry else set()
        names |= {one["evidence"] for one in admission["lists"]}
        dids |= {one["signer"] for one in admission["lists"]} | {visa["issuer"] for visa in admission["visas"]} | {gp["sender"]}
    for entry in pieces.entries.get("receipts", []):
        body = read_receipt(pieces.blocks[entry["receipt"].raw]).body
        names |= {entry["receipt"].text, body.get("authorisation", "")}
        dids.add(body["recipient"])
    names |= {entry[member].text for entry in pieces.entries.get("forks", []) for member in ("first", "second")}
    names |= {entry["signed"].text for entry in pieces.entries["descriptors"] if entry["channel"] in names}
    names |= {link.text for entry in pieces.entries.get("identities", []) if entry["did"] in dids - known for _, link in links(entry)}
    return {parse_cid(name) for name in names if name}


WRONGLY = ("-under-the-old-signature", "-in-anothers-name", "-with-anothers-authorisation")
# What an exporter may leave out, and nobody can tell.
LEFT_OUT = {"messages", "receipts", "forks", "files", "definitions"}


def by_exporters(whole: Pieces, other: Pieces | None, kind: str, used: set[bytes], dice: random.Random) -> Iterator[Copy]:
    """What whoever signs a manifest can do to one part of a kind."""
    member, raw = dice.choice([one for one in whole.parts(kind) if one[1] in used] or whole.parts(kind))
    data = whole.blocks[raw]
    links_alone = not KINDS[kind][0]

    def signed(name: str, bend: Callable[[Pieces], Any], harmless: bool = False) -> Iterator[Copy]:
        pieces = whole.copy()
        bend(pieces)
        yield Copy(name, pieces.copy().by_stranger(), harmless)
        for wrong, data in zip(WRONGLY, (pieces.copy().written(), pieces.copy().in_the_name_of(), pieces.copy().as_its_node())):
            yield Copy(name + wrong, data)

    begin, end = sore(data)
    bent = data[:begin] + flipped(data[begin:end], dice) + data[end:]
    unused = raw not in used
    # A sentence in an admission is the exporter's word; what it can bend beside it, admissions() does.
    yield from signed("relinked-bit", lambda p: p.replace(raw, bent), unused or kind == "admissions")
    yield from signed("relinked-shorter", lambda p: p.replace(raw, data[:-2]), unused)
    yield from signed("relinked-empty", lambda p: p.replace(raw, b""), unused)
    yield from signed("left-out", lambda p: p.drop(raw), unused or kind in LEFT_OUT)
    yield from signed("kind-left-out", lambda p: p.entries.pop(kind), unused or kind in LEFT_OUT)
    foreign = [one for one in (other.parts(kind) if other else []) if one[0] == member and one[1] not in whole.blocks]
    if other and foreign:
        stranger = dice.choice(foreign)[1]
        theirs = other.blocks[stranger]
        same = whole.manifest["selection"]["channel"] == other.manifest["selection"]["channel"]
        yield from signed("relinked-foreign", lambda p: p.replace(raw, theirs), unused or same and kind == "receipts")
        yield from signed("foreign-beside", lambda p: beside(p, kind, other, stranger), True)
    mine = [one for one in whole.parts(kind) if one[0] == member and one[1] != raw]
    if mine and not links_alone and kind != "receipts":
        yield from signed("two-exchanged", lambda p: exchange(p, raw, dice.choice(mine)[1]))
    entries = whole.copy().entries[kind]
    for name, changed in (("entry-twice", entries + entries[-1:]), ("entries-reversed", entries[::-1])):
        pieces = whole.copy()
        pieces.sorted = False
        pieces.entries[kind] = changed
        if pieces.entries[kind] != whole.entries[kind]:
            yield Copy(name, pieces.by_stranger())
    codec = bytes((1, RAW if raw[1] == DAG_CBOR else DAG_CBOR)) + raw[2:]
    pieces = whole.copy()
    pieces.relink(Link(raw), Link(codec))
    pieces.blocks[codec] = data
    yield Copy("another-codec", pieces.by_stranger())


def exchange(pieces: Pieces, one: bytes, two: bytes) -> None:
    """Of two parts each stands in the place of the other."""
    blocks, between = dict(pieces.blocks), Link(bytes(36))
    for old, new in ((Link(one), between), (Link(two), Link(one)), (between, Link(two))):
        pieces.relink(old, new)
    pieces.blocks = blocks


def beside(pieces: Pieces, kind: str, other: Pieces, raw: bytes) -> None:
    """A part of another bundle beside those that are there."""
    entry = next(e for e in other.entries[kind] if raw in cbor(e))
    if kind in ("messages", "receipts"):
        entry = entry | {"number": max(e["number"] for e in pieces.entries[kind]) + 1}
    pieces.entries[kind] = pieces.entries[kind] + [entry]
    pieces.blocks |= {name: data for name, data in other.blocks.items() if name in cbor(entry)}


def lacking(whole: Pieces, dice: random.Random) -> Iterator[Copy]:
    """What is left out, and something that is there says that it was: that is never a failure."""
    admitted = [json.loads(whole.blocks[link.raw]) for link in whole.entries["admissions"]]
    named = {parse_cid(one["evidence"]) for admission in admitted for one in admission["lists"]} & whole.blocks.keys()
    for purpose in ("revocation", "suspension"):
        lists = [raw for raw in sorted(named) if purpose in read_list(whole.blocks[raw]).purposes]
        if lists:
            raw = dice.choice(lists)
            pieces = whole.copy()
            pieces.drop(raw)
            yield Copy(f"list-of-{purpose}-left-out", pieces.by_stranger(), lacks=True)
            pieces = whole.copy()
            del pieces.blocks[raw]
            yield Copy(f"list-of-{purpose}-gone", pieces.by_stranger(), lacks=True)
    selection = whole.manifest["selection"]
    ends: dict[tuple[str, str, str], tuple[int, bytes]] = {}
    for entry in whole.entries["messages"]:
        found = read_envelope(whole.blocks[entry["envelope"].raw])[0]
        ends[found.chain] = max((found.sequence, entry["envelope"].raw), ends.get(found.chain, (0, b"")))
    spoken = [read_receipt(whole.blocks[entry["receipt"].raw]) for entry in whole.entries.get("receipts", [])]
    told = [raw for chain, (number, raw) in sorted(ends.items()) if any(one.chain == chain and one.speaks_of(number) for one in spoken)]
    if told and selection.keys() == {"channel"}:
        pieces = whole.copy()
        pieces.drop(dice.choice(told))
        yield Copy("end-of-a-chain-left-out", pieces.by_stranger(), lacks=True)


def files(whole: bytes, other: bytes, dice: random.Random) -> Iterator[Copy]:
    """What can be done to a file as such."""
    blocks = uncar(whole)
    root = blocks[0][0]
    for number in range(8):
        yield Copy(f"file-cut-{number}", whole[:dice.randrange(number * len(whole) // 8, (number + 1) * len(whole) // 8)])
    for number in range(4):
        yield Copy(f"file-bit-{number}", flipped(whole, dice, len(head(blocks))))
    yield Copy("file-bit-in-its-header", flipped(whole[:len(head(blocks))], dice) + whole[len(head(blocks)):])
    yield Copy("file-empty", b"")
    yield Copy("file-without-its-last-byte", whole[:-1])
    yield Copy("file-with-a-byte-behind", whole + b"\0")
    yield Copy("file-with-a-file-behind", whole + whole)
    yield Copy("file-with-another-behind", whole + other)
    yield Copy("file-with-a-block-behind", whole + section(cid_bytes(b"more"), b"more"))
    yield Copy("file-longer-length", bytes([whole[0] | 128, 0]) + whole[1:])
    for name, header in (("version-2", {"roots": [Link(root)], "version": 2}), ("two-roots", {"roots": [Link(root)] * 2, "version": 1}),
                         ("no-root", {"roots": [], "version": 1}), ("another-root", {"roots": [Link(blocks[1][0])], "version": 1}),
                         ("more-in-its-header", {"roots": [Link(root)], "version": 1, "more": 1})):
        data = cbor(header)
        yield Copy(f"file-{name}", varint(len(data)) + data + whole[len(head(blocks)):])
    yield Copy("file-of-another-kind", b"PK\x03\x04../../etc/passwd")


def ways(name: str, whole: bytes, other: bytes, known: set[str], dice: random.Random) -> Iterator[tuple[tuple[str, ...], Copy]]:
    """Every copy of one bundle, with what it is: one of each is wanted."""
    blocks, mine, theirs = uncar(whole), Pieces(whole), Pieces(other)
    foreign = {kind: theirs.parts(kind) for kind in KINDS}
    places = {raw: number for number, (raw, _) in enumerate(blocks)}
    pages = {page.raw: kind for kind, found in mine.manifest["pages"].items() for page in found}
    chosen = [("root", 0, (uncar(other)[0]))]
    chosen += [("page", places[raw], uncar(other)[1]) for raw in pages]
    for kind in KINDS:
        for member in dict.fromkeys(member for member, _ in mine.parts(kind)):
            raw = dice.choice([raw for one, raw in mine.parts(kind) if one == member])
            beside_it = [raw for one, raw in foreign[kind] if one == member and raw not in mine.blocks]
            strange = (beside_it[0], theirs.blocks[beside_it[0]]) if beside_it else uncar(other)[-1]
            chosen.append((kind if member == "link" else f"{kind}-{member}", places[raw], strange))
    for what, number, strange in chosen:
        label = f"{what}-of-{pages[blocks[number][0]]}" if what == "page" else what
        for way, data in on_the_way(whole, number, strange, dice):
            if data != whole:
                yield (what, way), Copy(f"{name}-{label}-{way}", data)
    used = needed(mine, known)
    groups = [(kind, by_exporters(mine, theirs, kind, used, dice)) for kind in KINDS if mine.parts(kind)]
    groups += [("", lacking(mine, dice)), ("", records(mine, dice)), ("", admissions(mine, dice)), ("", manifests(mine, theirs)), ("", files(whole, other, dice))]
    for kind, copies in groups:
        for copy in copies:
            if copy.data != whole:
                # In how many ways a manifest is signed wrongly is tried once for each way of bending it.
                way = next((f"{copy.name.removesuffix(wrong)}-wrongly-signed" for wrong in WRONGLY if copy.name.endswith(wrong)), copy.name)
                yield (kind, way), Copy("-".join(part for part in (name, kind, copy.name) if part), copy.data, copy.harmless, lacks=copy.lacks)


def tampered(bundles: dict[str, Whole], seed: int | None) -> list[Copy]:
    """The bundles themselves, and copies: each way once, on a bundle that has what is bent; on all of them without a seed. And bends.py's."""
    found = [Copy(name, whole.data, True, whole) for name, whole in bundles.items()]
    all_ways: dict[tuple[str, ...], list[Copy]] = {}
    for place, (name, whole) in enumerate(bundles.items()):
        beside_it = [one for one, other in bundles.items() if other.pack == whole.pack]
        other = bundles[beside_it[(beside_it.index(name) + 1) % len(beside_it)]]
        pack = read_object(whole.pack.removesuffix(b"\n"), 16 << 20, 64)
        known = {identity["did"] for identity in pack["identities"]}
        for what, copy in ways(name, whole.data, other.data, known, random.Random(f"{seed} {place}")):
            copy.of = whole
            all_ways.setdefault(what, []).append(copy)
    dice = random.Random(seed or 0)
    for copies in all_ways.values():
        found += copies if seed is None else [dice.choice(copies)]
    return [*found, *signed()]


def main(pack: str, time: str, folder: str, seed: str, *names: str) -> None:
    place = Path(folder)
    place.mkdir(exist_ok=True)
    bundles = {Path(name).stem: Whole(Path(name).read_bytes(), Path(pack).read_bytes(), time) for name in names}
    for copy in tampered(bundles, None if seed == "every" else int(seed)):
        if copy.of:
            (place / f"{copy.name}.car").write_bytes(copy.data)
            (place / f"{copy.name}.at").write_text(copy.of.at)
            (place / f"{copy.name}.pack").write_bytes(copy.of.pack)


if __name__ == "__main__":
    if len(sys.argv) < 6:
        sys.exit(__doc__)
    main(*sys.argv[1:])
