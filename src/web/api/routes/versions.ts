/** Model versions. */
import { ApiError, detectorOf, listOf, objectOf, ref, type Route } from '../route';

export const versionRoutes: readonly Route[] = [
  {
    method: 'GET',
    path: '/detectors/{detector}/versions',
    summary: 'The stored model versions, the newest first',
    answer: objectOf({ versions: listOf(ref('Version')) }),
    handle: async (call, context) => ({ versions: await detectorOf(call, context).view.versions() }),
  },
  {
    method: 'GET',
    path: '/detectors/{detector}/versions/{version}',
    summary: 'The report of the training of a version',
    answer: ref('VersionReport'),
    async handle(call, context) {
      const version = String(call.params['version']);
      const report = await detectorOf(call, context).view.report(version);
      if (report === undefined) throw new ApiError(404, `there is no version ${JSON.stringify(version)}`);
      return { version, report };
    },
  },
];
