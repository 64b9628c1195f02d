"""`arcinvert audit`: can templates or class centres be turned into faces that another recogniser accepts?

Options (`options`) and opened inputs (`inputs`) give a plan (`plan`) and a cohort (`cohort`). The work is
done unit by unit on disk (`pipeline`, `cache`, `units`), defences are compared (`comparison`, `defences`),
and what was found (`findings`) becomes one JSON description (`assemble`) and its report (`report`).
`runner.run_audit` does it all.
"""
