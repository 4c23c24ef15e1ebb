"""
Tables of what was chosen: the recipe on every set, and each choice made with one set left out.

  compare.py DUMPS DUMPS-OF-LEVELLED-SETS skab,tep,… [--choices]

Ranking is that of the surprise; flags are at the preset's ratio, where the level of the sum has moved the threshold.
"""
import sys

import numpy as np

import metrics
import recipe
from series import load

RATIO = 0.003


def sets_of(dumps, levelled, names):
    """Series by set, levelled; the values as they came are with them for what looks at repetition."""
    found = {}
    for name in names:
        raw = {s.name: s for s in load(dumps, name.split("-seed")[0])}
        found[name] = load(levelled, name)
        for series in found[name]:
            series.raw = raw[series.name].columns["values"]
    return found


def judge(series, with_volume=False, **options):
    """Means over the series of a set, and each series."""
    rows = []
    for s in series:
        judged = s.judged
        y = s.labels[judged]
        rank = recipe.surprise(s, **{**options, "bound": 0})[s.train :][judged]
        flags = recipe.surprise(s, **options)[s.train :][judged] > -np.log10(RATIO)
        row = {"name": s.name, **metrics.flags_report(y, flags), "pr": metrics.pr_auc(y, rank), "roc": metrics.roc_auc(y, rank)}
        if with_volume:
            row["vus"] = metrics.vus_pr(y, rank)
        rows.append(row)
    faulty = [r for r in rows if r["events"] > 0]
    means = {k: float(np.nanmean([r[k] for r in faulty])) for k in rows[0] if k not in ("name", "events", "found")}
    means["far"] = float(np.mean([r["far"] for r in rows]))
    means["found"], means["events"] = sum(r["found"] for r in rows), sum(r["events"] for r in rows)
    return means, rows


def worth(means):
    """One number to choose by: ranking and decision alike, less the false alarms."""
    return (means["pr"] + means["f1"]) / 2 - means["far"] / 100


def tenth(block):
    return recipe.exponential_tail(block, max(10, len(block) // 10))


def by_clusters(block):
    return recipe.predictive_tail(block, independent=recipe.clusters(block))


CHOICES = {
    "tail": {
        "predictive": {}, "exponential": dict(tail=recipe.exponential_tail), "exponential, a tenth": dict(tail=tenth),
        "predictive, clusters": dict(tail=by_clusters),
    },
    "evidence": {
        "five": {}, "without newest": dict(parts=recipe.FIVE[:4]), "reconstruction": dict(parts=recipe.FIVE[:1]),
        "newest": dict(parts=["newest 1"]), "T2": dict(parts=["T2 1"]), "T2 of 10": dict(parts=["T2 10"]),
        "newest for reconstruction": dict(parts=["newest 1", "newest 10", "T2 1", "T2 10"]),
        "five and 60": dict(parts=[*recipe.FIVE, "reconstruction 60", "T2 60"]),
        "scale 1 alone": dict(parts=["reconstruction 1", "T2 1", "newest 1"]),
    },
    "bound of the sum's level": {"2": {}, "0": dict(bound=0), "1": dict(bound=1), "4": dict(bound=4)},
    "records of the sum's level": {"1500": {}, "750": dict(records=750), "3000": dict(records=3000)},
    "noise of the linear sibling": {"0.01": {}, "0.003": dict(noise=0.003), "0.05": dict(noise=0.05), "Ledoit-Wolf": dict(noise="lw")},
    "frozen": {"0.02": {}, "none": dict(still=0), "0.1": dict(still=0.1), "no gate": dict(silent_above=1.0)},
    "slow": {"100 stretches": {}, "always": dict(stretches=0)},
}


def main(dumps, levelled, names, choices=False):
    sets = sets_of(dumps, levelled, names)
    for name, series in sets.items():
        means, rows = judge(series, with_volume=True)
        print(name, " ".join(f"{k} {v:.3f}" for k, v in means.items()))
        print("   ", " ".join(f"{r['name']}: {r['f1']:.2f} at {r['far']:.0f} %" for r in rows))
    for choice, options in CHOICES.items() if choices else ():
        table = {option: {name: judge(series, **given)[0] for name, series in sets.items()} for option, given in options.items()}
        print("##", choice)
        for option, of in table.items():
            print(f"{option:28}", " | ".join(f"{name} {m['pr']:.3f} {m['f1']:.2f} {m['far']:.1f}" for name, m in of.items()))
        for left in names:
            mean = lambda option: np.mean([worth(table[option][name]) for name in names if name != left])
            chosen = max(options, key=mean)
            print(f"   {left} left out: {chosen}, worth {worth(table[chosen][left]):.3f} there")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3].split(","), "--choices" in sys.argv)
