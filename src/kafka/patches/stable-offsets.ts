/**
 * kafkajs 2.2.4 asks for committed offsets as brokers before Kafka 2.5 could be asked. Offsets of a transaction that has
 * been committed, but not yet entered by the group's coordinator, are missing in the answer, and who went on from it would
 * say twice what is in that transaction. Asked by version 7 (KIP-447) the coordinator says which offsets are not stable
 * yet; they come as `unstableOffset`, not as an error, since those of other members change all the time.
 */
import { createRequire } from 'node:module';

interface Encoder {
  writeUVarIntString(value: string): Encoder;
  writeUVarIntArray(items: readonly Encoder[]): Encoder;
  /** Without an argument: no tagged fields. */
  writeUVarIntBytes(): Encoder;
  writeInt32(value: number): Encoder;
  writeBoolean(value: boolean): Encoder;
}

interface Decoder {
  readTaggedFields(): unknown;
  readInt16(): number;
  readInt32(): number;
  readInt64(): { toString(): string };
  readUVarIntString(): string | null;
  readUVarIntArray<T>(read: (decoder: Decoder) => T): T[] | null;
}

interface OffsetRequest {
  groupId: string;
  topics: readonly { topic: string; partitions: readonly { partition: number }[] }[];
}

type Protocol = (given: OffsetRequest) => { request: object; response: object };

/** A module of kafkajs, as far as it is known here. */
interface Definition {
  versions: string[];
  protocol: (given: { version: number }) => Protocol | undefined;
}

/** Of a partition whose committed offset is about to change: ask again. */
export const unstableOffset = '-3';
const unstableErrorCode = 88;

const apiKey = 9;
const stableVersion = 7;
/** What kafkajs knows by itself. */
const known = ['1', '2', '3', '4'];

function createProtocol(
  createEncoder: () => Encoder,
  createDecoder: (data: Buffer) => Decoder,
  parse: unknown,
): Protocol {
  const encodeTopic = ({ topic, partitions }: OffsetRequest['topics'][number]): Encoder =>
    createEncoder()
      .writeUVarIntString(topic)
      .writeUVarIntArray(partitions.map(({ partition }) => createEncoder().writeInt32(partition)))
      .writeUVarIntBytes();

  const decodePartition = (decoder: Decoder) => {
    const partition = decoder.readInt32();
    const offset = decoder.readInt64().toString();
    // The epoch of the leader.
    decoder.readInt32();
    const metadata = decoder.readUVarIntString();
    const errorCode = decoder.readInt16();
    decoder.readTaggedFields();
    return errorCode === unstableErrorCode
      ? { partition, offset: unstableOffset, metadata: null, errorCode: 0 }
      : { partition, offset, metadata, errorCode };
  };
  const decodeTopic = (decoder: Decoder) => {
    const topic = decoder.readUVarIntString();
    const partitions = decoder.readUVarIntArray(decodePartition) ?? [];
    decoder.readTaggedFields();
    return { topic, partitions };
  };

  return ({ groupId, topics }) => ({
    request: {
      apiKey,
      apiVersion: stableVersion,
      apiName: 'OffsetFetch',
      encode: () =>
        Promise.resolve(
          createEncoder()
            // No tagged fields in the header, which kafkajs leaves to the request.
            .writeUVarIntBytes()
            .writeUVarIntString(groupId)
            .writeUVarIntArray(topics.map(encodeTopic))
            .writeBoolean(true)
            .writeUVarIntBytes(),
        ),
    },
    response: {
      decode(data: Buffer) {
        const decoder = createDecoder(data);
        decoder.readTaggedFields();
        const clientSideThrottleTime = decoder.readInt32();
        const responses = decoder.readUVarIntArray(decodeTopic) ?? [];
        const errorCode = decoder.readInt16();
        return Promise.resolve({ throttleTime: 0, clientSideThrottleTime, responses, errorCode });
      },
      parse,
    },
  });
}

/** Lets kafkajs ask for stable offsets; leaves one alone whose inside looks different, and says so. */
export function patchStableOffsets(): 'patched' | 'unknown' {
  try {
    const load = createRequire(__filename);
    const definition = load('kafkajs/src/protocol/requests/offsetFetch') as Definition;
    if (definition.versions.includes(String(stableVersion))) return 'patched';
    const EncoderClass = load('kafkajs/src/protocol/encoder') as new () => Encoder;
    const DecoderClass = load('kafkajs/src/protocol/decoder') as new (data: Buffer) => Decoder;
    const { parse } = load('kafkajs/src/protocol/requests/offsetFetch/v4/response') as { parse: unknown };
    if (definition.versions.join() !== known.join() || typeof parse !== 'function') return 'unknown';
    const stable = createProtocol(
      () => new EncoderClass(),
      (data) => new DecoderClass(data),
      parse,
    );
    const older = definition.protocol;
    definition.protocol = ({ version }) =>
      version >= stableVersion ? stable : older({ version: Math.min(version, 4) });
    // Those between them too: a broker's newest version is what is asked for.
    definition.versions = [...known, '5', '6', String(stableVersion)];
    return 'patched';
  } catch {
    return 'unknown';
  }
}
