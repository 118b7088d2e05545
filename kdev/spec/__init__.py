"""What the user wrote: YAML with positions, versions, variables and profiles in; typed, frozen values out."""
