/** Routes of model versions. */
import { ApiError, detectorOf, listOf, objectOf, ref, type Route } from '../route';

export const versionRoutes: readonly Route[] = [
  {
    method: 'GET',
    path: '/detectors/{detector}/versions',
    summary: 'The stored model versions, the newest first',
    answer: objectOf({ versions: listOf(ref('Version')), trial: ref('TrialProgress') }, ['trial']),
    async handle(call, context) {
      const { view } = detectorOf(call, context);
      const trial = view.trial();
      return { versions: await view.versions(), ...(trial && { trial }) };
    },
  },
  {
    method: 'GET',
    path: '/detectors/{detector}/comparison',
    summary: 'What differs between two versions: settings, records, report, trial and gates',
    query: { a: { type: 'string' }, b: { type: 'string' } },
    answer: ref('Comparison'),
    async handle(call, context) {
      const { a, b } = call.params;
      if (a === undefined || b === undefined) throw new ApiError(400, 'two versions are needed: a and b');
      const comparison = await detectorOf(call, context).view.compare(String(a), String(b));
      if (comparison === undefined)
        throw new ApiError(404, 'one of the versions does not exist, or is damaged');
      return comparison;
    },
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
