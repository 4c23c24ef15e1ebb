/** The fault plan, and how each kind is induced and removed. */
import { createRandom } from './random.mjs';

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Three intensities a kind: subtle, strong, medium - taken in this order. */
const KINDS = {
  cpu_hog: {
    channels: ['cpu_user', 'load1', 'http_latency_p50', 'http_latency_p95'],
    levels: [{ duty: 0.35, count: 1 }, { duty: 1, count: 2 }, { duty: 0.7, count: 1 }],
  },
  memory_leak: {
    channels: ['mem_used_bytes'],
    levels: [{ rate: 2e6 }, { rate: 4e6 }, { rate: 3e6 }],
  },
  disk_storm: {
    channels: ['disk_write_bytes', 'io_wait', 'context_switches', 'page_faults', 'load1'],
    levels: [{ blocks: 24, pause: '0.25' }, { blocks: 64, pause: '0' }, { blocks: 48, pause: '0.1' }],
  },
  slow_handler: {
    channels: ['http_latency_p50', 'http_latency_p95'],
    levels: [{ factor: 2 }, { factor: 5 }, { factor: 3 }],
  },
  traffic_drop: {
    channels: ['http_requests', 'net_rx_bytes', 'net_tx_bytes', 'cpu_user', 'cpu_system', 'context_switches'],
    levels: [{ scale: 0.3 }, { scale: 0.1 }, { scale: 0.2 }],
  },
  stuck_sensor: {
    channels: [],
    levels: [{ stuck: ['cpu_user'] }, { stuck: ['http_requests', 'net_tx_bytes'] }, { stuck: ['context_switches'] }],
  },
};
const EXTRA = ['cpu_hog', 'memory_leak', 'slow_handler', 'stuck_sensor'];

/**
 * Every kind `rounds` times and some once more, shuffled, each 40-120 s long
 * with 100-200 s of quiet before it; gaps shrink towards 100 s to fit.
 */
export function planFaults({ seed, from, until, rounds, timeScale }) {
  const random = createRandom(seed);
  const list = [];
  for (const kind of Object.keys(KINDS)) {
    for (let level = 0; level < rounds; level += 1) list.push({ kind, level });
  }
  if (rounds === 2) for (const kind of EXTRA) list.push({ kind, level: 2 });
  const plan = random.shuffle(list).map((fault) => ({
    ...fault,
    length: random.between(40, 110) * timeScale,
    gap: random.between(102, 198) * timeScale,
  }));
  const sum = (field) => plan.reduce((total, fault) => total + fault[field], 0);
  const least = 101 * timeScale;
  const spare = sum('gap') - least * plan.length;
  const room = until - from - sum('length') - least * plan.length;
  if (room < 0) throw new Error(`${plan.length} faults do not fit into ${until - from} s`);
  const shrink = Math.min(1, room / spare);
  let at = from;
  return plan.map(({ kind, level, length, gap }) => {
    const start = Math.round(at + least + (gap - least) * shrink);
    const end = Math.round(start + length);
    at = end;
    const settings = KINDS[kind].levels[level];
    return { kind, start, end, settings, channels: settings.stuck ?? KINDS[kind].channels };
  });
}

/**
 * Induces one fault and returns the function that removes it; that function
 * resolves when the effect is gone. `host` is what the recorder offers:
 * spawnInSlice, admin (service endpoints), load (messages), stick (channels).
 */
export async function induce({ kind, settings }, host) {
  switch (kind) {
    case 'cpu_hog': {
      /* A shell loop is small, so a hog costs processor time and nothing else;
       * stopping and continuing it gives the share wanted. */
      const hogs = Array.from({ length: settings.count }, () => host.spawnInSlice('while :; do :; done'));
      let running = true;
      const pace = async () => {
        while (running && settings.duty < 1) {
          for (const hog of hogs) hog.signal('SIGCONT');
          await sleep(100 * settings.duty);
          for (const hog of hogs) hog.signal('SIGSTOP');
          await sleep(100 * (1 - settings.duty));
        }
      };
      const paced = pace();
      return async () => {
        running = false;
        await paced;
        await Promise.all(hogs.map((hog) => hog.kill()));
      };
    }
    case 'memory_leak':
      await host.admin(`/admin/leak?rate=${settings.rate}`);
      return () => host.admin('/admin/leak?rate=0');
    case 'disk_storm': {
      /* One file, overwritten from its start, so the bound is blocks x 64 KiB. */
      const file = host.file('storm.bin');
      const storm = host.spawnInSlice(
        `while :; do dd if=/dev/zero of='${file}' bs=64k count=${settings.blocks} conv=notrunc oflag=dsync status=none; sleep ${settings.pause}; done`,
      );
      return async () => {
        await storm.kill();
        host.remove(file);
      };
    }
    case 'slow_handler':
      await host.admin(`/admin/slow?factor=${settings.factor}`);
      return () => host.admin('/admin/slow?factor=1');
    case 'traffic_drop':
      host.load({ scale: settings.scale });
      return async () => host.load({ scale: 1 });
    case 'stuck_sensor':
      host.stick(settings.stuck);
      return async () => host.stick([]);
    default:
      throw new Error(`unknown fault kind ${kind}`);
  }
}
