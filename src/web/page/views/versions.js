/** The model versions of each detector, and what their trainings found. */
import { get, path } from '../api.js';
import { descriptions, h, number, percent, time } from '../dom.js';

export async function versionsView({ place, parts, signal, changing, setTitle }) {
  setTitle('Versions');
  const { detectors } = await get('/detectors', signal);
  place.append(h('h1', {}, 'Model versions'));
  const [wanted] = parts;
  if (detectors.every(({ model }) => model === undefined))
    place.append(h('p', { class: 'quiet' }, 'No detector has a model yet.'));
  for (const { name, model } of detectors.filter((one) => wanted === undefined || one.name === wanted)) {
    if (model === undefined) continue;
    const { versions, trial: progress } = await get(path`/detectors/${name}/versions`, signal);
    const expected = versions.find(({ current }) => current)?.version;
    const isPinned = versions.some(({ pinned }) => pinned);
    const button = (text, onclick) => h('button', { type: 'button', onclick }, text);
    const use = (version, pin) =>
      changing('PUT', path`/detectors/${name}/current`, () => ({ version, expected, pin }));
    const promote = (version) =>
      changing('POST', path`/detectors/${name}/promotion`, () => ({ version, expected }));
    const isPromotable = ({ current, trial }) =>
      !current && trial !== undefined && ['shadow', 'refused', 'rolled_back'].includes(trial.state);
    const actionsOf = ({ version, current, pinned, trial }) => [
      isPromotable({ current, trial }) && button('Promote without its gates', promote(version)),
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
          versionDetails(name, version, model.version, progress, actionsOf(version), signal),
        ),
      ),
    );
  }
}

function versionDetails(name, listed, inUse, progress, actions, signal) {
  const { version, createdAt, current, pinned, trial } = listed;
  const report = h('div');
  const ofTrial = progress?.version === version ? progress : undefined;
  const gates = trial && describeTrial(trial, ofTrial);
  const card = h('div', { class: 'card' }, gates, report, h('p', { class: 'actions' }, actions));
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
      trial && h('span', { class: `tag ${trialClass[trial.state] ?? ''}` }, trialText[trial.state]),
      current && version !== inUse && h('span', { class: 'tag warn' }, 'comes into use'),
    ),
    card,
  );
  return details;
}

const trialText = {
  shadow: 'on trial, in the shadow',
  promoted: 'on trial, in use',
  kept: 'trial over',
  refused: 'failed a gate',
  rolled_back: 'rolled back',
  withdrawn: 'trial ended',
};
const trialClass = { shadow: 'warn', promoted: 'warn', refused: 'bad', rolled_back: 'bad' };

function describeTrial({ before, gates, reason }, progress) {
  return descriptions([
    ['Compared with', time(Date.parse(createdAtOf(before)))],
    ['Trial ended', reason],
    [
      'In the shadow',
      progress && `${percent(progress.share)} of its time, ${progress.records} of ${progress.needed} records`,
    ],
    ...gates.map(({ gate, passed, text }) => [`Gate: ${gate}`, `${passed ? 'passed' : 'failed'}: ${text}`]),
  ]);
}

/** `20260131T030000.123Z` → ISO 8601. */
function createdAtOf(version) {
  return version.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d\.\d{3})Z.*$/, '$1-$2-$3T$4:$5:$6Z');
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
    ['Threshold set by', report.tails && tailsOf(report.tails)],
    ['Epochs', report.epochs && `${report.epochs}, the best was ${report.bestEpoch}`],
    ['Validation loss', report.validationLoss && `${number(report.validationLoss)} nats`],
    ['Latent dimensions in use', report.activeUnitsPerLevel?.join(', ')],
    ['Finds', kinds && kinds.map((kind) => `${kind} ${percent(share(kind))}`).join(', ')],
    ['Trained by', report.trainingEngine],
  ]);
}

/** Where in the history the records are that the alarm threshold rests on, the most of them first. */
function tailsOf({ block, before }) {
  return [...block.stretches, ...(before?.stretches ?? [])]
    .sort((a, b) => b.records - a.records)
    .slice(0, 3)
    .flatMap(({ key, from, to, records }, i) => [
      `${i > 0 ? '; ' : ''}${records} records of ${key}, `,
      time(from),
      ' to ',
      time(to),
    ]);
}
