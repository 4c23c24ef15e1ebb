/** The role of each field (a channel, a condition, or none), and the reason. */
import { isNumberText } from '../../../codecs/values';
import { isIndex, isLabel } from '../../../domain/column-role';
import { createCounterTest } from '../../../domain/counter';
import { countKinds, distinctValues, isNumber, nameOf, pathText, type Column } from './sample';

export interface Role {
  column: Column;
  kind: 'channel' | 'condition' | 'unused';
  /** Reason why the field is unused; otherwise empty. */
  reason: string;
  /** Note about a choice to check; undefined = the choice is clear. */
  doubt?: string;
  /** Texts in a channel that are not numbers. */
  missingTexts?: readonly string[];
  /** Whether the numbers are written as text. `column` contains them as numbers. */
  isText?: boolean;
}

export interface Devices {
  /** Device of each record. Shape [records]. */
  keys: readonly string[];
  /** Unix ms by record, undefined without times. */
  times: Float64Array | undefined;
}

/** Rows of each device, in order. */
export function rowsByDevice(keys: readonly string[]): number[][] {
  const rows = new Map<string, number[]>();
  keys.forEach((key, i) => {
    const known = rows.get(key);
    if (known === undefined) rows.set(key, [i]);
    else known.push(i);
  });
  return [...rows.values()];
}

const idName =
  /(^|[^a-z])(id|uuid|guid|serial|imei|mac|pid|offset|partition|lsn|xid|txid|seq|sequence|pos|port|row|idx|index)$|[a-z](Id|ID|Uuid|Seq)$/;
const versionName = /(^|[^a-z])(fw|firmware|version|ver|build|revision|rev|schema|release)([^a-z]|$)/i;
/** Names of moving averages: they rise and fall late, so a window does not show how fast something happened. */
const averageName =
  /(^|[^a-z])(load_?(1|5|15)m?|load_?av(era)?g(e)?.*|ewma|(rolling|moving)_?(av|mean).*|(avg|mean|average)_?\d+ ?(s|m|min|h))$/i;
const placeName = /^(lat|latitude|lon|lng|long|longitude|altitude)$/i;
const modeName =
  /(^|[^a-z])(mode|state|program(me)?|product|recipe|phase|step|gear|batch|shift|operation|regime|stage)$/i;
/** Names of fields that report faults. A model conditioned on such a field treats a fault as one more normal mode. */
const verdictName =
  /status|alarm|alert|error|err|fault|fail|warn|quality|health|label|anomal|outlier|severity/i;
const faultValue =
  /^(nok|error|fault|fail(ed|ure)?|alarm|warn(ing)?|broken|anomal(y|ous)|abnormal|defect|bad)$/i;
/** Values that report no fault. A mode may be called so, too: normal, eco, boost. */
const goodValue = /^(ok|normal|good)$/i;
const timeName = /(^|[^a-z])(ts|time|timestamp|datetime|date)([^a-z]|$)|(time|timestamp)(_?ms|_?ns)?$/i;

/** A category with more values identifies things, not modes; this is the default of `maxValues`. */
const maxCategories = 64;
/** Maximum number of values of a numeric category. */
const maxNumberCategories = 12;
/** If a channel has more different texts, they do not stand for missing values. */
const maxMissingTexts = 8;
/** Least number of records per value of a category. */
const minPerCategory = 20;

/** @param taken fields that have another role: time, device */
export function assignRoles(columns: readonly Column[], devices: Devices, taken: readonly Column[]): Role[] {
  const rows = rowsByDevice(devices.keys);
  return columns
    .filter((column) => !taken.includes(column))
    .map((column) => {
      const numeric = withNumbers(column);
      return numeric === undefined
        ? { column, ...roleOf(column, rows) }
        : { column: numeric, ...roleOf(numeric, rows), isText: true };
    });
}

/** A column whose values are mostly numbers as text, with these converted to numbers; otherwise undefined. */
function withNumbers(column: Column): Column | undefined {
  const { texts, absent } = countKinds(column);
  if (texts === 0) return undefined;
  const values = column.values.map((value) =>
    typeof value === 'string' && isNumberText(value) ? Number(value) : value,
  );
  const numbers = values.filter((value, i) => value !== column.values[i]).length;
  return 2 * numbers > values.length - absent ? { ...column, values } : undefined;
}

function roleOf(column: Column, rows: readonly number[][]): Omit<Role, 'column'> {
  const { numbers, texts, booleans, lists, absent } = countKinds(column);
  if (absent === column.values.length) return unused('it has no value in any record');
  if (lists > 0) return roleOfList(column);
  if (numbers > 0 && numbers >= texts + booleans) return roleOfNumbers(column, rows);
  return roleOfTexts(column, rows);
}

const unused = (reason: string): Omit<Role, 'column'> => ({ kind: 'unused', reason });

