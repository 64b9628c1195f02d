"""`arcinvert export`: a network as other projects read it."""

import argparse

from arcinvert.cli.model_options import add_choice_options, take_model


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """The command's options."""
    parser = commands.add_parser("export", help="save a network in arcface_torch's format or as ONNX")
    parser.add_argument("model", metavar="MODEL", help="as --model of the attacks")
    parser.add_argument(
        "out",
        metavar="OUT",
        help=".pt or .pth: the backbone's state dict; checkpoint_gpu_0.pt: with class centres; .onnx",
    )
    add_choice_options(parser)
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    from recognition.export import export
    from recognition.loading import load

    recogniser = load(take_model(vars(options)))
    export(recogniser, options.out)
    print(f"Wrote {options.out} ({recogniser.name})")
    return 0
