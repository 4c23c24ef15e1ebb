"""The alarm budget on a stream of surprises (RECIPE, "budget"): at most αT + (b − q₀)/κ + 1 events in every stretch of T records."""
import numba as nb
import numpy as np


@nb.njit(cache=True)
def control(surprise, calibrated, cap, kappa, alpha, close_after):
    """
    By record: 1 where an event opens, 2 where one would have opened at the calibrated threshold and the budget holds it back
    (once for each stretch that would have been an event), 0 elsewhere; and the number of the event that is open, from 1, or 0.
    """
    q = calibrated
    n = len(surprise)
    opens, number = np.zeros(n, np.int64), np.zeros(n, np.int64)
    is_open, held, quiet, held_quiet, events = False, False, 0, 0, 0
    for i in range(n):
        s = min(surprise[i], cap)
        loud = s > calibrated
        began = 0.0
        if is_open:
            quiet = 0 if loud else quiet + 1
            if quiet >= close_after:
                is_open = False
        elif s > q:
            is_open, quiet, began, held = True, 0, 1.0, False
            events += 1
            opens[i] = 1
        elif loud:
            if not held:
                opens[i] = 2
            held, held_quiet = True, 0
        if held and not loud:
            held_quiet += 1
            if held_quiet >= close_after:
                held = False
        if is_open:
            number[i] = events
        q = max(calibrated, q + kappa * (began - alpha))
    return opens, number


def judge(labels, opens, number, days):
    """Events found and not, precision of events, false events a day, and what was held back."""
    truth = np.diff(np.r_[0, labels, 0])
    spans = list(zip(np.nonzero(truth == 1)[0], np.nonzero(truth == -1)[0]))
    found = sum((number[a:b] > 0).any() for a, b in spans)
    held = sum((opens[a:b] == 2).any() and not (number[a:b] > 0).any() for a, b in spans)
    total = int(number.max()) if len(number) else 0
    true = len({k for a, b in spans for k in number[a:b] if k > 0})
    return dict(
        spans=len(spans), found=int(found), held_true=int(held), events=total, false=total - true,
        false_per_day=(total - true) / days, held=int((opens == 2).sum()),
    )
