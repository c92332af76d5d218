/** Names of columns that no other column has. */

/** Numbers repeated names as pandas does: the second column `a` is `a.1`. */
export function uniqueNames(names: readonly string[]): string[] {
  const taken = new Set(names);
  const seen = new Map<string, number>();
  return names.map((name) => {
    const first = seen.get(name);
    if (first === undefined) {
      seen.set(name, 1);
      return name;
    }
    let count = first;
    while (taken.has(`${name}.${count}`)) count++;
    seen.set(name, count + 1);
    taken.add(`${name}.${count}`);
    return `${name}.${count}`;
  });
}
