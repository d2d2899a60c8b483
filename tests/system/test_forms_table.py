# SPDX-License-Identifier: GPL-3.0-or-later
"""The READMEs' table of forms is what the programs do."""
import forms_table


def test_readme_says_what_each_form_gives(build, tmp_path):
    for name, table in zip(("README.md", "README.zh-CN.md"), forms_table.tables(build, tmp_path)):
        written = forms_table.between((forms_table.ROOT / name).read_text(encoding="utf-8"))
        assert written.splitlines() == table.splitlines(), f"{name}: write it anew with tests/system/forms_table.py"
