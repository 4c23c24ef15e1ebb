import { LivePower } from '../../src/runtime/live-power';
import type { DetectionPower } from '../../src/scoring/detection-power';
import { createRecordedLog } from './recorded-log';

const found = (canaries: number): DetectionPower => ({
  within: [32],
  stretches: 1,
  alarming: 0,
  faults: [{ kind: 'shift', size: 6, unit: 'σ', canaries: 10, found: [canaries] }],
});

function create() {
  const exported: Partial<Record<string, number>>[] = [];
  const log = createRecordedLog();
  const detectionPower = { trained: () => undefined, live: (power: object) => void exported.push(power) };
  const power = new LivePower({ detectionPower }, log);
  const add = (canaries: number, stretches = 1): void => {
    for (let i = 0; i < stretches; i++) power.add(found(canaries), found(10));
  };
  return { power, add, exported, log };
}

test('is known from the eighth stretch on, and of the newest 24', () => {
  const { power, add, exported } = create();
  add(0, 7);
  expect(power.current()).toBeUndefined();
  add(0);
  expect(exported).toEqual([{ shift: 0 }]);
  add(10, 24);
  expect(power.current()).toMatchObject({ stretches: 24, faults: [{ canaries: 240, found: [240] }] });
});

test('below half of that at the training it is logged, once until it has recovered', () => {
  const { add, log } = create();
  add(4, 12);
  expect(log.entries).toMatchObject([{ level: 'warn', fields: { shift: 0.4 } }]);
  add(10, 24);
  add(0, 24);
  expect(log.entries).toHaveLength(2);
});

test('begins again with another version', () => {
  const { power, add } = create();
  add(10, 8);
  power.clear();
  expect(power.current()).toBeUndefined();
});
