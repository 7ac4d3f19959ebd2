"""Makes tampered copies of bundles, for agree.py.

    tamper.py TRUST-PACK TIME FOLDER BUNDLE...

Writes into FOLDER, for each bundle: the bundle itself; with one bit of a block flipped; cut off in the middle; with a block taken
out; with two blocks exchanged; with a block of another of the bundles in the place of one.
"""

import pathlib
import random
import shutil
import sys


def varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, at


def sections(data: bytes) -> tuple[bytes, list[bytes]]:
    """The header and the blocks of a CAR, each with its length before it."""
    length, at = varint(data, 0)
    head, at, blocks = data[: at + length], at + length, []
    while at < len(data):
        length, begin = varint(data, at)
        blocks.append(data[at : begin + length])
        at = begin + length
    return head, blocks


def tampered(bundles: list[bytes], number: int, dice: random.Random) -> dict[str, bytes]:
    data = bundles[number]
    head, blocks = sections(data)
    other = sections(bundles[(number + 1) % len(bundles)])[1]
    found = {"whole": data, "cut": data[: dice.randrange(len(head), len(data))]}
    for copy in range(4):
        place = dice.randrange(len(blocks))
        block = bytearray(blocks[place])
        block[dice.randrange(40, len(block))] ^= 1 << dice.randrange(8)
        found[f"bit-{copy}"] = head + b"".join(blocks[:place] + [bytes(block)] + blocks[place + 1 :])
        place = dice.randrange(1, len(blocks))
        found[f"gone-{copy}"] = head + b"".join(blocks[:place] + blocks[place + 1 :])
    one, two = sorted(dice.sample(range(1, len(blocks)), 2))
    changed = blocks.copy()
    changed[one], changed[two] = changed[two], changed[one]
    found["exchanged"] = head + b"".join(changed)
    place = dice.randrange(1, len(blocks))
    found["foreign"] = head + b"".join(blocks[:place] + [dice.choice(other)] + blocks[place + 1 :])
    return found


def main(pack: str, time: str, folder: str, *names: str) -> None:
    place = pathlib.Path(folder)
    place.mkdir(exist_ok=True)
    bundles = [pathlib.Path(name).read_bytes() for name in names]
    for number, name in enumerate(names):
        for what, data in tampered(bundles, number, random.Random(number)).items():
            stem = f"{pathlib.Path(name).stem}-{what}"
            (place / f"{stem}.car").write_bytes(data)
            (place / f"{stem}.at").write_text(time)
            shutil.copy(pack, place / f"{stem}.pack")


if __name__ == "__main__":
    main(*sys.argv[1:])
