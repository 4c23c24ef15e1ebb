/** What must hold between the keys that say how Kafka is connected to, of the source and of the sink. */
import { show } from '../schema/formats';
import { detectorSchema } from './schema';
import type { Rule } from '../schema/rule';
import type { DetectorSettings, KafkaConnectionSettings } from './settings';

type SecurityRule = Rule<DetectorSettings>;

interface Place {
  /** Dotted key of the section. */
  at: string;
  /** Its settings, when they will be used. */
  of: (settings: DetectorSettings) => KafkaConnectionSettings | undefined;
  /** Variables of the secrets in it. */
  variables: { password: string; clientSecret: string };
}

const variablesOf = ({ sasl }: typeof detectorSchema.source.kafka | typeof detectorSchema.sinks.kafka) => ({
  password: sasl.password.env ?? '',
  clientSecret: sasl.oauth.clientSecret.env ?? '',
});

const places: readonly Place[] = [
  {
    at: 'source.kafka',
    of: ({ source }) => (source.kind === 'kafka' ? source.kafka : undefined),
    variables: variablesOf(detectorSchema.source.kafka),
  },
  {
    at: 'sinks.kafka',
    of: ({ sinks }) => (sinks.kafka.brokers.length > 0 ? sinks.kafka : undefined),
    variables: variablesOf(detectorSchema.sinks.kafka),
  },
];

function rulesOf({ at, of, variables }: Place): SecurityRule[] {
  const rule = (
    key: string,
    problem: (connection: KafkaConnectionSettings) => string | undefined,
  ): SecurityRule => ({
    keys: [`${at}.${key}`, `${at}.tls`, `${at}.sasl`, `${at}.brokers`, 'source.kind'],
    problem(settings) {
      const connection = of(settings);
      return connection && problem(connection);
    },
  });
  return [
    rule('tls.enabled', ({ tls: { enabled, ca, cert, key } }) =>
      !enabled && [ca, cert, key].some((file) => file !== '')
        ? 'must be true: without it the files beside it mean nothing'
        : undefined,
    ),
    rule('tls.cert', ({ tls: { cert, key } }) =>
      (cert === '') === (key === '') ? undefined : 'and tls.key need each other',
    ),
    rule('sasl.mechanism', ({ sasl: { mechanism, username, passwordFile, oauth } }) => {
      const given = [username, passwordFile, oauth.tokenFile, oauth.tokenUrl].some((value) => value !== '');
      return mechanism === 'none' && given
        ? 'must be said: without it the keys beside it mean nothing'
        : undefined;
    }),
    rule('sasl.username', ({ sasl: { mechanism, username, password, passwordFile } }) => {
      if (mechanism === 'none') return undefined;
      if (mechanism === 'oauthbearer')
        return username === '' ? undefined : `means nothing for ${show(mechanism)}`;
      if (username === '') return `is required for ${show(mechanism)}`;
      return password === '' && passwordFile === ''
        ? `needs a password: set ${variables.password}, or passwordFile beside it`
        : undefined;
    }),
    rule('sasl.oauth.tokenFile', ({ sasl: { mechanism, oauth } }) =>
      mechanism === 'oauthbearer' && (oauth.tokenFile === '') === (oauth.tokenUrl === '')
        ? 'or tokenUrl is required for "oauthbearer", one of them'
        : undefined,
    ),
    rule('sasl.oauth.clientId', ({ sasl: { mechanism, oauth } }) => {
      if (mechanism !== 'oauthbearer' || oauth.tokenUrl === '') return undefined;
      if (oauth.clientId === '') return 'is required beside tokenUrl';
      return oauth.clientSecret === '' && oauth.clientSecretFile === ''
        ? `needs a secret: set ${variables.clientSecret}, or clientSecretFile beside it`
        : undefined;
    }),
  ];
}

export const securityRules: readonly SecurityRule[] = [
  ...places.flatMap(rulesOf),
  {
    keys: ['sinks.kafka.brokers', 'sinks.kafka.tls', 'sinks.kafka.sasl', 'source.kind'],
    problem: ({ source, sinks: { kafka } }) =>
      source.kind === 'kafka' &&
      kafka.brokers.length === 0 &&
      (kafka.tls.enabled || kafka.sasl.mechanism !== 'none')
        ? 'must be named for tls and sasl beside it to mean anything: without them the sink connects as the source does'
        : undefined,
  },
];
