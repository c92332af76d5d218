"""Makes test/golden/trl-fields.json: every option of TRL's GRPO command, with its default: GRPOConfig (transformers'
TrainingArguments among its fields), ModelConfig, GRPOScriptArguments and DatasetMixtureConfig. Versions in common.py."""

import dataclasses
import warnings

from trl import DatasetMixtureConfig, GRPOConfig, ModelConfig
from trl.scripts.grpo import GRPOScriptArguments

from common import write_json


def default(field):
    """As a config file would say it."""
    if field.default is not dataclasses.MISSING:
        return field.default
    return field.default_factory() if field.default_factory is not dataclasses.MISSING else None


def main():
    warnings.simplefilter("ignore")
    classes = (GRPOConfig, ModelConfig, GRPOScriptArguments, DatasetMixtureConfig)
    write_json("trl-fields.json", {kind.__name__: {field.name: default(field) for field in dataclasses.fields(kind)} for kind in classes})


if __name__ == "__main__":
    main()
