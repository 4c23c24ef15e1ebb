/** The detection power of a version in live records, from its newest stretches. */
import type { Logger } from '../logger';
import type { DetectorMetrics } from '../metrics/metrics';
import {
  meanPower,
  mergePower,
  powerByKind,
  powerFields,
  type DetectionPower,
} from '../scoring/detection-power';

/** Maximum number of stretches that the power is computed from; the minimum is next to it. */
const mostStretches = 24;
const fewestStretches = 8;

export class LivePower {
  private powers: DetectionPower[] = [];
  private isBlind = false;

  constructor(
    private readonly metrics: Pick<DetectorMetrics, 'detectionPower'>,
    private readonly log: Pick<Logger, 'warn'>,
  ) {}

  /** Discards all stretches, for another version. */
  clear(): void {
    this.powers = [];
    this.isBlind = false;
  }

  /** Detection power; undefined with too few stretches. */
  current(): DetectionPower | undefined {
    return this.powers.length < fewestStretches ? undefined : mergePower(this.powers);
  }

  /** @param trained the power at the training of the version, if it is known */
  add(power: DetectionPower, trained: DetectionPower | undefined): void {
    this.powers = [...this.powers, power].slice(-mostStretches);
    const live = this.current();
    if (live === undefined) return;
    this.metrics.detectionPower.live(powerByKind(live));
    if (trained === undefined) return;
    // Same bound as in the alert VaemonBlind.
    const blind = meanPower(live) < 0.5 * meanPower(trained);
    if (blind && !this.isBlind)
      this.log.warn('detection power has fallen below half of its value at the training', powerFields(live));
    this.isBlind = blind;
  }
}
