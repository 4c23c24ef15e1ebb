import { createWhatIf, type WhatIfParts } from '../../src/runtime/what-if';

test('of many questions at once four are answered, one after the other, and the others are refused', async () => {
  let release: () => void = () => undefined;
  let running = 0;
  const begun: number[] = [];
  const parts = () =>
    ({
      settings: {
        calibration: { falseAlarmTarget: { kind: 'ratio', ratio: 0.01 } },
        events: { openWindow: 6 },
        past: { records: 5 },
      },
      past: {
        readScores() {
          begun.push(++running);
          return new Promise<void>((resolve) => {
            release = () => {
              running--;
              resolve();
            };
          });
        },
      },
    }) as unknown as WhatIfParts;
  const whatIf = createWhatIf();
  const outcomes: unknown[] = [];
  const asked = Array.from({ length: 6 }, () =>
    whatIf(undefined, parts).catch((error: unknown) => outcomes.push((error as { status: number }).status)),
  );
  await Promise.all(asked.slice(4));
  expect(outcomes).toEqual([429, 429]);
  for (const one of asked.slice(0, 4)) {
    release();
    await one;
  }
  expect(begun).toEqual([1, 1, 1, 1]);
  // Too few records are kept, here.
  expect(outcomes.slice(2)).toEqual([409, 409, 409, 409]);
  const again = whatIf(undefined, parts).catch(() => 'answered');
  await Promise.resolve();
  release();
  expect(await again).toBe('answered');
});
