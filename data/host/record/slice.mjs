/**
 * The slice: the control groups and network namespaces that hold the service
 * apart from everything else on the machine, and the readings taken from them.
 * Needs root, control groups of version 1, iproute2 and util-linux.
 */
import { execFileSync, spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';

const CGROUPS = '/sys/fs/cgroup';
const SERVICE_ADDRESS = '10.77.0.1';
const LOAD_ADDRESS = '10.77.0.2';
const NICE_ABOVE_RECORDER = '5';

const read = (file) => fs.readFileSync(file, 'utf8');
const number = (file) => Number(read(file));

/** Runs a reading over something that may have ended meanwhile. */
const ifAlive = (reading, otherwise) => {
  try {
    return reading();
  } catch (error) {
    if (['ENOENT', 'ESRCH'].includes(error.code)) return otherwise;
    throw error;
  }
};

function need(what, test) {
  try {
    test();
  } catch (error) {
    throw new Error(`recording needs ${what}: ${error.message.split('\n')[0]}`);
  }
}

/** A group below the one this process is in: limits set above it still hold. */
function childGroup(controller, name) {
  const line = read('/proc/self/cgroup')
    .split('\n')
    .find((entry) => entry.split(':')[1]?.split(',').includes(controller));
  if (line === undefined) throw new Error(`no version 1 controller '${controller}'`);
  return path.join(CGROUPS, controller, line.split(':').slice(2).join(':'), name);
}

export function createSlice({ name, serviceCpu, loadCpu }) {
  const groups = {};
  const loadGroup = {};
  const namespaces = { service: `${name}-service`, load: `${name}-load` };
  const ip = (...args) => execFileSync('ip', args, { stdio: ['ignore', 'ignore', 'pipe'] });

  need('control groups of version 1 (cpu, cpuacct, memory) and root', () => {
    for (const controller of ['cpu', 'cpuacct', 'memory']) {
      groups[controller] = childGroup(controller, name);
      fs.mkdirSync(groups[controller], { recursive: true });
    }
    loadGroup.cpu = childGroup('cpu', `${name}-load`);
    fs.mkdirSync(loadGroup.cpu, { recursive: true });
    /* Ten times the default weight: neighbours barely delay the slice. */
    for (const group of [groups.cpu, loadGroup.cpu]) fs.writeFileSync(path.join(group, 'cpu.shares'), '10240');
    number(path.join(groups.cpuacct, 'cpuacct.usage'));
  });
  need('network namespaces and veth pairs (iproute2)', () => {
    for (const namespace of Object.values(namespaces)) {
      if (fs.existsSync(`/var/run/netns/${namespace}`)) ip('netns', 'del', namespace);
      ip('netns', 'add', namespace);
      ip('-n', namespace, 'link', 'set', 'lo', 'up');
    }
    ip('link', 'add', 'eth0', 'netns', namespaces.service, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', namespaces.load);
    ip('-n', namespaces.service, 'addr', 'add', `${SERVICE_ADDRESS}/24`, 'dev', 'eth0');
    ip('-n', namespaces.load, 'addr', 'add', `${LOAD_ADDRESS}/24`, 'dev', 'eth0');
    for (const namespace of Object.values(namespaces)) ip('-n', namespace, 'link', 'set', 'eth0', 'up');
  });

  /* Joining the groups comes before `ip netns exec`, which hides them. Every
   * step is an exec, so the pid and the message channel stay the child's. */
  const launch = (groupPaths, cpu, namespace, command, { args = [], ...options }) => {
    const joins = groupPaths.map((group) => `echo $$ > '${group}/cgroup.procs'`).join(' && ');
    const script = `${joins} && exec ip netns exec ${namespace} taskset -c ${cpu} nice -n ${NICE_ABOVE_RECORDER} "$@"`;
    return spawn('sh', ['-c', script, 'slice', command, ...args], { detached: true, ...options });
  };
  const inSlice = (command, options) =>
    launch(Object.values(groups), serviceCpu, namespaces.service, command, options);
  const inLoad = (command, options) => launch([loadGroup.cpu], loadCpu, namespaces.load, command, options);

  /* What each thread and process had counted when last seen. A newcomer starts
   * from zero, one that left adds nothing more; so no rate is ever negative. */
  let switchesSeen = new Map();
  let diskSeen = new Map();
  const sumOfGrowth = (seen, now) => {
    let sum = 0;
    for (const [key, value] of now) sum += Math.max(0, value - (seen.get(key) ?? 0));
    return sum;
  };

  const pids = () => read(path.join(groups.cpuacct, 'cgroup.procs')).split('\n').filter(Boolean);
  const threads = () =>
    pids().flatMap((pid) => ifAlive(() => fs.readdirSync(`/proc/${pid}/task`).map((tid) => `/proc/${pid}/task/${tid}`), []));
  const statFields = (file) => {
    const text = read(file);
    return text.slice(text.lastIndexOf(')') + 2).split(' ');
  };

  return {
    serviceAddress: SERVICE_ADDRESS,
    inSlice,
    inLoad,

    /** Threads running or waiting for the disk: what a load average counts. */
    active() {
      return threads().filter((thread) => 'RD'.includes(ifAlive(() => statFields(`${thread}/stat`)[0], 'S'))).length;
    },

    /** Totals that only grow, and the present sizes of memory. */
    sample(servicePid) {
      const memory = Object.fromEntries(
        read(path.join(groups.memory, 'memory.stat')).trim().split('\n').map((line) => {
          const [field, value] = line.split(' ');
          return [field, Number(value)];
        }),
      );
      const switches = new Map();
      for (const thread of threads()) {
        ifAlive(() => {
          const counts = read(`${thread}/status`).match(/ctxt_switches:\s+\d+/g) ?? [];
          switches.set(thread, counts.reduce((sum, line) => sum + Number(line.split(/\s+/)[1]), 0));
        });
      }
      /* A reaped child's disk bytes pass to its parent, so counting only the
       * processes whose parent is outside of the slice counts each byte once. */
      const disk = { read: new Map(), write: new Map() };
      const members = new Set(pids());
      for (const pid of members) {
        ifAlive(() => {
          if (members.has(statFields(`/proc/${pid}/stat`)[1])) return;
          const io = read(`/proc/${pid}/io`);
          disk.read.set(pid, Number(io.match(/^read_bytes: (\d+)/m)[1]));
          disk.write.set(pid, Number(io.match(/^write_bytes: (\d+)/m)[1]));
        });
      }
      const eth0 = read(`/proc/${servicePid}/net/dev`)
        .split('\n')
        .find((line) => line.trim().startsWith('eth0:'))
        .split(':')[1].trim().split(/\s+/).map(Number);
      const growth = {
        switches: sumOfGrowth(switchesSeen, switches),
        diskRead: sumOfGrowth(diskSeen.read ?? new Map(), disk.read),
        diskWrite: sumOfGrowth(diskSeen.write ?? new Map(), disk.write),
      };
      switchesSeen = switches;
      diskSeen = disk;
      return {
        at: process.hrtime.bigint(),
        growth,
        totals: {
          cpu: number(path.join(groups.cpuacct, 'cpuacct.usage')),
          cpuUserTicks: number(path.join(groups.cpuacct, 'cpuacct.usage_user')),
          cpuSystemTicks: number(path.join(groups.cpuacct, 'cpuacct.usage_sys')),
          faults: memory.total_pgfault,
          received: eth0[0],
          sent: eth0[8],
        },
        memory: { used: memory.total_rss, cached: memory.total_cache },
      };
    },

    remove() {
      for (const namespace of Object.values(namespaces)) ip('netns', 'del', namespace);
      for (const group of [...Object.values(groups), loadGroup.cpu]) {
        try {
          fs.rmdirSync(group);
        } catch { /* a process is still leaving it: an empty group does no harm */ }
      }
    },
  };
}
