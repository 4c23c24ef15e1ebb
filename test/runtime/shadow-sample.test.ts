import { ShadowSample } from '../../src/runtime/shadow-sample';

const record = { partition: 0, key: 'a', timestamp: 1000, surprise: 2, anomalous: false };

test('compares the records that both versions have scored', () => {
  const sample = new ShadowSample();
  sample.expect(record);
  sample.compare({ ...record, surprise: 4, anomalous: true });
  sample.compare({ ...record, partition: 1 });
  sample.compare({ ...record, key: 'b' });
  sample.compare({ ...record, timestamp: 2000 });
  expect(sample.evidence).toEqual({ records: 1, alarms: { inUse: 0, shadow: 1 }, surprises: [[2, 4]] });
});

test('what is forgotten is not compared', () => {
  const sample = new ShadowSample();
  sample.expect(record);
  sample.expect({ ...record, key: 'b' });
  sample.forget(0, 'a', 1000);
  sample.compare(record);
  expect(sample.evidence.records).toBe(0);
  sample.forgetAll();
  sample.compare({ ...record, key: 'b' });
  expect(sample.evidence.records).toBe(0);
});
