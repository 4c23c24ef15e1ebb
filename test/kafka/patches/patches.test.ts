import { installedKafkajs, type KafkajsInternals } from '../../../src/kafka/patches/installed';
import { applyPatches, patches, reportPatches, testedVersion } from '../../../src/kafka/patches/patches';

/** Internals of a kafkajs in which some modules differ; every module is a copy of its own. */
function otherKafkajs(differing: Record<string, unknown>): KafkajsInternals & { replaced: string[] } {
  const replaced: string[] = [];
  return {
    replaced,
    load(path) {
      if (!(path in differing)) return installedKafkajs.load(path);
      if (differing[path] === undefined) throw new Error(`Cannot find module kafkajs/src/${path}`);
      return differing[path];
    },
    isLoaded: () => false,
    replaceExports: (path) => void replaced.push(path),
  };
}

const modules = {
  'stable-offsets': 'protocol/requests/offsetFetch',
  'out-of-range': 'consumer/consumerGroup',
  'request-queue': 'network/requestQueue',
  'record-batch': 'protocol/recordBatch/v0/decoder',
  'aborted-transactions': 'broker',
  connection: 'network/connection',
  'seed-broker': 'cluster/brokerPool',
};

/** What a later kafkajs may have in place of what the patches know. */
const rewritten = {
  'stable-offsets': { versions: ['1', '2', '3', '4', '5', '6', '7', '8'], protocol: () => undefined },
  'out-of-range': class {
    recoverFromOffsetOutOfRange(): void {
      // Does something else.
    }
  },
  'request-queue': class {
    scheduleCheckPendingRequests(): void {
      // Does something else.
    }
    checkPendingRequests(): void {
      // As before.
    }
  },
  'record-batch': () => undefined,
  'aborted-transactions': class {
    fetch(): void {
      // Does something else.
    }
  },
  connection: class {
    connect(): void {
      // Does something else.
    }
    send(): void {
      // As before.
    }
  },
  'seed-broker': class {
    removeBroker(): void {
      // Does something else.
    }
  },
};

const names = Object.keys(modules) as (keyof typeof modules)[];
const namesOf = (some: readonly { name: string }[]) => some.map(({ name }) => name);

test('every patch applies to the installed kafkajs, also a second time', () => {
  expect(namesOf(patches).sort()).toEqual([...names].sort());
  expect(namesOf(applyPatches())).toEqual([]);
  expect(namesOf(applyPatches())).toEqual([]);
});

test.each(names)('%s leaves a kafkajs alone that is written differently, and is reported', (name) => {
  const module = rewritten[name];
  const before = Object.entries(
    Object.getOwnPropertyDescriptors((module as { prototype?: object }).prototype ?? module),
  );
  const other = otherKafkajs({ [modules[name]]: module });
  expect(namesOf(applyPatches(other))).toEqual([name]);
  const after = Object.entries(
    Object.getOwnPropertyDescriptors((module as { prototype?: object }).prototype ?? module),
  );
  expect(after).toEqual(before);
  expect(other.replaced).not.toContain(modules[name]);
});

test.each(names)('%s does not apply to a kafkajs without the module', (name) => {
  expect(namesOf(applyPatches(otherKafkajs({ [modules[name]]: undefined })))).toEqual([name]);
});

test('record-batch does not apply once the module that uses the decoder is loaded', () => {
  const decoder = (() => undefined) as () => unknown;
  decoder.toString = () => 'firstOffset maxTimestamp lookupCodecByAttributes KafkaJSPartialMessageError';
  const other = otherKafkajs({ [modules['record-batch']]: decoder });
  expect(namesOf(applyPatches(other))).toEqual([]);
  expect(namesOf(applyPatches({ ...other, isLoaded: () => true }))).toEqual(['record-batch']);
});

/** The log lines and the error of a start with a kafkajs in which one module differs. */
function startWith(name: keyof typeof modules | undefined, exactlyOnce: boolean) {
  const lines: [string, string, unknown][] = [];
  const at = (level: string) => (message: string, fields: Record<string, unknown>) =>
    void lines.push([level, message, fields['patch'] ?? fields['patches']]);
  const kafkajs = otherKafkajs(name === undefined ? {} : { [modules[name]]: rewritten[name] });
  let problem = '';
  try {
    reportPatches({ exactlyOnce, log: { info: at('info'), warn: at('warn') }, kafkajs });
  } catch (error) {
    problem = (error as Error).message;
  }
  return { lines, problem };
}

test('the start names the applied patches in one line', () => {
  expect(startWith(undefined, true)).toEqual({
    lines: [['info', 'kafkajs patches applied', namesOf(patches)]],
    problem: '',
  });
});

test.each([
  ['request-queue', true],
  ['seed-broker', true],
  ['stable-offsets', false],
] as const)('a missing %s is a warning (exactly-once: %s)', (name, exactlyOnce) => {
  const { lines, problem } = startWith(name, exactlyOnce);
  expect(lines.at(-1)).toEqual(['warn', 'kafkajs patch does not apply', name]);
  expect(problem).toBe('');
});

test.each([
  ['stable-offsets', true],
  ['out-of-range', true],
  ['out-of-range', false],
  ['record-batch', false],
  ['aborted-transactions', false],
  ['connection', false],
] as const)('a missing %s ends the start (exactly-once: %s)', (name, exactlyOnce) => {
  const { problem } = startWith(name, exactlyOnce);
  expect(problem).toContain(`required patches do not apply: "${name}" (without it: `);
  expect(problem).toContain(`install kafkajs ${testedVersion}`);
});
