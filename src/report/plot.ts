/** Renders line plots as static SVG without script; `<title>` shows values on hover, `aria-label` serves screen readers. */
import { linear, niceRange, type Range, rangeOf, ticks } from './scale.js';
import type { Point } from './series.js';
import { escapeHtml } from './text.js';

export interface BandPoint {
  readonly x: number;
  readonly low: number;
  readonly high: number;
}

export interface PlotLine {
  readonly label: string;
  /** Index of colour, dash and marker, see methods.ts. */
  readonly look: number;
  readonly points: readonly Point[];
  /** Fainter lines in the background: raw values, or single seeds. */
  readonly behind?: readonly (readonly Point[])[];
  /** A confidence band. */
  readonly band?: readonly BandPoint[];
}

export interface Plot {
  readonly title: string;
  /** A short description of the value, with its unit. */
  readonly note?: string;
  readonly xLabel: string;
  readonly format: (value: number) => string;
  readonly lines: readonly PlotLine[];
  /** Positions that get a marker and a tick; without them ticks are round and there are no markers. */
  readonly xTicks?: readonly number[];
  /** Values that the vertical axis must include besides the data. */
  readonly show?: readonly number[];
  readonly width: number;
  readonly height: number;
}

interface Frame {
  readonly plot: Plot;
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly bottom: number;
  readonly xRange: Range;
  readonly yRange: Range;
  readonly x: (value: number) => number;
  readonly y: (value: number) => number;
}

const px = (value: number) => Number(value.toFixed(1)).toString();
const hoverSlices = 40;

function collectValues({ lines, show = [] }: Plot): number[] {
  const plotted = lines.flatMap(({ points, behind = [], band = [] }) => [
    ...[points, ...behind].flat().map(({ y }) => y),
    ...band.flatMap(({ low, high }) => [low, high]),
  ]);
  return [...plotted, ...show];
}

function createFrame(plot: Plot): Frame {
  const left = 44;
  const right = plot.width - 48;
  const top = 10;
  const bottom = plot.height - 26;
  const xRange = rangeOf(plot.lines.flatMap(({ points }) => points.map(({ x }) => x)));
  const yRange = niceRange(rangeOf(collectValues(plot)), 4);
  const x = linear(xRange, left, right);
  const y = linear(yRange, bottom, top);
  return { plot, left, right, top, bottom, xRange, yRange, x, y };
}

/** Draws a path through the points; a point that is not finite interrupts it, a single point becomes a dot. */
function drawPath(points: readonly Point[], { x, y }: Frame): string {
  let path = '';
  let previous = false;
  points.forEach((point, index) => {
    const present = Number.isFinite(point.y);
    if (present) path += `${previous ? 'L' : 'M'}${px(x(point.x))} ${px(y(point.y))}`;
    if (present && !previous && !Number.isFinite(points[index + 1]?.y)) path += 'h0';
    previous = present;
  });
  return path;
}

function bandPath(band: readonly BandPoint[], { x, y }: Frame): string {
  const known = band.filter(({ low, high }) => Number.isFinite(low) && Number.isFinite(high));
  if (known.length < 2) return '';
  const there = known.map((point) => `${px(x(point.x))} ${px(y(point.high))}`);
  const back = known.map((point) => `${px(x(point.x))} ${px(y(point.low))}`).reverse();
  return `M${[...there, ...back].join('L')}Z`;
}

/** Shortens round ticks: `0.400` to `0.4`, `+10.0` to `+10`, zero to `0`; in full where two would be equal. */
function tickTexts({ format }: Plot, values: readonly number[]): string[] {
  const short = values.map((value) =>
    value === 0
      ? '0'
      : format(value)
          .replace(/(\.\d*?)0+(?=[kM]?$)/, '$1')
          .replace(/\.(?=[kM]?$)/, ''),
  );
  return new Set(short).size === short.length ? short : values.map(String);
}

function axes(frame: Frame): string {
  const { plot, left, right, bottom, x, y } = frame;
  const heights = ticks(frame.yRange, 4);
  const texts = tickTexts(plot, heights);
  const horizontal = heights.map((value, index) => {
    const line = `<path class="${value === 0 ? 'zero' : 'rule'}" d="M${left} ${px(y(value))}H${right}"/>`;
    return `${line}<text class="tick end" x="${left - 6}" y="${px(y(value) + 3.5)}">${escapeHtml(texts[index] ?? '')}</text>`;
  });
  const places = plot.xTicks ?? ticks(frame.xRange, 4);
  const vertical = places.map(
    (value) =>
      `<text class="tick mid" x="${px(x(value))}" y="${bottom + 14}">${escapeHtml(value.toLocaleString('en'))}</text>`,
  );
  const name = `<text class="tick" x="${right + 16}" y="${bottom + 14}">${escapeHtml(plot.xLabel)}</text>`;
  return [...horizontal, ...vertical, name].join('');
}

// Each look has its own shape, so that colour is never the only difference.
const markers = [
  'M-3 0H3',
  'M-3 0a3 3 0 1 0 6 0a3 3 0 1 0-6 0Z',
  'M-3-3H3V3H-3Z',
  'M0-3.8L3.6 2.8H-3.6Z',
  'M0 3.8L3.6-2.8H-3.6Z',
  'M0-4.4L4.4 0L0 4.4L-4.4 0Z',
  'M-3-3L3 3M3-3L-3 3',
  'M0-3.5V3.5M-3.5 0H3.5',
];

/** The mark of a look around (x, y). */
export function marker(look: number, x: number, y: number): string {
  return `<path class="marker look${look}" transform="translate(${px(x)} ${px(y)})" d="${markers[look] ?? markers[1]}"/>`;
}

