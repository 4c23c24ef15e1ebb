/** Metrics of the configuration of the process. */
import { Gauge } from 'prom-client';
import { declare, type Declarations } from './recorder';

export function configurationMetrics(declarations: Declarations) {
  const gauge = (name: string, help: string) =>
    new Gauge(declare(declarations, { name, type: 'gauge', help, labels: [] }));
  const successful = gauge(
    'vaemon_config_last_reload_successful',
    'Whether the newest state of the configuration files was applied; 0: the previous configuration remains in use.',
  );
  const succeededAt = gauge(
    'vaemon_config_last_reload_success_timestamp_seconds',
    'Unix time at which the configuration in force was read.',
  );
  const hash = gauge(
    'vaemon_config_hash',
    'Hash of the files of the configuration in force; equal in processes with the same files.',
  );
  const waiting = gauge(
    'vaemon_config_restart_keys',
    'Keys that have changed in the files of the configuration and wait for a restart.',
  );
  return {
    /**
     * The files were read and are in force.
     * @param sha256 of the files, hexadecimal
     * @param at Unix ms
     * @param restartKeys keys that wait for a restart
     */
    loaded(sha256: string, at: number, restartKeys: number): void {
      successful.set(1);
      succeededAt.set(at / 1000);
      // A sample has 53 bits.
      hash.set(Number.parseInt(sha256.slice(0, 12), 16));
      waiting.set(restartKeys);
    },
    /** The files cannot be used. */
    failed: (): void => successful.set(0),
  };
}

export type ConfigurationMetrics = ReturnType<typeof configurationMetrics>;
