"""The layers of functions: folders of modules, what a Makefile builds, what others publish."""

import re
import sys
from dataclasses import dataclass
from pathlib import Path

from local.template.code import read_code
from local.template.intrinsics import layer_arn
from local.template.model import LayerBuild
from local.template.reader import Properties
from local.template.resources import LAYER, Resources

_SITE_PACKAGES = f"lib/python{sys.version_info[0]}.{sys.version_info[1]}/site-packages"

# The account that publishes them, https://docs.aws.amazon.com/powertools/python/latest/
_POWERTOOLS = re.compile(
    r"arn:aws[\w-]*:lambda:[\w-]+:017000801446:layer:AWSLambdaPowertoolsPython(V\d)?"
)
_EXTRAS = (
    "other extras than Tracer, Parser and Validation have to be in requirements.txt, --install"
)
# The package that each generation of the layer has, with the extras that it brings.
_REQUIREMENTS = {
    None: "aws-lambda-powertools[pydantic]<2",
    "V2": "aws-lambda-powertools[all]>=2,<3",
    "V3": "aws-lambda-powertools[all]>=3",
}


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer of the template, or one that only its ARN names."""

    folders: tuple[Path, ...] = ()
    build: LayerBuild | None = None
    requirement: str = ""  # what pip installs in its place


Layers = dict[str, Layer]  # by ARN


def read_layers(resources: Resources) -> Layers:
    """Return every layer of the template by its ARN."""
    layers = {}
    for name in resources.of_type(LAYER):
        with resources.refusals.leaving_out():
            layers[layer_arn(name)] = _layer(resources, name)
    return layers


def _layer(resources: Resources, name: str) -> Layer:
    block = resources.properties(name)
    if block.starts("ContentUri", "s3://") or isinstance(block.look("ContentUri"), dict):
        sentence = "a layer in S3 is not fetched, and an import of what it has fails; list its"
        block.warn("ContentUri", f"{sentence} packages in requirements.txt and pass --install")
        return Layer()
    root = read_code(block, "ContentUri", resources.folder)
    block.finish()
    method = str(
        resources.resolver.resolve(resources.metadata(name).get("BuildMethod", ""), (name, ""))
    )
    folders = [root / "python" / _SITE_PACKAGES, root / "python"]
    folders += [root] if method.startswith("python") else []  # which `sam build` moves to python/
    is_built = method == "makefile" and not resources.says_what_it_takes
    return Layer(
        tuple(folder for folder in folders if folder.is_dir()),
        LayerBuild(logical_id=name, folder=root) if is_built else None,
    )


def layers_of(resources: Resources, block: Properties, layers: Layers) -> list[Layer]:
    """Return the layers that a function names; a warning names each that is not here."""
    return [
        layers.get(str(arn)) or _elsewhere(resources, block, str(arn))
        for arn in block.sequence("Layers")
    ]


def _elsewhere(resources: Resources, block: Properties, arn: str) -> Layer:
    powertools = _POWERTOOLS.match(arn)
    if powertools:
        sentence = f"for {arn} stands the Powertools installed here; {_EXTRAS}"
    else:
        sentence = f"{arn} is not here, and an import of what it has fails; list its packages in"
        sentence += " requirements.txt and pass --install"
    resources.refusals.warnings.append(block.error("Layers", sentence))
    return Layer(requirement=_REQUIREMENTS.get(powertools[1], "") if powertools else "")


def folders_of(layers: list[Layer]) -> tuple[Path, ...]:
    """Return folders of modules; a later layer comes first, as it is unpacked over the others."""
    return tuple(folder for layer in reversed(layers) for folder in layer.folders)
