"""Settings are true in three places: the code, README's table and the template."""

from dataclasses import fields
from pathlib import Path

import yaml

from backend.settings import Settings

ROOT = Path(__file__).parents[2]


class _Loader(yaml.SafeLoader):
    """Reads CloudFormation's tags as nothing: only names matter here."""


_Loader.add_multi_constructor("!", lambda loader, suffix, node: None)


def test_the_readme_lists_every_setting_with_its_default_and_meaning():
    readme = (ROOT / "README.md").read_text()

    for each in fields(Settings):
        default = f"`{each.metadata['default']}`" if each.metadata["default"] else "-"
        assert f"| `{each.name.upper()}` | {default} | {each.metadata['doc']} |" in readme


def test_the_template_sets_only_variables_that_settings_know():
    template = yaml.load((ROOT / "template.yaml").read_text(), _Loader)
    set_names = set(template["Globals"]["Function"]["Environment"]["Variables"])
    for resource in template["Resources"].values():
        environment = resource.get("Properties", {}).get("Environment") or {}
        set_names |= set(environment.get("Variables", {}))

    assert set_names <= {each.name.upper() for each in fields(Settings)}
