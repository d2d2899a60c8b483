# SPDX-License-Identifier: GPL-3.0-or-later
"""The page in Chinese says everything in Chinese: each sentence that the programs can write of a recording stands in sentences.js."""
import json
import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGE = ROOT / "daemon/api/page"
CALLS = ("facts_damage", "facts_file_message", "picture_say_none")
# Where else sentences are made that reach the page: all texts of these functions.
BODIES = {
    "daemon/media/run.c": ["signal_reason", "describe_killed", "describe_exit", "describe_failure", "check_files", "take_result"],
    "daemon/media/stills-pages.c": ["say_closed"],
    "daemon/media/stills-photo.c": ["read_image", "read_thumbnail", "manage_colours"],
    "daemon/media/worker-av-check.c": ["check_pictures"],
    "daemon/media/worker-derive.c": ["why_not"],
    "daemon/media/worker-photo.c": ["no_end"],
    "daemon/media/worker-probe.c": ["data_facts"],
    "daemon/media/worker-still-av.c": ["av_read_picture"],
    "daemon/media/worker-still-jpeg.c": ["decode", "jpeg_read_picture"],
    "daemon/media/worker-still-png.c": ["begin", "on_read", "png_read_picture"],
    "daemon/derive/derive-ask.c": ["why_nothing", "describe"],
    "daemon/derive/derive-run.c": ["our_fault", "recordings_fault", "judge"],
    "daemon/derive/derive-trail.c": ["make"],
}
COPIES = ("worker-copy", "worker-preserve", "worker-render", "stills-letter")  # what they say goes to whoever asked for a copy
LITERAL = r'"((?:[^"\\]|\\.)*)"'


def without_comments(text):
    return re.sub(rf'{LITERAL}|/\*.*?\*/', lambda m: m.group(0) if m.group(0)[0] == '"' else " ", text, flags=re.S)


def balanced(text, at):
    """What stands between the parenthesis or brace at `at` and its end."""
    depth, i = 0, at
    while True:
        literal = re.compile(LITERAL, re.S).match(text, i) or re.compile(r"'(?:[^'\\]|\\.)'").match(text, i)
        if literal:
            i = literal.end()
            continue
        depth += (text[i] in "({") - (text[i] in ")}")
        i += 1
        if depth == 0:
            return text[at + 1:i - 1]


def template(pieces):
    """C's format as the table has it: each conversion is {}."""
    text = re.sub(r"\\(.)", r"\1", pieces)
    return re.sub(r"%(%|[-0-9.*+ #]*(?:hh|h|ll|l|z|j)?[a-zA-Z])", lambda m: "%" if m.group(1) == "%" else "{}", text)


def sentences(code):
    """All literals in the code, those beside each other joined, conversions of inttypes.h in them."""
    for run in re.finditer(rf'(?:{LITERAL}|PRI[a-zA-Z]\w*)(?:\s*(?:{LITERAL}|PRI[a-zA-Z]\w*))*', code, re.S):
        pieces = "".join(m.group(1) if m.group(1) is not None else m.group(2) for m in re.finditer(rf'{LITERAL}|PRI([a-zA-Z])\w*', run.group(0), re.S))
        found = template(pieces).strip()
        if re.search(r"[a-z]{2,} [a-z{(]", found):
            yield found


def written():
    found = {}
    for path in sorted([*ROOT.glob("daemon/media/*.c"), *ROOT.glob("daemon/derive/*.c")]):
        if path.name.startswith(COPIES):
            continue
        code = without_comments(path.read_text(encoding="utf-8"))
        name = str(path.relative_to(ROOT))
        parts = [balanced(code, m.end() - 1) for m in re.finditer(rf"\b(?:{'|'.join(CALLS)})\(", code)]
        for function in BODIES.get(name, []):
            m = re.search(rf"^[a-z][^\n;]*\b{function}\((?:[^;{{}}]*)\)\n{{", code, re.M)
            assert m, f"{name} has no function {function} any more: BODIES in {__file__} is to be corrected"
            parts.append(balanced(code, m.end() - 1))
        for part in parts:
            for sentence in sentences(part):
                found.setdefault(sentence, name)
    return found


def table():
    rows = re.findall(rf"^  \[{LITERAL}, {LITERAL}\],$", (PAGE / "sentences.js").read_text(encoding="utf-8"), re.M)
    return {json.loads(f'"{english}"'): json.loads(f'"{chinese}"') for english, chinese in rows}


def test_every_sentence_has_its_chinese():
    made, known = written(), table()
    assert len(made) > 100
    assert {s: where for s, where in made.items() if s not in known} == {}, "to be added to daemon/api/page/sentences.js"
    assert set(known) - set(made) == set(), "nothing writes these any more: to be taken out of daemon/api/page/sentences.js"


def test_nothing_gets_lost_in_chinese():
    for english, chinese in table().items():
        assert sorted(re.findall(r"{\d}", chinese)) == [f"{{{i + 1}}}" for i in range(english.count("{}"))], english
        assert re.search("[\u4e00-\u9fff]", chinese), english


def test_both_languages_have_the_same_words():
    text = (PAGE / "words.js").read_text(encoding="utf-8")
    english, chinese = (set(re.findall(rf"(\w+): {LITERAL}", part)) for part in text.split("  zh: {"))
    assert {key for key, _ in english} == {key for key, _ in chinese}
    names = {key for key, _ in english}
    page = (PAGE / "page.js").read_text(encoding="utf-8")
    used = set(re.findall(r'\bword\.(\w+)|\b(?:say|note|fact|placed)\((?:about, )?"(\w+)"', page))
    used = {a or b for a, b in used} | set(re.findall(r'data-word="(\w+)"', (PAGE / "page.html").read_text(encoding="utf-8")))
    assert used - names == set()
    for key, value in english:
        assert value.count("{}") == dict(chinese)[key].count("{}"), key
