/** Quality of the flags at the threshold of the detector. */

export type Confusion = ReturnType<typeof countConfusion>;
/** Number of records by label and flag. Both columns: 1 = anomalous. */
export function countConfusion(labels: Uint8Array, flags: Uint8Array) {
  const counts = { truePositives: 0, trueNegatives: 0, falsePositives: 0, falseNegatives: 0 };
  labels.forEach((label, i) => {
    if (label === 1) counts[flags[i] === 1 ? 'truePositives' : 'falseNegatives']++;
    else counts[flags[i] === 1 ? 'falsePositives' : 'trueNegatives']++;
  });
  return counts;
}

export function addConfusions(all: readonly Confusion[]): Confusion {
  const sum = (pick: (one: Confusion) => number): number => all.reduce((total, one) => total + pick(one), 0);
  return {
    truePositives: sum((one) => one.truePositives),
    trueNegatives: sum((one) => one.trueNegatives),
    falsePositives: sum((one) => one.falsePositives),
    falseNegatives: sum((one) => one.falseNegatives),
  };
}

/** 0 where the denominator is 0. */
export function ratesOf({ truePositives, trueNegatives, falsePositives, falseNegatives }: Confusion) {
  const share = (part: number, rest: number): number => part / Math.max(1, part + rest);
  return {
    f1: share(2 * truePositives, falsePositives + falseNegatives),
    precision: share(truePositives, falsePositives),
    recall: share(truePositives, falseNegatives),
    /** False alarms, as a percentage of the normal records. */
    far: 100 * share(falsePositives, trueNegatives),
    /** Missed anomalous records, as a percentage of the anomalous records. */
    mar: 100 * share(falseNegatives, truePositives),
  };
}