function drawLine({ look, points, behind = [], band = [] }: PlotLine, frame: Frame): string {
  const path = (kind: string, d: string) => (d === '' ? '' : `<path class="${kind} look${look}" d="${d}"/>`);
  const marks =
    frame.plot.xTicks === undefined
      ? []
      : points.filter(({ x, y }) => Number.isFinite(y) && frame.plot.xTicks?.includes(x));
  return [
    path('band', bandPath(band, frame)),
    ...behind.map((line) => path('behind', drawPath(line, frame))),
    path('line', drawPath(points, frame)),
    ...marks.map((point) => marker(look, frame.x(point.x), frame.y(point.y))),
  ].join('');
}

const lastKnown = (points: readonly Point[]) => points.findLast(({ y }) => Number.isFinite(y));

/** Moves heights apart to at least `distance`, in their order, and back inside the frame at the bottom. */
function spreadOut(heights: readonly number[], distance: number, lowest: number): number[] {
  const order = heights.map((_, index) => index).sort((one, other) => (heights[one] ?? 0) - (heights[other] ?? 0));
  const placed = [...heights];
  order.reduce((above, index) => {
    placed[index] = Math.max(heights[index] ?? 0, above + distance);
    return placed[index] ?? above;
  }, Number.NEGATIVE_INFINITY);
  order.reduceRight((below, index) => {
    placed[index] = Math.min(placed[index] ?? 0, below - distance);
    return placed[index] ?? below;
  }, lowest + distance);
  return placed;
}

/** Labels each line with its last value, to the right of its end. */
function endLabels(frame: Frame): string {
  const ends = frame.plot.lines.flatMap(({ look, points }) => {
    const last = lastKnown(points);
    return last === undefined ? [] : [{ look, value: last.y, height: frame.y(last.y) + 3.5 }];
  });
  const heights = spreadOut(
    ends.map(({ height }) => height),
    11,
    frame.bottom + 3,
  );
  const text = ({ look, value }: { look: number; value: number }, height: number | undefined) =>
    `<text class="value look${look}" x="${frame.right + 6}" y="${px(height ?? 0)}">${escapeHtml(frame.plot.format(value))}</text>`;
  return ends.map((end, index) => text(end, heights[index])).join('');
}

/** Finds the point nearest to `x`. */
function nearest(points: readonly Point[], x: number): Point | undefined {
  return points.reduce<Point | undefined>(
    (best, point) => (best === undefined || Math.abs(point.x - x) < Math.abs(best.x - x) ? point : best),
    undefined,
  );
}

/** Draws invisible vertical stripes whose `<title>` lists every line's value there. */
function hover(frame: Frame): string {
  const { plot, left, right, top, bottom, xRange } = frame;
  const even = Array.from(
    { length: hoverSlices },
    (_, index) => xRange.low + ((index + 0.5) / hoverSlices) * (xRange.high - xRange.low),
  );
  const positions = [...new Set(plot.lines.flatMap(({ points }) => points.map(({ x }) => x)))].sort(
    (one, other) => one - other,
  );
  const places = positions.length > hoverSlices ? even : positions;
  const edges = places.slice(1).map((place, index) => frame.x((place + (places[index] ?? place)) / 2));
  return places
    .map((place, index) => {
      const from = edges[index - 1] ?? left;
      const to = edges[index] ?? right;
      const values = plot.lines.map(
        ({ label, points }) => `${label} ${plot.format(nearest(points, place)?.y ?? Number.NaN)}`,
      );
      const title = escapeHtml([`${plot.xLabel} ${Math.round(place)}`, ...values].join('\n'));
      return `<rect class="slice" x="${px(from)}" y="${top}" width="${px(to - from)}" height="${bottom - top}"><title>${title}</title></rect>`;
    })
    .join('');
}

/** Describes the plot in words: each line's first and last value. */
function describePlot({ title, lines, format }: Plot): string {
  const each = lines.map(({ label, points }) => {
    const first = points.find(({ y }) => Number.isFinite(y));
    const last = lastKnown(points);
    return first === undefined || last === undefined
      ? `${label}: no values`
      : `${label}: from ${format(first.y)} to ${format(last.y)}`;
  });
  return `${title}. ${each.join('; ')}.`;
}

/** Renders the plot as a `<figure>` with its title as caption. */
export function renderPlot(plot: Plot): string {
  const frame = createFrame(plot);
  const note = plot.note === undefined ? '' : ` <span>${escapeHtml(plot.note)}</span>`;
  const drawing =
    axes(frame) + plot.lines.map((line) => drawLine(line, frame)).join('') + endLabels(frame) + hover(frame);
  const svg = `<svg viewBox="0 0 ${plot.width} ${plot.height}" role="img" aria-label="${escapeHtml(describePlot(plot))}">${drawing}</svg>`;
  return `<figure class="plot"><figcaption>${escapeHtml(plot.title)}${note}</figcaption>${svg}</figure>`;
}

/** Renders the legend: each name beside the stroke and marker of its look. */
export function legend(entries: readonly { readonly label: string; readonly look: number }[]): string {
  const items = entries.map(({ label, look }) => {
    const stroke = `<path class="line look${look}" d="M1 6H27"/>${marker(look, 14, 6)}`;
    return `<li><svg viewBox="0 0 28 12" width="28" height="12" aria-hidden="true">${stroke}</svg>${escapeHtml(label)}</li>`;
  });
  return `<ul class="legend">${items.join('')}</ul>`;
}
