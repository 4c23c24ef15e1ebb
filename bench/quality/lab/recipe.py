"""From the statistics of a dump to surprise: evidence, bounded level of the sum, tail, slow test, frozen channels (RECIPE)."""
import numba as nb
import numpy as np

from frozen import combined, fit_frozen, score_frozen
from linear import linear_sibling
from series import CALIBRATION, FIT

FIVE = ("reconstruction 1", "reconstruction 10", "T2 1", "T2 10", "newest 1")
LEAST_SPREAD = 0.05
LEVEL_RECORDS = 1500
LEVEL_BOUND = 2
STILL_WEIGHT = 0.02
STILL_SILENT_ABOVE = 1e-4
SLOW_WEIGHT = 0.1
SLOW_RECORDS = 60
SLOW_STRETCHES = 100
SLOW_CAP = 3.5
HELD = 64


def run_mean(x, records):
    """Mean of the last so many rows, of fewer at the beginning."""
    total = np.cumsum(np.r_[0, x])
    index = np.arange(len(x))
    first = np.maximum(0, index + 1 - records)
    return (total[index + 1] - total[first]) / (index + 1 - first)


def standardised(values, calibration):
    """Logarithms in standard deviations of the calibration block, from its median."""
    logs = np.log(np.maximum(values, 1e-6))
    return (logs - np.median(logs[calibration])) / max(logs[calibration].std(), LEAST_SPREAD)


def parts_of(series, noise=0.01):
    """Every statistic at every scale that was tried, by name; kept with the series."""
    kept = series.__dict__.setdefault("parts_by_noise", {})
    if noise not in kept:
        calibration = series.rows(CALIBRATION)
        error, t2 = linear_sibling(series.columns["scaled"], series.rows(FIT), noise)
        statistics = {"reconstruction": series.columns["reconstruction"], "newest": series.columns["newest"], "T2": t2}
        kept[noise] = {
            f"{name} {scale}": standardised(run_mean(values, scale), calibration)
            for name, values in statistics.items()
            for scale in (1, 10, 60)
        }
        series.error = error
    return kept[noise]


