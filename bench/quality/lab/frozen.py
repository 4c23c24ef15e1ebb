"""
How long a channel repeats its value, against how long it has done so (RECIPE, "frozen"). What is exchangeable is not a record
but a run: of M runs of history, those at least as long as this one. Beyond the longest one p falls as the square of the length.
"""
import numpy as np

MOST_DECIMALS = 6
KNOWN_VALUES = 16
FEWEST_RUNS = 10


def decimals(x):
    """Places behind the point that a value is written with, at most MOST_DECIMALS."""
    out = np.full(x.shape, MOST_DECIMALS)
    for d in range(MOST_DECIMALS - 1, -1, -1):
        out[np.abs(np.round(x, d) - x) <= 1e-9 * np.maximum(1, np.abs(x))] = d
    return out


def run_lengths(x, gap=None):
    """By record, how many records in a row have had its value; missing values end a run. `gap`: where a new series begins."""
    same = np.r_[False, x[1:] == x[:-1]]
    if gap is not None:
        same &= ~gap
    index = np.arange(len(x))
    start = np.maximum.accumulate(np.where(~same, index, 0))
    return index - start + 1


class RunTable:
    """Runs of one channel at one resolution."""

    def __init__(self, x, gap=None):
        length = run_lengths(x, gap)
        last = np.r_[length[1:] == 1, True] & ~np.isnan(x)
        values, lengths = x[last], length[last]
        known, counts = np.unique(values, return_counts=True)
        longest = np.zeros(len(known))
        np.maximum.at(longest, np.searchsorted(known, values), lengths)
        # A value has a table of its own where it rests again and again: the longest rests are kept.
        resting = [v for v, c, l in sorted(zip(known, counts, longest), key=lambda t: -t[2]) if c >= FEWEST_RUNS and l > 1]
        own = resting[:KNOWN_VALUES]
        self.own = {v: np.sort(lengths[values == v]) for v in own}
        self.rest, self.all = np.sort(lengths[~np.isin(values, own)]), np.sort(lengths)
        # How likely a value is that rests, where one comes that has no table.
        self.resting = len(resting) / max(1, len(known))

    def p(self, values, lengths):
        """By run: how likely one at least as long is, at that value."""
        out = (1 - self.resting) * p_of(self.rest, lengths) + self.resting * p_of(self.all, lengths)
        for value, runs in self.own.items():
            at = values == value
            out[at] = p_of(runs, lengths[at])
        return out


def p_of(runs, lengths):
    """Of sorted runs, the share that is at least as long; beyond the longest one, as the square of the length."""
    m = len(runs)
    if m == 0:
        return np.ones(len(lengths))
    seen = (1 + m - np.searchsorted(runs, lengths, "left")) / (m + 1)
    return np.where(lengths > runs[-1], (runs[-1] / lengths) ** 2 / (m + 1), seen)


def fit_frozen(x, gap=None):
    """Tables by channel and resolution, and one of whole records. x: rows × channels, raw."""
    tables = []
    for column in x.T:
        seen = column[~np.isnan(column)]
        own = int(np.quantile(decimals(seen), 0.9)) if len(seen) else 0
        tables.append([RunTable(np.round(column, d), gap) for d in range(own)] + [RunTable(column, gap)])
    return tables, RunTable(whole_records(x), gap)


def whole_records(x):
    """A number by record that repeats when all channels do."""
    if len(x) == 0:
        return np.zeros(0)
    equal = (x[1:] == x[:-1]) | (np.isnan(x[1:]) & np.isnan(x[:-1]))
    return np.r_[0, np.cumsum(~equal.all(1))].astype(float)


def score_frozen(fitted, x, gap=None):
    """p of each record, of a channel that repeats itself and of a device that does. Rows × (channels + 1)."""
    tables, whole = fitted
    out = np.ones((len(x), x.shape[1] + 1))
    for j, column in enumerate(x.T):
        length = run_lengths(column, gap)
        at = np.nonzero((length > 1) & ~np.isnan(column))[0]
        resolution = np.minimum(decimals(column[at]), len(tables[j]) - 1)
        for d in np.unique(resolution):
            rows = at[resolution == d]
            values = column[rows] if d == len(tables[j]) - 1 else np.round(column[rows], d)
            out[rows, j] = tables[j][d].p(values, length[rows])
    record = whole_records(x)
    length = run_lengths(record, gap)
    rows = np.nonzero(length > 1)[0]
    out[rows, -1] = p_of(whole.all, length[rows])
    return out


def combined(p):
    """The least of the channels' p, for their number, and that of the device: one p by record."""
    channels = p.shape[1] - 1
    return np.minimum(1, 2 * np.minimum(channels * p[:, :-1].min(1), p[:, -1]))
