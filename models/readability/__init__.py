"""BERT that scores how easy a text is to read."""
