/** The one line that each toy adds to a list of src. Import it before anything that reads the lists. */
import { codecs } from '../../src/codecs/codecs';
import { zoo } from '../../src/models/zoo';
import { sinks } from '../../src/sinks/sinks';
import { sources } from '../../src/sources/sources';
import { toyCodec } from './toy-codec';
import { toyModel } from './toy-model';
import { toySink } from './toy-sink/sink';
import { toySource } from './toy-source/source';

Object.assign(sources, { toy: toySource });
Object.assign(sinks, { toy: toySink });
Object.assign(codecs, { toy: toyCodec });
Object.assign(zoo, { toy: toyModel });
