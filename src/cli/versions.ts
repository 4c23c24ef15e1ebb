/** `vaemon versions`: the model versions of a detector, by the daemon or, if none runs, in the store. */
import type { Command } from 'commander';
import { createModelStore, type ModelStore } from '../store/model-store';
import type { VersionSummary } from '../web/api/detector-view';
import { byDaemonOrStore, openApi, route, urlHelp, type ApiClient, type ApiOptions } from './api-client';
import type { CommandContext, Register } from './context';
import { nameDetector } from './detector-name';
import { detectorCommand, jsonText } from './options';

/** What a command does, by the API and without a daemon. */
interface Work<T> {
  byApi: (api: ApiClient, detector: string) => Promise<T>;
  inStore: (store: ModelStore) => Promise<T>;
}

export const register: Register = (program, context) => {
  const versions = program
    .command('versions')
    .description('list, show, use and pin model versions, by the daemon or, if none runs, in the store');
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
        byApi: async (api, detector) =>
          choosing(before(await listing.byApi(api, detector)), false).byApi(api, detector),
        inStore: async (store) => choosing(before(await listing.inStore(store)), false).inStore(store),
      },
      formatVersions,
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
          async inStore(store) {
            await store.unpin();
            return listing.inStore(store);
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
  async inStore(store) {
    const pinned = await store.pinned();
    return { versions: (await store.list()).map((one) => ({ ...one, pinned: one.version === pinned })) };
  },
};

function choosing(version: string, pin: boolean): Work<Listed> {
  return {
    async byApi(api, detector) {
      const expected = currentOf(await listing.byApi(api, detector));
      return api.request('PUT', route`/detectors/${detector}/current`, { version, expected, pin }) as never;
    },
    async inStore(store) {
      if (pin) await store.pin(version);
      else {
        await store.unpin();
        await store.setCurrent(version);
      }
      return listing.inStore(store);
    },
  };
}

function currentOf({ versions }: Listed): string {
  const current = versions.find((one) => one.current);
  if (current === undefined) throw new Error('there is no current version');
  return current.version;
}

/** The version before the current one. */
function before(listed: Listed): string {
  const { versions } = listed;
  const at = versions.findIndex(({ version }) => version === currentOf(listed));
  const older = versions[at + 1];
  if (older === undefined) throw new Error('there is no version before the current one');
  return older.version;
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
  const result = await byDaemonOrStore(
    context,
    () => byApi(api, detector),
    () => inStore(createModelStore({ directory: api.settings.daemon.store.path, detector })),
  );
  context.stdout.write(options.json === true ? jsonText(result) : format(result));
}

function formatVersions({ versions }: Listed): string {
  if (versions.length === 0) return 'there are no versions yet\n';
  return versions
    .map(
      ({ version, current, pinned }) =>
        `${version}${current ? '  current' : ''}${pinned ? '  pinned' : ''}\n`,
    )
    .join('');
}
