import { createCategoryTable } from '../../src/domain/condition';
import { generateWindows } from '../../src/scoring/generate';
import { checkGolden } from '../../src/scoring/golden';

test.each([{ windows: [] }, {}])('a version whose golden.json is %j is not loaded', async (golden) => {
  const checked = checkGolden({ version: 'v1' } as never, golden as never, createCategoryTable());
  await expect(checked).rejects.toMatchObject({ name: 'ModelVersionError', reason: 'golden' });
});

describe('windows are not generated under', () => {
  const conditions = {
    specs: [{ name: 'mode', kind: 'category', maxValues: 4, missing: 'reject' }],
    categories: { mode: ['idle', 'busy'] },
    numbers: {},
  };
  const generate = (given: Record<string, unknown>) => () =>
    generateWindows({ conditions } as never, {} as never, createCategoryTable(), {
      count: 1,
      conditions: given,
      timestamp: 0,
      temperature: 1,
      seed: 1,
    });

  test('a category that training has not seen', () => {
    expect(generate({ mode: 'bussy' })).toThrow(
      'condition "mode" had no value "bussy" in training (known: idle, busy)',
    );
  });

  test('a condition that the model does not have', () => {
    expect(generate({ mood: 'idle' })).toThrow('the model has no condition "mood" (known: mode)');
  });
});
