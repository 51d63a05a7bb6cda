"""Traces one part, saves it, reads it back and compares it with the library's own module."""
import dataclasses

import torch

from . import golden
from .errors import ExportError
from .trace import load_in_float32, save, trace

# Largest difference, as a part of the largest value of the answer. Both sides compute in float32 with the same operators.
LIMIT = 1e-4


@dataclasses.dataclass
class Row:
    """One line of the table that the exporter prints."""
    name: str
    parameters: int
    size: int
    error: float
    gradient_error: float | None


def export_part(part, folder, compile_it=None):
    """Writes folder/<name>.pt. -> (Row, the golden answer of the library's module)
    @param compile_it is called with the part while its module is still there"""
    file = folder / f"{part.name}.pt"
    save(trace(part.module, part.inputs(2 * part.views, part.sizes[0])), file)
    parameters = sum(weight.numel() for weight in part.module.parameters())
    part.module.float()  # what was rounded to the pack's dtype stays rounded: so the program sees it on a CPU
    cases = [part.inputs(batch * part.views, size) for batch, size in ((1, part.sizes[0]), (3, part.sizes[1]))] + [part.golden]
    expected = [_run(part.original, case, part.differentiable and number < 2) for number, case in enumerate(cases)]
    answer = expected[2][0]
    if not torch.isfinite(answer).all():
        raise ExportError(f"the {part.name} answers with numbers that are not finite", file.name, "", "the weights are damaged")
    if compile_it is not None:
        compile_it(part)
    part.module = part.original = None  # the weights of a large model need not be in memory twice
    script = load_in_float32(file)
    errors, gradient_errors = [], []
    for number, (case, (output, gradient)) in enumerate(zip(cases, expected)):
        mine, my_gradient = _run(script, case, gradient is not None)
        errors.append(difference(mine, output))
        if gradient is not None:
            gradient_errors.append(difference(my_gradient, gradient))
        if not max(errors + gradient_errors) <= LIMIT:
            sizes = ", ".join(str(list(value.shape)) for value in case)
            raise ExportError(f"the traced {part.name} does not answer as the model does", f"inputs {sizes}",
                              f"relative difference {max(errors + gradient_errors):.2e}, limit {LIMIT}",
                              "this is a fault of the exporter: please report it with the model's name")
    return Row(part.name, parameters, file.stat().st_size, max(errors), max(gradient_errors, default=None)), answer


def _run(module, inputs, with_gradient):
    """-> (answer, gradient of a fixed weighted sum of the answer with respect to the first input, or None)"""
    with torch.set_grad_enabled(with_gradient):
        first = inputs[0].detach().clone().requires_grad_(with_gradient)
        answer = module(first, *inputs[1:])
        gradient = None
        if with_gradient:
            gradient, = torch.autograd.grad((answer * golden.wave(*answer.shape)).sum(), first)
    return answer.detach(), gradient


def difference(mine, reference):
    if mine.shape != reference.shape:
        return float("inf")
    return ((mine - reference).abs().max() / reference.abs().max().clamp_min(1e-12)).item()
