"""The subcommands of `chunk7`, one file each: parse, call, print.

To add one: write `add_parser(subparsers)` and `run(args)` in a file here and name it in
`chunk7.cli.COMMANDS`.
"""
