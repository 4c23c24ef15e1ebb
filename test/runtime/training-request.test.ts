import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { TrainingRequests } from '../../src/runtime/training-request';

let directory: string;
beforeEach(() => (directory = mkdtempSync(join(tmpdir(), 'vaemon-request-'))));
afterEach(() => rmSync(directory, { recursive: true }));

test('the newest request is taken by one process, once, and leaves no file', async () => {
  const requests = new TrainingRequests(directory, 'pump');
  expect(await requests.take()).toBeUndefined();
  await requests.request('v1');
  await requests.request('v2');
  const taken = await Promise.all([requests.take(), requests.take(), requests.take()]);
  expect(taken.filter((one) => one !== undefined)).toEqual([{ version: 'v2', byPerson: false }]);
  await requests.request('v3', true);
  expect(await requests.take()).toEqual({ version: 'v3', byPerson: true });
  expect(readdirSync(join(directory, 'pump'))).toEqual([]);
});

test('an unreadable request is an error, once', async () => {
  const requests = new TrainingRequests(directory, 'pump');
  await requests.request('v1');
  writeFileSync(join(directory, 'pump', 'training-request.json'), '{');
  await expect(requests.take()).rejects.toThrow();
  expect(await requests.take()).toBeUndefined();
});
