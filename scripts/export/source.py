"""A folder in diffusers' layout: which pipeline it is, and which class each of its components says it has."""
import json
import pathlib
import re

from .errors import ExportError
from .weights import check_weights

HUB_ID = re.compile(r"^[\w.-]+/[\w.-]+$")


def read_json(file):
    try:
        content = json.loads(pathlib.Path(file).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ExportError("a file of the model is missing", file, "no such file", "download the model again") from None
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ExportError("a file of the model cannot be read as JSON", file, f"{_head(file)}: {error}",
                          "download the file again (with git: `git lfs pull`)") from None
    if not isinstance(content, dict):
        raise ExportError("a file of the model holds no JSON object", file, type(content).__name__, "download the file again")
    return content


def _head(file):
    try:
        head = pathlib.Path(file).read_bytes()[:24]
    except OSError:
        return "unreadable"
    return repr(head.decode("utf-8", "replace")) if head else "an empty file"


class Source:
    """The folder of one pipeline. Nothing is loaded before `check` has looked at every file that will be needed."""

    def __init__(self, folder, name=None, variant=None):
        self.folder = pathlib.Path(folder)
        self.name = name or self.folder.resolve().name
        self.variant = variant
        if not self.folder.is_dir():
            raise ExportError("the source is not a folder", self.folder, "a file",
                              "a single checkpoint file must first be converted with diffusers: "
                              "StableDiffusionPipeline.from_single_file(FILE).save_pretrained(FOLDER)")
        index = self.folder / "model_index.json"
        if not index.exists():
            files = sorted(entry.name for entry in self.folder.iterdir())
            raise ExportError("the source is not a model in diffusers' folder layout", self.folder,
                              "no model_index.json" + (f", only: {', '.join(files[:8])}" if files else "; the folder is empty"),
                              "give the folder that holds model_index.json, unet/, scheduler/ and so on")
        self.index = read_json(index)
        self.pipeline = str(self.index.get("_class_name", ""))

    def component_class(self, part):
        """The class name that model_index.json gives a component; "" where it has none."""
        entry = self.index.get(part)
        return str(entry[1]) if isinstance(entry, list) and len(entry) == 2 and entry[1] else ""

    def path(self, part):
        return self.folder / part

    def config(self, part, file="config.json"):
        return read_json(self.path(part) / file)

    def check(self, part, classes, weights=True):
        """A component must be there, of a class that can be exported, its weight files whole. -> its variant ("" or "fp16")."""
        name = self.component_class(part)
        if not name:
            raise ExportError(f"the model has no {part}", self.folder / "model_index.json",
                              f'"{part}": {json.dumps(self.index.get(part))}', f"{self.pipeline} needs one; choose a complete model")
        if name not in classes:
            raise ExportError(f"the {part} is of a class that cannot be exported", self.folder / "model_index.json", name,
                              f"expected {' or '.join(classes)}")
        if not self.path(part).is_dir():
            raise ExportError(f"the model's {part} is missing", self.path(part), "no such folder", "download the whole model again")
        return check_weights(self.path(part), self.variant) if weights else ""

    def license(self):
        """From the front matter of the model card, else words that say where to look."""
        card = self.folder / "README.md"
        try:
            text = card.read_text(encoding="utf-8", errors="replace")
        except OSError:
            return "unknown: see the source"
        front = re.match(r"^\ufeff?---\s*\n(.*?)\n---", text, re.S)
        found = dict(re.findall(r"^(license(?:_name)?):[ \t]*['\"]?([^'\"\n]+?)['\"]?[ \t]*$", front.group(1), re.M)) if front else {}
        if found.get("license") == "other" and found.get("license_name"):
            return found["license_name"]
        return found.get("license") or "unknown: see the source"


def open_source(source, variant=None):
    """A folder as it is, without the network; or what the user's own diffusers makes of a hub id."""
    path = pathlib.Path(source)
    if path.exists():
        return Source(path, variant=variant)
    if not HUB_ID.match(source) or source.startswith((".", "/", "~")):
        raise ExportError("there is no such folder", source, "nothing", "give the folder of a downloaded model (or a hub id: owner/name)")
    return Source(_download(source, variant), name=source.split("/")[-1], variant=variant)


def _download(hub_id, variant):
    import diffusers
    import huggingface_hub
    try:
        folder = diffusers.DiffusionPipeline.download(hub_id, variant=variant)
    except Exception as error:  # whatever the hub's client throws, the user needs the same advice
        raise ExportError("the model could not be downloaded", hub_id, f"{type(error).__name__}: {error}",
                          "check the id and the network, and log in for gated models (`hf auth login`); a pipeline that diffusers has no class "
                          f"for (MVDream) must be downloaded by hand: hf download {hub_id} --local-dir FOLDER") from None
    try:
        huggingface_hub.hf_hub_download(hub_id, "README.md")  # its licence; it comes to lie in the same folder
    except Exception:  # not every model has a card
        pass
    return folder
