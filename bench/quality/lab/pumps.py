"""
The slow, frozen and silent tests on a fleet: conditional linear sibling with a B of each device, beside the VAE's statistics.

  pumps.py DUMPS TRUTH.json [EVENTS-PER-DAY-AND-DEVICE]

DUMPS/pumps is what dump.mjs made of the fleet (key, timestamp, mode, hour of day); TRUTH lists key, start, end, kind, within (minutes).
"""
import json
import sys

import numpy as np

import budget
from frozen import combined, fit_frozen, p_of, score_frozen
from recipe import SLOW_RECORDS, SLOW_WEIGHT, STILL_SILENT_ABOVE, STILL_WEIGHT, exponential_mean, predictive_tail, run_mean
from series import load

INTERVAL_MS = 30_000
RECORDS_PER_DAY = 86_400_000 / INTERVAL_MS
RIDGE = 1.0
NOISE = 0.01


def main(dumps, truth_path, per_day=2.0):
    series = load(dumps, "pumps")[0]
    c, trained = series.columns, series.train
    key, time = c["key"].astype(int), c["times"]
    index = np.arange(len(key))
    fit, calibration, test = index < 0.7 * trained, (index >= 0.7 * trained) & (index < trained), index >= trained
    order = np.lexsort((time, key))
    starts = np.r_[True, np.diff(key[order]) != 0]

    def per_key(function, rows):
        out = np.empty_like(rows)
        for k in np.unique(key):
            at = order[key[order] == k]
            out[at] = function(np.ascontiguousarray(rows[at]))
        return out

    # Conditions: mode now, its mean over the window, and each mode's own daily rhythm.
    mode = np.eye(int(c["conditions"].max()) + 1)[c["conditions"][:, 0].astype(int)]
    mode = mode[:, mode.sum(0) > 0]
    recent = per_key(lambda rows: np.column_stack([run_mean(column, 10) for column in rows.T]), mode)
    angle = time / 43_200_000 * np.pi
    day = np.c_[np.sin(angle), np.cos(angle)]
    given = np.c_[mode, recent[:, 1:], (mode[:, :, None] * day[:, None, :]).reshape(len(key), -1)]
    x = np.nan_to_num(c["scaled"])
    error = x - given @ np.linalg.lstsq(given[fit], x[fit], rcond=None)[0]
    for k in np.unique(key):
        rows, own = key == k, fit & (key == k)
        normal = given[own].T @ given[own] + RIDGE * np.eye(given.shape[1])
        error[rows] -= given[rows] @ np.linalg.solve(normal, given[own].T @ error[own])
    sigma = (1 - NOISE) * np.cov(error[fit].T) + NOISE * np.eye(x.shape[1])
    t2 = np.einsum("ij,jk,ik->i", error, np.linalg.inv(sigma), error)

    def surprise_of(statistic):
        return predictive_tail(statistic[calibration])(statistic)

    def standardised(values):
        logs = np.log(np.maximum(values, 1e-6))
        return (logs - np.median(logs[calibration])) / logs[calibration].std()

    of_ten = lambda values: per_key(lambda rows: run_mean(rows, 10), values)
    r = c["reconstruction"]
    fast = surprise_of(sum(map(standardised, (r, of_ten(r), t2, of_ten(t2), c["newest"]))) / 5)

    mean_error = c["errors"].copy()
    for k in np.unique(key):
        mean_error[key == k] -= mean_error[fit & (key == k)].mean(0)
    mean = per_key(lambda rows: exponential_mean(rows, 2 / (SLOW_RECORDS + 1)), np.c_[error, mean_error])
    z = mean / mean[fit].std(0)
    correlation = (1 - NOISE) * np.cov(z[fit].T) + NOISE * np.eye(z.shape[1])
    slow = surprise_of(np.einsum("ij,jk,ik->i", z, np.linalg.inv(correlation), z))

    raw, history = c["values"][order], ~test[order]
    p = np.empty(len(key))
    p[order] = combined(score_frozen(fit_frozen(raw[history], starts[history]), raw, starts))
    still = np.where(p > STILL_SILENT_ABOVE, 0, -np.log10(p))

    threshold = -np.log10(per_day / RECORDS_PER_DAY / len(np.unique(key)))
    surprise = np.maximum(fast + np.log10(1 - SLOW_WEIGHT - STILL_WEIGHT), still + np.log10(STILL_WEIGHT))
    surprise = np.maximum(surprise, np.minimum(slow + np.log10(SLOW_WEIGHT), threshold + 1))

    truth, false = json.load(open(truth_path)), 0
    for k in np.unique(key):
        rows = order[(key[order] == k) & test[order]]
        opens, _ = budget.control(surprise[rows], threshold, threshold + 4, 0.5, per_day / RECORDS_PER_DAY, 10)
        faults = [f for f in truth if int(f["key"][2:]) - 1 == k]
        for at in time[rows][opens == 1]:
            of = [f for f in faults if f["start"] <= at <= f["end"] + 3_600_000]
            false += not of
            name = f"{of[0]['kind']} after {(at - of[0]['start']) / 60_000:.0f} min (within {of[0]['within']})" if of else "false"
            print(f"P-{k + 1:03d} {name}", "" if of else [round((at - f['end']) / 3_600_000, 1) for f in faults])
    gaps = np.sort(np.concatenate([np.diff(np.sort(time[(key == k) & ~test])) for k in np.unique(key)]) / INTERVAL_MS)
    silent = next(n for n in range(2, 1000) if p_of(gaps, np.array([n]))[0] <= STILL_WEIGHT * 10**-threshold)
    print(f"{false} false events; a device is silent after {silent * INTERVAL_MS / 60_000} min")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], *map(float, sys.argv[3:4]))
