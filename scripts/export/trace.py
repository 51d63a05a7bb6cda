"""TorchScript of a module by tracing, such that it runs on any device, and what a loader on a CPU makes of it."""
import shutil
import tempfile
import warnings
import zipfile

import torch

from .errors import ExportError

HALVES = {5: torch.float16, 15: torch.bfloat16}  # a dtype's number in TorchScript
FLOAT = 6


def trace(module, inputs):
    """The module as TorchScript; the inputs only show the way, their sizes, values and device are not kept."""
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the tracer warns of each Python comparison of sizes; the checks after saving tell if one mattered
        script = torch.jit.trace(module, inputs, check_trace=False)
    for part, graph in _graphs(script):
        _follow_device(part, graph)
    left = baked(script)
    if left:
        raise ExportError("a traced module holds what only fits the machine that it was made on", type(module).__name__,
                          "; ".join(left[:4]), "this is a fault of the exporter: please report it with the model's name")
    return script


def save(script, file):
    """Without the debug records, which name the files of the machine that traced, and are most of a small module."""
    with tempfile.NamedTemporaryFile(dir=file.parent, suffix=".pt") as temporary:
        script.save(temporary.name)
        strip(temporary.name, file)


def strip(source, target):
    with zipfile.ZipFile(source) as whole, zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as out:
        for entry in whole.infolist():
            if entry.filename.endswith(".debug_pkl"):
                continue
            kept = zipfile.ZipInfo(entry.filename)  # its date is 1980: the same module makes the same file
            kept.file_size = entry.file_size
            with whole.open(entry) as reader, out.open(kept, "w") as writer:
                shutil.copyfileobj(reader, writer, 1 << 24)


def baked(script):
    """What in the graphs is tied to one device: device constants that are used, and constant tensors with more than one number."""
    found = []
    for _, graph in _graphs(script):
        for node in _nodes(graph):
            found += [f"{node.kind()} on a device of its own" for _ in _device_arguments(node)]
            for value in node.inputs():
                if _is_constant(value, "Tensor") and value.node().t("value").dim() > 0:
                    found.append(f"{node.kind()} with a constant tensor {list(value.node().t('value').shape)}")
    return found


def _graphs(script):
    for part in script.modules():
        for name in part._c._method_names():
            yield part, part._c._get_method(name).graph


def _nodes(block):
    for node in block.nodes():
        yield node
        for inner in node.blocks():
            yield from _nodes(inner)


def _is_constant(value, kind):
    """kind: Device, Tensor or int."""
    if value.node().kind() != "prim::Constant":
        return False
    if kind == "Tensor":
        return value.node().hasAttribute("value") and value.node().kindOf("value") == "t"
    return value.type().str() == kind


def _follow_device(part, graph):
    """Tensors that the trace would make on the tracing machine's device are made where the module's weights are."""
    users = [(node, position) for node in _nodes(graph) for position in _device_arguments(node)]
    if not users:
        return
    device = _device_of(part, graph)
    for node, position in users:
        node.replaceInput(position, device)
    torch._C._jit_pass_dce(graph)


def _device_arguments(node):
    """Positions of the arguments that tie an operator to a device: a constant one, or none where no other tensor decides."""
    values = list(node.inputs())
    found = [i for i, value in enumerate(values) if _is_constant(value, "Device")]
    if not found and node.kind().startswith("aten::") and node.schema() != "(no schema)":
        if not any(isinstance(value.type(), torch._C.TensorType) for value in values):
            names = [argument.name for argument in torch._C.parse_schema(node.schema()).arguments]
            found = [i for i, name in enumerate(names) if name == "device" and values[i].node().mustBeNone()]
    return found


def _device_of(part, graph):
    """A new value at the head of the graph: the device of a weight, or of an input where the module has no weights.
    Not of just any input: between modules the tracer passes sizes as tensors, which stay on the CPU."""
    nodes, names = [], next(iter(dict(part.named_parameters())), None) or next(iter(dict(part.named_buffers())), None)
    if names is not None:
        value, owner = next(graph.inputs()), part
        for name in names.split("."):
            node = graph.create("prim::GetAttr", [value], 1)
            node.s_("name", name)
            owner = getattr(owner, name)
            node.output().setType(owner._c._type() if isinstance(owner, torch.nn.Module) else torch._C.TensorType.get())
            nodes.append(node)
            value = node.output()
    else:
        tensors = [value for value in graph.inputs() if isinstance(value.type(), torch._C.TensorType) and value.type().dim()]
        if not tensors:
            raise ExportError("a traced module makes tensors, but has neither weights nor inputs", type(part).__name__)
        value = tensors[0]
    device = graph.create("prim::device", [value], 1)
    device.output().setType(torch._C.DeviceObjType.get())
    nodes.append(device)
    for node in reversed(nodes):
        graph.prependNode(node)
    return device.output()


def load_in_float32(file):
    """A saved module as the program has it on a CPU: weights, constants and every dtype that the graph names become float32."""
    script = torch.jit.load(str(file), map_location="cpu").eval()
    for tensor in list(script.parameters()) + list(script.buffers()):
        if tensor.is_floating_point():
            tensor.data = tensor.data.float()
    for _, graph in _graphs(script):
        wide = None
        for node in list(_nodes(graph)):
            for position in _half_arguments(node):
                if wide is None:
                    wide = graph.insertConstant(FLOAT)
                    wide.node().moveBefore(next(graph.nodes()))
                node.replaceInput(position, wide)
    return script


def _half_arguments(node):
    """Positions of the dtype arguments of an operator that say float16 or bfloat16."""
    positions = [i for i, value in enumerate(node.inputs()) if _is_constant(value, "int") and value.toIValue() in HALVES]
    if not positions or node.schema() == "(no schema)":
        return []
    names = [argument.name for argument in torch._C.parse_schema(node.schema()).arguments]
    return [i for i in positions if names[i] == "dtype"]
