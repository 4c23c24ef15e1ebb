/** Detection power: the share of canaries (canaries.ts) that a version finds at its threshold, by kind and size of the fault. */
import type { FaultKind } from '../domain/fault-kinds';

/** Stored in the report of a version. */
export interface DetectionPower {
  /** Numbers of records, from the first one with the fault on, ascending. */
  within: readonly number[];
  /** Stretches of normal records with faults, and those left out because they alarm without one. */
  stretches: number;
  alarming: number;
  faults: readonly FaultPower[];
}

/** The canaries of one kind and size. */
export interface FaultPower {
  kind: FaultKind;
  size: number;
  /** Unit of the size. */
  unit: string;
  canaries: number;
  /** Those found within N records, N by `DetectionPower.within`. */
  found: readonly number[];
}

/** What a load needs of report.json of a version; undefined where it has none: those of 0.1.0 have no power. */
export function readReport(report: Uint8Array | undefined): {
  power: DetectionPower | undefined;
  validationLoss: number | undefined;
} {
  const { detectionPower, validationLoss } = (
    report === undefined ? {} : JSON.parse(Buffer.from(report).toString())
  ) as { detectionPower?: DetectionPower; validationLoss?: number | null };
  return { power: detectionPower, validationLoss: validationLoss ?? undefined };
}

/** The powers together, canary by canary; undefined without any. */
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

/** Mean of the shares of the kinds. */
export function meanPower(power: DetectionPower): number {
  const shares = Object.values(powerByKind(power));
  return shares.reduce((sum, share) => sum + share / shares.length, 0);
}

/** The log line of a power; its fields are the shares by kind. */
export const powerMessage = 'detection power: share found of the faults that were put into held-out records';

/** Shares by kind with two digits, as fields of a log line. */
export function powerFields(power: DetectionPower): Record<string, number> {
  return Object.fromEntries(
    Object.entries(powerByKind(power)).map(([kind, ratio]) => [kind, Math.round(100 * ratio) / 100]),
  );
}
