/** A real broker of its own for a bench, and what has to be done to it. */
import { execFileSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const require = createRequire(import.meta.url);
const scripts = fileURLToPath(new URL('../../test/integration/kafka/', import.meta.url));

/** Starts a broker with its data under `folder`; the first time ever its jars are fetched. */
export async function startBroker(folder) {
  const { Kafka, logLevel } = require('kafkajs');
  // Without the warnings that timers in the past cause on newer versions of Node.
  require('../../dist/kafka/patches/patches').applyPatches();
  const printed = execFileSync(join(scripts, 'kafka-up.sh'), [folder], { encoding: 'utf8' });
  const bootstrap = printed.trim().replace('KAFKA_BOOTSTRAP=', '');
  const kafka = new Kafka({ brokers: [bootstrap], logLevel: logLevel.NOTHING });
  const admin = kafka.admin();
  await admin.connect();
  return {
    bootstrap,
    kafka,
    admin,
    async createTopic(topic, numPartitions, entries = {}) {
      const configEntries = Object.entries(entries).map(([name, value]) => ({ name, value }));
      await admin.createTopics({ waitForLeaders: true, topics: [{ topic, numPartitions, configEntries }] });
    },
    /** Sum over partitions of the offsets that a group has committed. */
    async committed(groupId, topic) {
      const [{ partitions }] = await admin.fetchOffsets({ groupId, topics: [topic] });
      return partitions.reduce((sum, { offset }) => sum + Math.max(0, Number(offset)), 0);
    },
    /** All messages of a topic, as kafkajs has them. */
    async read(topic) {
      const ends = await admin.fetchTopicOffsets(topic);
      const wanted = ends.reduce((sum, { high }) => sum + Number(high), 0);
      const messages = [];
      if (wanted === 0) return messages;
      const consumer = kafka.consumer({ groupId: `read-${topic}-${Date.now()}` });
      await consumer.connect();
      await consumer.subscribe({ topics: [topic], fromBeginning: true });
      await new Promise((resolve) => {
        void consumer.run({
          eachBatch: ({ batch }) => {
            messages.push(...batch.messages);
            if (messages.length >= wanted) resolve();
            return Promise.resolve();
          },
        });
      });
      await consumer.disconnect();
      return messages;
    },
    async stop() {
      await admin.disconnect();
      execFileSync(join(scripts, 'kafka-down.sh'), [folder, '--kill', '--wipe']);
    },
  };
}
