"""The UNet compiled by AOTInductor for the machine at hand. Only the code is stored: the weights are those of unet.pt."""
import ctypes
import pathlib
import platform
import tempfile

import torch

from .compare import LIMIT, difference
from .errors import ExportError

# diffusers' UNets branch on the batch size at 64, and torch.export holds no branch.
MOST_IMAGES = 63
OPTIONS = {
    "aot_inductor.package_constants_in_so": False,
    "always_keep_tensor_constants": True,  # else small weights become numbers in the code
    "aot_inductor.link_libtorch": False,  # the program has LibTorch's symbols; libtorch.so itself would ask for all of CUDA
    "cpp.dynamic_threads": True,  # else the number of threads of this machine is compiled in
}


def compile_network(part, resolution, device, dtype, file):
    """Writes `file` from part.module, for `device` and the type that the program computes in there. -> its entry in prior.json"""
    example = [value.to(device) for value in part.inputs(2 * part.views, resolution)]
    module = part.module.to(device, dtype)
    module.dtype = dtype
    scenes = torch.export.Dim("scenes", min=1, max=MOST_IMAGES // part.views)
    batch = scenes if part.views == 1 else part.views * scenes
    try:
        with torch.no_grad(), tempfile.TemporaryDirectory() as cache, torch._inductor.utils.fresh_cache(dir=cache):
            program = torch.export.export(module, tuple(example), dynamic_shapes=tuple({0: batch} for _ in example))
            torch._inductor.aoti_compile_and_package(program, package_path=str(file), inductor_configs=OPTIONS)
        _compare(part, module, resolution, device, file)
    except ExportError:
        raise
    except Exception as error:  # torch.export and the C++ compiler fail in many ways
        raise ExportError(f"the {part.name} cannot be compiled for {device}", file.name, f"{type(error).__name__}: {error}",
                          "a C++ compiler is needed (g++); without --compile the pack runs all the same") from error
    finally:
        module.dtype = torch.float32
        module.to("cpu", torch.float32)
    return {"file": file.name, "device": device, "dtype": str(dtype).split(".")[-1], "torch": torch.__version__.split("+")[0],
            "max_batch": MOST_IMAGES // part.views * part.views, "cpu_features": cpu_features()}


def _compare(part, module, resolution, device, file):
    """At two other batch sizes, with the weights given to it as the program gives them."""
    ctypes.CDLL(str(pathlib.Path(torch.__file__).parent / "lib" / "libtorch_cpu.so"), ctypes.RTLD_GLOBAL)
    compiled = torch._inductor.aoti_load_package(str(file))
    weights = dict(module.named_parameters()) | dict(module.named_buffers())
    unknown = [name for name in compiled.get_constant_fqns() if name not in weights]
    if unknown:
        raise ExportError(f"the compiled {part.name} holds tensors that are no weights", file.name, ", ".join(unknown[:4]),
                          "leave --compile out")
    compiled.load_constants({name: weights[name].detach() for name in compiled.get_constant_fqns()}, check_full_update=True)
    limit = LIMIT if next(module.parameters()).dtype == torch.float32 else 0.1
    for batch in (1, 3):
        inputs = [value.to(device) for value in part.inputs(batch * part.views, resolution)]
        with torch.no_grad():
            error = difference(compiled(*inputs), module(*inputs))
        if not error <= limit:
            raise ExportError(f"the compiled {part.name} does not answer as the model does", file.name,
                              f"relative difference {error:.2e}, limit {limit}", "leave --compile out")


def cpu_features():
    """The instructions that -march=native may have used."""
    if platform.machine() != "x86_64":
        return []
    for line in pathlib.Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace").splitlines():
        if line.startswith("flags"):
            flags = set(line.split(":", 1)[1].split())
            return sorted(flag for flag in flags if flag.startswith(("sse", "ssse", "avx", "fma", "f16c", "bmi", "amx", "abm", "movbe", "aes",
                                                                     "vaes", "vpclmul", "pclmul", "gfni", "sha_ni", "adx", "popcnt", "cx16")))
    return []
