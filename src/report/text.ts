/**
 * Makes untrusted text of models, tasks and files safe: without control sequences for a terminal, escaped for a page.
 */

const code = (value: number) => String.fromCharCode(value);
const [esc, bell, stringEnd] = [code(0x1b), code(0x07), code(0x9c)];

// CSI (colours, cursor); the string kinds OSC, DCS, SOS, PM and APC up to their terminator; then all shorter escapes.
// The string kinds and CSI have 8-bit forms as well.
const csi = `(?:${esc}\\[|${code(0x9b)})[0-?]*[ -/]*[@-~]`;
const stringStart = `(?:${esc}[\\]PX^_]|[${[0x9d, 0x90, 0x98, 0x9e, 0x9f].map(code).join('')}])`;
const strings = `${stringStart}[^${bell}${esc}${stringEnd}]*(?:${bell}|${esc}\\\\|${stringEnd})?`;
const sequences = new RegExp(`${csi}|${strings}|${esc}[ -/]*[0-~]`, 'g');
// The rest of C0 and C1, and the marks that reorder text ("Trojan source").
const controls = /[\p{Cc}\p{Bidi_Control}]/gu;

/** Returns one printable line: removes terminal sequences and replaces each run of line breaks and tabs by a space. */
export function plainLine(text: string): string {
  return text
    .replace(sequences, '')
    .replace(/[\r\n\t]+/g, ' ')
    .replace(controls, '');
}

/** Like `plainLine`, but keeps line breaks and tabs. */
export function plainText(text: string): string {
  return text
    .replace(sequences, '')
    .replace(/\r\n?/g, '\n')
    .replace(controls, (character) => (character === '\n' || character === '\t' ? character : ''));
}

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** Escapes text for use between tags or inside a quoted attribute. */
export function escapeHtml(text: string): string {
  return plainText(text).replace(/[&<>"']/g, (character) => entities[character] ?? '');
}

/** Makes a sentence of a clause: a capital and a full stop. */
export const sentence = (clause: string): string => `${clause.charAt(0).toUpperCase()}${clause.slice(1)}.`;

// East Asian wide and emoji blocks: two columns. Combining marks and joiners: none.
const wide =
  /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{1f300}-\u{1faff}\u{20000}-\u{3fffd}]/u;
const zeroWidth = /[\p{Mn}\p{Me}\p{Cf}]/u;

/** Counts the terminal columns of a line; colour sequences take none. */
export function displayWidth(text: string): number {
  let width = 0;
  for (const character of text.replace(sequences, ''))
    width += zeroWidth.test(character) ? 0 : wide.test(character) ? 2 : 1;
  return width;
}

/** Truncates `text` (without colour sequences) to `columns`, and marks the cut with `…`. */
export function truncate(text: string, columns: number): string {
  if (displayWidth(text) <= columns) return text;
  let kept = '';
  let width = 0;
  for (const character of text) {
    width += displayWidth(character);
    if (width > columns - 1) break;
    kept += character;
  }
  return columns > 0 ? `${kept}…` : '';
}

/** Pads `text` with spaces to `columns`; returns longer text as it is. */
export function pad(text: string, columns: number, align: 'left' | 'right' = 'left'): string {
  const fill = ' '.repeat(Math.max(0, columns - displayWidth(text)));
  return align === 'left' ? text + fill : fill + text;
}
