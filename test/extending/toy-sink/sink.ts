/** A toy sink in one folder: it keeps what it is given under a name. */
import { identifier } from '../../../src/schema/network-formats';
import type { DetectionBatch } from '../../../src/sinks/sink';
import type { SinkSpec } from '../../../src/sinks/spec';

/** What has been written, by the name in the settings. */
export const written = new Map<string, DetectionBatch[]>();

const section = {
  name: identifier({ doc: 'Name under which batches are kept.', default: '' }, { empty: true }),
};

export const toySink: SinkSpec<typeof section> = {
  section,
  rules: [
    {
      keys: ['name'],
      beside: ['delivery'],
      problem: ({ name }, { delivery }) =>
        name !== '' && delivery === 'exactly-once' ? 'cannot be written exactly once' : undefined,
    },
  ],
  create({ name }) {
    if (name === '') return Promise.resolve(undefined);
    const batches: DetectionBatch[] = [];
    written.set(name, batches);
    const sink = {
      name: 'toy',
      write(batch: DetectionBatch) {
        batches.push(batch);
        return Promise.resolve();
      },
      close: () => Promise.resolve(),
    };
    return Promise.resolve({ sink });
  },
};
