/** The model versions of each detector, and what their trainings found. */
import { get, path } from '../api.js';
import { descriptions, h, number, percent, time } from '../dom.js';

export async function versionsView({ place, parts, signal, setTitle }) {
  setTitle('Versions');
  const { detectors } = await get('/detectors', signal);
  place.append(h('h1', {}, 'Model versions'));
  const [wanted] = parts;
  for (const { name, model } of detectors.filter((one) => wanted === undefined || one.name === wanted)) {
    if (model === undefined) continue;
    const { versions } = await get(path`/detectors/${name}/versions`, signal);
    place.append(
      h('h2', {}, name),
      h('div', {}, ...versions.map((version) => versionDetails(name, version, model.version, signal))),
    );
  }
}

function versionDetails(name, { version, createdAt, current }, inUse, signal) {
  const report = h('div', { class: 'card' });
  const details = h(
    'details',
    {
      ontoggle: () => {
        if (!details.open || report.childElementCount > 0) return;
        get(path`/detectors/${name}/versions/${version}`, signal).then(
          (answer) => report.replaceChildren(describe(answer.report)),
          (error) => report.replaceChildren(h('p', { class: 'bad' }, error.message)),
        );
      },
    },
    h(
      'summary',
      {},
      time(Date.parse(createdAt)),
      ' ',
      version === inUse && h('span', { class: 'tag good' }, 'in use'),
      current && version !== inUse && h('span', { class: 'tag warn' }, 'comes into use'),
    ),
    report,
  );
  return details;
}

function describe(report) {
  const { windows, detectionPower: power } = report;
  const kinds = power && [...new Set(power.faults.map(({ kind }) => kind))];
  const share = (kind) => {
    const all = power.faults.filter((one) => one.kind === kind);
    const total = all.reduce((sum, { canaries }) => sum + canaries, 0);
    return all.reduce((sum, { found }) => sum + found.at(-1), 0) / total;
  };
  return descriptions([
    ['Records', report.records?.toLocaleString('en')],
    ['Left out near events', report.excludedRecords?.toLocaleString('en')],
    [
      'Windows',
      windows && `${windows.fit} fit, ${windows.validation} validation, ${windows.calibration} calibration`,
    ],
    ['Epochs', report.epochs && `${report.epochs}, the best was ${report.bestEpoch}`],
    ['Validation loss', report.validationLoss && `${number(report.validationLoss)} nats`],
    ['Latent dimensions in use', report.activeUnitsPerLevel?.join(', ')],
    ['Finds', kinds && kinds.map((kind) => `${kind} ${percent(share(kind))}`).join(', ')],
    ['Trained by', report.trainingEngine],
  ]);
}
