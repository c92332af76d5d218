/** Renders a table of the page that may be wider than the screen. */
import { escapeHtml } from './text.js';

/** Renders a table that scrolls sideways on a small screen, with an explanation below that does not scroll. */
export function wideTable(name: string, heads: readonly string[], body: string, note: string): string {
  const columns = heads.map((head) => `<th scope="col">${escapeHtml(head)}</th>`).join('');
  return `<div class="scroll" tabindex="0" role="region" aria-label="${name}"><table class="comparison"><caption class="unseen">${name}</caption>
<thead><tr>${columns}</tr></thead><tbody>${body}</tbody></table></div><p class="caption">${note}</p>`;
}
