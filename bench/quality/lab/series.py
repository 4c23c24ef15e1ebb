"""Dumps of dump.mjs as numpy arrays, and the labels that judge them."""
import json
import os
from dataclasses import dataclass, field

import numpy as np

FIT, VALIDATION, CALIBRATION, TEST = 0, 1, 2, 3


@dataclass
class Series:
    """One series: the windows of its training part and then of its test part, in order of time."""

    set: str
    name: str
    columns: dict
    train: int
    labels: np.ndarray
    judged: np.ndarray
    meta: dict = field(repr=False)

    @property
    def part(self):
        return self.columns["part"]

    def rows(self, *parts):
        return np.isin(self.part, parts)


def load(folder, set_name, only=None):
    found = []
    for file in sorted(os.listdir(os.path.join(folder, set_name))):
        if not file.endswith(".json"):
            continue
        meta = json.load(open(os.path.join(folder, set_name, file)))
        if only and meta["name"] not in only:
            continue
        raw = open(os.path.join(folder, set_name, file[:-5] + ".f32"), "rb").read()
        columns, at, n = {}, 0, meta["records"]
        for one in meta["arrays"]:
            kind = np.dtype(one["type"])
            count = n * int(one["width"])
            array = np.frombuffer(raw, kind, count, at).astype(float)
            at += count * kind.itemsize
            columns[one["key"]] = array.reshape(n, -1) if one["key"] in WIDE else array
        tested = n - meta["trainWindows"]
        labels, judged = np.zeros(tested, int), np.zeros(tested, bool)
        by_row = dict(meta["labels"])
        row = columns["row"][meta["trainWindows"] :].astype(int) if "row" in columns else np.arange(tested)
        for i, r in enumerate(row):
            if r in by_row:
                labels[i], judged[i] = by_row[r], True
        found.append(Series(set_name.split("-seed")[0], meta["name"], columns, meta["trainWindows"], labels, judged, meta))
    return found


WIDE = {"parts", "errors", "expected", "newestParts", "scaled", "values", "conditions"}
