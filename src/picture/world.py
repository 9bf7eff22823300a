#!/usr/bin/env python3
"""Makes world.bin, the land and the countries of the pictures, from Natural Earth's 1:50m countries.

    npm pack world-atlas@2.0.2 && tar xzf world-atlas-2.0.2.tgz
    python3 world.py package/countries-50m.json world.bin

Natural Earth is in the public domain; the package (ISC licence) has it as TopoJSON. Coasts and borders are simplified
(Douglas-Peucker, TOLERANCE degrees), islands below AREA square degrees are left out.

All numbers are variable-length integers of 7 bits a byte, lowest first; those that may be negative are folded (0, -1, 1,
-2, ...). The file is: number of arcs; per arc its number of points and the points in STEP degrees (longitude, latitude),
each as the difference to the one before; number of countries; per country its two letters (two bytes, zeros where there
are none) and number of rings; per ring its number of arcs and their numbers, folded: n forward, -1-n backward. Polygons
are rings under the even-odd rule.
"""

import json
import sys

TOLERANCE = 0.07
AREA = 0.03
STEP = 0.05

# ISO 3166-1 numeric -> alpha-2, of the countries in the file.
CODES = (
    "004AF 008AL 010AQ 012DZ 016AS 020AD 024AO 028AG 031AZ 032AR 036AU 040AT 044BS 048BH 050BD 051AM 052BB 056BE 060BM"
    " 064BT 068BO 070BA 072BW 076BR 084BZ 086IO 090SB 092VG 096BN 100BG 104MM 108BI 112BY 116KH 120CM 124CA 132CV 136KY"
    " 140CF 144LK 148TD 152CL 156CN 158TW 170CO 174KM 178CG 180CD 184CK 188CR 191HR 192CU 196CY 203CZ 204BJ 208DK 212DM"
    " 214DO 218EC 222SV 226GQ 231ET 232ER 233EE 234FO 238FK 239GS 242FJ 246FI 248AX 250FR 258PF 260TF 262DJ 266GA 268GE"
    " 270GM 275PS 276DE 288GH 296KI 300GR 304GL 308GD 316GU 320GT 324GN 328GY 332HT 334HM 336VA 340HN 344HK 348HU 352IS"
    " 356IN 360ID 364IR 368IQ 372IE 376IL 380IT 384CI 388JM 392JP 398KZ 400JO 404KE 408KP 410KR 414KW 417KG 418LA 422LB"
    " 426LS 428LV 430LR 434LY 438LI 440LT 442LU 446MO 450MG 454MW 458MY 462MV 466ML 470MT 478MR 480MU 484MX 492MC 496MN"
    " 498MD 499ME 500MS 504MA 508MZ 512OM 516NA 520NR 524NP 528NL 531CW 533AW 534SX 540NC 548VU 554NZ 558NI 562NE 566NG"
    " 570NU 574NF 578NO 580MP 583FM 584MH 585PW 586PK 591PA 598PG 600PY 604PE 608PH 612PN 616PL 620PT 624GW 626TL 630PR"
    " 634QA 642RO 643RU 646RW 652BL 654SH 659KN 660AI 662LC 663MF 666PM 670VC 674SM 678ST 682SA 686SN 688RS 690SC 694SL"
    " 702SG 703SK 704VN 705SI 706SO 710ZA 716ZW 724ES 728SS 729SD 732EH 740SR 748SZ 752SE 756CH 760SY 762TJ 764TH 768TG"
    " 776TO 780TT 784AE 788TN 792TR 795TM 796TC 798TV 800UG 804UA 807MK 818EG 826GB 831GG 832JE 833IM 834TZ 840US 850VI"
    " 854BF 858UY 860UZ 862VE 876WF 882WS 887YE 894ZM"
)
CODE = {entry[:3]: entry[3:] for entry in CODES.split()}
NAMES = {"Kosovo": "XK", "Somaliland": "SO", "N. Cyprus": "CY"}


def points(topology):
    """The arcs in degrees."""
    (kx, ky), (dx, dy) = topology["transform"]["scale"], topology["transform"]["translate"]
    for arc in topology["arcs"]:
        x = y = 0
        line = []
        for px, py in arc:
            x, y = x + px, y + py
            line.append((x * kx + dx, y * ky + dy))
        yield line


def simplified(line):
    """Douglas-Peucker; the ends of a closed line are split where it is widest."""

    def distance(point, a, b):
        (x, y), (ax, ay), (bx, by) = point, a, b
        dx, dy = bx - ax, by - ay
        length = dx * dx + dy * dy
        t = 0 if length == 0 else max(0, min(1, ((x - ax) * dx + (y - ay) * dy) / length))
        return ((x - ax - t * dx) ** 2 + (y - ay - t * dy) ** 2) ** 0.5

    keep = {0, len(line) - 1}
    stack = [(0, len(line) - 1)]
    while stack:
        first, last = stack.pop()
        far = max(range(first + 1, last), key=lambda i: distance(line[i], line[first], line[last]), default=None)
        if far is not None and distance(line[far], line[first], line[last]) > TOLERANCE:
            keep.add(far)
            stack += [(first, far), (far, last)]
    return [line[i] for i in sorted(keep)]


def area(ring):
    return abs(sum(ax * by - bx * ay for (ax, ay), (bx, by) in zip(ring, ring[1:] + ring[:1]))) / 2


def main():
    topology = json.load(open(sys.argv[1]))
    lines = list(points(topology))
    small = [simplified(line) for line in lines]
    whole = lambda ring: [p for at in ring for p in (lines[at] if at >= 0 else lines[~at][::-1])[:-1]]
    countries = []
    for shape in topology["objects"]["countries"]["geometries"]:
        polygons = {"Polygon": lambda: [shape["arcs"]], "MultiPolygon": lambda: shape["arcs"]}[shape["type"]]()
        name = shape["properties"]["name"]
        code = CODE.get(shape.get("id", ""), NAMES.get(name, ""))
        # The largest part of a country stays, however small.
        sizes = [area(whole(polygon[0])) for polygon in polygons]
        kept = [p for p, size in zip(polygons, sizes) if size >= AREA or (size == max(sizes) and size >= AREA / 8)]
        rings = [ring for polygon in kept for ring in polygon if area(whole(ring)) >= AREA / 8]
        if code == "":
            print("no code:", name, file=sys.stderr)
        if rings:
            countries.append((code, rings))
    used = sorted({at if at >= 0 else ~at for _, rings in countries for ring in rings for at in ring})
    number = {at: index for index, at in enumerate(used)}

    out = bytearray()

    def put(value):
        while value >= 128:
            out.append(value & 127 | 128)
            value >>= 7
        out.append(value)

    fold = lambda value: put(value << 1 if value >= 0 else ~value << 1 | 1)
    put(len(used))
    total = 0
    for at in used:
        line, x, y = [], 0, 0
        for px, py in small[at]:
            point = (round(px / STEP), round(py / STEP))
            if not line or line[-1] != point:
                line.append(point)
        total += len(line)
        put(len(line))
        for px, py in line:
            fold(px - x)
            fold(py - y)
            x, y = px, py
    put(len(countries))
    for code, rings in countries:
        out += code.encode() if code else b"\0\0"
        put(len(rings))
        for ring in rings:
            put(len(ring))
            for at in ring:
                fold(number[at] if at >= 0 else ~number[~at])
    open(sys.argv[2], "wb").write(out)
    print(len(countries), "countries,", len(used), "arcs,", total, "points,", len(out), "bytes", file=sys.stderr)


main()
