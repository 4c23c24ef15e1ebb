/**
 * Has "normal" moved? A conformal test martingale with Shiryaev-Roberts restarts (Vovk, Petej, Nouretdinov, Ahlberg,
 * Carlsson & Gammerman 2021, "Retrain or not retrain"). A player bets on each record's rank among all records before it.
 * While records are exchangeable the ranks are independent and uniform, and no betting strategy gains on average:
 *   R ← (1 + R)·bet(rank),  R − n is a martingale,  so E[n until R ≥ c] ≥ c,  and P(R ≥ c within n) ≤ n / c.
 */

/**
 * p-values are told apart no finer than this. The smallest 1/256 of them look alike, so that a single record, however
 * surprising, can raise the stake no more than any other rare one.
 */
const bins = 256;

/**
 * The rank of each p-value among those before it, ties broken at random: uniform on [0, 1] and independent while records
 * are exchangeable (Vovk, Gammerman & Shafer 2005, § 8.1), however few records the p-values were calibrated on.
 * @param calibrationRecords independent records whose p-values, uniform by construction, came before the first
 * @param random uniform on [0, 1)
 */
export function createRanks(calibrationRecords: number, random: () => number): (p: number) => number {
  const counts = new Float64Array(bins).fill(calibrationRecords / bins);
  let total = calibrationRecords;
  return (p) => {
    const bin = Math.min(bins - 1, Math.floor(p * bins));
    let below = 0;
    for (let i = 0; i < bin; i++) below += counts[i]!;
    const rank = (below + random() * (counts[bin]! + 1)) / (total + 1);
    counts[bin]!++;
    total++;
    return rank;
  };
}

/**
 * Slopes of the bets 1 + slope·(rank − ½): for ranks that fall (odder records), ranks that rise (calmer ones), and none.
 * None pays more than 1.9 times the stake, so that it takes dozens of records in a row to say that anything has moved:
 * a short incident is an event, not a drift.
 */
const slopes = [0, 1, -1, 1.8, -1.8] as const;

/** Share of the capital that changes from bet to bet with each record: the Simple Jumper of Vovk et al. (2021, § 4). */
const jumping = 0.002;

/** What the player gains with each rank; 1 on average, whatever was before, while ranks are uniform. */
export function createBets(): (rank: number) => number {
  const capital: number[] = slopes.map(() => 1 / slopes.length);
  return (rank) => {
    let gain = 0;
    slopes.forEach((slope, i) => {
      capital[i]! *= 1 + slope * (rank - 0.5);
      gain += capital[i]!;
    });
    for (let i = 0; i < capital.length; i++)
      capital[i] = ((1 - jumping) * capital[i]!) / gain + jumping / slopes.length;
    return gain;
  };
}

export interface DriftMartingale {
  /** Takes the p-value of one record, independent of those before. Returns whether the evidence is now enough. */
  observe(p: number): boolean;
  /** The Shiryaev-Roberts statistic R: at most the number of records on average, while nothing moves. */
  readonly evidence: number;
}

/**
 * Says that p-values are no longer what they were, and begins anew with each time that it does.
 * @param recordsPerFalseStart how many records come at least, on average, before it speaks though nothing has moved
 */
export function createDriftMartingale(
  recordsPerFalseStart: number,
  calibrationRecords: number,
  random: () => number,
): DriftMartingale {
  const rankOf = createRanks(calibrationRecords, random);
  let bet = createBets();
  let evidence = 0;
  return {
    observe(p) {
      evidence = (1 + evidence) * bet(rankOf(p));
      if (!(evidence >= recordsPerFalseStart)) return false;
      evidence = 0;
      bet = createBets();
      return true;
    },
    get evidence() {
      return evidence;
    },
  };
}
