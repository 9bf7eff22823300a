#!/usr/bin/env python3
"""Makes font.bin, the letters of the PNG pictures, from Roboto Medium (Christian Robertson, Google; Apache License 2.0).

    npm pack roboto-fontface@0.10.0 && tar xzf roboto-fontface-0.10.0.tgz
    pip install fonttools
    python3 font.py package/fonts/roboto/Roboto-Medium.woff font.bin

All numbers are variable-length integers of 7 bits a byte, lowest first; those that may be negative are folded (0, -1, 1,
-2, ...). Units are 1/UNITS of the size of the letters, up is positive. The file is: number of glyphs; per glyph, by rising
code point: code point, advance, number of contours; per contour its number of points and the points, each its difference
to the one before (from 0, 0 at the start of a glyph) and whether it lies on the curve (1) or bends it (0), as in TrueType.
"""

import sys

from fontTools.ttLib import TTFont

UNITS = 512
CHARACTERS = [*range(0x20, 0x7F), *range(0xA0, 0x180), *map(ord, "–—’“”…×→·•")]

font = TTFont(sys.argv[1])
cmap, glyphs, table = font.getBestCmap(), font.getGlyphSet(), font["glyf"]
scale = UNITS / font["head"].unitsPerEm
out = bytearray()


def put(value):
    while value >= 128:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)


def fold(value):
    put(value << 1 if value >= 0 else ~value << 1 | 1)


known = sorted(code for code in set(CHARACTERS) if code in cmap)
put(len(known))
for code in known:
    glyph = table[cmap[code]]
    put(code)
    put(round(glyphs[cmap[code]].width * scale))
    coordinates, ends, flags = glyph.getCoordinates(table)
    put(len(ends))
    x = y = first = 0
    for end in ends:
        put(end + 1 - first)
        for (px, py), flag in list(zip(coordinates, flags))[first : end + 1]:
            px, py = round(px * scale), round(py * scale)
            fold(px - x)
            fold(py - y)
            put(flag & 1)
            x, y = px, py
        first = end + 1
open(sys.argv[2], "wb").write(out)
print(len(known), "glyphs,", len(out), "bytes; missing:", [hex(c) for c in CHARACTERS if c not in cmap], file=sys.stderr)
