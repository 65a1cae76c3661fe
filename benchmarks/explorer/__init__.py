"""The explorer in a real Chromium: how soon a map is painted, a click answered; and how good a layout is."""
