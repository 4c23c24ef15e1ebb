/** The configuration after loading: complete, checked and frozen. */
import type { DaemonSettings } from './daemon';
import type { DetectorSettings } from './detector';

export type { DaemonSettings, EngineSettings } from './daemon';
export { sourceOf, type DetectorSettings } from './detector';

/** All settings for `vaemon run PATH`. */
export interface Settings {
  daemon: DaemonSettings;
  detectors: readonly { file: string; settings: DetectorSettings }[];
}
