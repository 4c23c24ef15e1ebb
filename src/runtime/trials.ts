/**
 * The trial of a new model version. It scores in the shadow of the version in use, and comes into use when its gates pass
 * (calibration/gates.ts); in its first hours the previous version scores in its shadow, and comes back if a gate fails.
 *
 * Each process that scores follows the trial in the store, and reports there what it sees. The process that trains evaluates what all of
 * them have seen, and moves the pointer, which the others follow.
 */
import { randomUUID } from 'node:crypto';
import {
  addEvidence,
  judgeChallenger,
  judgePromoted,
  type Gate,
  type TrialEvidence,
} from '../calibration/gates';
import type { DaemonSettings, DetectorSettings } from '../config/settings';
import { ModelVersionError } from '../errors';
import type { Logger } from '../logger';
import type { DetectorMetrics } from '../metrics/metrics';
import type { Witness } from '../pipeline/decision';
import type { ActiveDetector, VersionFacts } from '../pipeline/pipeline';
import type { DecodedMessages } from '../pipeline/windowing';
import type { PartitionState } from '../state/partition';
import type { ModelStore } from '../store/model-store';
import { isActive, type Trial, type TrialState, type TrialStore } from '../store/trials';
import { messageOf } from '../system/error-text';
import type { Clock } from './clock';
import type { LeaseHolder } from './lease-holder';
import type { LoadModel } from './model-loader';
import type { ModelSlot } from './model-slot';
import { Poll } from './poll';
import type { Shadow } from './shadow';

export interface TrialsParts {
  role: DaemonSettings['role'];
  /** In force. */
  settings: () => DetectorSettings['training']['challenger'];
  /** Alarm budget of the detector; undefined without one. */
  eventsPerMs: () => number | undefined;
  /** Interval at which the trial in the store is followed, ms. */
  intervalMs: number;
  store: Pick<ModelStore, 'current' | 'pinned' | 'setCurrent'>;
  trials: TrialStore;
  slot: Pick<ModelSlot, 'current' | 'version' | 'use'>;
  lease: Pick<LeaseHolder, 'acquire'>;
  clock: Pick<Clock, 'now'>;
  /** Whether the clock is that of the records, so that what happens must not depend on the speed of the machine. */
  followsRecords: boolean;
  /** Loads a version to take it into use. */
  load: LoadModel;
  /** Loads a version that scores in the shadow, or whose facts are wanted: without a word of it. */
  loadQuietly: LoadModel;
  openShadow: (model: ActiveDetector, progress: () => number) => Shadow;
  /** Share found of canaries in live records, mean over the kinds. */
  livePower: () => number | undefined;
  audit: (entry: Record<string, unknown>) => Promise<void>;
  metrics: Pick<DetectorMetrics, 'trial'>;
  log: Pick<Logger, 'info' | 'warn' | 'error'>;
}

/** What this process sees while a trial has one state. */
interface Phase {
  id: string;
  trial: Trial;
  /** Unix ms on the clock of the detector; NaN until that has a time. */
  from: number;
  /** Of the version that is not in use. */
  facts: VersionFacts | undefined;
  /** Absent in a process that only trains, and where the version cannot be loaded. */
  shadow: Shadow | undefined;
  problem: string | undefined;
  /** Live records, and their events. */
  records: number;
  events: number;
  /** Time of the next evaluation. */
  nextAt: number;
  isWaiting: boolean;
}

/** The gates of a version are evaluated with this share of the records that it may score, or more. */
const leastShare = 1 / 20;
/** Evaluations of a promoted version while it is watched, and the longest time between two, ms. */
const evaluations = 60;
const longestPauseMs = 60_000;

export type Trials = ReturnType<typeof createTrials>;

