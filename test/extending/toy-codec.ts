/** A toy codec in one file: a line with the event time and the values, separated by spaces. */
import { decodeEach, type CodecSpec } from '../../src/codecs/codec';
import { bytesOf, createEnvelopeWriter } from '../../src/codecs/envelope';
import { checkCount, parseValue } from '../../src/codecs/values';

export const toyCodec: CodecSpec = {
  doc: 'a line with the event time and the values.',
  registered: false,
  create(context) {
    const { schema, limits } = context;
    const { channels } = schema;
    const writeEnvelope = createEnvelopeWriter('', context);
    return decodeEach(schema, (message, batch, row, now) => {
      const [timestamp, ...values] = bytesOf(message.value, limits.maxBytes)
        .toString()
        .split(' ')
        .map(Number);
      checkCount(values.length, schema);
      writeEnvelope({ key: message.key?.toString(), timestamp, conditions: {} }, batch, row, now);
      channels.forEach((channel, i) => {
        batch.values[row * channels.length + i] = parseValue(values[i], channel, schema);
      });
    });
  },
};
