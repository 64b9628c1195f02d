"""How much of a template each defence's adversary recovers, beside an attacker without a prior.

    python -m benchmarks.defence_attackers --photos ../shared/data/lfw/images
    python -m benchmarks.defence_attackers --photos ../shared/data/lfw/images --key-bits 12

The bundled network was trained on none of the people: 60 of the attacked third are protected with a key each,
and 250 of the others are public faces. Whoever holds the network has its class centres too. `--model` takes
another network; `--centres` takes class centres in place of templates. The cosine is that of the estimate to
the template; its interval is over people. The attacker without a prior holds the key, and does what the
publications of each defence do: pads, projects back, or searches for any template that gives the record.

With `--key-bits`, keys are numbers of so many bits, as in toolboxes that draw them below a million, and one
more attacker tries them all on each person's single record; the share of keys that are found is printed too.
"""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from arcinvert.audit.adversary import other_centres
from arcinvert.audit.defences import DEFENCES, make_defence
from arcinvert.audit.defences.base import Adversary, TemplateDefence, unit_norm
from arcinvert.audit.defences.biohashing import BioHashing
from arcinvert.audit.defences.key_search import search_keys
from arcinvert.audit.defences.mlp_hash import MlpHash
from arcinvert.audit.defences.polyprotect import PolyProtect
from arcinvert.audit.defences.projection import Projection
from arcinvert.audit.defences.scores import ScoreOnly
from arcinvert.evaluation.similarity import Array, similarity
from benchmarks.people import attacked_people, calibration_people, choose
from recognition.checkpoint import load_notes
from recognition.data.faces import read_face
from recognition.data.folders import read_folders
from recognition.images import to_tensor
from recognition.loading import BUNDLED, bundled_path, load
from recognition.metrics.intervals import estimate
from recognition.recogniser import EMBEDDING_BATCH, Recogniser, embed
from recognition.runtime import keep_freed_memory
from recognition.seeds import derive_seed

SEED = 0
#: The people who are attacked, and the public faces.
PEOPLE, PUBLIC = 60, 250
#: Steps of the search for any template that gives a record of MLP-Hash.
_SEARCH_STEPS = 200
#: The defences of the table.
ROWS = (
    "noise:1",
    "quantisation:1",
    "quantisation:2",
    "truncation:0.25",
    "projection:0.25",
    "biohashing:0.25",
    "mlp-hash:1",
    "polyprotect:0",
    "polyprotect:2",
    "polyprotect:4",
    "scores:1",
    "scores:2",
)


@dataclass(frozen=True)
class Templates:
    """Unit-norm templates of people, and of other people.

    Args:
        attacked: Shape (people, dim).
        public: Shape (faces, dim).
        centres: Shape (classes, dim), the network's class centres; None where they are attacked, or missing.
    """

    attacked: Array
    public: Array
    centres: Array | None = None


def photographed(
    recogniser: Recogniser, photos: Path, people: int = PEOPLE, public: int = PUBLIC
) -> Templates:
    """Return templates of the first photograph of people whom the bundled network was not trained on.

    Args:
        recogniser: The network.
        photos: LFW, photographs or aligned crops: a folder of one folder for each identity.
        people: How many are attacked.
        public: How many others are public faces.
    """
    folders = read_folders(photos)
    held_out = [name for name in load_notes(bundled_path())["split"]["held_out"] if name in folders]
    attacked = choose(attacked_people(held_out), people, SEED)
    others = choose(calibration_people(held_out), public, SEED)
    crops = torch.stack([to_tensor(read_face(folders[name][0])) for name in attacked + others])
    rows = embed(recogniser, crops.split(EMBEDDING_BATCH)).astype(np.float64)
    return Templates(rows[: len(attacked)], rows[len(attacked) :], other_centres(recogniser, attacked))


def centres_of(recogniser: Recogniser, people: int = PEOPLE, public: int = PUBLIC) -> Templates:
    """Return class centres in place of templates: some attacked, others public."""
    if recogniser.centres is None:
        raise SystemExit(f"{recogniser.name}: expected class centres, found none")
    rows = unit_norm(recogniser.centres.double().cpu().numpy())
    order = np.random.default_rng(SEED).permutation(len(rows))
    return Templates(rows[order[:people]], rows[order[people : people + public]])


