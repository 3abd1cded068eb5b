"""A template one function of which a person steps through with a debugger."""

from dataclasses import replace

from local.template.model import Template, TemplateError

# Stands for no limit at all: twice this, for waiting and for running, is what a message can be
# hidden for.
UNHURRIED_S = 21_000


def debugged(template: Template, name: str) -> Template:
    """Return the template with one unhurried environment for a function, by its name or logical id.

    Raises TemplateError where there is none that a debugger can look into.
    """
    names = {function.name: logical_id for logical_id, function in template.functions.items()}
    function = template.functions.get(names.get(name, name))
    if function is None:
        sentence = f"there is no function {name}; there are: {', '.join(template.functions)}"
        raise TemplateError(template.path, "--debug", "", sentence)
    if function.runtime_client:
        sentence = "its own runtime client runs it, which no debugger can look into"
        raise TemplateError(template.path, function.logical_id, "", sentence)
    stepped = replace(
        function,
        timeout_s=UNHURRIED_S,
        environments=1,
        reserved_concurrency=None,
        is_debugged=True,
    )
    functions = {**template.functions, function.logical_id: stepped}
    return replace(template, functions=functions, debugged=function.logical_id)
