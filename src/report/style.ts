/**
 * The page's style sheet. Its colours are Okabe and Ito's palette, which colour-blind readers can distinguish, darkened
 * or lightened per mode for contrast; lines differ by dash and marker too.
 */

/** Per look: colour in light and in dark mode, stroke dash. Indexed as in methods.ts: base, grpo, curriculum, improve, diverge, exit, two spare. */
const lookTable: readonly (readonly [light: string, dark: string, dash: string])[] = [
  ['#6b7076', '#9aa1a9', '2 3'],
  ['#0072b2', '#5fb2ec', 'none'],
  ['#8a6d00', '#e3c341', '7 3'],
  ['#00795a', '#37c79b', '5 2 1.5 2'],
  ['#a8488a', '#e79bcd', '9 3 2 3'],
  ['#c24a00', '#ff8b4a', 'none'],
  ['#4b54a8', '#a4abf5', '3 2'],
  ['#3b7d23', '#9ad37f', '1.5 2.5'],
];

/** Fill of the tiles by colour digit, and whether the digit on it is light. */
const tileTable: readonly (readonly [fill: string, light: boolean])[] = [
  ['#8c9197', false],
  ['#0072b2', true],
  ['#e69f00', false],
  ['#009e73', false],
  ['#d98bb5', false],
  ['#f0e442', false],
  ['#6cc0ee', false],
  ['#b8400a', true],
  ['#55585c', true],
  ['#c9b58f', false],
];

const lookColours = (mode: 0 | 1) => lookTable.map((look, index) => `--look${index}:${look[mode]}`).join(';');
const lookRules = lookTable
  .map(([, , dash], index) => `.look${index}{--ink:var(--look${index})}.line.look${index}{stroke-dasharray:${dash}}`)
  .join('\n');
const tileRules = tileTable
  .map(([fill, light], index) => `.c${index}{fill:${fill}}.d${index}{fill:${light ? '#fff' : '#15181b'}}`)
  .join('\n');

const light = `--paper:#fdfdfc;--panel:#fff;--text:#1b1e22;--soft:#5d646c;--rule:#e5e6e3;--strong:#b9bdc1;--note:#f5f3ec;${lookColours(0)}`;
const dark = `--paper:#131518;--panel:#181b1f;--text:#e8e9ea;--soft:#a0a6ad;--rule:#2a2e33;--strong:#50565d;--note:#1f2126;${lookColours(1)}`;

