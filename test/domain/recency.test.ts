import fc from 'fast-check';
import { RecencyList, type Linked } from '../../src/domain/recency';

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
