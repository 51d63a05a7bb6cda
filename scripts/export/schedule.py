"""The table of alphas_cumprod and the prediction type out of a scheduler's configuration."""
import math

import numpy as np

from .errors import ExportError

PREDICTIONS = {"epsilon": "epsilon", "v_prediction": "v", "sample": "sample"}
# What diffusers, too, puts in place of the zero that a rescaled table ends in.
SMALLEST = 2.0 ** -24


def noise_schedule(config, where):
    """-> (prediction, table of alphas_cumprod), computed in double precision."""
    if "Flow" in str(config.get("_class_name")):
        raise ExportError("flow-matching models cannot be exported", where, config["_class_name"], "choose a model with a noise schedule of betas")
    prediction = config.get("prediction_type", "epsilon")
    if prediction not in PREDICTIONS:
        raise ExportError("unknown prediction type", where, f'"prediction_type": "{prediction}"', "expected " + ", ".join(PREDICTIONS))
    alphas = np.cumprod(1.0 - _betas(config, where))
    if config.get("rescale_betas_zero_snr"):
        roots = np.sqrt(alphas)
        alphas = ((roots - roots[-1]) * roots[0] / (roots[0] - roots[-1])) ** 2
        alphas[-1] = min(SMALLEST, alphas[-2] / 2)
    if not (np.all(alphas > 0) and alphas[0] < 1 and np.all(np.diff(alphas) < 0)):
        raise ExportError("the noise schedule does not fall strictly between 1 and 0", where,
                          f"{alphas[0]:.6g} … {alphas[-1]:.6g}", "the scheduler's configuration is damaged or of an unknown kind")
    return PREDICTIONS[prediction], alphas.tolist()


def _betas(config, where):
    count = int(config.get("num_train_timesteps", 1000))
    if config.get("trained_betas") is not None:
        return np.asarray(config["trained_betas"], dtype=np.float64)
    start, end = float(config.get("beta_start", 1e-4)), float(config.get("beta_end", 0.02))
    kind = config.get("beta_schedule", "linear")
    if kind == "linear":
        return np.linspace(start, end, count)
    if kind == "scaled_linear":
        return np.linspace(math.sqrt(start), math.sqrt(end), count) ** 2
    if kind == "squaredcos_cap_v2":
        bar = np.cos((np.arange(count + 1) / count + 0.008) / 1.008 * math.pi / 2) ** 2
        return np.minimum(1.0 - bar[1:] / bar[:-1], 0.999)
    raise ExportError("unknown noise schedule", where, f'"beta_schedule": "{kind}"', "expected linear, scaled_linear or squaredcos_cap_v2")
