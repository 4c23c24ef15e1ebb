/** Compares the memory that windows can take with the memory of this machine or container. */
import { totalmem } from 'node:os';
import type { DetectorSettings } from '../../config/settings';
import { windowShape } from '../../domain/window';
import { windowBytes } from '../../domain/window-ring';
import { ok, warning, type Finding } from './finding';

/** An estimate for the windows alone; the model and its baselines need more. */
export function windowMemory({
  detector,
  record,
  window,
}: Pick<DetectorSettings, 'detector' | 'record' | 'window'>) {
  const perDevice = windowBytes(windowShape(record, window.length));
  return { detector, maxKeys: window.maxKeys, bytesPerDevice: perDevice, bytes: window.maxKeys * perDevice };
}

/** If windows take more than this share of the memory, too little is left for the rest of the process. */
const maxShare = 0.5;

export function examineMemory(
  settings: Pick<DetectorSettings, 'detector' | 'record' | 'window'>,
  partitions = 1,
  available = availableMemory(),
): Finding {
  const { bytes, maxKeys } = windowMemory(settings);
  const all = bytes * partitions;
  const what = `windows of ${maxKeys.toLocaleString('en')} devices (window.maxKeys) in ${partitions === 1 ? 'a partition' : `${partitions} partitions`}`;
  const message = `${what} take up to ${mebibytes(all)} MiB of ${mebibytes(available)} MiB`;
  return all <= maxShare * available
    ? ok('memory', message)
    : warning('memory', message, 'lower window.maxKeys to the number of devices, or run more scorers');
}

const mebibytes = (bytes: number): string => Math.max(1, Math.round(bytes / 2 ** 20)).toLocaleString('en');

/** Memory of this machine, or of the container if it has a limit, bytes. */
function availableMemory(): number {
  const limit = process.constrainedMemory();
  return limit > 0 ? Math.min(limit, totalmem()) : totalmem();
}
