/** `vaemon train`: trains the next model version of one detector from its history. The daemon also runs it, as a process. */
import { Option } from 'commander';
import { describePart, logLeftOut } from '../runtime/history-account';
import { failureMessage, formatTrainingMessage } from '../runtime/training-message';
import { exitWhenParentIsGone } from '../runtime/training-process';
import { powerFields, powerMessage } from '../scoring/detection-power';
import { collapsedLevels } from '../training/report';
import { decisiveStretches, type TailStretch } from '../training/tail-stretches';
import { exitCodes, type Register } from './context';
import { openDetector } from './detector';
import { trainingCommand, type TrainingOptions } from './options';
import { trainVersion } from './train-version';
import { describeVersion } from './version-summary';

/** Options of a training that the daemon starts. */
interface ChildOptions {
  child?: boolean;
  coldStart?: boolean;
  onTrial?: boolean;
}

export const register: Register = (program, context) => {
  const { stdout, setExitCode } = context;
  trainingCommand(program, 'train', "train a detector's next model version and make it the current one")
    .option('--json', 'print progress and result as JSON lines')
    .addOption(new Option('--child', 'report to the daemon that started this process').hideHelp())
    .addOption(
      new Option('--cold-start', 'train the linear model that scores until there is another').hideHelp(),
    )
    .addOption(new Option('--on-trial', 'keep the current version').hideHelp())
    .addOption(new Option('--lease <token>', 'of the daemon that started this process').hideHelp())
    .action(async (path: string, options: TrainingOptions & ChildOptions) => {
      const asJson = options.json === true || options.child === true;
      if (options.child === true) exitWhenParentIsGone();
      const opened = await openDetector(path, options, context);
      const { detector } = opened.detector;
      const log = opened.log.child({ detector });
      const { channels } = opened.detector.record;
      if (options.child !== true && channels.length > 0) log.info('training started', { channels });
      try {
        const began = performance.now();
        const result = await trainVersion(opened, options, {
          coldStart: options.coldStart === true,
          onTrial: options.onTrial === true,
          onHistory(history) {
            const { records, rejected, part } = history;
            if (part !== undefined)
              log.warn(describePart(part, opened.detector.training.maxRecords), { ...part });
            logLeftOut(log, history);
            if (asJson) stdout.write(formatTrainingMessage({ type: 'history', records, rejected }));
          },
          onProgress(progress) {
            const perEpoch = (performance.now() - began) / 1000 / progress.epoch;
            const secondsLeft = perEpoch * (progress.epochs - progress.epoch);
            if (asJson) stdout.write(formatTrainingMessage({ type: 'progress', ...progress, secondsLeft }));
          },
        });
        const { version, report } = result;
        const { graphProblem: reason, released, counters, seasons } = report;
        const levels = collapsedLevels(report);
        if (report.historyFrom !== undefined)
          log.info('older records were read from a file', { ...report.historyFrom });
        if (counters.length > 0) log.info('channels that only grow are scored by their rate', { counters });
        if (seasons.length > 0)
          log.info('the history has seasons: they are conditions of the model', { seasons });
        if (report.detectionPower !== undefined) log.info(powerMessage, powerFields(report.detectionPower));
        // A linear model uses no latent dimension if channels move independently.
        if (levels.length > 0 && report.epochs > 0)
          log.warn('posterior has collapsed: no latent dimension of these levels is in use', { levels });
        if (report.featuresProblem !== undefined)
          log.warn('the backbone cannot be read: the model reads gradients instead', {
            reason: report.featuresProblem,
          });
        if (reason !== undefined)
          log.warn('the model cannot be traced: tfjs will score, more slowly', { reason });
        if (released.length > 0) {
          log.warn('events cover too much of the history: the longest of them are trained on', {
            stretches: released.length,
            longest: released[0],
          });
        }
        const { block, before } = report.tails;
        const decisive = [block, ...(before ? [before] : [])].flatMap(decisiveStretches);
        if (decisive.length > 0)
          log.info(
            'a few short stretches of the history set the alarm threshold: label those that were faults as anomaly, and train again',
            { stretches: decisive.map(stretchFields) },
          );
        if (asJson) stdout.write(formatTrainingMessage({ type: 'published', version }));
        else stdout.write(describeVersion(opened, result));
      } catch (err) {
        if (!asJson) throw err;
        stdout.write(formatTrainingMessage(failureMessage(err)));
        log.error('training failed', { err });
        setExitCode(exitCodes.failure);
      }
    });
};

function stretchFields({ key, from, to, records }: TailStretch) {
  return { key, from: new Date(from).toISOString(), to: new Date(to).toISOString(), records };
}
