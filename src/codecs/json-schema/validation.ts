/**
 * Validates records on a separate thread. A schema can make its own compilation, or the validation of a record, take any time
 * and memory (nested quantifiers in a pattern, doubled references under `anyOf`, `uniqueItems`). So the thread has a deadline
 * per record and a memory limit; a thread that exceeds either is replaced, and the record or schema is rejected.
 */
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { DecodeError } from '../../errors';
import { messageOf } from '../../system/error-text';
import { SerialQueue } from '../../system/serial-queue';
import type { RegisteredSchema } from '../confluent/schema-registry';
import { stages, type ValidationAnswer, type ValidationRequest } from './validation-thread';

export interface ValidationLimits {
  /** Time for one record, or for the compilation of a schema, ms. */
  recordMs: number;
  /** Maximum time for the records of a batch, ms. If it is exceeded, their schema counts as unusable. */
  batchMs: number;
  /** Time until an unused thread ends, ms. */
  idleMs: number;
}

const defaultLimits: ValidationLimits = { recordMs: 1_000, batchMs: 5_000, idleMs: 60_000 };

/** Number of checks of the deadline within the time for one record. Time in which this process does not run is not counted. */
const ticks = 10;

/** Time to start the thread, as a multiple of the time for a record. */
const startFactor = 60;

/** Memory of the thread, MiB. */
const memory = { maxOldGenerationSizeMb: 128, maxYoungGenerationSizeMb: 16, stackSizeMb: 4 };

/**
 * Checks records of one schema; returns the reason for each that must be rejected. Rejects with a DecodeError if the schema is
 * unusable.
 */
export type CheckRecords = (records: readonly Uint8Array[]) => Promise<readonly (DecodeError | undefined)[]>;

/** The thread ended while it worked on a record, or on the schema (a negative position). */
class Interrupted extends Error {
  constructor(
    readonly position: number,
    message: string,
  ) {
    super(message);
  }
}

/** Manages the thread: it is started on demand, and requests are answered one after the other. */
export class Validation {
  private readonly limits: ValidationLimits;
  private thread: ValidationThread | undefined;
  private schemas = 0;
  private readonly queue = new SerialQueue();

  constructor(limits: Partial<ValidationLimits> = {}) {
    this.limits = { ...defaultLimits, ...limits };
  }

  /** @throws DecodeError if the schema is unusable */
  async compile({ text, references }: RegisteredSchema): Promise<CheckRecords> {
    const request = { id: this.schemas++, schema: { text, references } };
    await this.queue.run(() => this.ask(request, []));
    return (records) => this.queue.run(() => this.check(request, records));
  }

  private async check(
    request: Pick<Required<ValidationRequest>, 'id' | 'schema'>,
    records: readonly Uint8Array[],
  ): Promise<(DecodeError | undefined)[]> {
    const began = performance.now();
    const results = new Array<DecodeError | undefined>(records.length).fill(undefined);
    let open = records.map((_, i) => i);
    for (;;) {
      try {
        const problems = await this.ask(
          request,
          open.map((i) => records[i]!),
        );
        for (const [at, problem] of problems.entries())
          if (problem !== null) results[open[at]!] = new DecodeError('schema_mismatch', problem);
        return results;
      } catch (error) {
        if (!(error instanceof Interrupted)) throw error;
        if (performance.now() - began > this.limits.batchMs)
          throw unusable(`validation of its records takes too long (${error.message})`);
        // The other records are validated again, without this one.
        results[open[error.position]!] = new DecodeError(
          'schema_mismatch',
          `cannot be validated: ${error.message}`,
        );
        open = open.filter((_, at) => at !== error.position);
      }
    }
  }

  /** Returns the problem of each record. @throws Interrupted; DecodeError if the schema is unusable */
  private async ask(
    { id, schema }: Pick<Required<ValidationRequest>, 'id' | 'schema'>,
    records: readonly Uint8Array[],
  ): Promise<(string | null)[]> {
    const thread = (this.thread ??= new ValidationThread(this.limits, () => (this.thread = undefined)));
    const bytes = new Uint8Array(records.reduce((sum, record) => sum + record.length, 0));
    let end = 0;
    const ends = Uint32Array.from(records, (record) => {
      bytes.set(record, end);
      return (end += record.length);
    });
    try {
      const answer = await thread.ask({ id, schema: thread.has(id) ? undefined : schema, bytes, ends });
      if ('unusable' in answer) throw unusable(answer.unusable);
      return answer.problems;
    } catch (error) {
      if (error instanceof Interrupted && error.position < 0)
        throw unusable(`it cannot be compiled: ${error.message}`);
      throw error;
    }
  }
}

class ValidationThread {
  private readonly progress = new Int32Array(new SharedArrayBuffer(4));
  private readonly worker: Worker;
  private readonly known = new Set<number>();
  private idle: NodeJS.Timeout | undefined;

  constructor(
    private readonly limits: ValidationLimits,
    private readonly onEnd: () => void,
  ) {
    Atomics.store(this.progress, 0, stages.starting);
    this.worker = new Worker(join(__dirname, 'validation-thread.js'), {
      workerData: this.progress,
      resourceLimits: memory,
    });
    this.worker.unref();
    // A thread that fails without a request is replaced by the next one.
    this.worker.on('error', () => this.end());
  }

  /** Whether the thread has compiled a schema. */
  has(id: number): boolean {
    return this.known.has(id);
  }

  /** @throws Interrupted after the end of this thread */
  ask(request: ValidationRequest): Promise<ValidationAnswer> {
    clearTimeout(this.idle);
    const { worker, progress } = this;
    const { recordMs } = this.limits;
    return new Promise((resolve, reject) => {
      let seen = NaN;
      let still = 0;
      const timer = setInterval(() => {
        const position = Atomics.load(progress, 0);
        still = position === seen ? still + 1 : 0;
        seen = position;
        const allowed = position === stages.starting ? ticks * startFactor : ticks;
        if (still >= allowed) settle(() => this.interrupted(reject, `not done within ${recordMs} ms`));
      }, recordMs / ticks);
      const settle = (how: () => void): void => {
        clearInterval(timer);
        worker.off('message', onMessage);
        worker.off('error', onError);
        how();
      };
      const onMessage = (answer: ValidationAnswer): void =>
        settle(() => {
          if ('problems' in answer) this.known.add(request.id);
          this.idle = setTimeout(() => this.end(), this.limits.idleMs).unref();
          resolve(answer);
        });
      const onError = (error: unknown): void =>
        settle(() => this.interrupted(reject, messageOf(error).slice(0, 160)));
      worker.on('message', onMessage);
      worker.on('error', onError);
      worker.postMessage(request, [request.bytes.buffer as ArrayBuffer]);
    });
  }

  private interrupted(reject: (error: Error) => void, message: string): void {
    this.end();
    reject(new Interrupted(Atomics.load(this.progress, 0), message));
  }

  private end(): void {
    clearTimeout(this.idle);
    this.onEnd();
    void this.worker.terminate();
  }
}

function unusable(what: string): DecodeError {
  return new DecodeError('unusable_schema', `unusable JSON Schema: ${what}`);
}
