/** The latest renders: a start is rendered again for evaluation and metrics, always to the same text. */

const mostCharacters = 1 << 22;

/** Rendered texts by their requests. */
export interface RenderCache {
  get(ask: string): string | undefined;
  set(ask: string, text: string): void;
}

/** Bounded by the characters of what was asked and answered; the oldest leaves first. */
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
