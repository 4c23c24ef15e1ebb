import { DecodeError } from '../../../src/errors';
import type { RegisteredSchema } from '../../../src/codecs/confluent/schema-registry';
import { Validation } from '../../../src/codecs/json-schema/validation';

const registered = (schema: unknown, references: RegisteredSchema['references'] = []): RegisteredSchema => ({
  type: 'JSON',
  text: typeof schema === 'string' ? schema : JSON.stringify(schema),
  references,
});
const records = (...values: unknown[]) => values.map((value) => Buffer.from(JSON.stringify(value)));

/** How often a timer of this process fires while `perform` runs: hardly, where the event loop stands still. */
async function ticksDuring<T>(perform: () => Promise<T>): Promise<{ result: T; ticks: number }> {
  let ticks = 0;
  const timer = setInterval(() => ticks++, 10);
  try {
    return { result: await perform(), ticks };
  } finally {
    clearInterval(timer);
  }
}

/** Of the 60 in the time for one record: fewer only if this process has the processor for less than a twelfth of that time. */
const leastTicks = 5;

const levels = (count: number) => {
  const $defs: Record<string, unknown> = { [`d${count}`]: { required: ['nope'] } };
  for (let i = 0; i < count; i++)
    $defs[`d${i}`] = { anyOf: [{ $ref: `#/$defs/d${i + 1}` }, { $ref: `#/$defs/d${i + 1}` }] };
  return { $schema: 'https://json-schema.org/draft/2020-12/schema', $ref: '#/$defs/d0', $defs };
};

test.each([
  [
    'nested quantifiers in a pattern',
    { properties: { key: { pattern: '^(a+)+$' } } },
    { key: `${'a'.repeat(41)}!` },
    'valid',
  ],
  // ajv evaluates all branches, also of a record that matches the first.
  ['doubled references under anyOf', levels(30), { key: 'a' }, 'schema_mismatch'],
  [
    'uniqueItems over lists',
    { properties: { tags: { type: 'array', uniqueItems: true } } },
    { tags: Array.from({ length: 60_000 }, (_, i) => [i]) },
    'valid',
  ],
])(
  '%s reject one record; the others are validated, and the event loop runs',
  async (_, schema, hostile, others) => {
    const validation = new Validation({ recordMs: 600, batchMs: 60_000 });
    const check = await validation.compile(registered(schema));
    const good = { key: 'aaa', nope: 1 };
    const { result, ticks } = await ticksDuring(() => check(records(good, hostile, good)));
    expect(result.map((one) => one?.reason ?? 'valid')).toEqual([others, 'schema_mismatch', others]);
    expect(result[1]!.message).toMatch(/cannot be validated: (not done within 600 ms|.*memory)/);
    expect(ticks).toBeGreaterThanOrEqual(leastTicks);
    // The thread was replaced, and has the schema again.
    expect((await check(records(good))).map((one) => one?.reason ?? 'valid')).toEqual([others]);
  },
);

test('a schema of which every record takes too long is unusable after the time for a batch', async () => {
  const validation = new Validation({ recordMs: 200, batchMs: 500 });
  const check = await validation.compile(registered({ properties: { key: { pattern: '^(a+)+$' } } }));
  const hostile = { key: `${'a'.repeat(41)}!` };
  await expect(check(records(...Array<object>(100).fill(hostile)))).rejects.toMatchObject({
    reason: 'unusable_schema',
    message: expect.stringContaining('validation of its records takes too long') as string,
  });
});

test('a compilation that takes too long, or too much memory, makes a schema unusable', async () => {
  const validation = new Validation({ recordMs: 400 });
  const properties = Object.fromEntries(
    Array.from({ length: 60_000 }, (_, i) => [`p${i}`, { type: 'string', minLength: 1, pattern: `^a${i}` }]),
  );
  const { result, ticks } = await ticksDuring(() =>
    validation.compile(registered({ properties })).catch((error: unknown) => error),
  );
  expect(result).toBeInstanceOf(DecodeError);
  expect((result as DecodeError).message).toContain('unusable JSON Schema: it cannot be compiled: ');
  expect(ticks).toBeGreaterThanOrEqual(leastTicks);
  const check = await validation.compile(registered({ required: ['key'] }));
  expect((await check(records({})))[0]!.message).toBe(
    "does not match its JSON Schema: the record must have required property 'key'",
  );
});

test.each([
  ['no JSON', '{"type"', /JSON/],
  ['a list', '[]', /neither an object nor true or false/],
  ['an unknown draft', { $schema: 'urn:mine' }, /unknown draft \(urn:mine\)/],
  ['a reference to elsewhere', { $ref: 'http://169.254.169.254/x' }, /can't resolve reference/],
  ['no pattern', { properties: { a: { pattern: '(' } } }, /Invalid regular expression/],
  ['$async', { $async: true, type: 'object' }, /./],
])('%s is unusable, or validates nothing', async (_, schema, message) => {
  const validation = new Validation();
  const outcome = await validation.compile(registered(schema)).then(
    async (check) => (await check(records({ a: 1 })))[0],
    (error: unknown) => error,
  );
  expect(outcome).toBeInstanceOf(DecodeError);
  expect((outcome as DecodeError).message).toMatch(message);
});

test('schemas do not change objects of this process', async () => {
  const validation = new Validation();
  const check = await validation.compile(
    registered('{"properties":{"__proto__":{"type":"number","default":1}},"__proto__":{"polluted":true}}'),
  );
  await check(records({ a: 1 }));
  expect(({} as { polluted?: boolean }).polluted).toBeUndefined();
});

test('schemas with references of the same names do not meet', async () => {
  const validation = new Validation();
  const refers = { $ref: 'part.json' };
  const [text, number] = await Promise.all(
    ['string', 'number'].map((type) =>
      validation.compile(
        registered({ properties: { a: refers } }, [{ name: 'part.json', text: JSON.stringify({ type }) }]),
      ),
    ),
  );
  const some = records({ a: 'x' }, { a: 1 });
  expect((await text!(some)).map((one) => one?.reason)).toEqual([undefined, 'schema_mismatch']);
  expect((await number!(some)).map((one) => one?.reason)).toEqual(['schema_mismatch', undefined]);
});

test('an unused thread ends, and a later batch starts another one', async () => {
  const validation = new Validation({ idleMs: 20 });
  const check = await validation.compile(registered({ required: ['a'] }));
  await new Promise((resolve) => setTimeout(resolve, 200));
  expect((await check(records({ a: 1 }, {}))).map((one) => one?.reason)).toEqual([
    undefined,
    'schema_mismatch',
  ]);
});
