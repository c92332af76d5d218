/** Draws one task from first attempt to solution: coloured tiles for code breaker, rows of text for other tasks. */

import type { SolvedExample } from '../evaluation/evaluation.js';
import { fixed } from './format.js';
import { escapeHtml } from './text.js';

interface Tile {
  readonly slot: string;
  readonly colour: number;
  readonly mark: string;
}

interface Row {
  readonly label: string;
  readonly text: string;
  readonly marks: string;
  readonly quality?: number;
}

const markNames: Readonly<Record<string, string>> = { '=': 'hit', '~': 'present', x: 'absent', '': 'not marked' };

/** Parses one mark per word from `=~x==` or from marked words `a1= b2~ …`; empty where neither matches. */
function parseMarks(marks: string): string[] {
  const words = marks.trim().split(/\s+/);
  if (words.every((word) => /^[a-z]\d[=~x]$/.test(word))) return words.map((word) => word.slice(-1));
  const letters = words.join('');
  return /^[=~x]+$/.test(letters) ? [...letters] : [];
}

/** Parses an answer like `a1 b4 c2` into tiles; undefined for any other text. */
function parseTiles({ text, marks }: Row): Tile[] | undefined {
  const words = text.trim().split(/\s+/);
  if (!words.every((word) => /^[a-z]\d[=~x]?$/.test(word))) return undefined;
  const parsed = parseMarks(marks);
  return words.map((word, index) => ({
    slot: word[0] ?? '',
    colour: Number(word[1]),
    mark: parsed[index] ?? word[2] ?? '',
  }));
}

const side = 38;
const pitch = 46;

// Below each tile: a full peg, a ring or a stroke; three shapes, so that the mark does not depend on colour.
function peg(mark: string, x: number): string {
  const y = side + 11;
  if (mark === '=') return `<circle class="peg hit" cx="${x}" cy="${y}" r="4.5"/>`;
  if (mark === '~') return `<circle class="peg present" cx="${x}" cy="${y}" r="3.75"/>`;
  return mark === 'x' ? `<path class="peg absent" d="M${x - 3.5} ${y}h7"/>` : '';
}

function drawTile({ colour, mark }: Tile, index: number): string {
  const x = index * pitch + 1;
  const box = `<rect class="tile c${colour % 10}" x="${x}" y="1" width="${side - 2}" height="${side - 2}" rx="7"/>`;
  const digit = `<text class="digit d${colour % 10}" x="${x + side / 2 - 1}" y="${side / 2 + 5}">${colour}</text>`;
  return `<g class="${mark === '=' ? 'on' : 'off'}">${box}${digit}</g>${peg(mark, x + side / 2 - 1)}`;
}

function drawTiles(tiles: readonly Tile[]): string {
  const description = tiles
    .map(({ slot, colour, mark }) => `slot ${slot} colour ${colour} ${markNames[mark] ?? ''}`)
    .join(', ');
  const width = tiles.length * pitch;
  return `<svg class="tiles" viewBox="0 0 ${width} 56" width="${width}" height="56" role="img" aria-label="${escapeHtml(description)}">${tiles.map(drawTile).join('')}</svg>`;
}

function drawRow(row: Row, index: number, rows: readonly Row[]): string {
  const tiles = parseTiles(row);
  const feedback = row.marks === '' ? '' : `<pre class="feedback">${escapeHtml(row.marks)}</pre>`;
  const body = tiles === undefined ? `<pre>${escapeHtml(row.text)}</pre>${feedback}` : drawTiles(tiles);
  const quality = row.quality === undefined ? '' : fixed(row.quality, 2);
  const place =
    row.label === 'first attempt' && index > 0 ? ' class="first"' : index === rows.length - 1 ? ' class="last"' : '';
  return `<tr${place}><th scope="row">${escapeHtml(row.label)}</th><td>${body}</td><td class="number">${quality}</td></tr>`;
}

const meanings = [
  ['=', 'right colour at its slot'],
  ['~', 'colour at another slot'],
  ['x', 'colour not in the code'],
] as const;

const key = `<p class="key">${meanings
  .map(
    ([mark, meaning]) =>
      `<span><svg viewBox="0 42 12 14" width="12" height="14" aria-hidden="true">${peg(mark, 6)}</svg>${meaning}</span>`,
  )
  .join('')}</p>`;

/** Renders the section of `example`; `origin` names the method and seed that produced it. */
export function exampleSection(example: SolvedExample, origin: string): string {
  const openings: Row[] = example.openings.map((opening, index) => ({ label: `opening ${index + 1}`, ...opening }));
  const steps: Row[] = example.steps.map(({ k, answer, feedback, quality }) => ({
    label: k === 0 ? 'first attempt' : `iteration ${k}`,
    text: answer,
    marks: feedback ?? '',
    quality,
  }));
  const rows = [...openings, ...steps];
  const tiled = rows.some((row) => parseTiles(row) !== undefined);
  const head =
    '<thead><tr><th scope="col"><span class="unseen">step</span></th><th scope="col"><span class="unseen">answer</span></th><th scope="col" class="number">quality</th></tr></thead>';
  return `<section><h2>One task, from first attempt to solution</h2>
<p class="lead">${escapeHtml(`Task ${example.taskId}, ${origin}.`)}</p>
<table class="example">${head}<tbody>${rows.map(drawRow).join('\n')}</tbody></table>${tiled ? key : ''}</section>`;
}
