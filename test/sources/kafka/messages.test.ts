import { toMessages } from '../../../src/sources/kafka/messages';
import { messageAt } from './fake-kafka';

test('messages keep value, time and origin; those before the live offset are warm-up', () => {
  const [warmUp, live] = toMessages('sensors', 3, [messageAt(6), messageAt(7)], 7n);
  expect(warmUp).toMatchObject({ warmUp: true, timestamp: 1006, value: Buffer.from('6'), key: null });
  expect(live!.warmUp).toBe(false);
  expect(live!.origin).toEqual({ topic: 'sensors', partition: 3, offset: '7' });
  expect(toMessages('sensors', 3, [messageAt(0)])[0]!.warmUp).toBe(false);
});
