/** Detection power: the share of canaries (canaries.ts) that a version finds at its threshold, by kind and size of the fault. */
import type { FaultKind } from '../domain/fault-kinds';

/** Stored in the report of a version. */
export interface DetectionPower {
  /** Numbers of records counted from the first one with the fault, ascending. */
  within: readonly number[];
  /** Number of stretches of normal records with faults, and number of those left out because they alarm without a fault. */
  stretches: number;
  alarming: number;
  faults: readonly FaultPower[];
}

/** Results for the canaries of one kind and size. */
export interface FaultPower {
  kind: FaultKind;
  size: number;
  /** Unit of the size. */
  unit: string;
  canaries: number;
  /** Number of canaries found within N records, for each N in `DetectionPower.within`. */
  found: readonly number[];
}

/** The parts of report.json that are needed to load a version; undefined if they are absent, as in versions of 0.1.0. */
export function readReport(report: Uint8Array | undefined): {
  power: DetectionPower | undefined;
  validationLoss: number | undefined;
} {
  const { detectionPower, validationLoss } = (
    report === undefined ? {} : JSON.parse(Buffer.from(report).toString())
  ) as { detectionPower?: DetectionPower; validationLoss?: number | null };
  return { power: detectionPower, validationLoss: validationLoss ?? undefined };
}

/** Adds several powers, canary by canary; undefined if there are none. */
export function mergePower(powers: readonly DetectionPower[]): DetectionPower | undefined {
  const [first] = powers;
  if (first === undefined) return undefined;
  const faults = new Map<string, FaultPower>();
  for (const one of powers.flatMap((power) => power.faults)) {
    const name = `${one.kind} ${one.size}`;
    const known = faults.get(name);
    faults.set(name, {
      ...one,
      canaries: one.canaries + (known?.canaries ?? 0),
      found: one.found.map((count, w) => count + (known?.found[w] ?? 0)),
    });
  }
  const sum = (name: 'stretches' | 'alarming'): number =>
    powers.reduce((total, power) => total + power[name], 0);
  return {
    within: first.within,
    stretches: sum('stretches'),
    alarming: sum('alarming'),
    faults: [...faults.values()],
  };
}

/** Share of the canaries of each kind, of all its sizes, that are found within the longest time. */
export function powerByKind({ faults }: DetectionPower): Partial<Record<FaultKind, number>> {
  const byKind: Partial<Record<FaultKind, number>> = {};
  for (const kind of new Set(faults.map((one) => one.kind))) {
    const of = faults.filter((one) => one.kind === kind);
    const total = of.reduce((sum, { canaries }) => sum + canaries, 0);
    byKind[kind] = of.reduce((sum, { found }) => sum + found.at(-1)!, 0) / total;
  }
  return byKind;
}

/** Mean over the kinds of faults of the share found. */
export function meanPower(power: DetectionPower): number {
  const shares = Object.values(powerByKind(power));
  return shares.reduce((sum, share) => sum + share / shares.length, 0);
}

/** Message of the log line about a power. Its fields are the shares by kind. */
export const powerMessage = 'detection power: share found of the faults that were put into held-out records';

/** Shares by kind with two digits, as fields of a log line. */
export function powerFields(power: DetectionPower): Record<string, number> {
  return Object.fromEntries(
    Object.entries(powerByKind(power)).map(([kind, ratio]) => [kind, Math.round(100 * ratio) / 100]),
  );
}
