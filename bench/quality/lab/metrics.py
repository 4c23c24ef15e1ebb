"""What judges scores and flags; the same definitions as src/evaluation, in numpy."""
import numpy as np


def roc_auc(y, s):
    y = np.asarray(y).astype(bool)
    n1 = y.sum()
    n0 = len(y) - n1
    if n1 == 0 or n0 == 0:
        return np.nan
    _, inverse, counts = np.unique(s, return_inverse=True, return_counts=True)
    ranks = np.cumsum(counts) - (counts - 1) / 2.0
    return float((ranks[inverse][y].sum() - n1 * (n1 + 1) / 2) / (n1 * n0))


def pr_auc(y, s):
    """Average precision."""
    if y.sum() == 0:
        return np.nan
    order = np.argsort(-s, kind="mergesort")
    ys, ss = y[order], s[order]
    last = np.r_[np.nonzero(np.diff(ss))[0], len(ss) - 1]
    tp = np.cumsum(ys)[last]
    return float(np.sum(np.diff(np.r_[0, tp]) / y.sum() * tp / (last + 1.0)))


def segments(y):
    d = np.diff(np.r_[0, np.asarray(y).astype(int), 0])
    return list(zip(np.nonzero(d == 1)[0], np.nonzero(d == -1)[0] - 1))


def flags_report(y, f):
    y, f = y.astype(bool), f.astype(bool)
    tp, fp, fn, tn = (y & f).sum(), (~y & f).sum(), (y & ~f).sum(), (~y & ~f).sum()
    parts = segments(y)
    hits = [np.nonzero(f[a : b + 1])[0] for a, b in parts]
    delays = [h[0] for h in hits if len(h)]
    return dict(
        f1=2 * tp / max(1, 2 * tp + fp + fn),
        far=100 * fp / max(1, fp + tn),
        recall=tp / max(1, tp + fn),
        events=len(parts),
        found=sum(len(h) > 0 for h in hits),
        delay=float(np.median(delays)) if delays else np.nan,
    )


def vus_pr(y, s, buffer=100, thresholds=250):
    """Volume under the precision-recall surface over buffers of 0 to `buffer` records (Paparrizos et al. 2022)."""
    y = np.asarray(y).astype(int)
    s = np.asarray(s, float)
    n, seq = len(y), segments(y)
    if not seq:
        return np.nan
    descending = -np.sort(-s)
    ths = descending[np.linspace(0, n - 1, thresholds).astype(int)]
    predicted = n - np.searchsorted(descending[::-1], ths, side="left").astype(float)
    cut = predicted.astype(int)
    order = np.argsort(-s, kind="mergesort")
    core = y.astype(bool)

    def merged(half):
        out, a = [], max(seq[0][0] - half, 0)
        for i in range(len(seq) - 1):
            if seq[i][1] + half < seq[i + 1][0] - half:
                out.append((a, seq[i][1] + half))
                a = seq[i + 1][0] - half
        out.append((a, min(seq[-1][1] + half, n - 1)))
        return out

    inside = np.zeros(n, bool)
    for a, b in merged(buffer // 2):
        inside[a : b + 1] = True
    positives, areas = y.sum(), []
    for w in range(buffer + 1):
        weight, half = y.astype(float), w // 2
        for a, b in seq:
            if half:
                x = np.arange(b + 1, min(b + half + 1, n))
                weight[x] += np.sqrt(1 - (x - b) / w)
                x = np.arange(max(a - half, 0), a)
                weight[x] += np.sqrt(1 - (a - x) / w)
        weight = np.minimum(weight, 1)
        tp = np.cumsum((weight * inside)[order])[cut - 1]
        labelled = (core & inside).sum() + np.cumsum((weight * inside * ~core)[order])[cut - 1]
        highest = np.sort(np.array([s[a : b + 1].max() for a, b in merged(half)]))
        exist = (len(highest) - np.searchsorted(highest, ths, side="left")) / len(highest)
        tpr = np.minimum(tp / ((positives + labelled) / 2), 1) * exist
        areas.append(np.dot(np.diff(np.r_[0, tpr]), tp / predicted))
    return float(np.mean(areas))
