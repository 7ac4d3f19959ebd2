"""Messages of block exchange (content.md, Bitswap), byte by byte, without the length before them."""

from __future__ import annotations

from typing import Any

from base import DAG_CBOR, RAW, cid_bytes, cid_text, sha256, to_b58
from given import Case, case, write

DATA = b"hello"
HASHED = b"\x12\x20" + sha256(DATA)
V0 = HASHED
OTHER = b"\x01\x55\x1e\x20" + bytes(32)  # BLAKE3


def varint(number: int) -> bytes:
    return bytes([number]) if number < 128 else bytes([number & 127 | 128]) + varint(number >> 7)


def part(tag: int, value: bytes | int) -> bytes:
    if isinstance(value, int):
        return varint(tag << 3) + varint(value)
    return varint(tag << 3 | 2) + varint(len(value)) + value


def want(cid: bytes, cancel: bool = False, kind: int = 0, told: bool = False, priority: int = 1) -> bytes:
    entry = part(1, cid) + part(2, priority)
    return part(1, entry + (part(3, 1) if cancel else b"") + (part(4, kind) if kind else b"") + (part(5, 1) if told else b""))


def wantlist(*wants: bytes, full: bool = False) -> bytes:
    return part(1, b"".join(wants) + (part(2, 1) if full else b""))


def block(prefix: bytes, data: bytes) -> bytes:
    return part(3, (part(1, prefix) if prefix else b"") + part(2, data))


def presence(cid: bytes, here: bool) -> bytes:
    return part(4, part(1, cid) + (b"" if here else part(2, 1)))


def name(cid: bytes) -> str:
    return to_b58(cid) if cid[0] == 0x12 else cid_text(cid)


def frames() -> list[Case]:
    raw, cbor = cid_bytes(DATA), cid_bytes(DATA, DAG_CBOR)
    prefix = bytes([1, RAW, 0x12, 0x20])

    def of(title: str, data: bytes, again: bytes | None = None, full: bool = False, wants: Any = (), blocks: Any = (), presences: Any = ()) -> Case:
        return case(title, {"message_hex": data.hex()}, {
            "full": full, "wants": [{"cid": name(c), "wanted": w, "told": t} for c, w, t in wants], "blocks": [{"cid": name(c), "hex": d.hex()} for c, d in blocks],
            "presences": [{"cid": name(c), "here": h} for c, h in presences], "again_hex": (data if again is None else again).hex()})

    def no(title: str, data: bytes) -> Case:
        return case(title, {"message_hex": data.hex()}, {"malformed": True})
    one = wantlist(want(raw))
    hello = block(prefix, DATA)
    return [
        of("nothing", b""),
        of("a want of a block", one, wants=[(raw, "block", False)]),
        of("a want of a block, and of an answer where it is not there", wantlist(want(raw, told=True)), wants=[(raw, "block", True)]),
        of("whether a block is there", wantlist(want(cbor, kind=1, told=True)), wants=[(cbor, "have", True)]),
        of("a want that is taken back", wantlist(want(raw, cancel=True)), wants=[(raw, "nothing", False)]),
        of("a want that is taken back, of whatever kind", wantlist(want(raw, cancel=True, kind=7)), wantlist(want(raw, cancel=True)), wants=[(raw, "nothing", False)]),
        of("all wants", wantlist(want(raw), want(cbor), full=True), full=True, wants=[(raw, "block", False), (cbor, "block", False)]),
        of("no want any more", wantlist(full=True), full=True),
        of("another priority", wantlist(want(raw, priority=300)), one, wants=[(raw, "block", False)]),
        of("a want of a name of version 0", wantlist(want(V0)), wants=[(V0, "block", False)]),
        of("a want of an unknown kind", wantlist(want(raw, kind=2), want(cbor)), wantlist(want(cbor)), wants=[(cbor, "block", False)]),
        of("a want by another hash", wantlist(want(OTHER), want(cbor)), wantlist(want(cbor)), wants=[(cbor, "block", False)]),
        of("a want of what is no name", wantlist(want(b"\x01\x55\x12"), want(cbor)), wantlist(want(cbor)), wants=[(cbor, "block", False)]),
        of("a want of a name with something behind it", wantlist(want(raw + b"\0"), want(cbor)), wantlist(want(cbor)), wants=[(cbor, "block", False)]),
        of("a block", hello, blocks=[(raw, DATA)]),
        of("a block of DAG-CBOR", block(bytes([1, DAG_CBOR, 0x12, 0x20]), DATA), blocks=[(cbor, DATA)]),
        of("a block of version 0", block(bytes([0, 0x70, 0x12, 0x20]), DATA), blocks=[(V0, DATA)]),
        of("a block by another hash", block(bytes([1, RAW, 0x1E, 0x20]), DATA) + hello, hello, blocks=[(raw, DATA)]),
        of("a block by half a hash", block(bytes([1, RAW, 0x12, 0x10]), DATA) + hello, hello, blocks=[(raw, DATA)]),
        no("a block without a prefix", block(b"", DATA)),
        no("a block with half a prefix", block(prefix[:3], DATA)),
        no("a block with something behind its prefix", block(prefix + b"\0", DATA)),
        no("a block of version 2", block(b"\x02" + prefix[1:], DATA)),
        of("a block that is here", presence(raw, True), presences=[(raw, True)]),
        of("a block that is not here", presence(raw, False), presences=[(raw, False)]),
        of("a presence by another hash", presence(OTHER, True) + presence(raw, True), presence(raw, True), presences=[(raw, True)]),
        of("a presence of an unknown kind says that it is not here", part(4, part(1, raw) + part(2, 7)), presence(raw, False), presences=[(raw, False)]),
        of("all at once", wantlist(want(cbor)) + hello + presence(cbor, False), wants=[(cbor, "block", False)], blocks=[(raw, DATA)], presences=[(cbor, False)]),
        of("what a later protocol says beside it", hello + part(5, 123) + part(9, b"x"), hello, blocks=[(raw, DATA)]),
        of("a block as version 1.0.0 had it", part(2, DATA) + hello, hello, blocks=[(raw, DATA)]),
        of("1024 presences by another hash", presence(OTHER, True) * 1024, b""),
        no("1025 presences", presence(raw, True) * 1025),
        no("1025 wants", wantlist(*[part(1, b"")] * 1025)),
        no("1025 blocks", part(3, b"") * 1025),
        no("4097 parts that nobody knows", part(15, 0) * 4097),
        no("a length that is too long", hello[:-1]),
        no("a part of another form", part(1, 5)),
    ]


def main() -> None:
    write("bitswap", frames())


if __name__ == "__main__":
    main()
