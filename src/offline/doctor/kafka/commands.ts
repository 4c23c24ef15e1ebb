/** Commands of Kafka's own tools that solve the problems found. */
import type { Connection } from './duties';

export interface Commands {
  /** @param name of the tool, without `kafka-` and `.sh` */
  tool(name: string, args: string): string;
  /** Allows the user of the connection an operation. */
  acl(operation: string, resource: string): string;
}

export function commandsFor({ brokers, tls, sasl }: Connection): Commands {
  const tool = (name: string, args: string): string => {
    const isSecure = tls.enabled || sasl.mechanism !== 'none';
    const secure = name === 'console-consumer' ? ' --consumer.config' : ' --command-config';
    return `kafka-${name}.sh --bootstrap-server ${brokers[0]!}${isSecure ? `${secure} client.properties` : ''} ${args}`;
  };
  const who = sasl.mechanism !== 'none' && sasl.username !== '' ? sasl.username : 'NAME';
  return {
    tool,
    acl: (operation, resource) =>
      tool('acls', `--add --allow-principal ${quoted(`User:${who}`)} --operation ${operation} ${resource}`),
  };
}

/** Quoted for a shell. */
export function quoted(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replace(/'/g, `'\\''`)}'`;
}
