"""What the runs of a store say, in one line: read, tabulate, measure, render, write.

`runs` reads them into a frame; `aggregate`, `boards` and `masking` sort it into tables, boards and
curves; `evidence` fills in what rests on bootstrap replicates, and nobody opens the store again.
`curves`, `curve_tables` and `exports` give plain data, `render` pages of templates, and
`leaderboard`, which calls all of them in this order, writes the files.
"""
