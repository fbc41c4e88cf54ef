"""Tasks: a noun, and the ways to read, cut and check one.

``task`` is the noun; ``source`` says where rows come from and how they are cut; ``readers`` read formats; ``rendering`` and
``labels`` make rows; ``texts`` says what the same text is, ``splits`` what stays together, ``placement`` who goes where,
``caps`` who stays; ``load`` does all of it; ``checks`` says what is worth knowing before anything is trained.
"""
