"""The commands of `arcinvert`, one module each.

A module has `add_parser(commands)`, which adds its parser to the subparsers and sets the parser's default
`run`: a function from parsed arguments to an exit code. Importing a module does not import torch. Commands of
other packages, such as the page's `arcinvert app`, are found by the entry points of the group
`arcinvert.commands`.
"""