export const styleSheet = `
:root{color-scheme:light dark;${light}}
@media (prefers-color-scheme:dark){:root{${dark}}}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%}
body{margin:0;background:var(--paper);color:var(--text);font:16px/1.6 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif;font-variant-numeric:tabular-nums lining-nums}
main{max-width:1120px;margin:0 auto;padding:56px 28px 72px}
header{margin-bottom:40px}
.eyebrow{margin:0 0 10px;color:var(--soft);font-size:13px;letter-spacing:.04em}
h1{margin:0 0 18px;font-size:34px;line-height:1.18;font-weight:650;letter-spacing:-.015em;text-wrap:balance}
h2{margin:0 0 4px;font-size:21px;line-height:1.3;font-weight:620;letter-spacing:-.008em}
.result{max-width:44em;margin:0 0 24px;font-size:18px;line-height:1.55}
.lead{max-width:44em;margin:0 0 18px;color:var(--soft);font-size:14.5px}
section{margin-top:64px}
dl.facts{display:flex;flex-wrap:wrap;gap:14px 36px;margin:0;padding:16px 0;border:solid var(--rule);border-width:1px 0}
dl.facts div{min-width:0}
dl.facts dt{color:var(--soft);font-size:12.5px}
dl.facts dd{margin:0;font-size:15px;overflow-wrap:anywhere}
.notes{margin:24px 0 0;padding:16px 20px;background:var(--note);border-radius:8px;font-size:14.5px}
.notes h2{font-size:14.5px;margin:0 0 6px}
.notes ul{margin:0;padding-left:1.15em;max-width:60em}
.notes li+li{margin-top:4px}
.scroll{overflow-x:auto}
.scroll:focus-visible{outline:2px solid var(--look1);outline-offset:4px}
table{border-collapse:collapse}
table.comparison{width:100%;font-size:15px}
p.caption{margin:12px 0 0;color:var(--soft);font-size:13px;max-width:80em}
th{font-weight:500;text-align:right;white-space:nowrap}
td{text-align:right;white-space:nowrap}
.comparison th,.comparison td{padding:9px 0 9px 18px;vertical-align:baseline}
.comparison th:first-child{text-align:left;padding-left:0}
.comparison thead th{color:var(--soft);font-size:13px;border-bottom:1px solid var(--strong)}
.comparison tbody tr+tr>*{border-top:1px solid var(--rule)}
.comparison small{display:block;color:var(--soft);font-size:12px;line-height:1.2}
.comparison tbody th svg{margin-right:9px}
strong{font-weight:700}
.legend{display:flex;flex-wrap:wrap;gap:6px 22px;margin:0 0 14px;padding:0;list-style:none;font-size:14px}
.legend li{display:flex;align-items:center;gap:8px}
.plots{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,300px),1fr));gap:30px 28px}
figure{margin:0;min-width:0;break-inside:avoid}
figcaption{margin-bottom:4px;font-size:14px;font-weight:600}
figcaption span{font-weight:400;color:var(--soft);font-size:13px}
.plot svg{display:block;width:100%;height:auto;overflow:visible}
.tick{fill:var(--soft);font-size:10.5px}
.end{text-anchor:end}.mid{text-anchor:middle}
.rule{stroke:var(--rule);stroke-width:1;fill:none}
.zero{stroke:var(--strong);stroke-width:1;fill:none}
.line{stroke:var(--ink);stroke-width:1.8;fill:none;stroke-linejoin:round;stroke-linecap:round}
.line.look5{stroke-width:2.3}
.behind{stroke:var(--ink);stroke-width:.9;fill:none;opacity:.28;stroke-linejoin:round}
.band{fill:var(--ink);opacity:.13}
.marker{fill:var(--ink);stroke:var(--ink);stroke-width:1.2;stroke-linejoin:round}
.value{fill:var(--ink);font-size:10.5px;font-weight:600}
.slice{fill:transparent}
.slice:hover{fill:var(--text);fill-opacity:.06}
${lookRules}
table.example{font-size:14px}
.example th,.example td{padding:7px 0;text-align:left;vertical-align:middle}
.example tbody th{padding-right:28px;color:var(--soft);font-weight:400}
.example .number{padding-left:28px;text-align:right}
.example thead th{color:var(--soft);font-size:13px}
.example tr.first>*{padding-top:26px}
.example tr.last th{color:var(--text);font-weight:600}
.tiles{display:block}
.tile{stroke:rgba(0,0,0,.14);stroke-width:1}
.on .tile{stroke:var(--text);stroke-width:2}
.digit{font-size:16px;font-weight:650;text-anchor:middle}
.peg{fill:none;stroke:var(--text);stroke-width:1.6;stroke-linecap:round}
.peg.hit{fill:var(--text)}
.peg.absent{stroke:var(--soft)}
.key{display:flex;flex-wrap:wrap;gap:4px 22px;color:var(--soft);font-size:13px}
.key span{display:inline-flex;align-items:center;gap:8px}
${tileRules}
pre{margin:0;font:13px/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;white-space:pre-wrap;overflow-wrap:anywhere;text-align:left}
pre.feedback{margin-top:4px;color:var(--soft)}
details{border-top:1px solid var(--rule)}
details:last-of-type{border-bottom:1px solid var(--rule)}
summary{padding:12px 0;cursor:pointer;font-size:15px}
summary span{color:var(--soft);font-size:13.5px}
details table{margin:0 0 18px;font-size:13.5px}
details th,details td{padding:3px 28px 3px 0;text-align:left;white-space:normal;overflow-wrap:anywhere;vertical-align:top}
details th{color:var(--soft);font-weight:400}
.unseen{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}
footer{margin-top:64px;color:var(--soft);font-size:13px}
@media (max-width:560px){main{padding:32px 18px 48px}h1{font-size:27px}section{margin-top:48px}.comparison th,.comparison td{padding-left:14px}.comparison th:first-child{position:sticky;left:0;background:var(--paper)}.example tbody th{padding-right:12px}.example .number{padding-left:12px}.tiles{width:min(230px,52vw);height:auto}}
@media print{:root{${light}}body{font-size:11pt;background:none}main{max-width:none;padding:0}section{margin-top:28pt}.plots{grid-template-columns:repeat(3,1fr)}.scroll{overflow:visible}h2,.lead{break-after:avoid}tr,table.example{break-inside:avoid}.tile,.line,.marker,.band{print-color-adjust:exact;-webkit-print-color-adjust:exact}}
`;
