import { describe, expect, test } from 'vitest';
import { displayWidth, escapeHtml, pad, plainLine, plainText, truncate } from '../../src/report/text.js';

const esc = String.fromCharCode(27);

describe('untrusted text', () => {
  test.each([
    ['colours', `${esc}[31mred${esc}[0m`, 'red'],
    ['cursor moves', `a${esc}[2J${esc}[1;1Hb`, 'ab'],
    ['window titles', `a${esc}]0;owned\u0007b`, 'ab'],
    ['links', `${esc}]8;;http://x.test${esc}\\here${esc}]8;;${esc}\\`, 'here'],
    ['eight-bit sequences', 'a\u009b31mb\u009d0;owned\u009cc', 'abc'],
    ['device strings', `a${esc}Pq#0${esc}\\b`, 'ab'],
    ['lone escapes', `a${esc}`, 'a'],
    ['a sequence within a sequence', `${esc}${esc}[31m[2Ja`, '[2Ja'],
    ['bells, backspaces and reordering marks', 'a\u0007\b\u202eb\u2066c', 'abc'],
    ['line breaks', 'one\r\ntwo\tthree', 'one two three'],
  ])('%s do not reach the terminal', (_name, text, plain) => {
    expect(plainLine(text)).toBe(plain);
  });

  test('a text of several lines keeps its lines', () => {
    expect(plainText(`one\r\n${esc}[1mtwo\tthree`)).toBe('one\ntwo\tthree');
  });

  test('markup is escaped, inside an attribute as well', () => {
    expect(escapeHtml(`<script>alert("1")</script> & 'x'`)).toBe(
      '&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt; &amp; &#39;x&#39;',
    );
  });
});

describe('widths', () => {
  test('colours and combining marks take no column, wide characters two', () => {
    expect(displayWidth(`${esc}[1mab${esc}[22m`)).toBe(2);
    expect(displayWidth('e\u0301')).toBe(1);
    expect(displayWidth('漢字')).toBe(4);
  });

  test('a text is truncated and padded to its columns', () => {
    expect(truncate('abcdef', 4)).toBe('abc…');
    expect(truncate('漢字漢', 4)).toBe('漢…');
    expect(truncate('abcd', 4)).toBe('abcd');
    expect(pad('é', 3, 'right')).toBe('  é');
  });
});