function roleOfList({ values }: Column): Omit<Role, 'column'> {
  const lists = values.filter((value) => Array.isArray(value)) as unknown[][];
  const { length } = lists[0]!;
  const isVector = lists.every(
    (list) => list.length === length && list.every((value) => value === null || isNumber(value)),
  );
  return isVector && length > 0
    ? { kind: 'channel', reason: '' }
    : unused('it is a list that is not of as many numbers each time');
}

function roleOfNumbers(column: Column, rows: readonly number[][]): Omit<Role, 'column'> {
  const name = nameOf(column);
  const values = column.values.filter(isNumber);
  if (isLabel(name, values)) return unused('it looks like a label: 1 for anomalous records');
  const isWhole = values.every((value) => Number.isInteger(value));
  if (isIndex(values) || (isWhole && rows.every((device) => isIndex(pick(column, device)))))
    return unused('it looks like an index: it counts records');
  if (isWhole && idName.test(name)) return unused('it looks like an id');
  if (versionName.test(name)) return unused('it looks like a version');
  if (timeName.test(name)) return unused('it is another time');
  if (averageName.test(name)) return unused('it is an average over a time, which rises and falls late');
  if (placeName.test(name)) return unused('it is a place');
  const { values: distinct, isMore } = distinctValues(values, maxNumberCategories);
  if (isWhole && rows.length > 1 && distinct.size > 1 && isConstantPerDevice(column, rows))
    return unused('it is constant for each device');
  if (isWhole && modeName.test(name) && !isMore && distinct.size > 1)
    return {
      kind: 'condition',
      reason: '',
      doubt: 'a number that seems to name a mode, by its name and its few values',
    };
  if (isWhole && verdictName.test(name) && !isMore)
    return unused('it seems to report faults, not to measure');
  return { kind: 'channel', reason: '', ...textsIn(column) };
}

/** Texts among the numbers of a channel; if there are few, they stand for missing values. */
function textsIn({ values }: Column): Pick<Role, 'doubt' | 'missingTexts'> {
  const texts = values.filter((value) => typeof value === 'string').map((text) => text.trim());
  if (texts.length === 0) return {};
  const { values: distinct, isMore } = distinctValues(texts, maxMissingTexts);
  const shown = [...distinct]
    .slice(0, maxMissingTexts)
    .map((text) => JSON.stringify(text))
    .join(', ');
  if (isMore) return { doubt: `${texts.length} records have text in it, and are rejected: ${shown}, …` };
  return {
    doubt: `${texts.length} records have text in it, which counts as missing: ${shown}`,
    missingTexts: [...distinct] as string[],
  };
}

function roleOfTexts(column: Column, rows: readonly number[][]): Omit<Role, 'column'> {
  const name = nameOf(column);
  const present = column.values.filter((value) => value !== undefined && value !== null);
  if (timeName.test(name)) return unused('it is another time');
  const { values: distinct, isMore } = distinctValues(present, maxCategories);
  if (isMore)
    return unused(`it has more than ${maxCategories} texts, such as ${JSON.stringify([...distinct][0])}`);
  if (distinct.size === 1) return unused('it is the same in all records');
  if (versionName.test(name)) return unused('it looks like a version');
  if (rows.length > 1 && isConstantPerDevice(column, rows)) return unused('it is constant for each device');
  const isMode = modeName.test(name);
  const verdict = [...distinct].find((value) => {
    const text = String(value).trim();
    return faultValue.test(text) || (!isMode && goodValue.test(text));
  });
  if (verdict !== undefined || verdictName.test(name)) {
    const sign = verdict === undefined ? 'by its name' : `by its value ${JSON.stringify(verdict)}`;
    return unused(`it seems to report faults, ${sign}: with it as a condition, they would count as normal`);
  }
  if (present.length < minPerCategory * distinct.size) return unused('its values have too few records each');
  return {
    kind: 'condition',
    reason: '',
    ...(!isMode && { doubt: 'a text with few values that change within a device' }),
  };
}

function pick({ values }: Column, rows: readonly number[]): number[] {
  return rows.map((row) => values[row]).filter(isNumber);
}

function isConstantPerDevice({ values }: Column, rows: readonly number[][]): boolean {
  // A device with a single record is no evidence.
  return (
    rows.some((device) => device.length > 1) &&
    rows.every((device) => {
      const first = values[device[0]!];
      return device.every(
        (row) => values[row] === first || values[row] === undefined || values[row] === null,
      );
    })
  );
}

/** Channels that only grow except for resets. The detector scores their rate. */
export function findCounterColumns(columns: readonly Column[], { keys, times }: Devices): string[] {
  const rows = rowsByDevice(keys);
  return columns
    .filter(({ values }) => {
      const test = createCounterTest();
      for (const device of rows) {
        const ordered = times === undefined ? device : [...device].sort((a, b) => times[a]! - times[b]!);
        let previous = NaN;
        ordered.forEach((row, i) => {
          const value = values[row];
          if (!isNumber(value)) return;
          if (!Number.isNaN(previous)) test.add(previous, value, i < ordered.length / 2 ? 0 : 1);
          previous = value;
        });
      }
      return test.passes();
    })
    .map(({ path }) => pathText(path));
}