def keys_of(people: int, bits: int | None = None) -> list[int]:
    """Return a key for each person, of so many bits if given."""
    keys = [derive_seed(SEED, "key", number) for number in range(people)]
    return keys if bits is None else [key % 2**bits for key in keys]


def without_prior(defence: TemplateDefence, protected: Array, keys: Sequence[int], known: Adversary) -> Array:
    """Return estimates, (n, dim), of an attacker who inverts a defence without any prior of templates."""
    if isinstance(defence, ScoreOnly):
        shown = known.queries(defence.QUERIES)
        scores = np.round(protected @ shown.T, int(defence.strength))
        squares = shown.T @ shown + 1e-3 * np.eye(known.dim)
        return unit_norm(np.linalg.solve(squares, (scores @ shown).T).T)
    if isinstance(defence, Projection | BioHashing):
        pairs = zip(protected, keys, strict=True)
        return unit_norm(np.stack([row @ defence.directions(key, known.dim) for row, key in pairs]))
    if isinstance(defence, PolyProtect):
        pairs = zip(protected, keys, strict=True)
        return unit_norm(np.stack([_smallest(defence, row, key, known.dim) for row, key in pairs]))
    if isinstance(defence, MlpHash):
        pairs = zip(protected, keys, strict=True)
        return unit_norm(np.stack([_of_these_bits(defence, row, key, known.dim) for row, key in pairs]))
    return np.pad(protected, ((0, 0), (0, known.dim - protected.shape[1])))


def _of_these_bits(defence: MlpHash, protected: Array, key: int, dim: int) -> Array:
    """Return a template of MLP-Hash's record by gradient steps from a random one."""
    weights = [torch.from_numpy(layer) for layer in defence.weights(key, dim)]
    signs = torch.from_numpy(np.sign(protected))
    start = np.random.default_rng(key).normal(size=dim)
    template = torch.from_numpy(start / np.linalg.norm(start)).requires_grad_()
    optimiser = torch.optim.Adam([template], lr=0.01)
    for _ in range(_SEARCH_STEPS):
        features = template / template.norm()
        for layer in weights[:-1]:
            features = torch.relu(layer @ features)
        outputs = weights[-1] @ features
        outputs = outputs - outputs.mean()
        loss = torch.nn.functional.softplus(-signs * outputs / outputs.std().detach()).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return template.detach().numpy()


def _smallest(defence: PolyProtect, protected: Array, key: int, dim: int) -> Array:
    """Return a template of PolyProtect's record by damped Gauss-Newton steps from zero."""
    coefficients, exponents = defence.key_parameters(key)
    runs = defence.runs(dim)
    template = np.zeros(max(dim, int(runs.max()) + 1))
    for _ in range(30):
        values = template[runs]
        missing = protected - (coefficients * values**exponents).sum(-1)
        jacobian = np.zeros((len(runs), len(template)))
        slopes = coefficients * exponents * values ** (exponents - 1)
        np.put_along_axis(jacobian, runs, slopes, axis=1)
        template[:dim] += 0.7 * np.linalg.lstsq(jacobian[:, :dim], missing, rcond=1e-6)[0]
    return template[:dim]


def recovered(estimates: Array, templates: Array) -> Array:
    """Return the cosine of each estimate to its template."""
    return similarity(unit_norm(estimates), templates, "cosine")


def recovered_with_key(defence: TemplateDefence, templates: Templates) -> Array:
    """Return the cosines that the adversary with the key and a prior recovers, one for each person."""
    keys = keys_of(len(templates.attacked))
    known = Adversary(templates.attacked.shape[1], templates.public, templates.centres)
    estimates = defence.recover(defence.protect(templates.attacked, keys), keys, known)
    return recovered(estimates, templates.attacked)


