"""
Writes a set once more with the level of each channel followed as far as its own history says that it wanders, and with a new
normal accepted (RECIPE, "level"):

  level.py SOURCE TARGET [ignored column,…] [one training part for all]

SOURCE and TARGET are folders as dump.mjs reads them. What is written is scaled; a model that is trained on it sees what it would
see if its encoder did this.
"""
import glob
import os
import shutil
import sys

import numba as nb
import numpy as np
import pandas as pd

BLOCKS = 16
ACCEPT_AFTER = 1500
SOFT_LIMIT = 20
TRIMMED = 0.005
FIT_SHARE = 0.7 * 0.85


def fit_scale(x):
    """Centre and scale of each channel without its outermost values, as src/domain/scaler.ts has it."""
    centre, scale = [], []
    for column in x.T:
        kept = np.sort(column[~np.isnan(column)])
        skip = int(len(kept) * TRIMMED)
        kept = kept[skip : len(kept) - skip]
        mean, std = (kept.mean(), kept.std()) if len(kept) else (0.0, 0.0)
        centre.append(mean)
        scale.append(std if std > 1e-9 * abs(mean) else (abs(mean) * 0.01 or 1.0))
    return np.array(centre), np.array(scale)


def soft(x):
    beyond = np.maximum(np.abs(x) - SOFT_LIMIT, 0)
    return np.where(np.abs(x) <= SOFT_LIMIT, x, np.sign(x) * (SOFT_LIMIT + np.log1p(beyond)))


def wander_share(x, blocks=BLOCKS):
    """r² ⁄ (1 + r²), where r is the variance between the blocks of a history over that within them. By channel."""
    parts = np.array_split(x, blocks)
    between = np.nanvar([np.nanmean(p, 0) for p in parts], 0)
    within = np.nanmean([np.nanvar(p, 0) for p in parts], 0) + 0.05**2
    r = between / within
    return np.nan_to_num(r**2 / (1 + r**2))


@nb.njit(cache=True)
def levels(x, memory, first):
    """The exponential mean of each channel, row by row."""
    out = np.empty_like(x)
    level = first.copy()
    for i in range(len(x)):
        for j in range(x.shape[1]):
            if x[i, j] == x[i, j]:
                level[j] += (x[i, j] - level[j]) / memory
            out[i, j] = level[j]
    return out


@nb.njit(cache=True)
def follow(x, memory, share, first, lowest, highest, low, high, accept_after):
    """
    x less what its level has moved beyond all that history has shown. Two things are such a move: that of an exponential mean
    beyond [lowest, highest], of which a channel takes off its share; and a value that has been outside [low, high] for
    `accept_after` records, which becomes the new middle. Within its history a series stays as it is.
    Returns the values and how often each channel has had a new normal.
    """
    out = np.empty_like(x)
    channels = x.shape[1]
    level, offset = first.copy(), np.zeros(channels)
    outside_share, accepted = np.zeros(channels), np.zeros(channels)
    held, places = np.zeros((64, channels)), np.zeros(channels)
    stride = max(1, accept_after // 128)
    for i in range(len(x)):
        for j in range(channels):
            beyond = share[j] * (level[j] - min(max(level[j], lowest[j]), highest[j]))
            value = x[i, j] - offset[j] - beyond
            out[i, j] = value
            if value != value:
                continue
            outside = value < low[j] or value > high[j]
            # An exponential share passes .9 after so many records that are all outside.
            outside_share[j] += ((1.0 if outside else 0.0) - outside_share[j]) / (accept_after / np.log(10))
            if outside and i % stride == 0:
                held[int(places[j]) % 64, j] = x[i, j]
                places[j] += 1
            if outside_share[j] > 0.9 and places[j] >= 64:
                offset[j] = np.median(held[:, j]) - first[j] - beyond
                outside_share[j] = places[j] = 0
                accepted[j] += 1
            level[j] += (x[i, j] - offset[j] - level[j]) / memory
    return out, accepted


def learn(history, blocks=BLOCKS):
    """Of a scaled history, by channel: memory (records), share, mean, range of the level, and bounds outside which nothing was."""
    memory = max(20.0, len(history) / blocks)
    share = wander_share(history, blocks)
    mean = np.nan_to_num(np.nanmean(history, 0))
    level = levels(history, memory, mean)
    low, high = np.nanquantile(history, TRIMMED, 0), np.nanquantile(history, 1 - TRIMMED, 0)
    room = np.maximum(high - low, 0.05) / 2
    return memory, share, mean, level.min(0), level.max(0), low - room, high + room


def main(source, target, ignored=(), one_train=None):
    os.makedirs(target, exist_ok=True)
    if os.path.isdir(os.path.join(source, "labels")):
        shutil.copytree(os.path.join(source, "labels"), os.path.join(target, "labels"), dirs_exist_ok=True)
    for test_path in sorted(glob.glob(os.path.join(source, "*.test.csv*"))):
        name = os.path.basename(test_path).split(".test.csv")[0]
        train_path = test_path.replace(f"{name}.test.", f"{one_train or name}.train.")
        train, test = pd.read_csv(train_path), pd.read_csv(test_path)
        channels = [c for c in train.columns if c not in ignored and pd.api.types.is_numeric_dtype(train[c])]
        x = np.vstack([train[channels].to_numpy(float), test[channels].to_numpy(float)])
        centre, scale = fit_scale(x[: int(len(train) * FIT_SHARE)])
        x = soft((x - centre) / scale)
        memory, share, *rest = learn(x[: len(train)])
        y, accepted = follow(x, memory, share, *rest, ACCEPT_AFTER)
        for frame, rows in ((train, y[: len(train)]), (test, y[len(train) :])):
            frame[channels] = frame[channels].astype(float)
            frame[channels] = rows + 0.0
        train.to_csv(os.path.join(target, f"{one_train or name}.train.csv"), index=False, float_format="%.6f")
        test.to_csv(os.path.join(target, f"{name}.test.csv"), index=False, float_format="%.6f")
        print(name, "memory", round(memory), {c: float(s.round(2)) for c, s in zip(channels, share) if s > 0.1}, "accepted", int(accepted.sum()))


if __name__ == "__main__":
    given = sys.argv[3].split(",") if len(sys.argv) > 3 else ()
    main(sys.argv[1], sys.argv[2], given, sys.argv[4] if len(sys.argv) > 4 else None)
