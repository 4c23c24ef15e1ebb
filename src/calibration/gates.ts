/**
 * The gates of a new model version: they decide whether it comes into use and whether it stays. Both versions have scored the
 * same records, one of them in the shadow.
 */

/** Observations of two versions during a trial. The evidence of several processes can be added. */
export interface TrialEvidence {
  /** Number of live records of all devices. */
  records: number;
  /** Number of events of these records that opened, and number that the alarm budget held back. */
  events: number;
  /** The records that both versions have scored. */
  sample: {
    records: number;
    /** Number of records that are anomalous by the version in use, and by the version in the shadow. */
    alarms: { inUse: number; shadow: number };
    /** Pairs of surprises of the same records by both versions, for some of the records. */
    surprises: readonly (readonly [inUse: number, shadow: number])[];
  };
  /**
   * Detection power in live records of the version in use, as the mean over the kinds of faults; absent with too few canaries.
   */
  livePower?: number;
  /** Time to score a record, s; absent where it was not measured. */
  secondsPerRecord?: { inUse: number; shadow: number };
  /** Reason why the version in the shadow cannot be used, or cannot score. */
  problem?: string;
}

export const gateNames = ['usable', 'alarms', 'rank', 'loss', 'power', 'cost', 'events'] as const;
export type GateName = (typeof gateNames)[number];

/** Outcome of one gate. */
export interface Gate {
  gate: GateName;
  passed: boolean;
  /** The measured value and its bound; absent if nothing could be measured. */
  value?: number;
  limit?: number;
  /** The outcome in one sentence. */
  text: string;
}

/** Facts about a version from its training. */
export interface VersionFacts {
  /** Share of normal records that may alarm at its threshold. */
  target: number;
  /** Extremal index: 1 / mean size of a cluster of such alarms. */
  extremalIndex: number;
  /** Largest surprise of a golden anomaly. */
  reach: number;
  /** Loss on held-out records in the unit of the records, nats per value; absent for images, and if the version has none. */
  loss?: number | undefined;
  /** Detection power in held-out records, as the mean over the kinds of faults; absent if it was not measured. */
  power?: number | undefined;
}

export interface ChallengerFacts {
  evidence: TrialEvidence;
  challenger: VersionFacts;
  inUse: Pick<VersionFacts, 'loss' | 'power'>;
}

/** A version is rejected for more alarms than this multiple of the expected number … */
const alarmFactor = 3;
/** … plus this many clusters … */
const alarmClusters = 5;
/** … unless it raises at most this many alarms for each alarm of the version in use: then both detect an incident. */
const sharedFactor = 2;
/** Smallest rank correlation of surprise between two versions. Those of unrelated scores are near 0. */
const leastAgreement = 0.2;
/** Fewest pairs for a correlation. */
const fewestPairs = 100;
/** Largest difference, in nats per value, by which the held-out loss may be worse: errors 1.65 times as large. */
const worseLoss = 0.5;
/** Least detection power, as a share of that of the version in use; the same as in the alert VaemonBlind. */
const powerShare = 0.5;
/** A version is rejected for its cost only if it takes more than this times as long as the version in use. */
const costFactor = 3;
/** A promoted version is rolled back if there are more events than this multiple of the budget and of its burst. */
const eventFactor = 3;
const eventBurst = 10;

/** Adds the evidence of several processes. */
export function addEvidence(parts: readonly TrialEvidence[]): TrialEvidence {
  const sum = (of: (one: TrialEvidence) => number): number =>
    parts.reduce((total, one) => total + of(one), 0);
  const mean = (values: readonly number[]): number =>
    values.reduce((total, value) => total + value, 0) / values.length;
  const times = parts.flatMap(({ secondsPerRecord }) => secondsPerRecord ?? []);
  const powers = parts.flatMap(({ livePower }) => livePower ?? []);
  const problem = parts.find((one) => one.problem !== undefined)?.problem;
  return {
    records: sum(({ records }) => records),
    events: sum(({ events }) => events),
    sample: {
      records: sum(({ sample }) => sample.records),
      alarms: {
        inUse: sum(({ sample }) => sample.alarms.inUse),
        shadow: sum(({ sample }) => sample.alarms.shadow),
      },
      surprises: parts.flatMap(({ sample }) => sample.surprises),
    },
    ...(powers.length > 0 && { livePower: mean(powers) }),
    ...(times.length > 0 && {
      secondsPerRecord: {
        inUse: mean(times.map(({ inUse }) => inUse)),
        shadow: mean(times.map(({ shadow }) => shadow)),
      },
    }),
    ...(problem !== undefined && { problem }),
  };
}

/** The failed gate of a version that cannot be used, or cannot score. */
export function unusable(problem: string): Gate {
  return { gate: 'usable', passed: false, text: problem };
}

/** The gates of a version before it comes into use: all must pass. */
export function judgeChallenger({ evidence, challenger, inUse }: ChallengerFacts): Gate[] {
  return [
    judgeAlarms(evidence, challenger),
    judgeAgreement(evidence.sample.surprises),
    judgeLoss(inUse.loss, challenger.loss),
    judgeSight(challenger, inUse.power),
    judgeCost(evidence),
  ];
}

function judgeAlarms({ sample }: TrialEvidence, { target, extremalIndex }: VersionFacts): Gate {
  const { records, alarms } = sample;
  const expected = target * records;
  const limit = Math.max(alarmFactor * expected + alarmClusters / extremalIndex, sharedFactor * alarms.inUse);
  return {
    gate: 'alarms',
    passed: alarms.shadow <= limit,
    value: alarms.shadow,
    limit,
    text:
      `${alarms.shadow} of ${records} records alarm; the target allows ${show(expected)}, the version in use raised ` +
      `${alarms.inUse}, the limit is ${show(limit)}`,
  };
}

