/** The kinds of faults that are put into normal records and images. */
import { recordFaults, type RecordFault } from './faults';
import { imageFaults, type ImageFault } from './image-faults';

export type FaultKind = RecordFault | ImageFault;

export const faultKinds = [...Object.keys(recordFaults), ...Object.keys(imageFaults)] as FaultKind[];
