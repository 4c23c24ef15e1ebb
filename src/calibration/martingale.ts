/**
 * Drift test: a conformal test martingale with Shiryaev-Roberts restarts (Vovk, Petej, Nouretdinov, Ahlberg, Carlsson &
 * Gammerman 2021, "Retrain or not retrain"). A player bets on the rank of each record among all earlier records. While records
 * are exchangeable, the ranks are independent and uniform, and no betting strategy gains on average:
 *   R ← (1 + R)·bet(rank),  R − n is a martingale,  so E[n until R ≥ c] ≥ c,  and P(R ≥ c within n) ≤ n / c.
 */

/**
 * Resolution of p-values. All p-values below 1/256 count alike, so no single record, however surprising, gains more than that.
 */
const bins = 256;

/**
 * The rank of each p-value among the earlier ones, with ties broken at random: uniform on [0, 1] and independent while records
 * are exchangeable (Vovk, Gammerman & Shafer 2005, § 8.1), for any number of calibration records.
 * @param calibrationRecords number of independent records whose p-values, uniform by construction, precede the first
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
 * Slopes of the bets 1 + slope·(rank − ½): on falling ranks (more anomalous records), on rising ranks (calmer records), and no
 * bet. None pays more than 1.9 times the stake, so only dozens of successive records reveal a drift: a short incident is an
 * event, not a drift.
 */
const slopes = [0, 1, -1, 1.8, -1.8] as const;

/** Share of the capital that moves between the bets with each record: the Simple Jumper of Vovk et al. (2021, § 4). */
const jumping = 0.002;

/** The gain factor for each rank. Its mean is 1 while ranks are uniform. */
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

/**
 * Detects that the distribution of p-values has changed.
 * @param recordsPerFalseStart least mean number of records until a false detection
 */
export function createDriftMartingale(
  recordsPerFalseStart: number,
  calibrationRecords: number,
  random: () => number,
) {
  const rankOf = createRanks(calibrationRecords, random);
  let bet = createBets();
  let evidence = 0;
  return {
    /** @param p of one record, independent of those before. @returns whether drift is detected; the evidence then restarts */
    observe(p: number): boolean {
      evidence = (1 + evidence) * bet(rankOf(p));
      if (!(evidence >= recordsPerFalseStart)) return false;
      evidence = 0;
      bet = createBets();
      return true;
    },
    /** The Shiryaev-Roberts statistic R. Without drift, its mean is at most the number of records. */
    get evidence() {
      return evidence;
    },
  };
}