def rows_of(
    defence: TemplateDefence, templates: Templates, bits: int | None = None
) -> Iterator[tuple[str, Array, Array]]:
    """Yield what each adversary knows, the cosines recovered, and those recovered without a prior.

    The last ones are always those of an attacker with the key. A row is computed when it is taken.

    Args:
        defence: The defence.
        templates: Who is attacked, and public faces.
        bits: The bits of the keys, which one more adversary tries out; None makes keys of 63 bits.
    """
    attacked = templates.attacked
    dim, keys = attacked.shape[1], keys_of(len(attacked), bits)
    protected = defence.protect(templates.attacked, keys)
    informed = Adversary(dim, templates.public, templates.centres)
    everything = "public faces" if templates.centres is None else "public faces, class centres"
    others = {"public faces": Adversary(dim, templates.public)}
    if templates.centres is not None:
        others["class centres"] = Adversary(dim, templates.public[:0], templates.centres)
    others.pop(everything, None)
    blind = Adversary(dim, templates.public[:0])
    old = recovered(without_prior(defence, protected, keys, informed), attacked)
    key = "key" if defence.keyed else "record" if defence.stored else "scores"
    yield f"{key}, {everything}", recovered(defence.recover(protected, keys, informed), attacked), old
    for known, adversary in others.items():
        yield f"{key}, {known}", recovered(defence.recover(protected, keys, adversary), attacked), old
    if defence.stored:
        yield f"{key} alone", recovered(defence.recover(protected, keys, blind), attacked), old
    if defence.keyed:
        found = recovered(defence.recover_without_key(protected, informed), attacked)
        yield f"{everything}, no key", found, old
        yield f"{everything}, no key; the better sign", np.abs(found), old
        if bits is not None:
            likeliest = search_keys(defence, protected, range(2**bits), informed).tolist()
            right = float(np.mean([one == key for one, key in zip(likeliest, keys, strict=True)]))
            found = recovered(defence.recover(protected, likeliest, informed), attacked)
            yield f"{everything}, a key of {bits} bits: {right:.2f} of the keys found", found, old


def cell(values: Array) -> str:
    """Return a mean with its interval."""
    figure = estimate(values, list(range(len(values))))
    return f"{figure.value:.3f} [{figure.low:.3f}, {figure.high:.3f}]"


def main() -> None:
    """Parse the command line and run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--photos", type=Path, help="LFW: a folder of one folder for each identity")
    parser.add_argument("--centres", action="store_true", help="take class centres in place of templates")
    parser.add_argument("--model", default=BUNDLED, help="the network (default: %(default)s)")
    parser.add_argument(
        "--people", type=int, default=PEOPLE, help="the people who are attacked (default: %(default)s)"
    )
    parser.add_argument("--public", type=int, default=PUBLIC, help="the public faces (default: %(default)s)")
    parser.add_argument("--rows", nargs="+", default=ROWS, help="the defences (default: all of the table)")
    parser.add_argument("--key-bits", type=int, help="the bits of each key, which are tried out, 1 to 20")
    options = parser.parse_args()
    if options.key_bits is not None and not 1 <= options.key_bits <= 20:
        parser.error(f"--key-bits: expected 1 to 20, got {options.key_bits}")
    if options.centres == (options.photos is not None):
        parser.error("expected --photos FOLDER or --centres")
    keep_freed_memory()
    recogniser = load(options.model)
    if options.centres:
        templates = centres_of(recogniser, options.people, options.public)
    else:
        templates = photographed(recogniser, options.photos, options.people, options.public)
    print("| defence | attack | attacker knows | recovered cosine | without a prior |")
    print("|---|---|---|---|---|")
    for text in options.rows:
        defence = make_defence(text)
        if not isinstance(defence, TemplateDefence):
            parser.error(f"{text}: expected a defence of templates, one of {', '.join(DEFENCES)}")
        for known, new, old in rows_of(defence, templates, options.key_bits):
            print(
                f"| {defence.label} | {defence.attacker} | {known} | {cell(new)} | {cell(old)} |", flush=True
            )
    dim = templates.public.shape[1]
    prior = " and ".join(Adversary(dim, templates.public, templates.centres).sources())
    print(f"{len(templates.attacked)} people; {prior}; {recogniser.name}, {dim} dimensions")


if __name__ == "__main__":
    main()
