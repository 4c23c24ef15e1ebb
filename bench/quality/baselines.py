"""Simple detectors to compare with, one record at a time and without any knowledge of labels.

  baselines.py FOLDER OUT ALPHA SEED

FOLDER has NAME.train.csv[.gz] and NAME.test.csv[.gz]; columns called timestamp or key are no channels. Or it has images, as
NAME.train.idx3 and NAME.test.idx3; their pixels are the channels. Fitted on the first 70 % of train; the threshold is the conformal 1 - ALPHA quantile of the scores of the other 30 %. OUT/METHOD.csv has
series,index,score,flag of every record of test.
"""

import csv
import glob
import gzip
import math
import os
import sys

import numpy as np
from sklearn.ensemble import IsolationForest

FIT_SHARE = 0.7
EXPLAINED_SHARE = 0.9


def number(text):
    try:
        value = float(text)
        return value if math.isfinite(value) else math.nan
    except ValueError:
        return math.nan


def read(path):
    if path.endswith(".idx3"):
        count, height, width = np.fromfile(path, ">u4", 3, offset=4)
        return np.fromfile(path, np.uint8, offset=16).reshape(count, height * width).astype(float)
    with gzip.open(path, "rt") if path.endswith(".gz") else open(path) as lines:
        rows = csv.DictReader(lines)
        channels = [name for name in rows.fieldnames if name not in ("timestamp", "key")]
        return np.array([[number(row[name]) for name in channels] for row in rows])


def squared_z(fit, _seed):
    return lambda x: np.mean(x**2, axis=1)


def principal_components(fit):
    _, singular, axes = np.linalg.svd(fit, full_matrices=False)
    variances = singular**2 / max(1, len(fit) - 1)
    # A channel that never moves has no axis that explains anything.
    variances = np.maximum(variances, 1e-12)
    explained = np.cumsum(variances) / variances.sum()
    count = int(np.searchsorted(explained, EXPLAINED_SHARE)) + 1
    return axes[:count], variances[:count]


def hotelling(fit, _seed):
    axes, variances = principal_components(fit)
    return lambda x: np.sum((x @ axes.T) ** 2 / variances, axis=1)


def residual(fit, _seed):
    axes, _ = principal_components(fit)
    return lambda x: np.sum((x - x @ axes.T @ axes) ** 2, axis=1)


def isolation_forest(fit, seed):
    forest = IsolationForest(random_state=seed, n_jobs=1).fit(fit)
    return lambda x: -forest.score_samples(x)


METHODS = {
    "squared z-score": squared_z,
    "PCA T²": hotelling,
    "PCA Q": residual,
    "isolation forest": isolation_forest,
}


def detect(method, train, test, alpha, seed):
    """Scores of test, and whether each is above the threshold."""
    fit, tail = train[: int(len(train) * FIT_SHARE)], train[int(len(train) * FIT_SHARE) :]
    center, spread = np.nanmean(fit, axis=0), np.nanstd(fit, axis=0)
    # What never moved keeps its own unit; a missing value is taken for the mean.
    spread = np.where(spread > 1e-9 * np.abs(center), spread, 1)
    scaled = lambda x: np.nan_to_num((x - center) / spread)
    score = method(scaled(fit), seed)
    calibration = np.sort(score(scaled(tail)))
    rank = math.ceil((len(calibration) + 1) * (1 - alpha))
    threshold = calibration[min(rank, len(calibration)) - 1]
    scores = score(scaled(test))
    return scores, scores > threshold


def main(folder, out, alpha, seed):
    series = []
    for path in sorted(glob.glob(os.path.join(folder, "*.test.*"))):
        name = os.path.basename(path).split(".test.")[0]
        series.append((name, read(path.replace(".test.", ".train.")), read(path)))
    for title, method in METHODS.items():
        with open(os.path.join(out, f"{title}.csv"), "w") as file:
            file.write("series,index,score,flag\n")
            for name, train, test in series:
                scores, flags = detect(method, train, test, alpha, seed)
                file.writelines(f"{name},{i},{s!r},{int(f)}\n" for i, (s, f) in enumerate(zip(scores.tolist(), flags)))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], float(sys.argv[3]), int(sys.argv[4]))
