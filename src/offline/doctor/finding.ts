/** One finding of `vaemon doctor`, printed as one line. */
export interface Finding {
  /** `wrong`: the detector does not work with it. `warning`: it works, but perhaps not as expected. */
  level: 'ok' | 'warning' | 'wrong';
  /** The thing that was examined, such as `topic plant.sensors`. */
  subject: string;
  message: string;
  /** The command or the setting that solves the problem. */
  mend?: string;
}

export const ok = (subject: string, message: string): Finding => ({ level: 'ok', subject, message });

export function warning(subject: string, message: string, mend?: string): Finding {
  return { level: 'warning', subject, message, ...(mend !== undefined && { mend }) };
}

export function wrong(subject: string, message: string, mend?: string): Finding {
  return { level: 'wrong', subject, message, ...(mend !== undefined && { mend }) };
}
