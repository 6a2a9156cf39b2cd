"""Bugs that people really shipped, a folder each. To add one: write the folder, name it here.

May import: all that orderings are made of, the shipped ones, and what is explored.
"""

from chunk7.field_cases import codeframe_757
from chunk7.simulator.explore.field_case import FieldCase

FIELD_CASES: dict[str, FieldCase] = {case.name: case for case in (codeframe_757.CASE,)}
