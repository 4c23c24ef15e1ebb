import { createKafkaClient } from '../../src/sources/kafka-client';

test('lines of kafkajs come as one constant sentence with fields, errors of single attempts as warnings', async () => {
  const lines: [string, string, Record<string, unknown>][] = [];
  const at = (level: string) => (message: string, fields: Record<string, unknown>) =>
    void lines.push([level, message, fields]);
  const kafka = createKafkaClient({
    // Nothing listens on the discard port.
    brokers: ['127.0.0.1:9'],
    clientId: 'test',
    log: { warn: at('warn'), info: at('info'), debug: at('debug') },
  });
  await expect(kafka.admin({ retry: { retries: 0 } }).connect()).rejects.toThrow('ECONNREFUSED');
  expect(lines.length).toBeGreaterThan(0);
  const [level, message, fields] = lines[0]!;
  expect(level).toBe('warn');
  expect(message).toBe('kafka client');
  expect(fields).toMatchObject({ part: 'Connection', detail: expect.stringContaining('ECONNREFUSED') });
  expect(fields).not.toHaveProperty('stack');
  expect(fields).not.toHaveProperty('timestamp');
});
