/** Finds the field that identifies the device: by it, the times of each device ascend. */
import { countKinds, nameOf, pathText, type Column, type Sample } from './sample';

export interface DeviceField {
  /** Undefined if all records are of one device. */
  column: Column | undefined;
  /** Device of each record; empty text if the field is absent. Shape [records]. */
  keys: readonly string[];
  devices: number;
  /** Share of the records that are not newer than the previous record of their device. */
  conflicts: number;
  isSure: boolean;
  /** Other fields that may identify the device. */
  candidates: readonly Column[];
}

const deviceName =
  /(^|[^a-z])(key|device|sensor|machine|asset|host|hostname|node|station|meter|equipment|instance|vehicle|turbine|robot|motor|pump|engine|plc|thing|unit|well|server|serial|dev|compressor|inverter|battery|truck|chiller|boiler)s?([ _.-]?(id|name|no|nr|number|key|uuid))?$/i;
const idName = /^(id|name|.*[ _-](id|key)|.*[a-z](Id|ID|Key))$/;

/** If a field has more values than this share of the records, it numbers records, not devices. */
const maxShare = 0.5;
const maxNamedShare = 0.95;
/** Difference of two shares of conflicts that repeated and late records can explain. */
const tolerance = 0.02;

/**
 * @param times Unix ms by record; undefined without times
 * @param wanted path of the field, empty for none; by default the field is chosen
 */
export function findDevice(
  sample: Sample,
  times: Float64Array | undefined,
  time: Column | undefined,
  wanted?: string,
): DeviceField {
  const alone = judge(undefined, sample, times);
  const { messageKey } = sample;
  if (wanted === '')
    return {
      ...(messageKey === undefined ? alone : judge(messageKey, sample, times)),
      isSure: true,
      candidates: [],
    };
  const possible = [...sample.columns, ...(messageKey === undefined ? [] : [messageKey])]
    .filter(
      (column) =>
        column !== time &&
        (wanted === undefined ? canBeKey(column, sample) : pathText(column.path) === wanted),
    )
    .map((column) => judge(column, sample, times))
    .filter(({ column, devices }) => wanted !== undefined || devices <= mostDevices(column!, sample.records));
  if (wanted !== undefined) {
    if (possible[0] === undefined) throw new Error(`no record has the field "${wanted}"`);
    return { ...possible[0], isSure: true, candidates: [] };
  }
  const least = Math.min(alone.conflicts, ...possible.map(({ conflicts }) => conflicts));
  const fitting = possible.filter(({ conflicts }) => conflicts <= least + tolerance);
  const ranked = fitting
    .map((one) => ({ ...one, rank: rankOf(one.column!) }))
    .sort(
      (a, b) => b.rank - a.rank || a.devices - b.devices || a.column!.path.length - b.column!.path.length,
    );
  const candidates = ranked.map(({ column }) => column!);
  const [best] = ranked;
  const aloneFits = alone.conflicts <= least + tolerance;
  if (best === undefined || (best.rank === 0 && aloneFits))
    return { ...alone, isSure: aloneFits, candidates };
  // A name alone is weak evidence if the times ascend without a device as well.
  const isSure = best.rank > 1 || (best.rank === 1 && !aloneFits);
  return { ...best, isSure, candidates };
}

/** Maximum number of values of a field of devices. If the field has the name of one, most records may have a new device. */
function mostDevices(column: Column, records: number): number {
  return Math.max(2, (rankOf(column) > 1.5 ? maxNamedShare : maxShare) * records);
}

function rankOf({ path }: Column): number {
  // The key of the messages is often the device, but a field with the name of one is clearer.
  return path.length === 0 ? 1.5 : nameRank(path);
}

/** How clearly a name is that of a device: 0 = not at all, 2 = clearly. @param path with at least one name */
export function nameRank(path: readonly string[]): number {
  const text = path.slice(-2).join('.');
  return deviceName.test(text) ? 2 : idName.test(path.at(-1)!) ? 1 : 0;
}

function canBeKey(column: Column, { records }: Sample): boolean {
  const { numbers, texts } = countKinds(column);
  if (texts + numbers < 0.99 * records) return false;
  if (texts > 0) return true;
  // Includes numbers that cannot be kept exactly: the decoder rejects them, with advice.
  const isWhole = column.values.every(
    (value) => value === undefined || value === null || Number.isInteger(value),
  );
  // Whole numbers are often measurements; only a name shows that they are not.
  return isWhole && rankOf({ path: [nameOf(column)], values: [] }) > 0;
}

function judge(
  column: Column | undefined,
  { records, blocks }: Sample,
  times: Float64Array | undefined,
): Omit<DeviceField, 'isSure' | 'candidates'> {
  const keys: string[] =
    column === undefined ? new Array<string>(records).fill('') : column.values.map(keyText);
  const newest = new Map<string, number>();
  let conflicts = 0;
  keys.forEach((key, i) => {
    const time = times === undefined ? i : times[i]!;
    const stretch = blocks === undefined ? key : `${blocks[i]!} ${key}`;
    const before = newest.get(stretch);
    if (before === undefined) newest.set(stretch, Number.isNaN(time) ? -Infinity : time);
    else if (time <= before) conflicts++;
    else if (time > before) newest.set(stretch, time);
  });
  return {
    column,
    keys,
    devices: blocks === undefined ? newest.size : new Set(keys).size,
    conflicts: records === 0 ? 0 : conflicts / records,
  };
}

function keyText(value: unknown): string {
  return typeof value === 'string' || typeof value === 'number' ? String(value) : '';
}
