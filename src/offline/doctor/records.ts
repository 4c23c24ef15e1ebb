/** Checks whether the first records of a file can be used, as `train` and `run` read them. */
import type { DetectorSettings } from '../../config/settings';
import { createRecordDecoder } from '../../pipeline/record-decoder';
import { HistoryAccount } from '../../runtime/history-account';
import { asInFile } from '../../runtime/read-history';
import { createFileHistory, type FileRecords } from '../../sources/file/file';
import { firstLineOf } from '../../system/error-text';
import { count } from '../wording';
import { ok, warning, wrong, type Finding } from './finding';

/** Number of records that are read; of images, which take longer, fewer. */
const examined = { sensor: 200, image: 20 } as const;

/** Examines the file of the source, and the file of older records. */
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
  const account = new HistoryAccount(settings);
  try {
    for await (const messages of read({ from: undefined, to: undefined, maxRecords: most })) {
      const { rows } = await decode(messages, now);
      account.read(
        rows,
        messages.map(({ origin }) => origin),
      );
    }
  } catch (error) {
    return wrong(subject, firstLineOf(error), `correct ${key}`);
  }
  const { rejected } = account;
  const { records, ...summary } = account.summary();
  const first = `the first ${count(records, 'record')}`;
  const reasons = summary.reasons.join('; ');
  if (records === 0) return wrong(subject, 'contains no record', `correct ${key}`);
  if (rejected === records)
    return wrong(
      subject,
      `${first}: none can be used: ${reasons}`,
      `correct the file or the settings, or ${key}`,
    );
  if (rejected > 0) return warning(subject, `${first}: ${rejected} cannot be used: ${reasons}`);
  return ok(subject, `${first} can be used (${key})`);
}
