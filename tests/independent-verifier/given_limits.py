"""What peers send each other, at its limits and beyond, cut off and of kinds that nobody knows (sync.md, content.md section 4)."""

from __future__ import annotations

from typing import Any

from base import RAW, cbor, cid, cid_bytes, rfc3339
from given import Case, case, write
from given_frames import block, part, varint, want, wantlist
from scene import NOW, Signer

NO = {"refused": "GP-SYNC-MALFORMED"}
KIB = 1024


def parts(*all_: tuple[bytes, int]) -> list[dict[str, Any]]:
    return [{"hex": piece.hex(), "times": times} for piece, times in all_ if piece and times]


def around(whole: bytes, piece: bytes, times: int) -> list[dict[str, Any]]:
    """Parts of bytes in which a piece comes so many times, one after the other."""
    begun = whole.index(piece * times)
    return parts((whole[:begun], 1), (piece, times), (whole[begun + len(piece) * times:], 1))


def sync() -> list[Case]:
    me, channel = Signer(2), cid(b"a channel")
    hello: dict[str, Any] = {"agent": "gridpass/1", "participant": me.did, "visits": []}
    visit = {"channel": channel, "presentation": cid(b"a presentation")}
    state = {"list": "urn:x:list", "signer": me.did, "version": 5, "dated": rfc3339(NOW)}
    one = {"sender": me.did, "key": me.kid, "whole": 1, "newest": 2, "message": cid(b"a block", 0x71)}
    cases: list[Case] = []

    def of(name: str, what: str, good: bool, value: Any, piece: bytes = b"", times: int = 0) -> None:
        whole = value if isinstance(value, bytes) else cbor(value)
        given = {f"{what}_parts": around(whole, piece, times)} if times else {f"{what}_hex": whole.hex()}
        cases.append(case(name, given, {"again_bytes": len(whole)} if good else NO))
    for count in (256, 257):
        of(f"a hello with {count} visits", "request", count == 256, {"hello": hello | {"visits": [visit] * count}}, cbor(visit), count)
        of(f"{count} receipts", "request", count == 256, {"receipts": [b"e30"] * count}, cbor(b"e30"), count)
    for count in (1024, 1025):
        of(f"{count} states of lists", "request", count == 1024, {"lists": {"known": [state] * count}}, cbor(state), count)
        of(f"{count} heads", "response", count == 1024, {"heads": {"heads": [one] * count, "more": False}}, cbor(one), count)
    for count in (64 * KIB, 64 * KIB + 1):
        of(f"an authorisation of {count} bytes", "request", count == 64 * KIB, {"hello": hello | {"authorisation": b"x" * count}}, b"x", count)
    for count in (128, 129):
        of(f"an agent of {count} bytes", "request", count == 128, {"hello": hello | {"agent": "x" * count}})
    of("an agent of 65 letters of two bytes", "request", False, {"hello": hello | {"agent": "é" * 65}})
    of("an agent with a control character", "request", False, {"hello": hello | {"agent": "a\u009bb"}})
    around_it = len(cbor({"receipts": [b"x" * (511 * KIB)]})) - 511 * KIB
    for count in (512 * KIB, 512 * KIB + 1):
        filled = count - around_it
        of(f"a request of {count} bytes", "request", count == 512 * KIB, {"receipts": [b"x" * filled]}, b"x", filled)
    long = "did:example:a#" + "k" * 2035
    for url in (long[:2048], long):
        span = {"channel": channel, "sender": me.did, "key": url, "from": 1, "until": 2}
        of(f"a range of a key of {len(url)} bytes", "request", len(url) == 2048, {"range": span})
    span = {"channel": channel, "sender": me.did, "key": me.kid, "from": 2, "until": 2}
    of("a range of one", "request", True, {"range": span})
    of("a range that ends before it begins", "request", False, {"range": span | {"until": 1}})
    of("a range up to 2^64", "request", False, cbor({"range": span}).replace(b"euntil\x02", b"euntil\xc2\x49\x01" + bytes(8)))
    of("a range from a text", "request", False, {"range": span | {"from": "1"}})
    for absent in span:
        of(f"a range without {absent}", "request", False, {"range": {n: v for n, v in span.items() if n != absent}})
    of("a range with another member", "request", False, {"range": span | {"most": 5}})
    of("a range that is a list", "request", False, {"range": list(span.values())})
    for absent in ("authorisation", "charter"):
        of(f"a hello in which {absent} is null", "request", False, {"hello": hello | {absent: None}})
    of("heads after null", "request", False, {"heads": {"channel": channel, "after": None}})
    of("heads after a list of one", "request", False, {"heads": {"channel": channel, "after": [me.did]}})
    of("lists with a null", "request", False, {"lists": {"known": [], "until": None}})
    of("status lists with a null", "response", False, {"lists": {"lists": [], "next": None}})
    of("a head that is contradicted", "response", True, {"heads": {"heads": [one | {"contradicted": True}], "more": False}})
    of("a head that says that it is not contradicted", "response", False, {"heads": {"heads": [one | {"contradicted": False}], "more": False}})
    of("a document by bytes", "request", False, {"document": cid_bytes(b"x")})
    of("a document that is a text", "response", False, {"document": "x"})
    of("a document by a name in capitals", "request", False, {"document": channel.upper()})
    for what, kind in (("request", "behind"), ("response", "notHere"), ("response", "taken")):
        of(f"{kind}, alone", what, True, kind)
        of(f"{kind} with null", what, False, {kind: None})
        of(f"{kind} in a map that is cut off", what, False, b"\xa1" + cbor(kind))
        of(f"{kind} twice", what, False, cbor(kind) * 2)
    of("document, alone", "request", False, "document")
    of("a document behind its kind, without a map", "request", False, cbor("document") + cbor(channel))
    of("a kind that nobody knows", "request", False, {"subscribe": channel})
    of("a kind that nobody knows, alone", "request", False, "ahead")
    of("a kind in another spelling", "request", False, "Behind")
    of("an answer in the place of a request", "request", False, "taken")
    of("a request in the place of an answer", "response", False, "behind")
    of("a list", "request", False, ["behind"])
    of("a number", "request", False, 1)
    of("an empty map", "request", False, {})
    of("a member twice", "request", False, b"\xa1" + cbor("heads") + b"\xa2" + (cbor("channel") + cbor(channel)) * 2)
    whole = cbor({"heads": {"channel": channel}})
    for length in (1, 2, 6, 7, 8, 15, 17, len(whole) - 1):
        of(f"a request of which {length} bytes came", "request", False, whole[:length])
    of("refused with a code", "response", True, {"refused": "GP-SYNC-BUSY"})
    of("refused with a sentence", "response", False, {"refused": "because"})
    two = [b"a", b"b"]
    of("a contradiction of two", "announcement", True, {"fork": two})
    of("a contradiction of one", "announcement", False, {"fork": two[:1]})
    of("a contradiction of three", "announcement", False, {"fork": [*two, b"c"]})
    of("an announcement that nobody knows", "announcement", False, {"retired": channel})
    of("published, by bytes", "announcement", False, {"published": cid_bytes(b"x")})
    of("published, without a map", "announcement", False, cbor("published") + cbor(channel))
    of("two announcements", "announcement", False, cbor({"published": channel}) * 2)
    return cases


