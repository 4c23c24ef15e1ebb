import { loadSettings } from '../../src/config/load';
import { HistoryAccount, logLeftOut } from '../../src/runtime/history-account';
import { minimalDetector, removeFolders, writeFolder } from '../config/folder';
import { createRecordedLog } from './recorded-log';

afterEach(removeFolders);

async function loggedWith(overrides: Record<string, string>) {
  const folder = await writeFolder({ 'a.yaml': minimalDetector() });
  const { detectors } = await loadSettings(`${folder}/a.yaml`, { env: {}, overrides });
  const account = new HistoryAccount(detectors[0]!.settings);
  account.read([0, 1, 2, 3], []);
  account.leftOut('duplicate', 'a', 0);
  account.leftOut('duplicate', 'b', 0);
  account.leftOut('out_of_order', 'a', 0);
  const log = createRecordedLog();
  logLeftOut(log, account.summary());
  const lines = log.entries.map(({ level, fields }) => ({ level, ...fields }));
  return { account, lines };
}

const duplicates = /^2 duplicate \(key "a" has a second record at 1970/;
const late = /^1 out_of_order \(key "a"/;
const like = (pattern: RegExp): string => expect.stringMatching(pattern) as string;

test('duplicate and late records are a warning where they are rejected', async () => {
  const { lines } = await loggedWith({});
  expect(lines).toEqual([
    { level: 'warn', rejected: 3, records: 4, reasons: [like(duplicates), like(late)] },
  ]);
});

test('those that the settings ignore are counted, but no warning', async () => {
  const { account, lines } = await loggedWith({ 'record.duplicates': 'ignore' });
  expect(lines).toEqual([
    { level: 'warn', rejected: 1, records: 4, reasons: [like(late)] },
    { level: 'info', ignored: 2, records: 4, reasons: [like(duplicates)] },
  ]);
  expect(account.rejected).toBe(3);
  expect(account.summary().rejected).toEqual({ out_of_order: 1, duplicate: 2 });
  expect(account.describe()).toMatch(/rejected: 1 out_of_order .*; ignored: 2 duplicate /);
});
