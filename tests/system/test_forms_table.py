# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of forms in both READMEs is what the programs of today give (tests/system/forms.py, `make forms`)."""
import shutil

import pytest

from forms import FORMS, between, tables


def test_the_table_is_true(build):
    lacking = sorted({f.needs for f in FORMS if f.needs and not shutil.which(f.needs)})
    if lacking:
        pytest.skip(f"no {', '.join(lacking)}")
    for lang, lines in tables(build).items():
        assert between(lang) == lines, "`make forms` writes it anew"