export function createTrials(parts: TrialsParts) {
  const { role, store, trials, slot, lease, clock, load, metrics, log } = parts;
  const { settings, followsRecords, livePower } = parts;
  const needed = (): number => Math.ceil(settings().records * leastShare);
  /** Of this life of the process. */
  const own = randomUUID();
  let phase: Phase | undefined;
  let lastWork: Promise<unknown> = Promise.resolve();
  let failure = '';
  let stopped = false;

  const poll = new Poll(parts.intervalMs, async () => {
    await inTurn(follow);
    // On the clock of the records only between two batches, so that it is always between the same ones.
    if (!followsRecords) await inTurn(step);
    await inTurn(report);
  });

  /** One thing at a time. A failure is logged once, and what failed is tried again at the next occasion. */
  function inTurn(work: () => Promise<void>): Promise<void> {
    const result = lastWork
      .then(() => (stopped ? undefined : work()))
      .then(
        () => void (failure = ''),
        (err: unknown) => {
          const text = messageOf(err);
          if (text !== failure)
            log.error('the trial of a model version cannot continue; it is tried again', { err });
          failure = text;
        },
      );
    lastWork = result;
    return result;
  }

  /** Takes part in the trial that is in the store. */
  async function follow(): Promise<void> {
    const trial = (await trials.list()).find(isActive);
    const id = trial && `${trial.version} ${trial.state} ${trial.changedAt}`;
    if (id === phase?.id) return;
    const { shadow } = phase ?? {};
    phase = undefined;
    await shadow?.stop();
    metrics.trial.active(trial !== undefined);
    if (trial === undefined || id === undefined) return;
    const next: Phase = {
      id,
      trial,
      // A recording that is replayed begins again.
      from: clock.now() >= trial.since ? trial.since : clock.now(),
      facts: undefined,
      shadow: undefined,
      problem: undefined,
      records: 0,
      events: 0,
      nextAt: -Infinity,
      isWaiting: false,
    };
    try {
      const model = await parts.loadQuietly(trial.state === 'shadow' ? trial.version : trial.before);
      next.facts = model.facts;
      if (role === 'train') model.detector.dispose();
      else next.shadow = parts.openShadow(model, () => elapsed(next) / durationOf(next));
    } catch (error) {
      if (!(error instanceof ModelVersionError)) throw error;
      next.problem = error.message;
    }
    phase = next;
  }

  function durationOf({ trial: { state } }: Phase): number {
    return state === 'shadow' ? settings().forMs : settings().rollbackWithinMs;
  }

  function elapsed(one: Phase): number {
    if (Number.isNaN(one.from)) one.from = clock.now();
    return clock.now() - one.from;
  }

  function isInUse(version: string | undefined, { trial }: Phase): boolean {
    return version === (trial.state === 'shadow' ? trial.before : trial.version);
  }

  function evidenceOf({ records, events, shadow, problem, trial }: Phase): TrialEvidence {
    const nothing = { records: 0, alarms: { inUse: 0, shadow: 0 }, surprises: [] };
    const power = trial.state === 'promoted' ? livePower() : undefined;
    return {
      records,
      events,
      sample: nothing,
      ...(power !== undefined && { livePower: power }),
      ...(problem !== undefined && { problem }),
      ...shadow?.evidence(),
    };
  }

  async function report(): Promise<void> {
    if (phase !== undefined && role !== 'train') await trials.report(own, phase.id, evidenceOf(phase));
  }

  function isDue(one: Phase): boolean {
    if (one.trial.state === 'promoted') return clock.now() >= one.nextAt;
    return elapsed(one) >= settings().forMs || evidenceOf(one).problem !== undefined;
  }

  async function step(): Promise<void> {
    if (phase === undefined || role === 'score' || !isDue(phase)) return;
    phase.nextAt = clock.now() + Math.min(longestPauseMs, settings().rollbackWithinMs / evaluations);
    await judge(phase, elapsed(phase));
  }

  async function judge(judged: Phase, spent: number): Promise<void> {
    const { trial, id } = judged;
    try {
      await lease.acquire();
    } catch {
      // Another process evaluates the gates.
      return;
    }
    // A person may have chosen in the meantime.
    const known = (await trials.list()).find(({ version }) => version === trial.version);
    if (known?.changedAt !== trial.changedAt) return follow();
    const current = await store.current();
    const pinned = await store.pinned();
    // A process has ended between the pointer and the trial.
    if (trial.state === 'shadow' && current === trial.version) return end(trial, 'promoted', [], undefined);
    if (!isInUse(current, judged)) return end(trial, 'withdrawn', [], `version ${current} is in use`);
    if (pinned !== undefined && trial.state === 'shadow')
      return end(trial, 'withdrawn', [], `version ${pinned} is pinned`);
    const evidence = addEvidence([evidenceOf(judged), ...(await trials.reports(own, id))]);
    const inUse = slot.current();
    if (inUse === undefined || !isInUse(inUse.detector.version, judged)) return;
    if (trial.state === 'shadow') await judgeShadow(judged, evidence, inUse);
    else await judgeInUse(judged, evidence, inUse, spent);
  }

  async function judgeShadow(judged: Phase, evidence: TrialEvidence, inUse: ActiveDetector): Promise<void> {
    const { trial, facts } = judged;
    if (evidence.sample.records < needed() && evidence.problem === undefined) {
      if (!judged.isWaiting)
        log.info('model version stays in the shadow: there are too few records for its gates', {
          version: trial.version,
          records: evidence.sample.records,
          needed: needed(),
        });
      judged.isWaiting = true;
      return;
    }
    const ofInUse = inUse.facts;
    const gates = judgeChallenger({
      evidence,
      target: facts?.target ?? NaN,
      extremalIndex: facts?.extremalIndex ?? NaN,
      reach: facts?.reach ?? NaN,
      threshold: facts === undefined ? NaN : -Math.log10(facts.target),
      loss:
        ofInUse?.loss === undefined || facts?.loss === undefined
          ? undefined
          : { inUse: ofInUse.loss, challenger: facts.loss },
      power: { inUse: ofInUse?.power, challenger: facts?.power },
    });
    if (gates.every(({ passed }) => passed)) await promote(trial, gates);
    else await end(trial, 'refused', gates, undefined);
  }

  async function promote(trial: Trial, gates: readonly Gate[]): Promise<void> {
    const { version } = trial;
    let model: ActiveDetector;
    try {
      model = await load(version);
    } catch (error) {
      if (!(error instanceof ModelVersionError)) throw error;
      return end(trial, 'refused', [{ gate: 'usable', passed: false, text: error.message }], undefined);
    }
    await note({ action: 'promote', version, before: trial.before });
    await moveTo(model, () => end(trial, 'promoted', gates, undefined));
  }

  async function judgeInUse(
    judged: Phase,
    evidence: TrialEvidence,
    inUse: ActiveDetector,
    spent: number,
  ): Promise<void> {
    const { trial } = judged;
    if (spent >= settings().rollbackWithinMs) return end(trial, 'kept', trial.gates, undefined);
    const eventsPerMs = parts.eventsPerMs();
    const gates = judgePromoted({
      evidence,
      allowedEvents:
        eventsPerMs === undefined ? (inUse.facts?.target ?? 1) * evidence.records : eventsPerMs * spent,
      trainedPower: inUse.facts?.power,
    });
    if (gates.every(({ passed }) => passed)) return;
    let model: ActiveDetector;
    try {
      model = await load(trial.before);
    } catch (error) {
      if (!(error instanceof ModelVersionError)) throw error;
      log.error('model version fails its gates, but the one before it cannot be used', { err: error });
      return end(trial, 'kept', gates, error.message);
    }
    await note({ action: 'rollback', version: trial.version, to: trial.before, gates });
    await moveTo(model, () => end(trial, 'rolled_back', gates, undefined));
  }

  async function moveTo(model: ActiveDetector, then: () => Promise<void>): Promise<void> {
    try {
      await store.setCurrent(model.detector.version);
    } catch (error) {
      model.detector.dispose();
      throw error;
    }
    slot.use(model);
    await then();
  }

  async function note(entry: Record<string, unknown>): Promise<void> {
    await parts.audit({ by: 'gates', ...entry }).catch((err: unknown) => {
      log.error('a change of the model version is not in the audit log', { ...entry, err });
    });
  }

  async function end(
    trial: Trial,
    reached: Exclude<TrialState, 'shadow'>,
    gates: readonly Gate[],
    reason: string | undefined,
  ): Promise<void> {
    const state = reached === 'promoted' && settings().rollbackWithinMs === 0 ? 'kept' : reached;
    const { version, before } = trial;
    const changes = { state, since: clock.now(), changedAt: Date.now(), gates } as const;
    await trials.put({ ...trial, ...changes, ...(reason !== undefined && { reason }) });
    metrics.trial.ended(reached);
    const failed = gates.filter(({ passed }) => !passed).map(({ gate, text }) => `${gate}: ${text}`);
    const fields = {
      version,
      before,
      ...(failed.length > 0 && { failed }),
      ...(reason !== undefined && { reason }),
    };
    const isBad = reached === 'refused' || reached === 'rolled_back';
    log[isBad ? 'warn' : 'info'](endings[reached], fields);
    await trials.clearReports();
    await follow();
  }

  return {
    /** Puts a version on trial that has been trained, in place of one that is on trial. Rejects if that cannot be stored. */
    async begin(version: string): Promise<void> {
      const before = slot.version();
      if (before === undefined) throw new Error('there is no version in use');
      const begun = lastWork.then(async () => {
        for (const trial of (await trials.list()).filter(isActive))
          await end(
            trial,
            trial.state === 'shadow' ? 'withdrawn' : 'kept',
            trial.gates,
            `version ${version} is newer`,
          );
        await trials.clearReports();
        const at = { since: clock.now(), changedAt: Date.now() };
        await trials.put({ version, before, state: 'shadow', ...at, by: 'gates', gates: [] });
        log.info('model version scores in the shadow until its gates pass', {
          version,
          minutes: Math.round(settings().forMs / 6_000) / 10,
        });
        await follow();
      });
      lastWork = begun.catch(() => undefined);
      await begun;
    },
    /** The version that must not be replaced yet by another new one: its time in the shadow is not over. */
    pending: (): string | undefined =>
      phase?.trial.state === 'shadow' && elapsed(phase) < settings().forMs ? phase.trial.version : undefined,
    /** Those who see the live records and events, with this one. */
    following: (witness: Witness): Witness => ({
      observe(record, ...rest) {
        witness.observe(record, ...rest);
        if (phase === undefined) return;
        phase.records++;
        phase.shadow?.witness(record);
      },
      report(events, channels) {
        const marked = witness.report(events, channels);
        for (const { status } of phase === undefined ? [] : marked)
          if (status === 'open' || status === 'held_back') phase!.events++;
        return marked;
      },
    }),
    /** Call after each batch, with the state that it has left. */
    observe(decoded: DecodedMessages, partition: PartitionState, active: ActiveDetector): void {
      if (phase === undefined || !isInUse(active.detector.version, phase)) return;
      phase.shadow?.observe(decoded, partition, active);
    },
    /** Call between two batches: here a version comes into use, or goes. */
    async betweenBatches(): Promise<void> {
      if (phase === undefined) return;
      await phase.shadow?.keepUp(followsRecords);
      // With too few records here, those of other processes are looked at when the store is.
      const mayWait = phase.isWaiting && evidenceOf(phase).sample.records < needed();
      if (isDue(phase) && !mayWait) await inTurn(step);
    },
    /** A person uses a version. */
    async chosen(version: string): Promise<void> {
      const ended = (await trials.list()).filter((trial) => isActive(trial) && trial.version !== version);
      await trials.choose(version, Date.now());
      for (const trial of ended) {
        metrics.trial.ended('withdrawn');
        log.info(endings.withdrawn, { version: trial.version, reason: `a person uses version ${version}` });
      }
      await inTurn(follow);
    },
    list: trials.list,
    /** Records that this process has seen two versions score, and those that are needed; undefined without a trial. */
    progress: () =>
      phase && {
        version: phase.trial.version,
        records: evidenceOf(phase).sample.records,
        needed: needed(),
        share: Math.min(1, elapsed(phase) / durationOf(phase)),
      },
    /** Follows the trial in the store now. Never rejects. */
    refresh: () => poll.run(),
    /** Idempotent. */
    async stop(): Promise<void> {
      await poll.stop();
      await inTurn(report);
      stopped = true;
      await lastWork;
      await phase?.shadow?.stop();
      phase = undefined;
    },
  };
}

const endings: Record<Exclude<TrialState, 'shadow'>, string> = {
  promoted: 'model version passed its gates: it is in use',
  refused: 'model version refused: it fails a gate; the previous one stays in use',
  kept: 'model version stays in use: its trial is over',
  rolled_back: 'model version rolled back: it fails a gate; the previous one is in use again',
  withdrawn: 'trial of a model version ended without a result',
};
