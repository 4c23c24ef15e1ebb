/** `vaemon train`: trains one detector's next model version from its history. The daemon runs it as a process, too. */
import { Option } from 'commander';
import { loadSettings } from '../config/load';
import { failureMessage, formatTrainingMessage } from '../runtime/training-message';
import { exitWhenParentIsGone } from '../runtime/training-process';
import { createLogger } from '../logger';
import { collapsedLevels } from '../training/report';
import { exitCodes, type Register } from './context';
import { pickDetector } from './detector';
import { trainVersion } from './train-version';
import { addTrainingOptions, type TrainingSelection } from './training-options';

interface Options extends TrainingSelection {
  child?: boolean;
  lease?: string;
  json?: boolean;
}

export const register: Register = (program, { env, stdout, stderr, setExitCode }) => {
  const command = program
    .command('train')
    .description("train a detector's next model version and make it the current one")
    .argument('<path>', "a detector's file, or a folder with daemon.yaml and detectors/*.yaml");
  addTrainingOptions(command)
    .option('--json', 'print progress and result as JSON lines')
    .addOption(new Option('--child', 'report to the daemon that started this process').hideHelp())
    .addOption(new Option('--lease <token>', 'of the daemon that started this process').hideHelp())
    .action(async (path: string, options: Options) => {
      const asJson = options.json === true || options.child === true;
      if (options.child === true) exitWhenParentIsGone();
      const settings = await loadSettings(path, { env, overrides: options.set });
      const detector = pickDetector(settings, options.detector);
      const log = createLogger({ ...settings.daemon.log, stream: stderr });
      try {
        const began = performance.now();
        const { version, report } = await trainVersion(settings, detector, options, log, {
          onProgress(progress) {
            const perEpoch = (performance.now() - began) / 1000 / progress.epoch;
            const secondsLeft = perEpoch * (progress.epochs - progress.epoch);
            if (asJson) stdout.write(formatTrainingMessage({ type: 'progress', ...progress, secondsLeft }));
          },
        });
        const collapsed = collapsedLevels(report);
        if (collapsed.length > 0) {
          log.warn('posterior has collapsed: no latent dimension of these levels is in use', {
            detector: detector.detector,
            levels: collapsed,
          });
        }
        if (report.graphProblem !== undefined) {
          log.warn('the model cannot be traced: tfjs will score, more slowly', {
            detector: detector.detector,
            reason: report.graphProblem,
          });
        }
        if (report.released.length > 0) {
          log.warn('events took more of the history than may be left out: the longest are learned from', {
            detector: detector.detector,
            stretches: report.released.length,
            longest: report.released[0],
          });
        }
        if (asJson) stdout.write(formatTrainingMessage({ type: 'published', version }));
        else stdout.write(`${detector.detector}: version ${version}\n${JSON.stringify(report, null, 2)}\n`);
      } catch (error) {
        if (!asJson) throw error;
        stdout.write(formatTrainingMessage(failureMessage(error)));
        log.error('training failed', { detector: detector.detector, err: error });
        setExitCode(exitCodes.failure);
      }
    });
};
