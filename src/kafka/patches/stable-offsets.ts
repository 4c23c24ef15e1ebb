/**
 * Patch of kafkajs 2.2.4: committed offsets are fetched with `require_stable` (OffsetFetch version 7, KIP-447).
 *
 * Upstream: no issue; kafkajs implements OffsetFetch up to version 4. Why: the coordinator may not yet have applied the offsets
 * of a committed transaction. Older versions of the request return the previous offset, and a consumer that continues from
 * there repeats the content of the transaction. With version 7 the coordinator reports such partitions; they are returned with
 * `unstableOffset` instead of an error, because offsets of other members change all the time. Delete when: kafkajs fetches
 * committed offsets with version 7 or later and `require_stable`.
 */
import type { Patch } from './patch';

interface Encoder {
  writeUVarIntString(value: string): Encoder;
  writeUVarIntArray(items: readonly Encoder[]): Encoder;
  /** Called without an argument: no tagged fields. */
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

/** The part of kafkajs' module that the patch uses. */
interface Definition {
  versions: string[];
  protocol: (given: { version: number }) => Protocol | undefined;
}

/** Returned instead of the committed offset of a partition with a pending transaction: fetch it again later. */
export const unstableOffset = '-3';
const unstableErrorCode = 88;

const apiKey = 9;
const stableVersion = 7;
/** Versions that kafkajs implements. */
const known = ['1', '2', '3', '4'];
const newestKnown = 4;
/** Protocols installed by this patch. */
const patched = new WeakSet<object>();

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
    // Skips the leader epoch.
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
            // The header's tagged fields, of which there are none; kafkajs does not write them.
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

export const stableOffsetsPatch: Patch = {
  name: 'stable-offsets',
  neededFor: 'exactly-once',
  without: 'detections may be repeated after a partition moves between processes',
  apply(kafkajs) {
    const definition = kafkajs.load('protocol/requests/offsetFetch') as Definition;
    if (patched.has(definition.protocol)) return true;
    const EncoderClass = kafkajs.load('protocol/encoder') as new () => Encoder;
    const DecoderClass = kafkajs.load('protocol/decoder') as new (data: Buffer) => Decoder;
    const { parse } = kafkajs.load('protocol/requests/offsetFetch/v4/response') as { parse: unknown };
    if (definition.versions.join() !== known.join() || typeof parse !== 'function') return false;
    const stable = createProtocol(
      () => new EncoderClass(),
      (data) => new DecoderClass(data),
      parse,
    );
    const older = definition.protocol;
    definition.protocol = ({ version }) =>
      version >= stableVersion ? stable : older({ version: Math.min(version, newestKnown) });
    // kafkajs picks the newest version that both it and the broker list, so the versions in between must be listed, too.
    definition.versions = [...known, '5', '6', String(stableVersion)];
    patched.add(definition.protocol);
    return true;
  },
};