function judgeAgreement(pairs: TrialEvidence['sample']['surprises']): Gate {
  if (pairs.length < fewestPairs)
    return {
      gate: 'rank',
      passed: true,
      text: `not evaluated: fewer than ${fewestPairs} records to compare`,
    };
  const value = rankCorrelation(pairs);
  return {
    gate: 'rank',
    passed: value >= leastAgreement,
    value,
    limit: leastAgreement,
    text: `rank correlation with the version in use is ${show(value)}; at least ${leastAgreement} is needed`,
  };
}

function judgeLoss(inUse: number | undefined, challenger: number | undefined): Gate {
  if (inUse === undefined || challenger === undefined)
    return { gate: 'loss', passed: true, text: 'not evaluated: a version has no loss' };
  const value = challenger - inUse;
  return {
    gate: 'loss',
    passed: value <= worseLoss,
    value,
    limit: worseLoss,
    text: `loss on held-out records is ${show(value)} nats per value above that of the version in use; at most ${worseLoss} is allowed`,
  };
}

function judgeSight({ reach, target, power: challenger }: VersionFacts, inUse: number | undefined): Gate {
  const threshold = -Math.log10(target);
  if (reach < threshold)
    return {
      gate: 'power',
      passed: false,
      value: reach,
      limit: threshold,
      text: `blind: its largest surprise of a synthetic anomaly is ${show(reach)}, its threshold ${show(threshold)}`,
    };
  if (inUse === undefined || challenger === undefined)
    return { gate: 'power', passed: true, text: 'not evaluated: a version has no canaries' };
  const limit = powerShare * inUse;
  return {
    gate: 'power',
    passed: challenger > 0 && challenger >= limit,
    value: challenger,
    limit,
    text: `finds ${percent(challenger)} of the canaries, the version in use ${percent(inUse)}; at least ${percent(limit)} is needed`,
  };
}

function judgeCost({ secondsPerRecord: seconds }: TrialEvidence): Gate {
  if (seconds === undefined)
    return { gate: 'cost', passed: true, text: 'not evaluated: no time was measured' };
  const limit = costFactor * seconds.inUse;
  return {
    gate: 'cost',
    passed: seconds.shadow <= limit,
    value: seconds.shadow,
    limit,
    text: `${show(1e6 * seconds.shadow)} µs per record, the version in use ${show(1e6 * seconds.inUse)}; at most ${costFactor} times as much is allowed`,
  };
}

export interface PromotedFacts {
  /** Evidence with the promoted version in use, and the previous one in the shadow. */
  evidence: TrialEvidence;
  /** Number of events that the budget or the target allows for these records. */
  allowedEvents: number;
  /** Detection power at the training of the promoted version; absent if it was not measured. */
  trainedPower?: number | undefined;
}

/** The gates of a promoted version in its first hours; it is rolled back if one fails. */
export function judgePromoted({ evidence, allowedEvents, trainedPower: trained }: PromotedFacts): Gate[] {
  const { events, sample, livePower: live } = evidence;
  const limit = eventFactor * allowedEvents + eventBurst;
  const { inUse, shadow } = sample.alarms;
  // If both versions alarm, there is an incident, which a rollback would not end.
  const alarmsMore = inUse > sharedFactor * shadow + alarmClusters;
  const isBlind = live !== undefined && trained !== undefined && live < powerShare * trained;
  return [
    {
      gate: 'events',
      passed: events <= limit || !alarmsMore,
      value: events,
      limit,
      text:
        `${events} events, those held back included; the target or the budget allows ${show(allowedEvents)}, the limit is ${show(limit)}` +
        (events > limit && !alarmsMore
          ? ', but on the same records the previous version alarms as often'
          : ''),
    },
    {
      gate: 'power',
      passed: !isBlind,
      ...(live !== undefined && trained !== undefined && { value: live, limit: powerShare * trained }),
      text:
        live === undefined || trained === undefined
          ? 'not evaluated: too few canaries in live records'
          : `finds ${percent(live)} of the canaries in live records, ${percent(trained)} at its training`,
    },
  ];
}

/** Spearman's rank correlation; equal values share their mean rank. 0 if a column is constant. */
export function rankCorrelation(pairs: readonly (readonly [number, number])[]): number {
  const first = meanRanks(pairs.map(([a]) => a));
  const second = meanRanks(pairs.map(([, b]) => b));
  const middle = (pairs.length - 1) / 2;
  let covariance = 0;
  let ofFirst = 0;
  let ofSecond = 0;
  for (let i = 0; i < pairs.length; i++) {
    const a = first[i]! - middle;
    const b = second[i]! - middle;
    covariance += a * b;
    ofFirst += a * a;
    ofSecond += b * b;
  }
  return ofFirst === 0 || ofSecond === 0 ? 0 : covariance / Math.sqrt(ofFirst * ofSecond);
}

function meanRanks(values: readonly number[]): Float64Array {
  const order = values.map((_, i) => i).sort((a, b) => values[a]! - values[b]!);
  const ranks = new Float64Array(values.length);
  for (let from = 0, to; from < order.length; from = to) {
    to = from + 1;
    while (to < order.length && values[order[to]!] === values[order[from]!]) to++;
    for (let i = from; i < to; i++) ranks[order[i]!] = (from + to - 1) / 2;
  }
  return ranks;
}

const show = (value: number): string => String(Number(value.toPrecision(2)));
const percent = (ratio: number): string => `${Math.round(100 * ratio)} %`;