@nb.njit(cache=True)
def running_median(x, start, records, first):
    """Median of a sample of the last so many values, which begins as `first`; that before each row."""
    out = np.zeros(len(x))
    stride = max(1, records // len(first))
    held = first.copy()
    place = 0
    for i in range(start, len(x)):
        out[i] = np.median(held)
        if (i - start) % stride == 0:
            held[place % len(held)] = x[i]
            place += 1
    return out


def without_level(evidence, calibration, records=LEVEL_RECORDS, bound=LEVEL_BOUND):
    """Evidence less what its median has risen, `bound` standard deviations at most."""
    if bound == 0:
        return evidence
    block = evidence[calibration]
    order = (np.arange(HELD) * 37) % HELD
    first = np.quantile(block, (np.arange(HELD) + 0.5) / HELD)[order]
    level = running_median(evidence, np.nonzero(calibration)[0][0], records, first)
    return evidence - np.clip(level - np.median(block), 0, bound * block.std())


def exponential_tail(block, count=None):
    """
    −log10 p of values by the block: ranks, and an exponential through the √n largest. Not by way of p, which ends at 1e-308: what
    is far out must stay in order.
    """
    ordered = np.sort(block)
    n = len(ordered)
    k = min(n - 1, count or max(10, int(n**0.5)))
    foot = ordered[n - k - 1]
    scale = max((ordered[n - k :] - foot).mean(), 1e-9)

    def surprise_of(x):
        rank = -np.log10((1 + n - np.searchsorted(ordered, x, "left")) / (n + 1))
        return np.where(x > foot, np.log10((n + 1) / (k + 1)) + np.maximum(x - foot, 0) / scale / np.log(10), rank)

    return surprise_of


def predictive_tail(block, count=None, independent=None):
    """
    The same where the scale is only known from so many excesses (by default all k are independent): the predictive distribution of
    an exponential, p = (1 + y/(m·scale))^−m.
    """
    ordered = np.sort(block)
    n = len(ordered)
    k = min(n - 1, count or max(10, int(n**0.5)))
    m = independent or k
    foot = ordered[n - k - 1]
    scale = max((ordered[n - k :] - foot).mean(), 1e-9)

    def surprise_of(x):
        rank = -np.log10((1 + n - np.searchsorted(ordered, x, "left")) / (n + 1))
        beyond = np.log10((n + 1) / (k + 1)) + m * np.log10(1 + np.maximum(x - foot, 0) / (m * scale))
        return np.where(x > foot, beyond, rank)

    return surprise_of


def clusters(block, gap=10):
    """How many stretches the √n largest values of a block lie in."""
    foot = np.sort(block)[len(block) - max(10, int(len(block) ** 0.5)) - 1]
    at = np.nonzero(block > foot)[0]
    return max(2, 1 + int((np.diff(at) > gap).sum()))


@nb.njit(cache=True)
def exponential_mean(x, weight):
    out = np.empty_like(x)
    mean = np.zeros(x.shape[1])
    for i in range(len(x)):
        mean += weight * (x[i] - mean)
        out[i] = mean
    return out


@nb.njit(cache=True)
def autocorrelation_time(x):
    """As src/calibration/autocorrelation.ts."""
    n = len(x)
    c = x - x.mean()
    variance = (c * c).sum() / n
    if n < 20 or variance <= 1e-24:
        return 1.0
    tau, lag = -1.0, 0
    while lag + 1 < n / 10:
        pair = ((c[lag:] * c[: n - lag]).sum() + (c[lag + 1 :] * c[: n - lag - 1]).sum()) / n / variance
        if pair <= 0:
            break
        tau += 2 * pair
        lag += 2
    return max(1.0, tau)


def slow_statistic(series, records=SLOW_RECORDS, noise=0.01):
    """T² of an exponential mean of the signed errors of both models, by its own covariance over the fit block."""
    parts_of(series)
    fit = series.rows(FIT)
    mean_errors = series.columns["errors"]
    both = np.c_[series.error, mean_errors - mean_errors[fit].mean(0)]
    mean = exponential_mean(np.ascontiguousarray(both), 2 / (records + 1))
    learned = mean[np.nonzero(fit)[0][min(records, fit.sum() // 4) :]]
    spread = np.maximum(learned.std(0), 0.05 * np.sqrt(2 / (records + 1)))
    z = mean / spread
    correlation = np.cov((learned / spread).T, bias=True)
    inverse = np.linalg.inv((1 - noise) * correlation + noise * np.eye(len(spread)))
    return np.einsum("ij,jk,ik->i", z, inverse, z)


def frozen_p(series):
    """p of runs by record; kept with the series. Values as they came, not as they were levelled."""
    if "frozen" not in series.__dict__:
        raw = series.raw
        series.frozen = combined(score_frozen(fit_frozen(raw[: series.train]), raw))
    return series.frozen


def surprise(series, parts=FIVE, noise=0.01, records=LEVEL_RECORDS, bound=LEVEL_BOUND, tail=None,
             still=STILL_WEIGHT, slow=SLOW_WEIGHT, stretches=SLOW_STRETCHES,
             silent_above=STILL_SILENT_ABOVE, slow_cap=SLOW_CAP,
             still_cap=np.inf):
    """−log10 p of every record of a series."""
    tail = tail or predictive_tail
    calibration = series.rows(CALIBRATION)
    by_name = parts_of(series, noise)
    evidence = without_level(sum(by_name[name] for name in parts) / len(parts), calibration, records, bound)
    fast = tail(evidence[calibration])(evidence)
    others = []
    if still > 0:
        p = frozen_p(series)
        others.append((still, np.minimum(np.where(p > silent_above, 0, -np.log10(p)), still_cap - np.log10(still))))
    if slow > 0:
        statistic = slow_statistic(series)
        block = np.log(np.maximum(statistic[calibration], 1e-12))
        if block.std() >= LEAST_SPREAD and len(block) / autocorrelation_time(block) >= stretches:
            own = tail(statistic[calibration])(statistic)
            # It says that something is, not how much: a decade above the threshold, and no further.
            others.append((slow, np.minimum(own, slow_cap - np.log10(slow))))
    out = fast + np.log10(1 - sum(weight for weight, _ in others))
    for weight, own in others:
        out = np.maximum(out, own + np.log10(weight))
    return out
