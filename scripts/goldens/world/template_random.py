"""Random expressions of chat templates, for the rows test/world/template/random-*.json."""

import random

ATOMS = ["1","0","-3","7","2.5","-0.5","1e20","true","false","none","'abc'","'a b,c'","''","' x\\n'","'Äß😀'","\"it's\"","[1,2,3]","['b','A',none]","[]","{}","{'a':1,'b':[1]}","(1,'x')","nosuch","text","emoji","numbers","mixed","people","map","big","half","whole","messages","messages[0]","quotes","range(4)","'5'","'3.7'","map.items()","tree"]
FILTERS = ["upper","lower","trim","length","list","first","last","join(',')","join","tojson","tojson(indent=1)","string","int","float","abs","round","round(1)","sort","reverse","unique|list","default('d')","default('d',true)","capitalize","title","replace('a','X')","map('string')|list","map('length')|list","select|list","reject|list","select('string')|list","selectattr('name')|list","map(attribute='name')|list","sum","min","max","dictsort","items|list","batch(2)|list","slice(2)|list","wordcount","indent(2)","truncate(5)","center(7)","escape","groupby('age')","sort(attribute='age')|map(attribute='name')|list","reverse|list","format(1)","select('odd')|list","count","d(1)"]
BINARY = ["+","-","*","/","//","%","**","~","==","!=","<",">","<=",">=","and","or","in","not in"]
TESTS = ["defined","undefined","none","string","number","mapping","sequence","iterable","boolean","integer","float","odd","even","true","false","lower","upper","callable","divisibleby 3","in [1,'abc',none]","eq 1","gt 1","ne 'abc'","escaped"]
METHODS = [".upper()",".lower()",".strip()",".split()",".split(' ')",".split('a',1)",".title()",".capitalize()",".swapcase()",".items()",".keys()",".values()|list",".get('a')",".get('zz',1)",".startswith('a')",".endswith('c')",".find('b')",".count('a')",".replace('a','b')",".isdigit()",".isalpha()",".isspace()",".splitlines()",".zfill(5)",".center(9,'*')",".join(['a','b'])",".name",".a",".role","[0]","[-1]","['a']","['name']","[1:]","[::-1]","[:2]","[-2:]","[5]",".index('b')",".rsplit(' ',1)",".partition('b')",".removeprefix('a')",".isupper()",".islower()",".istitle","['x']",".0",".format(1,2)",".lstrip('a ')",".rfind('b')",".islower",".copy()"]


class Expressions:
    def __init__(self, seed):
        self.random = random.Random(seed)

    def pick(self, choices):
        return self.random.choice(choices)

    def expression(self, depth):
        if depth <= 0:
            return self.pick(ATOMS)
        inner = lambda: self.expression(depth - 1)  # noqa: E731
        forms = [
            (22, lambda: f"({inner()}) | {self.pick(FILTERS)}"),
            (23, lambda: f"({inner()}) {self.pick(BINARY)} ({inner()})"),
            (10, lambda: f"({inner()}) is {self.pick(['', 'not '])}{self.pick(TESTS)}"),
            (23, lambda: f"({inner()}){self.pick(METHODS)}"),
            (5, lambda: f"({inner()} if {inner()} else {inner()})"),
            (4, lambda: f"[{inner()}, {inner()}]"),
            (5, lambda: f"not ({inner()})"),
            (3, lambda: f"'%s|%d' % ({inner()}, {inner()})"),
            (2, lambda: f"{{'k': {inner()}}}"),
        ]
        [form] = self.random.choices([form for _, form in forms], [weight for weight, _ in forms])
        return form()

    def template(self):
        forms = [
            (80, lambda: "{{ " + self.expression(self.pick([1, 1, 2, 2, 3])) + " }}"),
            (10, lambda: "{% for x in " + self.expression(1) + " %}{{ loop.index }}:{{ x }}{% if not loop.last %}, {% endif %}{% else %}E{% endfor %}"),
            (5, lambda: "{% set v = " + self.expression(2) + " %}{{ v }}|{{ [v] }}"),
            (5, lambda: "{% if " + self.expression(2) + " %}T{% else %}F{% endif %}"),
        ]
        [form] = self.random.choices([form for _, form in forms], [weight for weight, _ in forms])
        return form()
