/** Keys of a connection to Kafka, common to the source and the sink: brokers, TLS and SASL. */
import { show, choice, flag, path, secret, text } from '../schema/formats';
import { brokers, url } from '../schema/network-formats';
import type { Parsed, Section } from '../schema/key';
import type { SectionRule } from '../schema/rule';

export const authoritiesDoc =
  'File of certificate authorities (PEM) to trust. Empty: the authorities that Node trusts.';

export const optionalFile = (doc: string) => path({ doc, default: '' }, { empty: true });

const security = {
  tls: {
    enabled: flag({ doc: 'Connect with TLS.', default: false }),
    ca: optionalFile(authoritiesDoc),
    cert: optionalFile(
      'File of the client certificate (PEM), where the brokers require one. Read again for each connection.',
    ),
    key: optionalFile(
      'File of the private key (PEM) of the client certificate. Read again for each connection.',
    ),
  },
  sasl: {
    mechanism: choice({ doc: 'How the client authenticates.', default: 'none' }, [
      'none',
      'plain',
      'scram-sha-256',
      'scram-sha-512',
      'oauthbearer',
    ]),
    username: text({ doc: 'User name, for `plain` and `scram-…`.', default: '' }, 'a name, or empty'),
    password: secret({ doc: 'Password of the user, unless `passwordFile` is set.' }),
    passwordFile: optionalFile(
      'File with the password; takes precedence over `password`. Read again for each connection.',
    ),
    oauth: {
      tokenFile: optionalFile(
        'For `oauthbearer`, instead of `tokenUrl`: file with the token. Read again for each connection.',
      ),
      tokenUrl: url({
        doc: 'For `oauthbearer`, instead of `tokenFile`: token endpoint of an OpenID Connect provider.',
        default: '',
      }),
      clientId: text({ doc: 'Client id for the token endpoint.', default: '' }, 'a name, or empty'),
      clientSecret: secret({
        doc: 'Client secret for the token endpoint, unless `clientSecretFile` is set.',
      }),
      clientSecretFile: optionalFile(
        'File with the client secret; takes precedence over `clientSecret`. Read again for each token.',
      ),
      scope: text(
        { doc: 'Scope to request from the token endpoint. Empty: none.', default: '' },
        'text, or empty',
      ),
      ca: optionalFile(`For the token endpoint. ${authoritiesDoc}`),
    },
  },
} satisfies Section;

/** @param doc documentation of the key `brokers` */
export function connectionSection(doc: string): typeof security & { brokers: ReturnType<typeof brokers> } {
  return { brokers: brokers({ doc, default: [] }), ...security };
}

export type KafkaConnectionSettings = Parsed<ReturnType<typeof connectionSection>>;

/** @param variables prefix of the environment variables of the section, such as `VAEMON_KAFKA` */
export function connectionRules(variables: string): SectionRule<KafkaConnectionSettings>[] {
  const rule = (
    key: string,
    problem: (connection: KafkaConnectionSettings) => string | undefined,
  ): SectionRule<KafkaConnectionSettings> => ({ keys: [key, 'tls', 'sasl', 'brokers'], problem });
  return [
    rule('tls.enabled', ({ tls: { enabled, ca, cert, key } }) =>
      !enabled && [ca, cert, key].some((file) => file !== '')
        ? 'must be true where tls.ca, tls.cert or tls.key is set'
        : undefined,
    ),
    rule('tls.cert', ({ tls: { cert, key } }) =>
      (cert === '') === (key === '') ? undefined : 'and tls.key must be set together',
    ),
    rule('sasl.mechanism', ({ sasl: { mechanism, username, passwordFile, oauth } }) => {
      const given = [username, passwordFile, oauth.tokenFile, oauth.tokenUrl].some((value) => value !== '');
      return mechanism === 'none' && given ? 'is required where other keys of sasl are set' : undefined;
    }),
    rule('sasl.username', ({ sasl: { mechanism, username, password, passwordFile } }) => {
      if (mechanism === 'none') return undefined;
      if (mechanism === 'oauthbearer')
        return username === '' ? undefined : `has no effect with sasl.mechanism ${show(mechanism)}`;
      if (username === '') return `is required for sasl.mechanism ${show(mechanism)}`;
      return password === '' && passwordFile === ''
        ? `needs a password: set ${variables}_SASL_PASSWORD, or sasl.passwordFile`
        : undefined;
    }),
    rule('sasl.oauth.tokenFile', ({ sasl: { mechanism, oauth } }) =>
      mechanism === 'oauthbearer' && (oauth.tokenFile === '') === (oauth.tokenUrl === '')
        ? 'or tokenUrl is required for sasl.mechanism "oauthbearer", exactly one of them'
        : undefined,
    ),
    rule('sasl.oauth.clientId', ({ sasl: { mechanism, oauth } }) => {
      if (mechanism !== 'oauthbearer' || oauth.tokenUrl === '') return undefined;
      if (oauth.clientId === '') return 'is required where tokenUrl is set';
      return oauth.clientSecret === '' && oauth.clientSecretFile === ''
        ? `needs a secret: set ${variables}_SASL_OAUTH_CLIENT_SECRET, or clientSecretFile`
        : undefined;
    }),
  ];
}
