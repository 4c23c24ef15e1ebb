/** `--set key=value`, for every command that loads a configuration. */
import { InvalidArgumentError, Option } from 'commander';

/** Collects `key=value` arguments by key; the last of one key wins. */
export function collect(text: string, before: Readonly<Record<string, string>>): Record<string, string> {
  const { key, value } = /^(?<key>[^=\s]+)=(?<value>.*)$/s.exec(text)?.groups ?? {};
  if (key === undefined || value === undefined) throw new InvalidArgumentError('Expected key=value.');
  return { ...before, [key]: value };
}

/** The option; its value is a map from dotted key to text. */
export function setOption(): Option {
  return new Option('-s, --set <key=value>', 'override a key of the configuration; repeatable')
    .argParser(collect)
    .default({}, 'none');
}
