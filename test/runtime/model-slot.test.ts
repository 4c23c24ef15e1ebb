import { ModelSlot } from '../../src/runtime/model-slot';
import { createModel } from './model';

function create() {
  const loaded: [string, number][] = [];
  const coldStarts: boolean[] = [];
  const slot = new ModelSlot({
    modelLoaded: (...args) => void loaded.push(args),
    coldStart: (is) => void coldStarts.push(is),
  });
  return { slot, loaded, coldStarts };
}

const v1 = '20260101T000000.000Z';
const v2 = '20260102T000000.000Z';

test('a slot is empty until it gets its first model, which ends the wait for one', () => {
  const { slot, loaded } = create();
  expect(slot.current()).toBeUndefined();
  expect(slot.version()).toBeUndefined();
  expect(slot.filled.aborted).toBe(false);
  const { model } = createModel(v1);
  slot.use(model);
  expect(slot.current()).toBe(model);
  expect(slot.version()).toBe(v1);
  expect(slot.filled.aborted).toBe(true);
  expect(loaded).toEqual([[v1, Date.UTC(2026, 0, 1)]]);
});

test.each(['succeeds', 'fails'])(
  'a new model is in use at once, and the old one is disposed after the batch in progress %s',
  async (end) => {
    const { slot } = create();
    const old = createModel(v1);
    slot.use(old.model);
    let settle: () => void = () => undefined;
    const batch = slot.scoring(
      new Promise((resolve, reject) => {
        settle = end === 'succeeds' ? resolve : () => reject(new Error('sink'));
      }),
    );
    const next = createModel(v2);
    slot.use(next.model);
    expect(slot.version()).toBe(v2);
    await new Promise(setImmediate);
    expect(old.disposed()).toBe(0);
    settle();
    await batch.catch(() => undefined);
    await new Promise(setImmediate);
    expect(old.disposed()).toBe(1);
    expect(next.disposed()).toBe(0);
  },
);

test('emptying the slot disposes the model in use, once', () => {
  const { slot } = create();
  const { model, disposed } = createModel(v1);
  slot.use(model);
  slot.empty();
  slot.empty();
  expect(disposed()).toBe(1);
  expect(slot.current()).toBeUndefined();
});

test('a model that other work has borrowed is disposed when that has ended, too', async () => {
  const { slot } = create();
  const old = createModel(v1);
  slot.use(old.model);
  let end: () => void = () => undefined;
  const work = slot.borrowed(new Promise<void>((_, reject) => (end = () => reject(new Error('failed')))));
  slot.use(createModel(v2).model);
  await new Promise(setImmediate);
  expect(old.disposed()).toBe(0);
  end();
  await expect(work).rejects.toThrow('failed');
  await new Promise(setImmediate);
  expect(old.disposed()).toBe(1);
});

test('a cold start is said until another model replaces it', () => {
  const { slot, coldStarts } = create();
  expect(slot.isColdStart()).toBe(false);
  slot.use({ ...createModel(v1).model, coldStart: true });
  expect(slot.isColdStart()).toBe(true);
  slot.use(createModel(v2).model);
  expect(slot.isColdStart()).toBe(false);
  expect(coldStarts).toEqual([true, false]);
});
