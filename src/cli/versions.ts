/** `vaemon versions`: lists and changes the model versions of a detector, through the daemon or, without one, in the store. */
import type { Command } from 'commander';
import { createModelStore, type ModelStore } from '../store/model-store';
import { createTrialStore, type TrialStore } from '../store/trials';
import {
  compareVersions,
  listVersions,
  promotable,
  versionBefore,
  type Comparison,
  type VersionSummary,
} from '../store/versions';
import {
  byDaemonOrStore,
  changeStore,
  openApi,
  route,
  urlHelp,
  type ApiClient,
  type ApiOptions,
} from './api-client';
import type { CommandContext, Register } from './context';
import { nameDetector } from './detector-name';
import { detectorCommand, jsonText } from './options';

/** The two ways in which a command can work: through the API, and without a daemon. */
interface Work<T> {
  byApi: (api: ApiClient, detector: string) => Promise<T>;
  inStore: (store: ModelStore, trials: TrialStore, change: Change) => Promise<T>;
}

/** Makes a change, with its entries in the audit log. */
type Change = (
  entry: { action: string; version?: string },
  change: () => Promise<unknown>,
) => Promise<unknown>;

export const register: Register = (program, context) => {
  const versions = program
    .command('versions')
    .description(
      'list, show, compare, use, pin and promote model versions, by the daemon or, if none runs, in the store',
    );
  const add = (name: string, description: string): Command =>
    detectorCommand(versions, name, description)
      .option('--url <url>', urlHelp)
      .option('--json', 'print as JSON');

  add('list', 'list the versions, the newest first').action((path: string, options: ApiOptions) =>
    run(path, options, context, listing, formatVersions),
  );
  add('show', 'print the report of the training of a version')
    .argument('<version>', 'its name')
    .action((path: string, version: string, options: ApiOptions) =>
      run(
        path,
        { ...options, json: true },
        context,
        {
          byApi: (api, detector) => api.request('GET', route`/detectors/${detector}/versions/${version}`),
          async inStore(store) {
            const report = (await store.read(version)).files.get('report.json');
            return { version, report: report && (JSON.parse(Buffer.from(report).toString()) as unknown) };
          },
        },
        String,
      ),
    );
  add('use', 'use a version: roll back, or forward')
    .argument('<version>', 'its name')
    .action((path: string, version: string, options: ApiOptions) =>
      run(path, options, context, choosing(version, false), formatVersions),
    );
  add('pin', 'use a version, whatever is trained, until `unpin`')
    .argument('<version>', 'its name')
    .action((path: string, version: string, options: ApiOptions) =>
      run(path, options, context, choosing(version, true), formatVersions),
    );
  add('rollback', 'use the version before the current one').action((path: string, options: ApiOptions) =>
    run(
      path,
      options,
      context,
      {
        async byApi(api, detector) {
          const { versions: listed } = await listing.byApi(api, detector);
          return choosing(versionBefore(listed), false).byApi(api, detector);
        },
        async inStore(...stores) {
          const { versions: listed } = await listing.inStore(...stores);
          return choosing(versionBefore(listed), false).inStore(...stores);
        },
      },
      formatVersions,
    ),
  );
  add('promote', 'use a version that is on trial, or that failed a gate, without its gates')
    .argument('[version]', 'its name; without it, the newest such version')
    .action((path: string, version: string | undefined, options: ApiOptions) =>
      run(path, options, context, promoting(version), formatVersions),
    );
  add('compare', 'show what differs between two versions: settings, records, report, gates')
    .argument('<a>', 'name of a version')
    .argument('<b>', 'name of another one')
    .action((path: string, a: string, b: string, options: ApiOptions) =>
      run(
        path,
        options,
        context,
        {
          byApi: (api, detector) =>
            api.request('GET', route`/detectors/${detector}/comparison?a=${a}&b=${b}`) as never,
          inStore: (store, trials) => compareVersions(store, trials, [a, b]),
        },
        formatComparison,
      ),
    );
  add('unpin', 'let the next version that is trained come into use').action(
    (path: string, options: ApiOptions) =>
      run(
        path,
        options,
        context,
        {
          byApi: (api, detector) => api.request('DELETE', route`/detectors/${detector}/pin`) as never,
          async inStore(...stores) {
            const [store, , change] = stores;
            await change({ action: 'unpin' }, () => store.unpin());
            return listing.inStore(...stores);
          },
        },
        formatVersions,
      ),
  );
};

