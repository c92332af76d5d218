/** The names of Jinja's filters and tests. Those that are known and not computed here are refused when they are reached. */

const filters =
  'abs attr batch capitalize center count d default dictsort e escape filesizeformat first float forceescape format groupby ' +
  'indent int join last length list lower items map min max pprint random reject rejectattr replace reverse round safe select ' +
  'selectattr slice sort string striptags sum title trim truncate unique upper urlencode urlize wordcount wordwrap xmlattr tojson';

const tests =
  'odd even divisibleby defined undefined filter test none boolean false true integer float lower upper string mapping number ' +
  'sequence iterable callable sameas escaped in == eq equalto != ne > gt greaterthan ge >= < lt lessthan <= le';

export const filterNames: ReadonlySet<string> = new Set(filters.split(' '));
export const testNames: ReadonlySet<string> = new Set(tests.split(' '));
