/** The model versions of each detector, and what their trainings found. */
import { get, path } from '../api.js';
import { descriptions, h, number, percent, time } from '../dom.js';

export async function versionsView({ place, parts, signal, changing, setTitle }) {
  setTitle('Versions');
  const { detectors } = await get('/detectors', signal);
  place.append(h('h1', {}, 'Model versions'));
  const [wanted] = parts;
  for (const { name, model } of detectors.filter((one) => wanted === undefined || one.name === wanted)) {
    if (model === undefined) continue;
    const { versions } = await get(path`/detectors/${name}/versions`, signal);
    const expected = versions.find(({ current }) => current)?.version;
    const isPinned = versions.some(({ pinned }) => pinned);
    const button = (text, onclick) => h('button', { type: 'button', onclick }, text);
    const use = (version, pin) =>
      changing('PUT', path`/detectors/${name}/current`, () => ({ version, expected, pin }));
    const actionsOf = ({ version, current, pinned }) => [
      !current && button('Use', use(version, false)),
      !pinned && button('Use and pin', use(version, true)),
    ];
    place.append(
      h('h2', {}, name),
      h(
        'p',
        { class: 'actions' },
        button(
          'Train now',
          changing('POST', path`/detectors/${name}/training`, () => ({})),
        ),
        isPinned && button('Unpin', changing('DELETE', path`/detectors/${name}/pin`)),
      ),
      h(
        'div',
        {},
        ...versions.map((version) =>
          versionDetails(name, version, model.version, actionsOf(version), signal),
        ),
      ),
    );
  }
}

function versionDetails(name, { version, createdAt, current, pinned }, inUse, actions, signal) {
  const report = h('div');
  const card = h('div', { class: 'card' }, report, h('p', { class: 'actions' }, actions));
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
      pinned && h('span', { class: 'tag' }, 'pinned'),
      current && version !== inUse && h('span', { class: 'tag warn' }, 'comes into use'),
    ),
    card,
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
