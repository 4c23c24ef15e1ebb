import fc from 'fast-check';
import { RecencyList, RecencyMap, type Linked, type Listed } from '../../src/domain/recency';

interface Item extends Linked<Item> {
  name: string;
}

test('the list is in the order in which items were last appended', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.constantFrom('a', 'b', 'c', 'd'), fc.boolean())), (steps) => {
      const list = new RecencyList<Item>();
      const items = new Map<string, Item>();
      let expected: string[] = [];
      for (const [name, append] of steps) {
        const item = items.get(name) ?? { name, before: undefined, after: undefined };
        items.set(name, item);
        const isIn = expected.includes(name);
        expected = expected.filter((other) => other !== name);
        if (append) {
          if (isIn) list.touch(item);
          else list.append(item);
          expected.push(name);
        } else if (isIn) list.remove(item);
        expect([...list].map((one) => one.name)).toEqual(expected);
        expect([list.oldest?.name, list.latest?.name]).toEqual([expected[0], expected.at(-1)]);
      }
    }),
  );
});

test('an item is found by its key, with or without a guess, until it is deleted', () => {
  interface Device extends Listed<Device> {
    value: number;
  }
  const anyKey = fc.constantFrom('a', 'b', 'c', 'd');
  const anyStep = fc.tuple(fc.constantFrom('add', 'delete', 'get'), anyKey, fc.nat(20));
  fc.assert(
    fc.property(fc.array(anyStep), (steps) => {
      const map = new RecencyMap<Device>();
      const other = new RecencyMap<Device>();
      const expected = new Map<string, Device>();
      const guesses: Device[] = [];
      for (const [step, key, which] of steps) {
        const known = expected.get(key);
        if (step === 'add' && known === undefined) {
          const links = { before: undefined, after: undefined, home: undefined };
          const device: Device = { key, value: guesses.length, ...links };
          map.add(device);
          expected.set(key, device);
          guesses.push(device);
          const elsewhere: Device = { key, value: -1, ...links };
          if (other.get(key) === undefined) other.add(elsewhere);
          guesses.push(other.get(key)!);
        }
        if (step === 'delete' && known !== undefined) {
          map.delete(known);
          expected.delete(key);
        }
        expect(map.get(key)).toBe(expected.get(key));
        // A guess of another key or map, or of a deleted item, is none.
        expect(map.get(key, guesses[which])).toBe(expected.get(key));
        expect(map.size).toBe(expected.size);
      }
    }),
  );
});
