"""audit.json as a document: what is said, in which order."""

import json
from collections.abc import Sequence
from typing import Any

from arcinvert.audit.report.document import (
    Block,
    Bullets,
    Code,
    Figure,
    Heading,
    Paragraph,
    Picture,
    Pictures,
    Table,
    Title,
    Verdict,
)
from arcinvert.audit.report.plots import Mark, Series, chart, dumbbells

#: Rows of the ranking that a document shows; the JSON has them all.
_RANKED = 40
_NAMES = {
    "type_2": "attack, Type II (another photograph)",
    "type_1": "attack, Type I (the template's photograph)",
    "mean_face": "floor: mean face",
    "stranger": "floor: another person's reconstruction",
    "ceiling": "ceiling: real photograph",
}


def figure_text(figure: dict[str, Any] | None, *, digits: int = 3) -> str:
    """A figure with its interval; a dash where there is none."""
    if figure is None:
        return "-"
    return f"{figure['value']:.{digits}f} [{figure['low']:.{digits}f}, {figure['high']:.{digits}f}]"


def number_text(value: float | None, digits: int = 3) -> str:
    """A number; a dash where there is none."""
    return "-" if value is None else f"{value:.{digits}f}"


def audit_blocks(result: dict[str, Any], pictures: Sequence[Picture] = ()) -> list[Block]:
    """The report of an audit."""
    blocks = _first_page(result)
    if result["judges"]:
        blocks += _acceptance(result) + _plots(result) + _identification(result)
    blocks += _faces(result)
    if result["defences"]:
        blocks += _defences(result)
    if result["judges"]:
        blocks += _people(result)
    blocks += _pictures(pictures) + _method(result) + _limits(result) + _reproducibility(result)
    return blocks


def _first_page(result: dict[str, Any]) -> list[Block]:
    answer, threat, people = result["answer"], result["threat_model"], result["people"]
    blocks: list[Block] = [
        Title(
            f"Inversion audit of {threat['network']}",
            f"{result['created']}, {result['schema']}, budget {threat['budget']}",
        ),
        Heading("Answer"),
        *(Paragraph(sentence, strong=True) for sentence in answer["sentences"][:2]),
        Verdict(answer["verdict"], answer["reason"]),
    ]
    judges = ", ".join(judge["name"] for judge in result["judges"]) or "none"
    knows = [f"{key.replace('_', ' ')}: {value}" for key, value in threat["knowledge"].items()]
    plural = "s" if threat["samples"] > 1 else ""
    facts = [
        f"Threat model: {threat['claim']}",
        f"What the attack used ({'; '.join(knows)}).",
        f"Strength: {people['attacked']} people, {threat['samples']} reconstruction{plural} each, "
        f"{threat['steps']} steps of gradient descent; nothing that a judge says steers it.",
        f"Judges, none of them attacked: {judges}.",
    ]
    if len(result["judges"]) == 1:
        facts.append("Only one independent judge was at hand; give a second one with --judges.")
    return [*blocks, Bullets(tuple(facts))]


def _acceptance(result: dict[str, Any]) -> list[Block]:
    blocks: list[Block] = [
        Heading("Accepted as the person"),
        Paragraph(
            "SAR at FMR t is the share of reconstructions that a judge accepts at the threshold where "
            "a share "
            "t of pairs of real photographs of different people passes. Type II compares with another "
            "photograph than the template's, and measures identity. Intervals are 95 %, by bootstrap over "
            "identities, 2,000 replicates."
        ),
    ]
    for judge in result["judges"]:
        if judge["sar"]:
            blocks.append(_shares(judge))
        blocks.append(_thresholds(judge))
        refused = [threshold for threshold in judge["thresholds"] if threshold["refused"]]
        blocks += [Paragraph(f"Refused for {judge['name']}: {entry['refused']}.") for entry in refused]
    return blocks


def _shares(judge: dict[str, Any]) -> Table:
    first = next(iter(judge["sar"].values()))
    rows = [
        (
            name,
            *(figure_text(shares[kind]) for shares in judge["sar"].values()),
            str(first[kind]["comparisons"]),
        )
        for kind, name in _NAMES.items()
        if first[kind] is not None
    ]
    return Table(
        f"SAR judged by {judge['name']}, {first['type_2']['identities']} identities",
        ("picture", *(f"FMR {fmr}" for fmr in judge["sar"]), "comparisons"),
        tuple(rows),
    )


