/** Checks whether the first records of a file can be used, as `train` and `run` read them. */
import type { DetectorSettings } from '../../config/settings';
import { DecodeError } from '../../errors';
import { createRecordDecoder } from '../../pipeline/record-decoder';
import { exampleOf, Refusals } from '../../pipeline/refusals';
import { asInFile } from '../../runtime/read-history';
import { createFileHistory, type FileRecords } from '../../sources/file/file';
import { firstLineOf } from '../../system/error-text';
import { count } from '../wording';
import { ok, warning, wrong, type Finding } from './finding';

/** Number of records that are read; of images, which take longer, fewer. */
const examined = { sensor: 200, image: 20 } as const;

/** The file of the source, and that of older records. */
export async function examineRecords(settings: DetectorSettings, now: number): Promise<Finding[]> {
  const { source, training } = settings;
  const findings: Finding[] = [];
  if (source.kind === 'file')
    findings.push(await examineFile('source.file.path', settings, source.file, now));
  if (training.historyFrom.path !== '')
    findings.push(
      await examineFile('training.historyFrom.path', asInFile(settings), training.historyFrom, now),
    );
  return findings;
}

async function examineFile(
  key: string,
  settings: DetectorSettings,
  { path, columns }: Pick<FileRecords, 'path' | 'columns'>,
  now: number,
): Promise<Finding> {
  const { record, fields } = settings;
  const { timestampFormat, timeZone } = fields;
  const subject = `file ${path}`;
  const most = examined[record.kind];
  const { decode } = createRecordDecoder(settings, { format: 'json' });
  const read = createFileHistory({ path, columns, timestampFormat, timeZone }, most);
  const refusals = new Refusals();
  let records = 0;
  try {
    for await (const messages of read({ from: undefined, to: undefined, maxRecords: most })) {
      const { rows } = await decode(messages, now);
      rows.forEach((row, i) => {
        if (row instanceof DecodeError) refusals.add(row.reason, exampleOf(row.message, messages[i]!.origin));
      });
      records += rows.length;
    }
  } catch (error) {
    return wrong(subject, firstLineOf(error), `correct ${key}`);
  }
  const first = `the first ${count(records, 'record')}`;
  const reasons = refusals.describe().join('; ');
  if (records === 0) return wrong(subject, 'contains no record', `correct ${key}`);
  if (refusals.total === records)
    return wrong(
      subject,
      `${first}: none can be used: ${reasons}`,
      `correct the file or the settings, or ${key}`,
    );
  if (refusals.total > 0) return warning(subject, `${first}: ${refusals.total} cannot be used: ${reasons}`);
  return ok(subject, `${first} can be used (${key})`);
}