def streams() -> list[Case]:
    cases: list[Case] = []
    said = wantlist(want(cid_bytes(b"hello")))
    framed = varint(len(said)) + said

    def of(name: str, all_: list[dict[str, Any]], messages: int, ends: str = "whole", asked: bool = False) -> None:
        cases.append(case(name, {"stream_parts": all_, "asked": asked}, {"messages": messages, "ends": ends}))

    def filled(length: int) -> list[dict[str, Any]]:
        """A message of this length: a part that nobody knows."""
        inner = length - 1
        while 1 + len(varint(inner)) + inner > length:
            inner -= 1
        begun = bytes([5 << 3 | 2]) + varint(inner)
        assert len(begun) + inner == length
        return parts((varint(length) + begun, 1), (b"\0", inner))
    of("nothing", [], 0)
    of("a message of nothing", parts((b"\0", 1)), 1)
    of("a want", parts((framed, 1)), 1)
    of("three messages", parts((framed, 3)), 3)
    of("a message, and one cut off", parts((framed, 1), (framed[:-1], 1)), 1, "cut off")
    of("a message, and a length cut off", parts((framed, 1), (b"\x80", 1)), 1, "cut off")
    of("a length of which nothing comes", parts((b"\x05", 1)), 0, "cut off")
    of("a length of five bytes", parts((b"\xff\xff\xff\xff\x01", 1), (b"\0", 100)), 0, "malformed", True)
    of("a length of ten bytes", parts((b"\xff" * 9 + b"\x01", 1)), 0, "malformed", True)
    of("the longest length of four bytes", parts((b"\xff\xff\xff\x7f", 1)), 0, "malformed", True)
    of("a message, what is none, and a message", parts((framed, 1), (b"\x01\xff", 1), (framed, 1)), 1, "malformed")
    of("a length that is one too small", parts((varint(len(said) - 1) + said, 1)), 0, "malformed")
    for asked in (False, True):
        who = "of whom something is wanted" if asked else "of whom nothing is wanted"
        of(f"128 KiB from a peer {who}", filled(128 * KIB), 1, asked=asked)
        of(f"128 KiB and a byte from a peer {who}", filled(128 * KIB + 1), int(asked), "whole" if asked else "malformed", asked)
    of("4 MiB", filled(4 * KIB * KIB), 1, asked=True)
    of("4 MiB and a byte", filled(4 * KIB * KIB + 1), 0, "malformed", True)
    of("4 MiB and a byte, of which nothing came", parts((varint(4 * KIB * KIB + 1), 1)), 0, "malformed", True)
    for length in (2 * KIB * KIB, 2 * KIB * KIB + 1):
        held = block(bytes([1, RAW, 0x12, 0x20]), b"x" * length)
        of(f"a block of {length} bytes", around(varint(len(held)) + held, b"x", length), int(length == 2 * KIB * KIB), "whole" if length == 2 * KIB * KIB else "malformed", True)
    for count in (1024, 1025):
        wants = wantlist(want(cid_bytes(b"hello")) * count)
        of(f"{count} wants", around(varint(len(wants)) + wants, want(cid_bytes(b"hello")), count), int(count == 1024), "whole" if count == 1024 else "malformed")
    for count in (4096, 4097):
        unknown = part(15, 0) * count
        of(f"{count} parts that nobody knows", around(varint(len(unknown)) + unknown, part(15, 0), count), int(count == 4096), "whole" if count == 4096 else "malformed")
    return cases


def main() -> None:
    write("sync", sync(), "sync-limits")
    write("bitswap-stream", streams())


if __name__ == "__main__":
    main()