def _thresholds(judge: dict[str, Any]) -> Table:
    counts = judge["calibration"]
    rows = [
        (
            f"{entry['fmr']:g}",
            "refused" if entry["refused"] else f"{entry['realised_fmr']:.6f}",
            number_text(entry["threshold"], 4),
            number_text(entry["tar"], 4),
        )
        for entry in judge["thresholds"]
    ]
    caption = (
        f"Thresholds of {judge['name']}: {counts['nonmated']:,} non-mated and {counts['mated']:,} mated "
        "pairs of "
        f"{counts['photographs']:,} photographs of {counts['identities']:,} people outside the attack"
    )
    return Table(caption, ("FMR", "realised FMR", "accepts above", "TAR of real pairs"), tuple(rows))


def _plots(result: dict[str, Any]) -> list[Block]:
    judges = result["judges"]
    blocks: list[Block] = [Heading("Plots")]
    curves = [
        Series(
            judge["name"],
            tuple((point["fmr"], point["sar"]) for point in judge["curve"]),
            tuple((point["low"], point["high"]) for point in judge["curve"]),
        )
        for judge in judges
        if judge["curve"]
    ]
    if curves:
        lowest = min(curve.points[0][0] for curve in curves)
        ends = "; ".join(
            f"{curve.name}: {curve.points[0][1]:.2f} at FMR {curve.points[0][0]:.1g}, "
            f"{curve.points[-1][1]:.2f} at {curve.points[-1][0]:.1g}"
            for curve in curves
        )
        plot = chart(
            curves,
            x_label="false match rate",
            y_label="SAR",
            x=(min(lowest, 0.01), 0.1),
            y=(0, 1),
            log_x=True,
        )
        blocks.append(
            Figure(
                plot,
                "SAR against FMR, Type II, with 95 % bands",
                f"A worthless attack would have SAR = FMR. {ends}.",
            )
        )
    for judge in judges:
        blocks.append(_histogram(judge))
    roc = [
        Series(judge["name"], tuple((point["fmr"], point["tar"]) for point in judge["roc"]))
        for judge in judges
        if judge["roc"]
    ]
    if roc:
        lowest = min(curve.points[0][0] for curve in roc)
        words = "; ".join(
            f"{curve.name}: TAR {curve.points[0][1]:.2f} at {curve.points[0][0]:.1g}" for curve in roc
        )
        plot = chart(roc, x_label="false match rate", y_label="TAR", x=(lowest, 1), y=(0, 1), log_x=True)
        blocks.append(
            Figure(plot, "ROC of the judges on real photographs", f"How good the judges are. {words}.")
        )
    return blocks + [_gap(result, judge) for judge in judges]


def _histogram(judge: dict[str, Any]) -> Figure:
    histogram = judge["histogram"]
    edges = histogram["edges"]
    names = {"nonmated": "strangers", "attack": "reconstructions", "ceiling": "real photographs"}
    series = []
    for kind, name in names.items():
        if kind in histogram:
            points = [(edges[0], 0.0)]
            for low, high, share in zip(edges[:-1], edges[1:], histogram[kind], strict=True):
                points += [(low, share), (high, share)]
            series.append(Series(name, (*points, (edges[-1], 0.0))))
    top = max(y for one in series for _, y in one.points)
    marks = [
        Mark(f"FMR {entry['fmr']:g}", entry["threshold"])
        for entry in judge["thresholds"]
        if entry["threshold"] is not None
    ]
    plot = chart(
        series,
        x_label=f"similarity ({judge['similarity']})",
        y_label="share",
        x=(edges[0], edges[-1]),
        y=(0, top * 1.1),
        marks=marks,
    )
    similarity = judge["similarity_figures"]
    words = (
        f"Means: reconstructions {similarity['type_2']['value']:.3f}, mean face "
        f"{similarity['floor']['value']:.3f}, "
        f"real photographs {similarity['ceiling']['value']:.3f}. Right of a threshold the judge accepts."
    )
    return Figure(plot, f"Similarities, judged by {judge['name']}", words)


