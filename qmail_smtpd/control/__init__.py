"""The configuration: control files, cdb databases, tcpserver's rules, and the table of all variables and files."""
