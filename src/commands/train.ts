/** `vaemon train`: trains one detector's next model version from its history. The daemon runs it as a process, too. */
import { Option } from 'commander';
import { loadSettings } from '../config/load';
import { openEngines } from '../engines';
import { quarantinePath, readQuarantine } from '../lifecycle/quarantine';
import { failureMessage, formatTrainingMessage } from '../lifecycle/training-message';
import { exitWhenParentIsGone } from '../lifecycle/training-process';
import { createLogger } from '../logger';
import { trainDetector } from '../trainer';
import { collapsedLevels } from '../training/report';
import { exitCodes, type Register } from './context';
import { createHistory, pickDetector, readTrainingLabels, withPublishing } from './detector';
import { addTrainingOptions, type TrainingSelection } from './training-options';
import { packageVersions } from './version';

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
    .addOption(new Option('--child', 'speak to the daemon that started this process').hideHelp())
    .addOption(new Option('--lease <token>', 'of the daemon that started this process').hideHelp())
    .action(async (path: string, options: Options) => {
      const asJson = options.json === true || options.child === true;
      if (options.child === true) exitWhenParentIsGone();
      const settings = await loadSettings(path, { env, overrides: options.set });
      const detector = pickDetector(settings, options.detector);
      const log = createLogger({ ...settings.daemon.log, stream: stderr });
      try {
        const began = performance.now();
        const engines = await openEngines(settings.daemon.engine);
        const exclude = await readQuarantine(
          options.quarantine ?? quarantinePath(settings.daemon.store.path, detector.detector),
        );
        const labels = await readTrainingLabels(detector, log);
        const { version, report } = await withPublishing(settings, detector, options, (store) =>
          trainDetector({
            settings: detector,
            engines,
            store,
            readHistory: createHistory(detector, options.fileRecords, log),
            exclude,
            labels,
            writtenBy: packageVersions(),
            now: Date.now,
            onProgress(progress) {
              const perEpoch = (performance.now() - began) / 1000 / progress.epoch;
              const secondsLeft = perEpoch * (progress.epochs - progress.epoch);
              if (asJson) stdout.write(formatTrainingMessage({ type: 'progress', ...progress, secondsLeft }));
            },
          }),
        );
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
