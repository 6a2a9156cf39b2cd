"""The front door: the `chunk7` command, and the import root of all folders beside this one."""
