"""The configuration: control files, cdb databases, rules, and the table of all their names."""
