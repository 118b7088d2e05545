"""How things look: progress, reasons, errors, plans and graphs as text. Told by others; decides nothing."""