def _gap(result: dict[str, Any], judge: dict[str, Any]) -> Figure:
    people = result["identities"]
    step = max(1, -(-len(people) // _RANKED))
    rows = [
        (entry["pseudonym"], one["floor"], one["similarity"], one["ceiling"])
        for entry in people[::step]
        for one in [entry["judges"][judge["name"]]]
    ]
    which = "every identity" if step == 1 else f"one in {step} identities"
    closed = number_text(judge["gap_closed"])
    return Figure(
        dumbbells(
            rows,
            x_label="similarity to another photograph",
            names=("mean face", "reconstruction", "real photograph"),
        ),
        f"Gap per identity, judged by {judge['name']}, {which}, most at risk first",
        f"From what nobody's picture reaches to what a real photograph reaches; over all, {closed} of "
        "it is closed.",
    )


def _identification(result: dict[str, Any]) -> list[Block]:
    rows = []
    for judge in result["judges"]:
        rank = judge["rank"]
        for k in ("1", "5"):
            rows.append(
                (
                    f"{judge['name']}, rank-{k} of {rank['gallery']}",
                    figure_text(rank["attack"][k]),
                    f"{rank['chance'][k]:.4f}",
                    figure_text(rank["mean_face"][k]),
                    figure_text(rank["ceiling"][k]),
                )
            )
    survival = [
        (
            f"{judge['name']}, FMR {fmr}",
            *(figure_text(kinds.get(fmr)) for kinds in judge["survival"].values()),
        )
        for judge in result["judges"]
        for fmr in judge["sar"]
    ]
    header = ("SAR, Type II, after", *next(iter(result["judges"]))["survival"])
    gaps = [
        (f"{judge['name']}, FMR {fmr}", figure_text(figure))
        for judge in result["judges"]
        for fmr, figure in judge["attacked_minus_judge"].items()
    ]
    similarity = [
        (
            judge["name"],
            *(figure_text(judge["similarity_figures"][k]) for k in ("type_1", "type_2", "floor", "ceiling")),
            number_text(judge["gap_closed"]),
        )
        for judge in result["judges"]
    ]
    blocks: list[Block] = [
        Heading("Identity, ranking and survival"),
        Table(
            "Found in a gallery of one photograph a person",
            ("judge", "attack", "chance", "mean face", "real photograph"),
            tuple(rows),
        ),
        Table(
            "Mean similarity, and how much of the way from floor to ceiling is closed",
            ("judge", "Type I", "Type II", "floor", "ceiling", "gap closed"),
            tuple(similarity),
        ),
    ]
    if survival:
        blocks.append(Table("What survives handling", header, tuple(survival)))
    if gaps:
        blocks += [
            Table(
                "SAR in the attacked network's own eyes minus the judge's",
                ("judge", "difference"),
                tuple(gaps),
            ),
            Paragraph("An audit that trusted the attacked network would overstate the attack by this much."),
        ]
    return blocks


def _faces(result: dict[str, Any]) -> list[Block]:
    faces = result["faces"]
    rows = [
        ("face detected, share", figure_text(faces["face_detected"])),
        (
            "attack converged: cosine to the template in the attacked network",
            figure_text(faces["attack_converged"]),
        ),
    ]
    if faces["ssim"] is not None:
        rows.append(("SSIM to the template's photograph", figure_text(faces["ssim"])))
    if faces["lpips"] is not None:
        rows.append(("LPIPS to the template's photograph (lower is nearer)", figure_text(faces["lpips"])))
    blocks: list[Block] = [
        Heading("Faces"),
        Table("The reconstructions as pictures", ("figure", "value [95 %]"), tuple(rows)),
    ]
    if faces["left_out"]:
        blocks.append(Paragraph(f"{faces['left_out']}."))
    distribution = faces["distribution"]
    if distribution is not None:
        among = distribution["diversity_among_samples"]
        table = [
            ("Frechet distance to real faces", distribution["frechet"], distribution["frechet_between_real"]),
            ("kernel distance to real faces", distribution["kernel"], distribution["kernel_between_real"]),
            (
                "diversity between identities",
                distribution["diversity_between_identities"],
                distribution["diversity_between_real"],
            ),
            ("diversity among samples of one identity", among, None),
        ]
        caption = (
            f"Distribution, in the feature space {distribution['feature_space']}: {distribution['images']} "
            f"reconstructions, {distribution['real_images']} real photographs"
        )
        rows3 = tuple((name, number_text(made, 4), number_text(real, 4)) for name, made, real in table)
        blocks.append(Table(caption, ("figure", "reconstructions", "real photographs likewise"), rows3))
    return blocks


def _defences(result: dict[str, Any]) -> list[Block]:
    headline = result["answer"]["headline_fmr"]
    names = [judge["name"] for judge in result["judges"]]
    rows = []
    for entry in result["defences"]:
        rows.append(
            (
                entry["defence"],
                entry["attacker_holds"],
                number_text(entry["template_recovered"]["value"], 2),
                *(
                    f"{figure_text(one['sar'].get(headline), digits=2)}; {number_text(one['gap_closed'], 2)}"
                    for one in (entry["judges"][name] for name in names)
                ),
                figure_text(entry["tar"], digits=3),
                "-"
                if entry["linkability"] is None
                else f"{entry['linkability']:.2f} ({entry['linkability_floor']:.2f})",
            )
        )
    count = result["defences"][0]["identities"]
    return [
        Heading("Defences"),
        Paragraph(
            f"The same attack, the same {count} people and steps in every row. Keyed defences are "
            "attacked by who "
            "holds the key too, and their TAR is measured with one key for everybody, as if it were stolen. "
            "Template recovered is the cosine of what the attacker inverts to the template. D_sys says "
            "how well two records of one person under different keys can be linked, from 0 "
            "to 1; in "
            "brackets, what chance gives with so few pairs."
        ),
        Table(
            f"Defences: what the attack still makes and what they cost (FMR {headline or 'refused'})",
            (
                "defence",
                "attacker holds",
                "template recovered",
                *(f"SAR; gap closed ({name})" for name in names),
                f"TAR at FMR {result['defences'][0]['tar_fmr']:g}",
                "D_sys (chance)",
            ),
            tuple(rows),
        ),
    ]


def _people(result: dict[str, Any]) -> list[Block]:
    headline = result["answer"]["headline_fmr"]
    names = [judge["name"] for judge in result["judges"]]
    rows = []
    for place, entry in enumerate(result["identities"][:_RANKED], 1):
        accepted = [entry["judges"][name]["accepted"].get(headline) for name in names]
        rows.append(
            (
                f"{place}. {entry['pseudonym']}",
                f"{entry['risk']:.2g}",
                *(number_text(entry["judges"][name]["similarity"]) for name in names),
                *("-" if share is None else f"{share:.0%}" for share in accepted),
            )
        )
    header = (
        "identity",
        "a stranger does as well in",
        *(f"similarity, {name}" for name in names),
        *(f"accepted, {name}" for name in names),
    )
    more = len(result["identities"]) - len(rows)
    blocks: list[Block] = [
        Heading("People at risk"),
        Paragraph(
            "Names are salted hashes; the key file, which is not part of the report, resolves them. "
            "Risk is the "
            "share of strangers' photographs that are as similar as the reconstruction, the geometric "
            "mean over "
            "judges and samples: the smaller, the "
            f"worse.{f' {more} more are in audit.json.' if more > 0 else ''}"
        ),
        Table("Ranking by risk", header, tuple(rows)),
    ]
    if result["subgroups"]:
        group_rows = [
            (
                f"{entry['grouping']}: {entry['group']}",
                str(entry["identities"]),
                *(
                    "too few to tell" if entry["sar"] is None else figure_text(entry["sar"][name])
                    for name in names
                ),
            )
            for entry in result["subgroups"]
        ]
        blocks.append(
            Table(
                f"Subgroups, SAR at FMR {headline}",
                ("group", "identities", *(f"SAR, {name}" for name in names)),
                tuple(group_rows),
            )
        )
    return blocks


def _pictures(pictures: Sequence[Picture]) -> list[Block]:
    if not pictures:
        return [
            Heading("Pictures"),
            Paragraph("Pictures are hidden; --pictures reconstructions or all shows some of them."),
        ]
    caption = (
        "The most, the middle and the least at risk. A reconstruction shows what a network knows, not what a "
        "person looks like; it is biometric data all the same."
    )
    return [Heading("Pictures"), Pictures(caption, tuple(pictures))]


def _method(result: dict[str, Any]) -> list[Block]:
    people = result["people"]
    rows = []
    for judge in result["judges"]:
        overlap = judge["overlap"]["attacked"]
        known = "unknown" if overlap["known"] is None else f"{overlap['known']} of {overlap['of']}"
        rows.append((judge["name"], judge["similarity"], judge["data"], f"{known}: {overlap['why']}"))
    blocks: list[Block] = [Heading("Method")]
    if rows:
        blocks.append(
            Table("Judges", ("judge", "similarity", "trained on", "attacked people among them"), tuple(rows))
        )
    items = [
        "Each photograph is aligned to 112x112 pixels by five points; the attack sees templates or "
        "class centres "
        "alone, and neither judges nor photographs steer it or choose among its results.",
        "A judge's thresholds come from pairs of real photographs of people outside the attack; a "
        "false match "
        "rate is refused where fewer than 3 / FMR pairs support it.",
        "Pairs share photographs, so that the thresholds are less certain than as many independent "
        "pairs were.",
        "Survival: JPEG at quality 50; Gaussian blur of 1.5 pixels; 10 % of each side cut away.",
    ]
    if people["avoided"]:
        items.append(
            f"{people['avoided']} people that trained the attacked network or a judge were kept out of the "
            "calibration, and of the attack unless class centres are attacked."
        )
    if people["skipped"]:
        items.append(f"{len(people['skipped'])} photographs were skipped: unreadable, or no face found.")
    return [*blocks, Bullets(tuple(items))]


def _limits(result: dict[str, Any]) -> list[Block]:
    items = [
        "One attack of one strength: a stronger one, a learned inverter or a generative prior, may do "
        "better. A low "
        "figure is no proof of safety.",
        "The judges stand for recognisers that an impostor would face; another one may accept more or "
        "less, and "
        "none of them checks for liveness.",
        "The figures hold for people like those attacked here.",
        "Defences are attacked by one plain estimate each; who designs an attack for one of them may "
        "do better.",
    ]
    if result["faces"]["distribution"] is not None:
        items.append(
            "Frechet distances of few images are biased upwards: compare them with the real one beside."
        )
    return [Heading("Limits"), Bullets(tuple(items))]


def _reproducibility(result: dict[str, Any]) -> list[Block]:
    facts = result["reproducibility"]
    network = facts["attacked"]
    environment = ", ".join(f"{key} {value}" for key, value in facts["environment"].items())
    libraries = ", ".join(f"{name} {number}" for name, number in facts["libraries"].items())
    hashes = [f"{judge['name']}: {judge['sha256']}" for judge in result["judges"] if judge["sha256"]]
    return [
        Heading("Reproducibility"),
        Bullets(
            (
                f"Attacked: {network['name']}, SHA-256 {network['sha256']}, {network['dimensions']} "
                "dimensions.",
                *(f"Judge, SHA-256 of {line}." for line in hashes),
                f"Attack: recipe {facts['attack_options']['recipe']}, loss {facts['loss']}, "
                f"parametrisation {facts['parametrisation']}, seed {facts['options']['seed']}.",
                f"Environment: {environment}.",
                f"Libraries: {libraries}.",
                "The same options on the same photographs, machine and libraries give the same "
                "figures: write the "
                "lines below to audit.toml, and run: arcinvert audit --config audit.toml --out DIR",
            )
        ),
        Code(options_toml(facts["options"])),
    ]


def options_toml(options: dict[str, Any]) -> str:
    """Options as the TOML that `--config` reads; those without a value are left out."""
    lines = [
        f"{name} = {json.dumps(value)}"
        for name, value in options.items()
        if value is not None and name != "attack"
    ]
    if options["attack"]:
        lines += [
            "",
            "[attack]",
            *(f"{name} = {json.dumps(value)}" for name, value in options["attack"].items()),
        ]
    return "\n".join(lines)
