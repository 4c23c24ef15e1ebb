/** The changes to a running detector that the API can make, and the reasons to refuse them. */
import { ModelVersionError } from '../errors';
import type { Past } from '../past/past';
import type { ModelStore } from '../store/model-store';
import { messageOf } from '../system/error-text';
import type { DetectorView } from '../web/api/detector-view';
import { ApiError } from '../web/api/route';
import type { Labels } from './labels';
import type { ModelLifecycle } from './model-lifecycle';

export interface ChangesParts {
  past: Past;
  labels: Pick<Labels, 'writer' | 'refresh'>;
  models: {
    store: Pick<ModelStore, 'current' | 'pinned' | 'unpin'>;
    slot: Pick<ModelLifecycle['slot'], 'current'>;
    training: Pick<ModelLifecycle['training'], 'isRunning' | 'trainNow'>;
    useVersion: ModelLifecycle['useVersion'];
  };
}

export function createDetectorChanges({
  past,
  labels,
  models,
}: ChangesParts): Pick<DetectorView, 'label' | 'train' | 'use' | 'unpin'> {
  const { store, slot, training } = models;
  return {
    async label({ event }, label, note) {
      const { writer } = labels;
      if (writer === undefined)
        throw new ApiError(
          409,
          'no place for labels is configured',
          'set training.labels.file or training.labels.topic, so that trainings read them',
        );
      const { id, key, keys = [key], start, end } = event;
      const labelled = await past
        .label(id, { label, note, at: Date.now() }, () => writer.write({ id, keys, start, end, label, note }))
        .catch((error: unknown) => {
          throw new ApiError(503, 'the label could not be written', messageOf(error));
        });
      if (labelled === undefined)
        throw new ApiError(409, 'someone else has labelled the event', 'look at the event again');
      void labels.refresh();
      return labelled;
    },
    async train() {
      const version = slot.current()?.detector.version;
      if (version === undefined) throw new ApiError(409, 'there is no model in use yet');
      if (training.isRunning()) throw new ApiError(409, 'a training is running');
      const pinned = await store.pinned();
      if (pinned !== undefined) throw new ApiError(409, `version ${pinned} is pinned`, 'unpin it first');
      return training.trainNow(version);
    },
    async use(version, pin, expected) {
      const current = await store.current();
      if (current !== expected)
        throw new ApiError(
          409,
          `the current version is ${current}, not ${expected}`,
          'look at the versions again',
        );
      if (training.isRunning())
        throw new ApiError(409, 'a training is running', 'it would replace the version: wait for its end');
      try {
        await models.useVersion(version, pin);
      } catch (error) {
        if (error instanceof ModelVersionError)
          throw new ApiError(409, `version ${version} is unusable`, error.message);
        throw error;
      }
    },
    unpin: () => store.unpin(),
  };
}