interface Listed {
  versions: VersionSummary[];
}

const listing: Work<Listed> = {
  byApi: (api, detector) => api.request('GET', route`/detectors/${detector}/versions`) as never,
  inStore: async (store, trials) => ({ versions: await listVersions(store, trials) }),
};

function choosing(version: string, pin: boolean): Work<Listed> {
  return {
    async byApi(api, detector) {
      const expected = currentOf(await listing.byApi(api, detector));
      return api.request('PUT', route`/detectors/${detector}/current`, { version, expected, pin }) as never;
    },
    async inStore(store, trials, change) {
      await change({ action: pin ? 'pin' : 'use', version }, async () => {
        if (pin) await store.pin(version);
        else {
          await store.unpin();
          await store.setCurrent(version);
        }
        await trials.choose(version, Date.now());
      });
      return listing.inStore(store, trials, change);
    },
  };
}

function promoting(wanted: string | undefined): Work<Listed> {
  return {
    async byApi(api, detector) {
      const listed = await listing.byApi(api, detector);
      const body = { version: wanted ?? promotable(listed.versions), expected: currentOf(listed) };
      return api.request('POST', route`/detectors/${detector}/promotion`, body) as never;
    },
    async inStore(...stores) {
      const { versions } = await listing.inStore(...stores);
      const version = wanted ?? promotable(versions);
      // Throws if the version is not on trial.
      promotable(versions.filter((one) => one.version === version));
      return choosing(version, false).inStore(...stores);
    },
  };
}

function currentOf({ versions }: Listed): string {
  const current = versions.find((one) => one.current);
  if (current === undefined) throw new Error('there is no current version');
  return current.version;
}

async function run<T extends object>(
  path: string,
  options: ApiOptions,
  context: CommandContext,
  { byApi, inStore }: Work<T>,
  format: (result: T) => string,
): Promise<void> {
  const api = await openApi(path, options, context);
  const detector = nameDetector(api.settings, options.detector);
  const { path: directory } = api.settings.daemon.store;
  const result = await byDaemonOrStore(
    context,
    () => byApi(api, detector),
    () =>
      inStore(
        createModelStore({ directory, detector }),
        createTrialStore(directory, detector),
        (entry, change) => changeStore(api.settings, context, { detector, ...entry }, change),
      ),
  );
  context.stdout.write(options.json === true ? jsonText(result) : format(result));
}

function formatVersions({ versions }: Listed): string {
  if (versions.length === 0) return 'there are no versions yet\n';
  return versions
    .map(
      ({ version, current, pinned, trial }) =>
        `${version}${current ? '  current' : ''}${pinned ? '  pinned' : ''}${trial ? `  ${trial.state}` : ''}\n`,
    )
    .join('');
}

function formatComparison({ versions, differences }: Comparison): string {
  const gates = versions.flatMap(({ version, trial }) =>
    trial === undefined
      ? []
      : [
          `${version}  ${trial.state}, compared with ${trial.before}`,
          ...trial.gates.map(
            ({ gate, passed, text }) => `  ${passed ? 'passed' : 'failed'}  ${gate}: ${text}`,
          ),
        ],
  );
  const width = Math.max(0, ...differences.map(({ what }) => what.length));
  const lines = differences.map(
    ({ what, values }) =>
      `${what.padEnd(width)}  ${values.map((value) => JSON.stringify(value)).join('  →  ')}`,
  );
  return [...gates, ...(lines.length === 0 ? ['no differences'] : lines), ''].join('\n');
}
