"""From options to a pack; every unforeseen fault becomes an error in words."""
import logging
import os
import signal
import warnings

import torch

from .errors import ExportError
from .families.base import VIEW_PHRASES
from .pack import export
from .precomputed import read_prompts, with_views
from .source import open_source


def run(options, command):
    """-> (rows of the table, seconds)"""
    quiet()
    # A terminated export cleans up as an interrupted one does.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    prompts = read_prompts(options.prompts, options.prompt)
    options.prompts = with_views(prompts, VIEW_PHRASES) if prompts else []
    try:
        return export(open_source(options.source, options.variant), options.out, options, command)
    except (ExportError, KeyboardInterrupt):
        raise
    except (MemoryError, torch.OutOfMemoryError) as error:
        raise ExportError("not enough memory", options.source, error, "close other programs, or use --dtype float16") from error
    except Exception as error:
        if os.environ.get("DREAMFUSION_DEBUG"):
            raise
        raise ExportError("the export failed", options.source, f"{type(error).__name__}: {error}",
                          "is the model complete? DREAMFUSION_DEBUG=1 shows where in the program it failed") from error


def quiet():
    """The libraries speak of what does not matter here: deprecations, and classes that are not used."""
    import diffusers
    import transformers
    warnings.filterwarnings("ignore")
    for library in (diffusers, transformers):
        library.utils.logging.set_verbosity(logging.CRITICAL)  # their errors arrive as exceptions, too
        library.utils.logging.disable_progress_bar()
    logging.getLogger("torch").setLevel(logging.ERROR)
