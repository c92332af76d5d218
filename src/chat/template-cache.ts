/** Caches the latest renders: evaluation and metrics render a start again, always to the same text. */

const mostCharacters = 1 << 22;

/** Rendered texts by their requests. */
export interface RenderCache {
  get(ask: string): string | undefined;
  set(ask: string, text: string): void;
}

/** A cache bounded by the characters of requests and texts; it evicts the oldest. */
export function createRenderCache(limit = mostCharacters): RenderCache {
  const texts = new Map<string, string>();
  let characters = 0;
  return {
    get: (ask) => texts.get(ask),
    set: (ask, text) => {
      if (texts.has(ask) || ask.length + text.length > limit) return;
      texts.set(ask, text);
      characters += ask.length + text.length;
      for (const [oldest, old] of texts) {
        if (characters <= limit) break;
        texts.delete(oldest);
        characters -= oldest.length + old.length;
      }
    },
  };
}
