/** What `vaemon run` shows a person beside the log: training progress and, after a replay, how it went. */
import { SingleBar } from 'cli-progress';
import type { Settings } from '../config/settings';
import type { DetectorObserver } from '../runtime/detector';
import { wilsonInterval } from '../offline/evaluate/quality/alarm-ratio';
import type { LogStream, Logger } from '../logger';
import type { ReplaySummary } from '../sinks/summary';

export interface ConsoleOptions {
  settings: Settings;
  stdout: LogStream;
  log: Logger;
}

/** Without a terminal, progress is logged each time this share of the epochs is through. */
const loggedShare = 0.25;

export function createConsole({ settings, stdout, log }: ConsoleOptions): DetectorObserver {
  const first = new Set(settings.detectors.map(({ settings: { detector } }) => detector));
  // One bar at a time: only the trainings that someone waits for, and only where a line can be drawn over.
  const drawing = stdout.isTTY === true && first.size === 1;
  let bar: SingleBar | undefined;
  let logged = 0;

  function show(epoch: number, epochs: number, validationLoss: number, secondsLeft: number): void {
    const payload = { loss: validationLoss.toFixed(1), left: Math.ceil(secondsLeft) };
    if (bar === undefined) {
      bar = new SingleBar({
        stream: stdout,
        format: 'training [{bar}] epoch {value}/{total}  loss {loss} nats  at most {left} s left',
        hideCursor: true,
        clearOnComplete: true,
      });
      bar.start(epochs, epoch, payload);
    } else bar.update(epoch, payload);
  }

  return {
    trainingProgress(detector, { epoch, epochs, validationLoss, secondsLeft }) {
      if (!first.has(detector)) return;
      if (drawing) show(epoch, epochs, validationLoss, secondsLeft);
      else if (epoch >= logged + loggedShare * epochs) {
        logged = epoch;
        log.info('training', {
          detector,
          epoch,
          epochs,
          validationLoss,
          secondsLeft: Math.ceil(secondsLeft),
        });
      }
    },
    trainingEnded(detector) {
      first.delete(detector);
      bar?.stop();
      bar = undefined;
    },
    passEnded(detector, pass, summary) {
      if (pass !== 1) return;
      log.info('end of the file', { detector });
      if (summary === undefined) return;
      const target = settings.detectors.find(({ settings: one }) => one.detector === detector);
      const { falseAlarmTarget } = target!.settings.calibration;
      const ratio = falseAlarmTarget.kind === 'ratio' ? falseAlarmTarget.ratio : undefined;
      stdout.write(formatSummary(summary, ratio));
      const { source } = target!.settings;
      if (source.kind === 'file' && source.file.loop)
        stdout.write(`The replay begins again; Ctrl-C ends it. ${whereToLook(settings)}\n\n`);
    },
  };
}

function whereToLook({ daemon: { http } }: Settings): string {
  return `What Prometheus would see: http://${http.host}:${http.port}/metrics`;
}

/** The summary as a small report: one line per fault, then the false alarms against the target. */
export function formatSummary(summary: ReplaySummary, targetRatio: number | undefined): string {
  const { faults, normalRecords, falseAlarms, falseEvents } = summary;
  const found = faults.filter(({ delayMs }) => delayMs !== undefined);
  const delays = found.map(({ delayMs }) => delayMs! / 1000).sort((a, b) => a - b);
  const rows = faults.map(({ fault, delayMs, channel }) =>
    [
      new Date(fault.start).toISOString().slice(11, 19),
      fault.kind.padEnd(14),
      delayMs === undefined
        ? 'NOT FOUND   '
        : `found after ${String(Math.round(delayMs / 1000)).padStart(3)} s`,
      channel === undefined
        ? ''
        : `by ${channel}${fault.channels.length === 0 || fault.channels.includes(channel) ? '' : ' (not the one that was disturbed)'}`,
    ].join('  '),
  );
  const ratio = normalRecords === 0 ? NaN : falseAlarms / normalRecords;
  const [low, high] = wilsonInterval(falseAlarms, normalRecords);
  return [
    '',
    'How it went, against the faults that are known to be in the recording:',
    ...rows.map((row) => `  ${row}`),
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
