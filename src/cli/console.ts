/** What `vaemon run` shows in addition to the log: training progress and, after one pass over a file, a summary. */
import type { Settings } from '../config/settings';
import type { LogStream, Logger } from '../logger';
import { wilsonInterval } from '../offline/evaluate/quality/alarm-ratio';
import type { DetectorObserver } from '../runtime/detector';
import type { TrainingProgress } from '../runtime/training-message';
import type { FaultResult, ReplaySummary } from '../sinks/summary';
import type { StatusLine } from './status-line';

export interface ConsoleOptions {
  settings: Settings;
  stdout: LogStream;
  /** Undefined if the output is not a terminal; progress is then logged. */
  status: StatusLine | undefined;
  log: Logger;
}

/** Progress is logged each time this share of the epochs has passed. */
const loggedShare = 0.25;
/** Columns of the progress bar. */
const barColumns = 30;

export function createConsole({ settings, stdout, status, log }: ConsoleOptions): DetectorObserver {
  /** Detectors whose first training has not ended. Only a first training delays scoring. */
  const untrained = new Set(settings.detectors.map(({ settings: { detector } }) => detector));
  const bar = untrained.size === 1 ? status : undefined;
  let logged = 0;

  return {
    trainingProgress(detector, progress) {
      if (!untrained.has(detector)) return;
      const { epoch, epochs, validationLoss } = progress;
      if (bar !== undefined) bar.show(formatProgress(progress));
      else if (epoch >= logged + loggedShare * epochs) {
        logged = epoch;
        const secondsLeft = Math.ceil(progress.secondsLeft);
        log.info('training', { component: detector, detector, epoch, epochs, validationLoss, secondsLeft });
      }
    },
    trainingEnded(detector) {
      if (untrained.delete(detector)) bar?.clear();
    },
    passEnded(detector, pass, summary) {
      if (pass !== 1) return;
      log.info('end of the file', { component: detector, detector });
      if (summary === undefined) return;
      const all = settings.detectors.map((one) => one.settings);
      const { calibration, source } = all.find((one) => one.detector === detector)!;
      const { falseAlarmTarget: target } = calibration;
      stdout.write(formatSummary(summary, target.kind === 'ratio' ? target.ratio : undefined));
      if (source.kind === 'file' && source.file.loop) {
        const { host, port } = settings.daemon.http;
        stdout.write(
          `The file is replayed again; Ctrl-C stops it. Metrics for Prometheus: http://${host}:${port}/metrics\n\n`,
        );
      }
    },
  };
}

function formatProgress({ epoch, epochs, validationLoss, secondsLeft }: TrainingProgress): string {
  const done = Math.round((epoch / epochs) * barColumns);
  const bar = '='.repeat(done) + '-'.repeat(barColumns - done);
  const left = Number.isNaN(secondsLeft) ? '' : `, at most ${Math.ceil(secondsLeft)} s left`;
  return `training [${bar}] epoch ${epoch}/${epochs}, loss ${validationLoss.toFixed(1)} nats${left}`;
}

/** One line per fault, then the false alarms against the target. */
export function formatSummary(summary: ReplaySummary, targetRatio: number | undefined): string {
  const { faults, normalRecords, falseAlarms, falseEvents } = summary;
  const found = faults.filter(({ delayMs }) => delayMs !== undefined);
  const delays = found.map(({ delayMs }) => delayMs! / 1000).sort((a, b) => a - b);
  const ratio = normalRecords === 0 ? NaN : falseAlarms / normalRecords;
  const [low, high] = wilsonInterval(falseAlarms, normalRecords);
  return [
    '',
    'Known faults of the recording, and whether they were found:',
    ...faults.map((result) => `  ${formatFault(result)}`),
    '',
    `  faults found    ${found.length} of ${faults.length}, median delay ${delays[Math.floor(delays.length / 2)] ?? '-'} s`,
    `  false alarms    ${falseAlarms} of ${normalRecords} normal records: ratio ${ratio.toPrecision(2)} ` +
      `(95 %: ${low.toPrecision(2)} to ${high.toPrecision(2)})` +
      (targetRatio === undefined ? '' : `, target ${targetRatio}`),
    `  false events    ${falseEvents}`,
    '',
    '',
  ].join('\n');
}

function formatFault({ fault, delayMs, channel }: FaultResult): string {
  const seconds = delayMs === undefined ? NaN : Math.round(delayMs / 1000);
  const found = Number.isNaN(seconds) ? 'NOT FOUND   ' : `found after ${String(seconds).padStart(3)} s`;
  const isDisturbed =
    fault.channels.length === 0 || (channel !== undefined && fault.channels.includes(channel));
  const by =
    channel === undefined ? '' : `by ${channel}${isDisturbed ? '' : ' (another channel was disturbed)'}`;
  const time = new Date(fault.start).toISOString().slice(11, 19);
  return [time, fault.kind.padEnd(14), found, by].join('  ').trimEnd();
}
